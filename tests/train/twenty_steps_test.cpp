#include <algorithm>

#include "tests/train/training_fixture.hpp"

namespace leaven::test {
namespace {

using train::DataSet;
using train::FitOptions;
using train::Network;

constexpr std::int64_t kSteps = 20;

// Per element, relative to the largest value of its tensor: float32 sums in two orders, fed back twenty times.
constexpr double kTolerance = 2e-5;

using Tensors = std::vector<std::pair<std::string, std::vector<float>>>;

Tensors tensors_of(const Network& network) {
  Tensors tensors;
  for (const auto& info : network.parameters()) tensors.emplace_back(info.name, network.parameter(info.name));
  return tensors;
}

// All tensors after each step of a training with everything: two convolutions, batch norm, pooling, dropout, linear
// layers; crops, flips, RandAugment, CutMix; the distillation loss with hard and soft part.
std::vector<Tensors> train_step_by_step(Stream stream) {
  const DataSet data = bars(16, 4, 1, stream);
  Network teacher = tiny_network(stream, 9);
  Network student = tiny_network(stream, 1);
  std::vector<Tensors> steps;
  FitOptions options{.steps = kSteps,
                     .batch = 4,
                     .learning_rate = 0.05f,
                     .augment = {.pad_crop = RandomPadCrop{.padding = 2},
                                 .flip_probability = 0.5f,
                                 .policy = RandAugmentOptions{.num_ops = 2, .magnitude = 9},
                                 .mix = CutMixOptions{.probability = 0.5f}},
                     .label_smoothing = 0.1f,
                     .seed = 3};
  options.distillation =
      train::Distillation{.teacher = &teacher, .temperature = 2.0f, .hard_weight = 0.5f, .soft_weight = 0.5f};
  options.evaluation_every = 1;
  options.evaluation = [&](std::int64_t) { steps.push_back(tensors_of(student)); };
  fit(student, {.data = &data, .samples = data.ids()}, options);
  return steps;
}

TEST(TwentySteps, CudaAgreesWithTheCpuAfterEachStep) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream cuda(Backend::cuda);
  const std::vector<Tensors> expected = train_step_by_step(Stream::cpu());
  const std::vector<Tensors> got = train_step_by_step(cuda);
  ASSERT_EQ(expected.size(), static_cast<std::size_t>(kSteps));
  ASSERT_EQ(got.size(), static_cast<std::size_t>(kSteps));
  double worst = 0;
  for (std::size_t step = 0; step < expected.size(); ++step) {
    for (std::size_t t = 0; t < expected[step].size(); ++t) {
      const auto& [name, values] = expected[step][t];
      ASSERT_EQ(got[step][t].second.size(), values.size());
      double largest = 0;
      for (const float v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double difference =
            std::abs(static_cast<double>(got[step][t].second[i]) - static_cast<double>(values[i]));
        worst = std::max(worst, difference / (1e-3 + largest));
        ASSERT_LE(difference, kTolerance * (1e-3 + largest)) << "step " << step + 1 << ", " << name << " [" << i << "]";
      }
    }
  }
  RecordProperty("worst_relative_difference", std::to_string(worst));
  EXPECT_NE(expected.front(), expected.back());
}

}  // namespace
}  // namespace leaven::test
