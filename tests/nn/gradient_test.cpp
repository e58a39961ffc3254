#include "tests/nn/network_fixture.hpp"

// Each layer's gradients (its own and the one it passes down) against finite differences of a double-precision
// reference, on both backends.
namespace leaven::test {
namespace {

using reference::Images;
using reference::Parameters;
using train::Mode;
using train::Network;

// What the network computes, in the reference: from images and parameters to logits.
using Forward = std::function<Images(const Images&, const Parameters&)>;

const std::vector<double>& of(const Parameters& p, const std::string& name) {
  static const std::vector<double> none;
  const auto found = p.find(name);
  return found == p.end() ? none : found->second;
}

Images bn(const Images& in, const Parameters& p, const std::string& name) {
  return reference::batch_norm(in, reference::moments(in), of(p, name + ".weight"), of(p, name + ".bias"), 1e-5);
}
Images conv(const Images& in, const Parameters& p, const std::string& name, std::int64_t channels,
            std::int64_t kernel = 3, std::int64_t stride = 1, std::int64_t padding = 1) {
  return reference::conv(in, of(p, name + ".weight"), of(p, name + ".bias"), channels, kernel, stride, padding);
}
Images linear(const Images& in, const Parameters& p, const std::string& name, std::int64_t outputs) {
  return reference::linear(in, of(p, name + ".weight"), of(p, name + ".bias"), outputs);
}

struct Case {
  std::string name;
  std::string description;
  ImageShape input;  // with the batch's size
  Forward forward;
};

// The layer under test stands over a convolution or linear layer, whose gradient shows what it passes down.
const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"Linear",
       "flatten; linear 5; linear 3",
       {5, 1, 1, 7},
       [](const Images& x, const Parameters& p) { return linear(linear(x, p, "linear1", 5), p, "linear2", 3); }},
      {"LinearOfManyOutputs",
       "flatten; linear 70; relu; linear 65",
       {3, 2, 1, 3},
       [](const Images& x, const Parameters& p) {
         return linear(reference::relu(linear(x, p, "linear1", 70)), p, "linear2", 65);
       }},
      {"LinearWithoutBias",
       "flatten; linear 4 bias=no; relu; linear 3 bias=no",
       {4, 2, 3, 2},
       [](const Images& x, const Parameters& p) {
         return linear(reference::relu(linear(x, p, "linear1", 4)), p, "linear2", 3);
       }},
      {"Convolution",
       "conv 3; conv 2; flatten; linear 2",
       {3, 5, 4, 2},
       [](const Images& x, const Parameters& p) {
         return linear(conv(conv(x, p, "conv1", 3), p, "conv2", 2), p, "linear1", 2);
       }},
      {"ConvolutionWithRelu",
       "conv 4; relu; conv 3; relu; flatten; linear 2",
       {2, 4, 6, 1},
       [](const Images& x, const Parameters& p) {
         using reference::relu;
         return linear(relu(conv(relu(conv(x, p, "conv1", 4)), p, "conv2", 3)), p, "linear1", 2);
       }},
      {"ConvolutionKernel5Stride2",
       "conv 2; conv 3 kernel=5 stride=2 padding=1; flatten; linear 2",
       {2, 8, 7, 1},
       [](const Images& x, const Parameters& p) {
         return linear(conv(conv(x, p, "conv1", 2), p, "conv2", 3, 5, 2, 1), p, "linear1", 2);
       }},
      {"ConvolutionKernel1",
       "conv 3 kernel=1; conv 17 kernel=1 bias=no; flatten; linear 2",
       {2, 3, 3, 2},
       [](const Images& x, const Parameters& p) {
         return linear(conv(conv(x, p, "conv1", 3, 1, 1, 0), p, "conv2", 17, 1, 1, 0), p, "linear1", 2);
       }},
      {"ConvolutionOfSixteenChannels",
       "conv 16; relu; conv 16; flatten; linear 2",
       {2, 3, 3, 1},
       [](const Images& x, const Parameters& p) {
         return linear(conv(reference::relu(conv(x, p, "conv1", 16)), p, "conv2", 16), p, "linear1", 2);
       }},
      {"BatchNorm",
       "conv 3; bn; flatten; linear 2",
       {4, 3, 3, 2},
       [](const Images& x, const Parameters& p) {
         return linear(bn(conv(x, p, "conv1", 3), p, "bn1"), p, "linear1", 2);
       }},
      {"BatchNormWithRelu",
       "conv 5; bn; relu; flatten; linear 2",
       {9, 4, 3, 1},
       [](const Images& x, const Parameters& p) {
         return linear(reference::relu(bn(conv(x, p, "conv1", 5), p, "bn1")), p, "linear1", 2);
       }},
      {"BatchNormOfFeatures",
       "flatten; linear 6; bn; relu; linear 3",
       {7, 2, 2, 1},
       [](const Images& x, const Parameters& p) {
         return linear(reference::relu(bn(linear(x, p, "linear1", 6), p, "bn1")), p, "linear2", 3);
       }},
      {"BatchNormFirst",
       "bn; conv 2; flatten; linear 2",
       {3, 4, 4, 2},
       [](const Images& x, const Parameters& p) {
         return linear(conv(bn(x, p, "bn1"), p, "conv1", 2), p, "linear1", 2);
       }},
      {"MaxPool",
       "conv 2; maxpool 2; relu; flatten; linear 2",
       {3, 6, 6, 1},
       [](const Images& x, const Parameters& p) {
         return linear(reference::relu(reference::max_pool(conv(x, p, "conv1", 2), 2)), p, "linear1", 2);
       }},
      {"MaxPoolDropsTheEdge",
       "conv 19; maxpool 3; flatten; linear 2",
       {2, 7, 5, 1},
       [](const Images& x, const Parameters& p) {
         return linear(reference::max_pool(conv(x, p, "conv1", 19), 3), p, "linear1", 2);
       }},
      {"GlobalAveragePool",
       "conv 3; global_average_pool; linear 2",
       {3, 5, 4, 1},
       [](const Images& x, const Parameters& p) {
         return linear(reference::average_pool(conv(x, p, "conv1", 3)), p, "linear1", 2);
       }},
      {"BatchOfOne",
       "conv 2; relu; maxpool 2; flatten; linear 2",
       {1, 4, 4, 1},
       [](const Images& x, const Parameters& p) {
         return linear(reference::max_pool(reference::relu(conv(x, p, "conv1", 2)), 2), p, "linear1", 2);
       }},
  };
  return all;
}

using Parameter = std::tuple<std::size_t, Backend>;

class GradientTest : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    if (std::get<1>(GetParam()) == Backend::cuda && require_cuda_or_skip()) stream_ = OwnedStream(Backend::cuda);
  }
  OwnedStream stream_{Backend::cpu};
};
INSTANTIATE_TEST_SUITE_P(Layers, GradientTest,
                         testing::Combine(testing::Range(std::size_t{0}, cases().size()),
                                          testing::Values(Backend::cpu, Backend::cuda)),
                         [](const testing::TestParamInfo<Parameter>& one) {
                           return cases()[std::get<0>(one.param)].name +
                                  (std::get<1>(one.param) == Backend::cuda ? "Cuda" : "Cpu");
                         });

TEST_P(GradientTest, AgreesWithFiniteDifferences) {
  const Case& c = cases()[std::get<0>(GetParam())];
  Network network({.description = c.description, .input = c.input}, stream_);
  randomise(network, 11);
  const std::vector<float> images = random_floats(c.input.size(), 21);
  const std::vector<float> weights = random_floats(c.input.count * network.classes(), 31);
  const Parameters parameters = to_reference(network);
  const Images in = to_reference(images, c.input);
  const auto loss = [&](const Parameters& p) {
    const Images logits = c.forward(in, p);
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += static_cast<double>(weights[i]) * logits.values.at(i);
    return sum;
  };
  const Images expected_logits = c.forward(in, parameters);

  run_training(network, images, weights, c.input.count);

  for (const auto& info : network.parameters()) {
    if (!info.trainable) continue;
    expect_close(network.gradient(info.name), reference::finite_differences(parameters, info.name, loss), 1e-4,
                 c.name + " " + info.name);
  }
  Network again = network.clone();
  for (const auto& info : again.parameters()) {
    const std::vector<double>& values = parameters.at(info.name);
    again.set_parameter(info.name, std::vector<float>(values.begin(), values.end()));
  }
  expect_close(run_forward(again, images, c.input.count, Mode::training), expected_logits.values, 1e-5,
               c.name + " logits");
}

}  // namespace
}  // namespace leaven::test
