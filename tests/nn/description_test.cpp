#include <gtest/gtest.h>

#include <leaven/train/network.hpp>
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using train::Network;
using train::Part;

const ImageShape kInput{1, 28, 28, 1};

Network make(const std::string& description, const ImageShape& input = kInput) {
  return Network({.description = description, .input = input}, Stream::cpu());
}

std::string error_of(const std::string& description, const ImageShape& input = kInput) {
  return message_of<InvalidArgument>([&] { make(description, input); });
}

TEST(Description, NamesLayersByKindAndGivesTheirShapes) {
  const Network network = make("conv 8; bn; relu; maxpool; conv 16 kernel=5 stride=2; flatten; dropout 0.3; linear 10");
  const auto layers = network.layers();
  ASSERT_EQ(layers.size(), 8u);
  const std::vector<std::string> names{"conv1", "bn1", "relu1", "maxpool1", "conv2", "flatten1", "dropout1", "linear1"};
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(layers[i].name, names[i]);
  EXPECT_EQ(layers[0].output, (ImageShape{1, 28, 28, 8}));
  EXPECT_EQ(layers[3].output, (ImageShape{1, 14, 14, 8}));
  EXPECT_EQ(layers[4].output, (ImageShape{1, 7, 7, 16}));
  EXPECT_EQ(layers[5].output, (ImageShape{1, 1, 1, 784}));
  EXPECT_EQ(layers[7].output, (ImageShape{1, 1, 1, 10}));
  EXPECT_EQ(layers[5].part, Part::body);
  EXPECT_EQ(layers[6].part, Part::head);
  EXPECT_EQ(network.classes(), 10);
}

TEST(Description, LinesAndSemicolonsAndCommentsMeanTheSame) {
  const std::string lines =
      "# a network\n  conv   4  # first\n\nrelu;global_average_pool\n\tlinear 3 # last; not a layer\n";
  EXPECT_EQ(make(lines).description(), "conv 4\nrelu\nglobal_average_pool\nlinear 3");
  EXPECT_EQ(make(make(lines).description()).description(), make(lines).description());
}

TEST(Description, SamePaddingIsTheDefault) {
  for (const char* kernel : {"1", "3", "5", "7"}) {
    const Network network = make("conv 2 kernel=" + std::string(kernel) + "; flatten; linear 2");
    EXPECT_EQ(network.layers()[0].output, (ImageShape{1, 28, 28, 2})) << kernel;
  }
  EXPECT_EQ(make("conv 2 padding=0; flatten; linear 2").layers()[0].output, (ImageShape{1, 26, 26, 2}));
}

TEST(Description, BiasIsLeftOutInFrontOfBatchNorm) {
  const auto has = [](const Network& network, const std::string& name) {
    for (const auto& info : network.parameters()) {
      if (info.name == name) return true;
    }
    return false;
  };
  EXPECT_FALSE(has(make("conv 2; bn; flatten; linear 2"), "conv1.bias"));
  EXPECT_TRUE(has(make("conv 2; relu; flatten; linear 2"), "conv1.bias"));
  EXPECT_TRUE(has(make("conv 2 bias=yes; bn; flatten; linear 2"), "conv1.bias"));
  EXPECT_FALSE(has(make("conv 2 bias=no; flatten; linear 2 bias=no"), "linear1.bias"));
}

TEST(Description, ErrorsNameTheLayerAndWhatIsAllowed) {
  EXPECT_EQ(error_of("conv 4; maxpol 2; flatten; linear 10"),
            "Network: layer \"maxpol 2\": there is no layer maxpol; did you mean maxpool? Layers: conv, bn, relu, "
            "maxpool, global_average_pool, flatten, dropout, linear");
  EXPECT_EQ(error_of("conv 4 kernle=3; flatten; linear 10"),
            "Network: layer \"conv 4 kernle=3\": there is no option kernle; did you mean kernel? Usage: conv CHANNELS "
            "[kernel=3] [stride=1] [padding=kernel/2] [bias=yes|no]");
  EXPECT_EQ(error_of("conv; flatten; linear 10"),
            "Network: layer \"conv\": its number is missing; usage: conv CHANNELS [kernel=3] [stride=1] "
            "[padding=kernel/2] [bias=yes|no]");
  EXPECT_EQ(error_of("conv 0; flatten; linear 10"),
            "Network: layer \"conv 0\": CHANNELS is 0, expected an integer from 1 to 65536");
  EXPECT_EQ(error_of("conv 4x; flatten; linear 10"),
            "Network: layer \"conv 4x\": CHANNELS is 4x, expected an integer from 1 to 65536");
  EXPECT_EQ(error_of("flatten; dropout 1.5; linear 10"),
            "Network: layer \"dropout 1.5\": PROBABILITY is 1.5, expected a number from 0 to 0.95");
  EXPECT_EQ(error_of("flatten; dropout nan; linear 10"),
            "Network: layer \"dropout nan\": PROBABILITY is nan, expected a number from 0 to 0.95");
  EXPECT_EQ(error_of("conv 4 5; flatten; linear 10"),
            "Network: layer \"conv 4 5\": unexpected \"5\"; usage: conv CHANNELS [kernel=3] [stride=1] "
            "[padding=kernel/2] [bias=yes|no]");
  EXPECT_EQ(error_of("relu inplace=yes; flatten; linear 10"),
            "Network: layer \"relu inplace=yes\": it has no options, but \"inplace=yes\" was given; usage: relu");
  EXPECT_EQ(error_of("conv 4 stride=1 stride=2; flatten; linear 10"),
            "Network: layer \"conv 4 stride=1 stride=2\": the option stride is given twice");
  EXPECT_EQ(error_of("conv 4 bias=maybe; flatten; linear 10"),
            "Network: layer \"conv 4 bias=maybe\": bias is maybe, expected yes or no");
}

TEST(Description, ErrorsOfTheOrderOfLayers) {
  EXPECT_EQ(error_of("conv 4; linear 10"),
            "Network: layer \"linear 10\": a linear layer comes behind flatten or global_average_pool");
  EXPECT_EQ(error_of("flatten; conv 4; linear 10"),
            "Network: layer \"conv 4\": a convolution comes before flatten and global_average_pool");
  EXPECT_EQ(error_of("flatten; flatten; linear 10"),
            "Network: layer \"flatten\": flatten or global_average_pool comes once, between the body and the head");
  EXPECT_EQ(error_of("conv 4; flatten; linear 10; relu"),
            "Network: the last layer is \"relu\", expected a linear layer whose outputs are the classes");
  EXPECT_EQ(error_of(" ;; # nothing"), "Network: the description has no layer");
}

TEST(Description, ErrorsOfShapes) {
  EXPECT_EQ(error_of("maxpool 3; flatten; linear 2", {1, 2, 5, 1}),
            "Network: layer \"maxpool 3\": its 3x3 window is larger than its input, 2x5 pixels");
  EXPECT_EQ(error_of("conv 4 kernel=5 padding=0; flatten; linear 2", {1, 4, 9, 1}),
            "Network: layer \"conv 4 kernel=5 padding=0\": its 5x5 kernel is larger than its input, 4x9 pixels with a "
            "padding of 0");
  EXPECT_EQ(error_of("flatten; linear 2", {1, 0, 28, 1}),
            "Network: input is 0x28x1 (height x width x channels), expected 1 to 65536 each");
}

TEST(Preset, AllOfThemBuildAndTheirSizesAreAsDocumented) {
  EXPECT_EQ(train::preset_names(), (std::vector<std::string>{"small", "medium", "cnn"}));
  for (const std::string& name : train::preset_names()) {
    const Network network = make(train::preset(name, 7));
    EXPECT_EQ(network.classes(), 7) << name;
    EXPECT_EQ(make(train::preset(name, 3), {1, 64, 64, 3}).classes(), 3) << name;
  }
  const double small = make(train::preset("small", 10)).forward_flops();
  EXPECT_NEAR(small, 3e6, 1e6);
  EXPECT_NEAR(make(train::preset("medium", 10)).forward_flops() / small, 6, 2);
  EXPECT_NEAR(make(train::preset("cnn", 10)).forward_flops(), 37.4e6, 0.1e6);
  EXPECT_EQ(make(train::preset("cnn", 10)).parameter_count(),
            320 + 9216 + 64 + 18496 + 36864 + 128 + 3136 * 128 + 128 + 1290);
}

TEST(Preset, AnUnknownNameIsAnsweredWithTheNearest) {
  EXPECT_EQ(message_of<InvalidArgument>([] { train::preset("smal", 10); }),
            "preset: there is no network smal; did you mean small? Presets: small, medium, cnn");
  EXPECT_EQ(message_of<InvalidArgument>([] { train::preset("cnn", 0); }), "preset: classes is 0, expected 1 or more");
}

}  // namespace
}  // namespace leaven::test
