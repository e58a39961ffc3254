#include "tests/loss/expect_row.hpp"

namespace leaven::test {
namespace {

class CrossEntropyTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(CrossEntropyTest);

constexpr std::int64_t kClasses[] = {1,   2,   3,   7,   8,   10,   31,   32,   33,   100,  127,
                                     128, 129, 256, 257, 512, 1000, 1024, 1025, 1100, 2049, 5000};

std::int64_t rows_for(std::int64_t classes) { return classes <= 129 ? 37 : classes <= 1100 ? 9 : 3; }

void expect_definition(const HostMatrix& logits, const HostTargets& targets, CrossEntropyOptions options, Stream stream,
                       const std::string& what) {
  options.reduction = Reduction::none;
  const LossResult got = run_cross_entropy(logits, targets, options, stream);
  EXPECT_EQ(got.status, 0u);
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    ExpectedRow expected;
    const auto q = dense_target(targets, logits, r, options.label_smoothing, options.ignore_label);
    add_hard(expected, reference::cross_entropy(logits.row(r), q), 1);
    expect_row(got.row_losses[static_cast<std::size_t>(r)], got.gradient.row(r), expected,
               what + ", row " + std::to_string(r));
  }
}

TEST_P(CrossEntropyTest, HardLabelsGiveTheDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix logits = normal_matrix(rows_for(classes), classes, 4.0f, 21);
      const HostTargets targets{.a = some_labels(logits.rows, classes)};
      expect_definition(logits, targets, {}, stream(), isa + ", " + std::to_string(classes) + " classes");
    }
  });
}

TEST_P(CrossEntropyTest, SmoothedLabelsGiveTheDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix logits = normal_matrix(rows_for(classes), classes, 4.0f, 22);
      const HostTargets targets{.a = some_labels(logits.rows, classes)};
      for (const float smoothing : {0.1f, 1.0f}) {
        expect_definition(logits, targets, {.label_smoothing = smoothing}, stream(),
                          isa + ", " + std::to_string(classes) + " classes, smoothing " + std::to_string(smoothing));
      }
    }
  });
}

TEST_P(CrossEntropyTest, MixedLabelsGiveTheDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix logits = normal_matrix(rows_for(classes), classes, 4.0f, 23);
      HostTargets targets{.a = some_labels(logits.rows, classes)};
      targets.b.assign(targets.a.rbegin(), targets.a.rend());
      for (std::size_t r = 0; r < targets.a.size(); ++r) {
        targets.weight_a.push_back(static_cast<float>(r) / static_cast<float>(targets.a.size() - 1));
      }
      for (const float smoothing : {0.0f, 0.2f}) {
        expect_definition(logits, targets, {.label_smoothing = smoothing}, stream(),
                          isa + ", " + std::to_string(classes) + " classes, smoothing " + std::to_string(smoothing));
      }
    }
  });
}

TEST_P(CrossEntropyTest, DenseTargetsGiveTheDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix logits = normal_matrix(rows_for(classes), classes, 4.0f, 24);
      HostTargets targets;
      targets.soft = normal_matrix(logits.rows, classes, 1.0f, 25);
      for (std::int64_t r = 0; r < logits.rows; ++r) {
        float sum = 0.5f;  // rows add up to less than 1
        for (std::int64_t c = 0; c < classes; ++c)
          sum += targets.soft->at(r, c) = std::max(0.0f, targets.soft->at(r, c));
        for (std::int64_t c = 0; c < classes; ++c) targets.soft->at(r, c) /= sum;
        targets.soft->at(r, r % classes) += 0.01f;
      }
      expect_definition(logits, targets, {}, stream(), isa + ", " + std::to_string(classes) + " classes");
    }
  });
}

TEST_P(CrossEntropyTest, MixedIsHardWhereOneWeightIsOne) {
  const HostMatrix logits = normal_matrix(33, 10, 4.0f, 26);
  const HostTargets hard{.a = some_labels(33, 10)};
  HostTargets mixed = hard;
  mixed.b.assign(33, 4);
  mixed.weight_a.assign(33, 1.0f);
  const LossResult a = run_cross_entropy(logits, hard, {}, stream());
  const LossResult b = run_cross_entropy(logits, mixed, {}, stream());
  expect_same_bits(b.row_losses, a.row_losses, "losses");
  EXPECT_EQ(a.loss, b.loss);
}

TEST_P(CrossEntropyTest, OneMixedLabelIgnoredLeavesTheOtherWithItsOwnWeight) {
  const HostMatrix logits = normal_matrix(4, 10, 4.0f, 27);
  HostTargets mixed{.a = {3, kIgnoreLabel, 3, kIgnoreLabel},
                    .b = {kIgnoreLabel, 5, 5, kIgnoreLabel},
                    .weight_a = {0.25f, 0.25f, 0.25f, 0.25f}};
  const LossResult got = run_cross_entropy(logits, mixed, {.reduction = Reduction::sum}, stream());
  const auto ce = [&](std::int64_t row, std::int64_t label) {
    return static_cast<double>(
        reference::cross_entropy(logits.row(row), reference::smoothed_label(logits.row(row), label, 0)).loss);
  };
  EXPECT_NEAR(got.row_losses[0], 0.25 * ce(0, 3), 1e-5);
  EXPECT_NEAR(got.row_losses[1], 0.75 * ce(1, 5), 1e-5);
  EXPECT_NEAR(got.row_losses[2], 0.25 * ce(2, 3) + 0.75 * ce(2, 5), 1e-5);
  EXPECT_EQ(got.row_losses[3], 0.0f);
  EXPECT_EQ(got.valid_rows, 3);
  EXPECT_EQ(got.status, 0u);
  expect_definition(logits, mixed, {.label_smoothing = 0.2f}, stream(),
                    "smoothed: the spread has the label's weight too");
}

// The label's gap is not weighed twice, and a class behind the label's chunk of a very wide row is found.
TEST_P(CrossEntropyTest, FindsLabelsAnywhereInAVeryWideRow) {
  const std::int64_t classes = 32768;
  const HostMatrix logits = normal_matrix(4, classes, 4.0f, 28);
  const HostTargets targets{.a = {0, 2047, 2048, 32767}};
  expect_definition(logits, targets, {}, stream(), "hard");
  expect_definition(logits, targets, {.label_smoothing = 0.1f}, stream(), "smoothed");
}

// Central differences of the reference's loss, in long double.
TEST_P(CrossEntropyTest, GradientsAreFiniteDifferencesOfTheLoss) {
  const HostMatrix student = normal_matrix(5, 7, 2.0f, 29);
  const HostMatrix teacher = normal_matrix(5, 7, 2.0f, 30);
  const HostTargets targets{.a = {0, 6, 3, 3, 2}, .b = {1, 0, 3, 4, 5}, .weight_a = {0.1f, 0.5f, 0.9f, 0.3f, 0.6f}};
  constexpr float kSmoothing = 0.1f;
  const DistillationOptions options{.temperature = 2.5f,
                                    .hard_weight = 0.4f,
                                    .soft_weight = 0.6f,
                                    .label_smoothing = kSmoothing,
                                    .reduction = Reduction::sum};
  const LossResult got = run_distillation(student, teacher, targets, options, stream());
  for (std::int64_t r = 0; r < 5; ++r) {
    const auto q = dense_target(targets, student, r, kSmoothing, kIgnoreLabel);
    const auto loss = [&](std::span<const float> s) {
      return Real{0.4f} * reference::cross_entropy(s, q).loss +
             Real{0.6f} * reference::distillation(s, teacher.row(r), 2.5L).loss;
    };
    for (std::size_t c = 0; c < 7; ++c) {
      std::vector<float> up(student.row(r).begin(), student.row(r).end());
      std::vector<float> down = up;
      up[c] += 1.0f / 1024;
      down[c] -= 1.0f / 1024;
      const Real difference = (loss(up) - loss(down)) / (Real{up[c]} - Real{down[c]});
      EXPECT_NEAR(got.gradient.row(r)[c], static_cast<double>(difference), 1e-6) << "row " << r << ", class " << c;
    }
  }
}

}  // namespace
}  // namespace leaven::test
