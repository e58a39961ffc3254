#include "tests/loss/expect_row.hpp"

namespace leaven::test {
namespace {

class LossFuzzTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(LossFuzzTest);

// Logits of all sizes up to 1e4, masked classes, rows that are equal or nearly so, temperatures from 1e-3 to 1e4.
struct FuzzBatch {
  HostMatrix student, teacher;
  float temperature;

  FuzzBatch(std::int64_t rows, std::int64_t classes, std::mt19937& generator)
      : student{rows, classes, {}}, teacher{rows, classes, {}} {
    const auto uniform = [&](float low, float high) {
      return std::uniform_real_distribution<float>(low, high)(generator);
    };
    temperature = std::pow(10.0f, uniform(-3, 4));
    for (std::int64_t r = 0; r < rows; ++r) {
      const float size = std::pow(10.0f, uniform(-3, 4));
      const float apart = uniform(0, 4) < 1 ? 0.0f : std::pow(10.0f, uniform(-7, 0));
      const bool masks = uniform(0, 4) < 1;
      for (std::int64_t c = 0; c < classes; ++c) {
        const float t = uniform(-size, size);
        const float s = t + apart * uniform(-size, size);
        teacher.values.push_back(masks && uniform(0, 4) < 1 ? -kInfinity : t);
        student.values.push_back(masks && uniform(0, 8) < 1 ? -kInfinity : apart == 0 ? teacher.values.back() : s);
      }
    }
  }
};

TEST_P(LossFuzzTest, NoNanNoNegativeLossAndGradientsThatAddUpToZero) {
  std::mt19937 generator(61);
  std::int64_t rows_done = 0;
  while (rows_done < 100000) {
    const std::int64_t classes = std::array{2, 3, 10, 17, 100}[generator() % 5];
    const std::int64_t rows = classes == 100 ? 100 : 500;
    const FuzzBatch batch(rows, classes, generator);
    rows_done += rows;
    const DistillationOptions options{
        .temperature = batch.temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .reduction = Reduction::none};
    const LossResult got = run_distillation(batch.student, batch.teacher, {}, options, stream());
    EXPECT_EQ(got.status, 0u);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float loss = got.row_losses[static_cast<std::size_t>(r)];
      ASSERT_GE(loss, 0.0f) << "row " << r << ", T " << batch.temperature;
      Real sum = 0;
      Real size = 0;
      for (const float g : got.gradient.row(r)) {
        ASSERT_TRUE(std::isfinite(g)) << "row " << r << ", T " << batch.temperature;
        sum += g;
        size = std::max(size, std::fabs(Real{g}));
      }
      ASSERT_LE(std::fabs(sum), static_cast<Real>(classes) * 1e-7L * size + 1e-37L)
          << "row " << r << ", T " << batch.temperature;
    }
  }
}

// The same against the reference, tolerance and all, where nothing is masked.
TEST_P(LossFuzzTest, HoldsItsTolerance) {
  std::mt19937 generator(62);
  for (int i = 0; i < 100; ++i) {
    const std::int64_t classes = std::array{2, 3, 10, 17, 100}[generator() % 5];
    FuzzBatch batch(50, classes, generator);
    for (float& x : batch.student.values) x = x == -kInfinity ? 0.0f : x;
    for (float& x : batch.teacher.values) x = x == -kInfinity ? 0.0f : x;
    const DistillationOptions options{
        .temperature = batch.temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .reduction = Reduction::none};
    const LossResult got = run_distillation(batch.student, batch.teacher, {}, options, stream());
    for (std::int64_t r = 0; r < 50; ++r) {
      ExpectedRow expected;
      add_soft(expected, batch.student.row(r), batch.teacher.row(r), batch.temperature, 1);
      expect_row(
          got.row_losses[static_cast<std::size_t>(r)], got.gradient.row(r), expected,
          "batch " + std::to_string(i) + ", T " + std::to_string(batch.temperature) + ", row " + std::to_string(r));
    }
  }
}

TEST_P(LossFuzzTest, CrossEntropyHasNoNanAndHoldsItsTolerance) {
  std::mt19937 generator(63);
  for (int i = 0; i < 100; ++i) {
    const std::int64_t classes = std::array{2, 3, 10, 17, 100}[generator() % 5];
    const FuzzBatch batch(50, classes, generator);
    const HostTargets targets{.a = some_labels(50, classes)};
    const float smoothing = i % 2 == 0 ? 0.0f : 0.1f;
    const LossResult got = run_cross_entropy(batch.student, targets,
                                             {.label_smoothing = smoothing, .reduction = Reduction::none}, stream());
    for (std::int64_t r = 0; r < 50; ++r) {
      ExpectedRow expected;
      add_hard(expected,
               reference::cross_entropy(batch.student.row(r),
                                        dense_target(targets, batch.student, r, smoothing, kIgnoreLabel)),
               1);
      const float loss = got.row_losses[static_cast<std::size_t>(r)];
      if (std::isinf(expected.loss)) {
        EXPECT_EQ(loss, kInfinity);
        continue;
      }
      expect_row(loss, got.gradient.row(r), expected, "batch " + std::to_string(i) + ", row " + std::to_string(r));
    }
  }
}

}  // namespace
}  // namespace leaven::test
