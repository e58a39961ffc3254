#include <leaven/error.hpp>
#include "tests/loss/loss_case.hpp"

// Weights of classes and rows, label smoothing with them (as PyTorch's formula, over unmasked classes).
namespace leaven::test {
namespace {

class LossWeightsTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(LossWeightsTest);

constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 10, 16, 17, 64, 65, 100, 128, 129, 300, 1000, 1025, 2049, 4097};

// Zeros, ones and others; the sixth row and class have weight 0.
std::vector<float> some_weights(std::int64_t count, std::int64_t step) {
  std::vector<float> weights;
  for (std::int64_t i = 0; i < count; ++i)
    weights.push_back(i % 7 == 5 ? 0.0f : 0.25f * static_cast<float>(i * step % 11 + 1));
  return weights;
}

// Cross-entropy or, with a soft weight, both parts, with everything that has a weight.
LossCase weighted_case(std::int64_t classes, TargetKind kind, FloatType type, float soft_weight) {
  LossCase x;
  const std::int64_t rows = classes > 1000 ? 3 : classes > 128 ? 7 : 19;
  x.types = {type, type, FloatType::f32};
  x.student = rounded(normal_matrix(rows, classes, 4.0f, 301), type);
  if (soft_weight != 0) x.teacher = rounded(normal_matrix(rows, classes, 4.0f, 302), type);
  x.targets = some_targets(kind, rows, classes);
  x.soft_weight = soft_weight;
  x.class_weights = some_weights(classes, 3);
  x.row_weights = some_weights(rows, 5);
  return x;
}

void expect_in_each_reduction(LossCase x, Stream stream, const std::string& what) {
  const std::vector<ExpectedRow> expected = expected_rows(x);
  for (const Reduction reduction : {Reduction::none, Reduction::sum, Reduction::mean_valid, Reduction::mean_all}) {
    x.reduction = reduction;
    for_each_isa(stream, [&](const std::string& isa) {
      const LossResult got = run_loss_case(x, stream);
      expect_result(got, x, expected, isa + ", " + what + ", reduction " + std::to_string(static_cast<int>(reduction)));
      EXPECT_EQ(got.status, 0u) << what;
    });
  }
}

TEST_P(LossWeightsTest, CrossEntropyIsItsDefinition) {
  for (const std::int64_t classes : kClasses) {
    for (const TargetKind kind : {TargetKind::hard, TargetKind::mixed, TargetKind::dense}) {
      const FloatType type = kFloatTypes[classes % 3];
      const std::string what =
          std::to_string(classes) + " classes, targets of kind " + std::to_string(static_cast<int>(kind));
      const LossCase both = weighted_case(classes, kind, type, 0);
      LossCase one = both;
      one.row_weights = {};
      expect_in_each_reduction(one, stream(), what + ", weights of classes");
      one = both;
      one.class_weights = {};
      expect_in_each_reduction(one, stream(), what + ", weights of rows");
      expect_in_each_reduction(both, stream(), what + ", both weights");
      if (HasFailure()) return;
    }
  }
}

TEST_P(LossWeightsTest, SmoothedCrossEntropyIsItsDefinition) {
  for (const std::int64_t classes : kClasses) {
    for (const TargetKind kind : {TargetKind::hard, TargetKind::mixed}) {
      for (const float smoothing : {0.125f, 1.0f}) {
        LossCase x = weighted_case(classes, kind, FloatType::f32, 0);
        x.smoothing = smoothing;
        for (std::int64_t r = 1; r < x.student.rows && classes > 3; r += 2) {
          x.student.at(r, (r * 7919 + 1) % classes) = -kInfinity;  // not the row's label
        }
        expect_in_each_reduction(x, stream(), std::to_string(classes) + " classes, smoothed");
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(LossWeightsTest, DistillationIsItsDefinition) {
  for (const std::int64_t classes : kClasses) {
    for (const TargetKind kind : {TargetKind::hard, TargetKind::mixed, TargetKind::dense}) {
      LossCase x = weighted_case(classes, kind, kFloatTypes[classes % 3], 0.75f);
      x.hard_weight = 0.25f;
      expect_in_each_reduction(x, stream(), std::to_string(classes) + " classes, both parts");
    }
    LossCase soft = weighted_case(classes, TargetKind::none, kFloatTypes[classes % 3], 1);
    soft.hard_weight = 0;
    soft.class_weights = {};
    expect_in_each_reduction(soft, stream(), std::to_string(classes) + " classes, soft part");
    if (HasFailure()) return;
  }
}

// A class's weight is no weight of the soft part.
TEST_P(LossWeightsTest, ClassWeightsLeaveTheSoftPartAlone) {
  LossCase x = weighted_case(33, TargetKind::hard, FloatType::f32, 1);
  x.hard_weight = 0;
  const LossResult with = run_loss_case(x, stream());
  x.class_weights = {};
  const LossResult without = run_loss_case(x, stream());
  expect_same_bits(with.row_losses, without.row_losses, "row losses");
  expect_same_bits(with.gradient.values, without.gradient.values, "gradient");
}

TEST_P(LossWeightsTest, WeightsOfOneChangeNothing) {
  for (const std::int64_t classes : {3, 10, 100, 300, 2049}) {
    for (const TargetKind kind : {TargetKind::hard, TargetKind::mixed, TargetKind::dense}) {
      LossCase x = weighted_case(classes, kind, FloatType::f32, 0.5f);
      x.class_weights.clear();
      x.row_weights.clear();
      const LossResult without = run_loss_case(x, stream());
      x.class_weights.assign(static_cast<std::size_t>(classes), 1.0f);
      x.row_weights.assign(static_cast<std::size_t>(x.student.rows), 1.0f);
      const LossResult with = run_loss_case(x, stream());
      expect_same_bits(with.row_losses, without.row_losses, "row losses");
      expect_same_bits(with.gradient.values, without.gradient.values, "gradient");
      EXPECT_EQ(with.valid_rows, without.valid_rows);
    }
  }
}

// Twice the weight, twice the loss and the gradient, to the bit.
TEST_P(LossWeightsTest, LossAndGradientAreProportionalToARowsWeight) {
  LossCase x = weighted_case(100, TargetKind::hard, FloatType::f32, 0.5f);
  const LossResult once = run_loss_case(x, stream());
  for (float& w : x.row_weights) w *= 2;
  LossResult twice = run_loss_case(x, stream());
  for (float& loss : twice.row_losses) loss /= 2;
  for (float& g : twice.gradient.values) g /= 2;
  expect_same_bits(twice.row_losses, once.row_losses, "row losses");
  expect_same_bits(twice.gradient.values, once.gradient.values, "gradient");
}

TEST_P(LossWeightsTest, BitsDoNotDependOnTheBatchOrTheAlignment) {
  for (const std::int64_t classes : {3, 17, 100, 300, 2049}) {
    const LossCase x = weighted_case(classes, TargetKind::mixed, FloatType::f32, 0.5f);
    const LossResult whole = run_loss_case(x, stream(), {});
    for (std::int64_t r = 0; r < x.student.rows; ++r) {
      const auto i = static_cast<std::size_t>(r);
      LossCase one = x;
      one.student = matrix({std::vector<float>(x.student.row(r).begin(), x.student.row(r).end())});
      one.teacher = matrix({std::vector<float>(x.teacher->row(r).begin(), x.teacher->row(r).end())});
      one.targets = HostTargets{{x.targets->a[i]}, {x.targets->b[i]}, {x.targets->weight_a[i]}, {}};
      one.row_weights = {x.row_weights[i]};
      const LossResult got = run_loss_case(one, stream(), {.padding = r % 5, .offset = r % 4});
      expect_same_bits(got.row_losses, std::span(whole.row_losses).subspan(i, 1), "row loss");
      expect_same_bits(got.gradient.values, whole.gradient.row(r), "gradient");
    }
  }
}

TEST_P(LossWeightsTest, WeightsOfTheWrongSizeAreRejected) {
  const auto says = [&](std::size_t classes, std::size_t rows, float soft_weight) {
    LossCase x = weighted_case(10, TargetKind::hard, FloatType::f32, soft_weight);
    x.class_weights.resize(classes, 1.0f);
    x.row_weights.resize(rows, 1.0f);
    return message_of<InvalidArgument>([&] { run_loss_case(x, stream()); });
  };
  EXPECT_EQ(says(9, 19, 0), "cross_entropy: weights.classes has 9 values, expected 10");
  EXPECT_EQ(says(10, 20, 0), "cross_entropy: weights.rows has 20 values, expected 19");
  EXPECT_EQ(says(11, 19, 1), "distillation_loss: weights.classes has 11 values, expected 10");
  EXPECT_EQ(says(10, 18, 1), "distillation_loss: weights.rows has 18 values, expected 19");
}

// Central differences of the reference's loss against the library's gradient and the reference's own.
TEST_P(LossWeightsTest, GradientsAreFiniteDifferencesOfTheLoss) {
  for (const TargetKind kind : {TargetKind::hard, TargetKind::mixed, TargetKind::dense}) {
    for (const float smoothing : {0.0f, 0.25f}) {
      LossCase x = weighted_case(7, kind, FloatType::f32, 0.5f);
      x.smoothing = kind == TargetKind::dense ? 0.0f : smoothing;
      const LossResult got = run_loss_case(x, stream());
      for (std::int64_t r = 0; r < x.student.rows; ++r) {
        const ExpectedRow analytic = expected_row(x, r);
        for (std::int64_t c = 0; c < 7; ++c) {
          const auto loss_at = [&](float step) {
            LossCase moved = x;
            moved.student.at(r, c) += step;
            return std::pair{moved.student.at(r, c), expected_row(moved, r).loss};
          };
          const auto [up, loss_up] = loss_at(0x1p-10f);
          const auto [down, loss_down] = loss_at(-0x1p-10f);
          const double difference = static_cast<double>((loss_up - loss_down) / (Real{up} - Real{down}));
          const std::string what = "row " + std::to_string(r) + ", class " + std::to_string(c);
          EXPECT_NEAR(got.gradient.row(r)[static_cast<std::size_t>(c)], difference, 8e-6) << what;
          EXPECT_NEAR(static_cast<double>(analytic.gradient[static_cast<std::size_t>(c)]), difference, 2e-6) << what;
        }
      }
    }
  }
}

}  // namespace
}  // namespace leaven::test
