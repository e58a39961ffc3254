#include <cstdlib>

#include "tests/loss/loss_case.hpp"

// Random rows. With $LEAVEN_FUZZ_CASES of 100,000 or more a million of them (default: 100,000),
// on CUDA a tenth.

namespace leaven::test {
namespace {

class LossFuzzTest : public BackendTest {
 protected:
  std::int64_t rows_wanted() const {
    const char* wanted = std::getenv("LEAVEN_FUZZ_CASES");
    const std::int64_t rows = wanted != nullptr && std::atoll(wanted) >= 100000 ? 1000000 : 100000;
    return on_cuda() ? rows / 10 : rows;
  }
};
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

void fit(LossCase& x, std::mt19937& generator) {
  x.types.student = kFloatTypes[generator() % 3];
  x.types.teacher = kFloatTypes[generator() % 3];
  x.student = rounded(x.student, x.types.student);
  x.teacher = rounded(*x.teacher, x.types.teacher);
}

LossCase fuzz_case(std::mt19937& generator) {
  const std::int64_t classes = std::array{1, 2, 3, 10, 17, 100, 130}[generator() % 7];
  FuzzBatch batch(classes >= 100 ? 50 : 250, classes, generator);
  LossCase x;
  x.student = std::move(batch.student);
  x.teacher = std::move(batch.teacher);
  x.temperature = batch.temperature;
  if (generator() % 2 == 0) fit(x, generator);
  return x;
}

// No NaN, nothing negative, and gradients that add up to 0 as well as the row's largest share allows.
void expect_good_rows(const LossResult& got, const LossCase& x, Real hard_scale) {
  for (std::int64_t r = 0; r < x.student.rows; ++r) {
    const float loss = got.row_losses[static_cast<std::size_t>(r)];
    ASSERT_GE(loss, 0.0f) << "row " << r << ", T " << x.temperature << ", " << text(x.types);
    Real sum = 0;
    Real size = hard_scale;
    for (const float g : got.gradient.row(r)) {
      ASSERT_TRUE(std::isfinite(g)) << "row " << r << ", T " << x.temperature << ", " << text(x.types);
      sum += g;
      size = std::max(size, std::fabs(Real{g}));
    }
    ASSERT_LE(std::fabs(sum), static_cast<Real>(x.student.columns) * 1e-7L * size + 1e-37L)
        << "row " << r << ", T " << x.temperature << ", " << text(x.types);
  }
}

TEST_P(LossFuzzTest, NoNanNoNegativeLossAndGradientsThatAddUpToZero) {
  std::mt19937 generator(61);
  for (std::int64_t done = 0; done < rows_wanted();) {
    LossCase x = fuzz_case(generator);
    x.hard_weight = 0;
    x.soft_weight = 1;
    const LossResult got = run_loss_case(x, stream());
    EXPECT_EQ(got.status, 0u);
    expect_good_rows(got, x, 0);
    if (HasFailure()) return;
    done += x.student.rows;
  }
}

// Both parts, with weights of rows and classes, some of them 0 or bad, and labels of any value.
TEST_P(LossFuzzTest, NoNanNoNegativeLossWithLabelsAndWeights) {
  std::mt19937 generator(64);
  for (std::int64_t done = 0; done < rows_wanted() / 2;) {
    LossCase x = fuzz_case(generator);
    const std::int64_t rows = x.student.rows;
    const std::int64_t classes = x.student.columns;
    const TargetKind kind = kTargetKinds[1 + generator() % 3];
    x.targets = some_targets(kind, rows, classes);
    x.hard_weight = 0.5f;
    x.soft_weight = generator() % 3 == 0 ? 0.0f : 0.5f;
    x.smoothing = kind == TargetKind::dense || generator() % 2 == 0 ? 0.0f : 0.25f;
    const auto weight = [&] {
      return generator() % 40 == 0 ? kNan : generator() % 20 == 0 ? -1.0f : static_cast<float>(generator() % 5);
    };
    for (std::int64_t c = 0; c < classes && generator() % 200 != 0; ++c) x.class_weights.push_back(weight());
    x.class_weights.resize(static_cast<std::size_t>(classes), 1.0f);
    for (std::int64_t r = 0; r < rows; ++r) x.row_weights.push_back(weight());
    for (std::size_t i = 0; i < x.targets->a.size(); i += 9) x.targets->a[i] = static_cast<std::int32_t>(generator());
    const LossResult got = run_loss_case(x, stream());
    expect_good_rows(got, x, 16);  // twice 0.5 and two weights of 4: a sum of two parts is rounded once more
    for (std::int64_t r = 0; r < rows; ++r) {
      if (is_valid_row(x, r)) continue;
      EXPECT_EQ(got.row_losses[static_cast<std::size_t>(r)], 0.0f) << "row " << r;
      for (const float g : got.gradient.row(r)) ASSERT_EQ(g, 0.0f) << "row " << r;
    }
    if (HasFailure()) return;
    done += rows;
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
    LossCase x;
    x.student = batch.student;
    x.teacher = batch.teacher;
    x.temperature = batch.temperature;
    x.hard_weight = 0;
    x.soft_weight = 1;
    if (i % 2 == 1) fit(x, generator);
    const LossResult got = run_loss_case(x, stream());
    for (std::int64_t r = 0; r < 50; ++r) {
      ExpectedRow expected;
      add_soft(expected, x.student.row(r), x.teacher->row(r), x.temperature, 1);
      expect_row(got.row_losses[static_cast<std::size_t>(r)], got.gradient.row(r), expected,
                 "batch " + std::to_string(i) + ", T " + std::to_string(x.temperature) + ", row " + std::to_string(r));
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
