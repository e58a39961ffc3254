#include <numeric>

#include <leaven/cpu.hpp>
#include "kernels/core/philox.hpp"
#include "tests/nn/network_fixture.hpp"

// What gradients do not show: running statistics, evaluation mode, dropout, NaN, batches of many sizes.
namespace leaven::test {
namespace {

using train::DropoutKey;
using train::Mode;
using train::Network;

class LayerTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(LayerTest);

TEST_P(LayerTest, RunningStatisticsAreUpdatedAsPyTorchDoes) {
  const ImageShape input{5, 3, 4, 2};
  Network network({.description = "bn momentum=0.3; flatten; linear 2", .input = input}, stream());
  randomise(network, 3);
  const reference::Parameters before = to_reference(network);
  const std::vector<float> images = random_floats(input.size(), 5, -3, 7);
  run_forward(network, images, input.count, Mode::training);

  const reference::Moments batch = reference::moments(to_reference(images, input));
  const double total = static_cast<double>(input.count * input.height * input.width);
  std::vector<double> mean, variance;
  for (std::size_t c = 0; c < 2; ++c) {
    mean.push_back(0.7 * before.at("bn1.running_mean")[c] + 0.3 * batch.mean[c]);
    variance.push_back(0.7 * before.at("bn1.running_var")[c] + 0.3 * batch.variance[c] * total / (total - 1));
  }
  expect_close(network.parameter("bn1.running_mean"), mean, 1e-6, "running_mean");
  expect_close(network.parameter("bn1.running_var"), variance, 1e-6, "running_var");
}

TEST_P(LayerTest, BatchNormIsAccurateFarFromZero) {
  const ImageShape input{16, 8, 8, 1};
  Network network({.description = "bn; flatten; linear 2", .input = input}, stream());
  const std::vector<float> images = random_floats(input.size(), 6, 999, 1001);
  const std::vector<float> logits = run_forward(network, images, input.count, Mode::training);
  const reference::Parameters p = to_reference(network);
  const reference::Images in = to_reference(images, input);
  const reference::Images expected =
      reference::linear(reference::batch_norm(in, reference::moments(in), p.at("bn1.weight"), p.at("bn1.bias"), 1e-5),
                        p.at("linear1.weight"), p.at("linear1.bias"), 2);
  expect_close(logits, expected.values, 2e-4, "logits");
}

TEST_P(LayerTest, EvaluationUsesRunningStatisticsAndChangesNothing) {
  const ImageShape input{3, 4, 4, 2};
  Network network({.description = "conv 3; bn; relu; flatten; dropout 0.5; linear 2", .input = input}, stream());
  randomise(network, 9);
  const std::string before = hash_of(network);
  const std::vector<float> images = random_floats(input.size(), 2);
  const std::vector<float> logits = run_forward(network, images, input.count, Mode::evaluation);
  EXPECT_EQ(hash_of(network), before);

  const reference::Parameters p = to_reference(network);
  const reference::Moments running{p.at("bn1.running_mean"), p.at("bn1.running_var")};
  const reference::Images conv = reference::conv(to_reference(images, input), p.at("conv1.weight"), {}, 3, 3, 1, 1);
  const reference::Images norm = reference::batch_norm(conv, running, p.at("bn1.weight"), p.at("bn1.bias"), 1e-5);
  const reference::Images expected =
      reference::linear(reference::relu(norm), p.at("linear1.weight"), p.at("linear1.bias"), 2);
  expect_close(logits, expected.values, 1e-5, "logits");
}

// With a linear layer of ones over it, the logit counts what dropout kept.
TEST_P(LayerTest, DropoutKeepsWhatTheDrawsSayAndScalesIt) {
  const ImageShape input{33, 3, 7, 1};
  Network network({.description = "flatten; dropout 0.3; linear 21", .input = input}, stream());
  std::vector<float> identity(21 * 21, 0.0f);
  for (std::size_t i = 0; i < 21; ++i) identity[i * 22] = 1;
  network.set_parameter("linear1.weight", identity);
  const std::vector<float> images = random_floats(input.size(), 4, 1, 2);
  const std::vector<float> logits = run_forward(network, images, input.count, Mode::training, {.seed = 7, .step = 5});
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Philox4 words = draw(7, 5, i / 4, static_cast<std::uint32_t>(DrawSlot::dropout));
    const std::uint32_t word[4] = {words.x, words.y, words.z, words.w};
    const bool drops = static_cast<double>(word[i % 4] >> 8) * 0x1p-24 < static_cast<double>(0.3f);
    if (!drops) ++kept;
    ASSERT_NEAR(logits[i], drops ? 0.0f : images[i] / 0.7f, 1e-5f) << i;
  }
  EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(images.size()), 0.7, 0.05);
}

TEST_P(LayerTest, DropoutDropsTheSameInBackwardAndEachLayerItsOwn) {
  const ImageShape input{8, 1, 16, 1};
  Network network({.description = "flatten; linear 16; dropout 0.5; dropout 0.5; linear 1", .input = input}, stream());
  network.set_parameter("linear2.weight", std::vector<float>(16, 1.0f));
  std::vector<float> identity(256, 0.0f);
  for (std::size_t i = 0; i < 16; ++i) identity[i * 17] = 1;
  network.set_parameter("linear1.weight", identity);
  const std::vector<float> ones(static_cast<std::size_t>(input.size()), 1.0f);
  const DropoutKey key{.seed = 1, .step = 2};
  const std::vector<float> logits = run_forward(network, ones, input.count, Mode::training, key);
  run_training(network, ones, std::vector<float>(8, 1.0f), input.count, key);
  // Each element counts 4 where both layers kept it (1 in 4) in logits and in the gradient of its bias alike.
  const std::vector<float> bias = network.gradient("linear1.bias");
  const float sum_of_logits = std::accumulate(logits.begin(), logits.end(), 0.0f);
  EXPECT_EQ(std::accumulate(bias.begin(), bias.end(), 0.0f), sum_of_logits);
  EXPECT_NEAR(sum_of_logits / 4 / 128, 0.25f, 0.1f);
  EXPECT_NE(run_forward(network, ones, input.count, Mode::training, {.seed = 1, .step = 3}), logits);
}

TEST_P(LayerTest, NaNStaysVisible) {
  const ImageShape input{2, 4, 4, 1};
  Network network({.description = "conv 2; relu; maxpool 2; flatten; linear 2", .input = input}, stream());
  std::vector<float> images(static_cast<std::size_t>(input.size()), 0.5f);
  images[16 + 5] = NAN;
  const std::vector<float> logits = run_forward(network, images, 2, Mode::evaluation);
  EXPECT_TRUE(std::isfinite(logits[0]) && std::isfinite(logits[1]));
  EXPECT_TRUE(std::isnan(logits[2]) && std::isnan(logits[3]));
}

TEST_P(LayerTest, ImagesOfABatchDoNotTouchEachOther) {
  const ImageShape input{33, 6, 5, 1};
  const std::string description = "conv 5; relu; maxpool 2; conv 3; bn; flatten; linear 4; relu; linear 3";
  Network network({.description = description, .input = input}, stream());
  randomise(network, 8);
  const std::vector<float> images = random_floats(input.size(), 1);
  const std::vector<float> all = run_forward(network, images, 33, Mode::evaluation);
  for (const std::int64_t count : {1, 2, 31, 32}) {
    const std::vector<float> part(images.begin(), images.begin() + count * 30);
    const std::vector<float> logits = run_forward(network, part, count, Mode::evaluation);
    for (std::size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], all[i], 1e-5f) << count << " " << i;
  }
  EXPECT_EQ(run_forward(network, {}, 0, Mode::evaluation).size(), 0u);
}

// The loops are compiled once per instruction set: each of them has to say the same.
TEST(CpuIsaTest, EveryInstructionSetGivesTheSameTraining) {
  const ImageShape input{9, 9, 10, 1};
  const std::string description =
      "conv 19; bn; relu; maxpool 2; conv 3; bn; relu; conv 33; relu; global_average_pool; dropout 0.2; linear 4";
  const std::vector<float> images = random_floats(input.size(), 1);
  const std::vector<float> weights = random_floats(9 * 4, 2);
  const CpuIsa before = cpu_isa();
  reference::Parameters expected;
  for (const CpuIsa isa : {CpuIsa::baseline, CpuIsa::avx2, CpuIsa::avx512}) {
    if (isa > best_cpu_isa()) continue;
    set_cpu_isa(isa);
    Network network({.description = description, .input = input, .seed = 4}, Stream::cpu());
    train::Sgd sgd(network, {.weight_decay = 0.01f});
    for (std::uint32_t step = 0; step < 2; ++step) {
      run_training(network, images, weights, 9, {.seed = 1, .step = step});
      sgd.step(0.1f);
    }
    if (isa == CpuIsa::baseline) expected = to_reference(network);
    for (const auto& [name, values] : expected) {
      expect_close(network.parameter(name), values, 1e-5, name + " " + std::string(leaven::name(isa)));
    }
  }
  set_cpu_isa(before);
}

}  // namespace
}  // namespace leaven::test
