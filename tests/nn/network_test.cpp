#include <leaven/cpu.hpp>
#include "tests/nn/network_fixture.hpp"

namespace leaven::test {
namespace {

using train::Mode;
using train::Network;
using train::Part;
using train::Sgd;

const ImageShape kInput{6, 8, 8, 1};
const std::string kDescription =
    "conv 4; bn; relu; maxpool 2; conv 5; bn; relu; flatten; dropout 0.2; linear 7; relu; linear 3";

class NetworkTest : public BackendTest {
 protected:
  Network make(std::uint64_t seed = 1) {
    return Network({.description = kDescription, .input = kInput, .seed = seed}, stream());
  }
  void train_steps(Network& network, std::uint32_t steps = 3) {
    Sgd sgd(network, {});
    for (std::uint32_t step = 0; step < steps; ++step) {
      run_training(network, random_floats(kInput.size(), 100 + step), random_floats(6 * network.classes(), 200 + step),
                   6, {.seed = 1, .step = step});
      sgd.step(0.05f);
    }
  }
};
LEAVEN_ON_BOTH_BACKENDS(NetworkTest);

TEST_P(NetworkTest, ParametersHavePyTorchsNamesAndShapes) {
  const Network network = make();
  std::string all;
  for (const auto& info : network.parameters()) {
    all += info.name + (info.trainable ? "" : "*") + " [";
    for (const std::int64_t n : info.shape) all += " " + std::to_string(n);
    all += " ]\n";
  }
  EXPECT_EQ(all,
            "conv1.weight [ 4 1 3 3 ]\nbn1.weight [ 4 ]\nbn1.bias [ 4 ]\nbn1.running_mean* [ 4 ]\nbn1.running_var* [ 4 "
            "]\nconv2.weight [ 5 4 3 3 ]\nbn2.weight [ 5 ]\nbn2.bias [ 5 ]\nbn2.running_mean* [ 5 ]\nbn2.running_var* "
            "[ 5 ]\nlinear1.weight [ 7 80 ]\nlinear1.bias [ 7 ]\nlinear2.weight [ 3 7 ]\nlinear2.bias [ 3 ]\n");
  EXPECT_EQ(network.parameter_count(), 36 + 8 + 180 + 10 + 560 + 7 + 21 + 3);
  EXPECT_EQ(network.forward_flops(), 2.0 * (9 * 4 * 64 + 36 * 5 * 16 + 80 * 7 + 7 * 3));
}

TEST_P(NetworkTest, InitialWeightsAreKaimingNormalAndDependOnTheSeed) {
  Network network({.description = "conv 64; bn; relu; conv 64; flatten; linear 10", .input = {1, 8, 8, 3}, .seed = 5},
                  stream());
  const auto deviation = [&](const std::string& name) {
    double sum = 0, squares = 0;
    const std::vector<float> values = network.parameter(name);
    for (const float v : values)
      sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
    const double n = static_cast<double>(values.size());
    EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(squares / n) / std::sqrt(n)) << name;
    return std::sqrt(squares / n);
  };
  EXPECT_NEAR(deviation("conv1.weight") / std::sqrt(2.0 / 27), 1, 0.06);
  EXPECT_NEAR(deviation("conv2.weight") / std::sqrt(1.0 / 576), 1, 0.02);
  EXPECT_NEAR(deviation("linear1.weight") / std::sqrt(1.0 / 4096), 1, 0.02);
  EXPECT_EQ(network.parameter("bn1.weight"), std::vector<float>(64, 1.0f));
  EXPECT_EQ(network.parameter("bn1.running_var"), std::vector<float>(64, 1.0f));
  EXPECT_EQ(network.parameter("linear1.bias"), std::vector<float>(10, 0.0f));
  EXPECT_EQ(hash_of(make(1)), hash_of(make(1)));
  EXPECT_NE(hash_of(make(1)), hash_of(make(2)));
}

TEST_P(NetworkTest, FrozenLayersKeepTheirBitsAndTheOthersLearn) {
  Network network = make();
  train_steps(network);  // running statistics that are not the initial ones
  network.freeze(Part::body);
  const Network before = network.clone();
  train_steps(network);
  for (const auto& layer : network.layers()) {
    const bool body = layer.part == Part::body;
    EXPECT_EQ(layer.frozen, body) << layer.name;
    const bool has_weights = layer.name.starts_with("linear");
    EXPECT_EQ(hash_of(network, layer.name) == hash_of(before, layer.name), body || !has_weights) << layer.name;
  }
  network.unfreeze(Part::all);
  train_steps(network);
  for (const std::string name : {"conv1", "bn1", "conv2", "bn2", "linear1", "linear2"}) {
    EXPECT_NE(hash_of(network, name), hash_of(before, name)) << name;
  }
}

TEST_P(NetworkTest, ALayerFrozenInTheMiddlePassesGradientsOn) {
  const std::vector<float> images = random_floats(kInput.size(), 1);
  const std::vector<float> weights = random_floats(18, 2);
  Network network = make();
  randomise(network, 5);
  network.freeze("conv2");
  network.freeze("linear1");
  Network whole = network.clone();
  whole.unfreeze(Part::all);
  const std::string before = hash_of(network);
  run_training(network, images, weights, 6);
  run_training(whole, images, weights, 6);
  EXPECT_EQ(network.gradient("conv2.weight"), std::vector<float>(180, 0.0f));
  EXPECT_EQ(network.gradient("linear1.bias"), std::vector<float>(7, 0.0f));
  for (const std::string name : {"conv1.weight", "bn1.weight", "bn2.bias", "linear2.weight"}) {
    const std::vector<float> expected = whole.gradient(name);
    expect_close(network.gradient(name), {expected.begin(), expected.end()}, 1e-5, name);
  }
  EXPECT_NE(before, hash_of(network));  // batch norm is not frozen: its statistics moved
}

// Frozen batch norm is a fixed affine map: finite differences through it with fixed statistics.
TEST_P(NetworkTest, FrozenBatchNormPassesTheGradientOfItsRunningStatistics) {
  const ImageShape input{4, 3, 3, 2};
  Network network({.description = "conv 3; bn; relu; flatten; linear 2", .input = input}, stream());
  randomise(network, 12);
  network.freeze("bn1");
  const std::vector<float> images = random_floats(input.size(), 3);
  const std::vector<float> weights = random_floats(8, 4);
  const reference::Parameters parameters = to_reference(network);
  const reference::Images in = to_reference(images, input);
  const auto loss = [&](const reference::Parameters& p) {
    using namespace reference;
    const Images norm =
        batch_norm(conv(in, p.at("conv1.weight"), {}, 3, 3, 1, 1), {p.at("bn1.running_mean"), p.at("bn1.running_var")},
                   p.at("bn1.weight"), p.at("bn1.bias"), 1e-5);
    const Images logits = linear(relu(norm), p.at("linear1.weight"), p.at("linear1.bias"), 2);
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += static_cast<double>(weights[i]) * logits.values[i];
    return sum;
  };
  const std::string before = hash_of(network, "bn1");
  run_training(network, images, weights, 4);
  EXPECT_EQ(hash_of(network, "bn1"), before);
  for (const std::string name : {"conv1.weight", "linear1.weight"}) {
    expect_close(network.gradient(name), reference::finite_differences(parameters, name, loss), 1e-4, name);
  }
}

TEST_P(NetworkTest, SgdIsNesterovWithWeightDecayAndMultipliers) {
  Network network = make();
  network.set_learning_rate_multiplier(Part::body, 0.1f);
  network.set_learning_rate_multiplier("linear2", 3.0f);
  reference::Parameters weights = to_reference(network);
  reference::Parameters velocity;
  Sgd sgd(network, {.momentum = 0.8f, .weight_decay = 0.02f});
  for (std::uint32_t step = 0; step < 3; ++step) {
    run_training(network, random_floats(kInput.size(), step), random_floats(18, 50 + step), 6, {.step = step});
    sgd.step(0.1f);
    for (const auto& info : network.parameters()) {
      if (!info.trainable) continue;
      const double rate = 0.1 * (info.layer == "linear2" ? 3.0 : info.layer == "linear1" ? 1.0 : 0.1);
      std::vector<double>& w = weights[info.name];
      std::vector<double>& v = velocity[info.name];
      v.resize(w.size());
      const std::vector<float> gradient = network.gradient(info.name);
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double g = static_cast<double>(gradient[i]) + 0.02 * w[i];
        v[i] = 0.8 * v[i] + g;
        w[i] -= rate * (g + 0.8 * v[i]);
      }
      expect_close(network.parameter(info.name), w, 2e-6, info.name);
    }
  }
}

TEST_P(NetworkTest, ANewHeadStandsOverACopiedBody) {
  Network network = make();
  train_steps(network);
  network.freeze(Part::body);
  network.set_learning_rate_multiplier("conv1", 0.25f);
  Network transfer = network.with_head("linear 9; bn; relu; dropout 0.5; linear 5", 77);
  EXPECT_EQ(transfer.description(),
            "conv 4\nbn\nrelu\nmaxpool 2\nconv 5\nbn\nrelu\nflatten\nlinear 9\nbn\nrelu\ndropout 0.5\nlinear 5");
  for (const std::string name : {"conv1", "bn1", "conv2", "bn2"})
    EXPECT_EQ(hash_of(transfer, name), hash_of(network, name));
  EXPECT_EQ(transfer.layers()[0].learning_rate_multiplier, 0.25f);
  EXPECT_TRUE(transfer.layers()[4].frozen);
  EXPECT_FALSE(transfer.layers()[8].frozen);
  const std::string before = hash_of(network);
  const Network untouched = transfer.clone();
  train_steps(transfer);
  EXPECT_EQ(hash_of(network), before);
  for (const std::string name : {"conv1", "bn1", "conv2", "bn2"})
    EXPECT_EQ(hash_of(transfer, name), hash_of(untouched, name));
  EXPECT_NE(hash_of(transfer, "bn3"), hash_of(untouched, "bn3"));
  EXPECT_EQ(message_of<InvalidArgument>([&] { network.with_head("conv 4; linear 3", 1); }),
            "Network::with_head: layer \"conv 4\": a convolution comes before flatten and global_average_pool");
}

TEST_P(NetworkTest, CopiesEqualTheOriginal) {
  Network network = make();
  train_steps(network);
  const std::vector<float> images = random_floats(kInput.size(), 1);
  Network clone = network.clone();
  Network moved = std::move(clone);
  EXPECT_EQ(hash_of(moved), hash_of(network));
  EXPECT_EQ(run_forward(moved, images, 6, Mode::evaluation), run_forward(network, images, 6, Mode::evaluation));
  EXPECT_EQ(hash_of(network.to(Stream::cpu())), hash_of(network));

  Network other({.description = "conv 4; bn; relu; maxpool 2; conv 6; flatten; linear 3", .input = kInput}, stream());
  EXPECT_EQ(other.copy_parameters_from(network), 5);
  EXPECT_EQ(hash_of(other, "conv1"), hash_of(network, "conv1"));
  EXPECT_EQ(hash_of(other, "bn1"), hash_of(network, "bn1"));
}

TEST_P(NetworkTest, SetParameterIsSeenByTheNextForward) {
  Network network({.description = "conv 1 kernel=1; flatten; linear 1", .input = {1, 1, 1, 1}}, stream());
  network.set_parameter("linear1.weight", std::vector<float>{2});
  for (const float w : {3.0f, -1.0f}) {
    network.set_parameter("conv1.weight", std::vector<float>{w});
    EXPECT_EQ(run_forward(network, {5}, 1, Mode::evaluation), std::vector<float>{10 * w});
  }
}

TEST_P(NetworkTest, BadCallsAreNamedAndChangeNothing) {
  Network network = make();
  const std::string before = hash_of(network);
  EXPECT_EQ(message_of<InvalidArgument>([&] { network.freeze("conv3"); }),
            "Network::freeze: there is no layer conv3; did you mean conv1?");
  EXPECT_EQ(message_of<InvalidArgument>([&] { network.parameter("conv1.weigth"); }),
            "Network::parameter: there is no parameter conv1.weigth; did you mean conv1.weight?");
  EXPECT_EQ(message_of<InvalidArgument>([&] { network.set_parameter("conv1.weight", std::vector<float>(3)); }),
            "Network::set_parameter: conv1.weight has 36 values, 3 were given");
  EXPECT_EQ(message_of<InvalidArgument>([&] { network.gradient("bn1.running_mean"); }),
            "Network::gradient: bn1.running_mean is not trained, it has no gradient");
  EXPECT_EQ(message_of<InvalidArgument>([&] { network.set_learning_rate_multiplier(Part::all, NAN); }),
            "Network::set_learning_rate_multiplier: multiplier is nan, expected a finite number, 0 or more");
  EXPECT_EQ(message_of<InvalidArgument>([&] { Sgd(network, {.momentum = 1.0f}); }),
            "Sgd: momentum is 1, expected 0 or more, below 1");
  const Buffer<float> images = Buffer<float>::zeros(kInput.size(), stream());
  const auto view = ImageView<const float>::nhwc(images.data(), kInput);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              network.backward({images.data(), 6, 3, 3});
            }),
            "Network::backward: no forward() in training mode came before");
  network.forward(view, Mode::evaluation);
  EXPECT_THROW(network.backward({images.data(), 6, 3, 3}), InvalidArgument);
  ImageShape wrong = kInput;
  wrong.height = 4;
  EXPECT_EQ(message_of<InvalidArgument>(
                [&] { network.forward(ImageView<const float>::nhwc(images.data(), wrong), Mode::evaluation); }),
            "Network::forward: images are 4x8x1 (height x width x channels), expected 8x8x1");
  EXPECT_THROW(network.forward(ImageView<const float>::nhwc(nullptr, kInput), Mode::evaluation), InvalidArgument);
  EXPECT_EQ(hash_of(network), before);
  network.forward(view, Mode::training);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              network.backward({images.data(), 5, 3, 3});
            }),
            "Network::backward: logits_gradient is 5x3 with a row stride of 3, expected 6x3, packed");
}

TEST(NetworkThreads, TheNumberOfThreadsChangesNoBit) {
  const int before = cpu_threads();
  std::vector<std::string> hashes;
  for (const int threads : {1, 2, 5}) {
    set_cpu_threads(threads);
    const ImageShape input{37, 14, 14, 1};
    Network network({.description = "conv 17; relu; conv 16; bn; relu; maxpool 2; conv 32; bn; relu; flatten; dropout "
                                    "0.1; linear 64; relu; linear 10",
                     .input = input,
                     .seed = 3},
                    Stream::cpu());
    Sgd sgd(network, {});
    for (std::uint32_t step = 0; step < 4; ++step) {
      run_training(network, random_floats(input.size(), step), random_floats(370, 9 + step, -0.01f, 0.01f), 37,
                   {.step = step});
      sgd.step(0.1f);
    }
    hashes.push_back(hash_of(network));
  }
  set_cpu_threads(before);
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_EQ(hashes[0], hashes[2]);
}

TEST(CosineLearningRate, WarmsUpAndFallsToZero) {
  EXPECT_FLOAT_EQ(train::cosine_learning_rate(0, 100, 10, 1.0f), 0.1f);
  EXPECT_FLOAT_EQ(train::cosine_learning_rate(9, 100, 10, 1.0f), 1.0f);
  EXPECT_FLOAT_EQ(train::cosine_learning_rate(10, 100, 10, 1.0f), 1.0f);
  EXPECT_FLOAT_EQ(train::cosine_learning_rate(55, 100, 10, 2.0f), 1.0f);
  EXPECT_NEAR(train::cosine_learning_rate(99, 100, 10, 1.0f), 0.0003f, 0.0001f);
  EXPECT_FLOAT_EQ(train::cosine_learning_rate(0, 1, 0, 0.5f), 0.5f);
}

}  // namespace
}  // namespace leaven::test
