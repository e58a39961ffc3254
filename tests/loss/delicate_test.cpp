#include "tests/loss/expect_row.hpp"

// One test for each row of the table of delicate cases in docs/losses.md. Every case has a good row on each side, which
// must not notice.
namespace leaven::test {
namespace {

class DelicateTest : public BackendTest {
 protected:
  static constexpr float kOn = 2.0f;

  // Rows: good, the delicate one, good.
  static HostMatrix between(const std::vector<float>& delicate) {
    HostMatrix m = normal_matrix(3, static_cast<std::int64_t>(delicate.size()), 2.0f, 41);
    for (std::size_t c = 0; c < delicate.size(); ++c) m.at(1, static_cast<std::int64_t>(c)) = delicate[c];
    return m;
  }
  static HostTargets labels(std::int32_t label) { return {.a = {0, label, 1}}; }

  LossResult distil(const std::vector<float>& student, const std::vector<float>& teacher,
                    float temperature = kOn) const {
    const DistillationOptions options{
        .temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .reduction = Reduction::none};
    HostMatrix s = between(student);
    HostMatrix t = between(teacher);
    t.at(0, 0) += 1.0f;
    t.at(2, 0) -= 1.0f;
    const LossResult got = run_distillation(s, t, {}, options, stream());
    for (const std::int64_t r : {0, 2}) {
      ExpectedRow good;
      add_soft(good, s.row(r), t.row(r), temperature, 1);
      expect_row(got.row_losses[static_cast<std::size_t>(r)], got.gradient.row(r), good, "good row");
    }
    EXPECT_EQ(got.valid_rows, 3);
    return got;
  }
  LossResult cross(const std::vector<float>& logits, const HostTargets& targets,
                   CrossEntropyOptions options = {}) const {
    options.reduction = Reduction::none;
    const HostMatrix s = between(logits);
    const LossResult got = run_cross_entropy(s, targets, options, stream());
    for (const std::int64_t r : {0, 2}) {
      ExpectedRow good;
      add_hard(good,
               reference::cross_entropy(s.row(r),
                                        dense_target(targets, s, r, options.label_smoothing, options.ignore_label)),
               1);
      expect_row(got.row_losses[static_cast<std::size_t>(r)], got.gradient.row(r), good, "good row");
    }
    return got;
  }
  static void expect_zero_row(const LossResult& got) {
    EXPECT_EQ(got.row_losses[1], 0.0f);
    for (const float g : got.gradient.row(1)) EXPECT_EQ(g, 0.0f);
  }
  static void expect_nan_row(const LossResult& got) {
    EXPECT_TRUE(std::isnan(got.row_losses[1])) << got.row_losses[1];
    for (const float g : got.gradient.row(1)) EXPECT_TRUE(std::isnan(g)) << g;
  }
};
LEAVEN_ON_BOTH_BACKENDS(DelicateTest);

TEST_P(DelicateTest, TeacherProbabilityZeroAndStudentMaskedContributesNothing) {
  const LossResult got = distil({1, -kInfinity, 3}, {2, -kInfinity, 0});
  const LossResult without = distil({1, 3}, {2, 0});
  EXPECT_NEAR(got.row_losses[1], without.row_losses[1], 1e-6);
  EXPECT_EQ(got.gradient.row(1)[1], 0.0f);
  EXPECT_NEAR(got.gradient.row(1)[2], without.gradient.row(1)[1], 1e-6);
  EXPECT_EQ(got.status, 0u);
}

// Too small for a float is 0: exp(-100/1) of the teacher's sum.
TEST_P(DelicateTest, TeacherProbabilityThatVanishesCountsAsZero) {
  const LossResult got = distil({1, -kInfinity, 3}, {2, -200, 0}, 1.0f);
  EXPECT_TRUE(std::isfinite(got.row_losses[1]));
}

TEST_P(DelicateTest, TeacherWithAMaskedClassThatTheStudentAllows) {
  const std::vector<float> student{1, 2, 3};
  const std::vector<float> teacher{2, -kInfinity, 0};
  const LossResult got = distil(student, teacher);
  ExpectedRow expected;
  add_soft(expected, student, teacher, kOn, 1);
  expect_row(got.row_losses[1], got.gradient.row(1), expected, "masked teacher class");
}

TEST_P(DelicateTest, TeacherProbabilityAndStudentMaskedGivesInfiniteLossAndFiniteGradient) {
  for (const std::vector<float>& teacher : {std::vector<float>{2, 1, 0}, {0, 9, 1}, {0, -9, 1}}) {
    const std::vector<float> student{1, -kInfinity, 3};
    const LossResult got = distil(student, teacher);
    EXPECT_EQ(got.row_losses[1], kInfinity);
    const auto p = reference::log_softmax(student, kOn);
    const auto q = reference::log_softmax(teacher, kOn);
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(got.gradient.row(1)[c], static_cast<double>(Real{kOn} * (std::exp(p[c]) - std::exp(q[c]))), 1e-6);
    }
    EXPECT_EQ(got.status, 0u);
  }
}

TEST_P(DelicateTest, FullyMaskedRowsGiveZeroAndCountAsValid) {
  const std::vector<float> masked(3, -kInfinity);
  expect_zero_row(distil(masked, {1, 2, 3}));
  expect_zero_row(distil({1, 2, 3}, masked));
  expect_zero_row(distil(masked, masked));
  for (const float smoothing : {0.0f, 0.1f, 1.0f}) {
    const LossResult got = cross(masked, labels(2), {.label_smoothing = smoothing});
    expect_zero_row(got);
    EXPECT_EQ(got.valid_rows, 3);
    EXPECT_EQ(got.status, 0u);
  }
}

TEST_P(DelicateTest, AMaskedTeacherLeavesTheHardPart) {
  const HostMatrix student = matrix({{1, 2, 3}});
  const HostMatrix teacher = matrix({{-kInfinity, -kInfinity, -kInfinity}});
  const HostTargets targets{.a = {1}};
  const LossResult got =
      run_distillation(student, teacher, targets, {.hard_weight = 1.0f, .soft_weight = 1.0f}, stream());
  const LossResult hard = run_cross_entropy(student, targets, {}, stream());
  EXPECT_EQ(got.loss, hard.loss);
  EXPECT_EQ(got.gradient.values, hard.gradient.values);
}

TEST_P(DelicateTest, PlusInfinityMakesItsRowNanAndSetsTheStatus) {
  LossResult got = distil({1, kInfinity, 3}, {1, 2, 3});
  expect_nan_row(got);
  EXPECT_EQ(got.status, kLogitPlusInfinity);
  got = distil({1, 2, 3}, {1, kInfinity, 3});
  expect_nan_row(got);
  EXPECT_EQ(got.status, kLogitPlusInfinity);
  for (const std::int32_t label : {1, 2}) {
    got = cross({1, kInfinity, 3}, labels(label));
    expect_nan_row(got);
    EXPECT_EQ(got.status, kLogitPlusInfinity);
  }
}

TEST_P(DelicateTest, NanStaysInItsRow) {
  for (const std::vector<float>& bad :
       {std::vector<float>{1, kNan, 3}, {kNan, 1, 3}, {-kInfinity, kNan, -kInfinity}, {kNan, kNan, kNan}}) {
    LossResult got = distil(bad, {1, 2, 3});
    expect_nan_row(got);
    EXPECT_EQ(got.status, kLogitNaN);
    got = distil({1, 2, 3}, bad);
    expect_nan_row(got);
    EXPECT_EQ(got.status, kLogitNaN);
    got = cross(bad, labels(2));
    expect_nan_row(got);
    EXPECT_EQ(got.status, kLogitNaN);
  }
}

TEST_P(DelicateTest, AllRowsIgnoredGiveZeroAndACountOfZero) {
  const HostMatrix logits = normal_matrix(33, 10, 4.0f, 42);
  const HostTargets targets{.a = std::vector<std::int32_t>(33, kIgnoreLabel)};
  for (const Reduction reduction : {Reduction::sum, Reduction::mean_valid, Reduction::mean_all}) {
    const LossResult got =
        run_cross_entropy(logits, targets, {.label_smoothing = 0.1f, .reduction = reduction}, stream());
    EXPECT_EQ(got.loss, 0.0f);
    EXPECT_EQ(got.valid_rows, 0);
    for (const float g : got.gradient.values) EXPECT_EQ(g, 0.0f);
  }
}

TEST_P(DelicateTest, NoRowsGiveZeroAndACountOfZero) {
  const HostMatrix none{0, 10, {}};
  for (const Reduction reduction : {Reduction::sum, Reduction::mean_valid, Reduction::mean_all}) {
    const LossResult hard = run_cross_entropy(none, HostTargets{}, {.reduction = reduction}, stream());
    EXPECT_EQ(hard.loss, 0.0f);
    EXPECT_EQ(hard.valid_rows, 0);
    const LossResult soft = run_distillation(none, none, {}, {.hard_weight = 0.0f, .reduction = reduction}, stream());
    EXPECT_EQ(soft.loss, 0.0f);
    EXPECT_EQ(soft.valid_rows, 0);
  }
}

// Whatever stands in an ignored row, a NaN too: it is not looked at.
TEST_P(DelicateTest, IgnoreLabelWithHardLabels) {
  for (const std::int32_t ignore : {kIgnoreLabel, -1, 1, 999, std::numeric_limits<std::int32_t>::min()}) {
    for (const std::vector<float>& row : {std::vector<float>{1, 2, 3}, {kNan, kInfinity, -kInfinity}}) {
      HostTargets targets = labels(ignore);
      targets.a[2] = 0;
      const LossResult got = cross(row, targets, {.label_smoothing = 0.1f, .ignore_label = ignore});
      expect_zero_row(got);
      EXPECT_EQ(got.valid_rows, 2);
      EXPECT_EQ(got.status, 0u);
    }
  }
}

TEST_P(DelicateTest, IgnoreLabelWithMixedLabels) {
  const HostTargets targets{.a = {0, 7, 1}, .b = {1, 7, 7}, .weight_a = {0.5f, 0.5f, 0.25f}};
  const LossResult got = cross({kNan, 2, 3}, targets, {.ignore_label = 7});
  expect_zero_row(got);
  EXPECT_EQ(got.valid_rows, 2);
}

TEST_P(DelicateTest, DenseTargetsOfZeroAreAnIgnoredRow) {
  HostTargets targets;
  targets.soft = matrix({{0.5f, 0.5f, 0}, {0, 0, 0}, {0, 0, 1}});
  const LossResult got = cross({kNan, 2, 3}, targets);
  expect_zero_row(got);
  EXPECT_EQ(got.valid_rows, 2);
  EXPECT_EQ(got.status, 0u);
}

TEST_P(DelicateTest, LabelsOutOfRangeAreIgnoredRowsAndSetTheStatus) {
  for (const std::int32_t label :
       {3, -1, 1000000, std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
    LossResult got = cross({1, 2, 3}, labels(label));
    expect_zero_row(got);
    EXPECT_EQ(got.valid_rows, 2);
    EXPECT_EQ(got.status, kLabelOutOfRange);
    const HostTargets mixed{.a = {0, 1, 1}, .b = {1, label, 2}, .weight_a = {0.5f, 0.5f, 0.25f}};
    got = cross({1, 2, 3}, mixed);
    expect_zero_row(got);
    EXPECT_EQ(got.status, kLabelOutOfRange);
  }
}

TEST_P(DelicateTest, WeightsOutOfRangeAreIgnoredRowsAndSetTheStatus) {
  for (const float weight : {-0.25f, 1.5f, kNan, kInfinity, -kInfinity}) {
    const HostTargets mixed{.a = {0, 1, 1}, .b = {1, 2, 2}, .weight_a = {0.5f, weight, 0.25f}};
    const LossResult got = cross({1, 2, 3}, mixed);
    expect_zero_row(got);
    EXPECT_EQ(got.valid_rows, 2);
    EXPECT_EQ(got.status, kWeightOutOfRange);
  }
  for (const float weight : {-0.25f, kNan, kInfinity, -kInfinity}) {
    HostTargets dense;
    dense.soft = matrix({{0.5f, 0.5f, 0}, {0.5f, 1, weight}, {0, 0, 1}});
    const LossResult got = cross({1, 2, 3}, dense);
    expect_zero_row(got);
    EXPECT_EQ(got.valid_rows, 2);
    EXPECT_EQ(got.status, kWeightOutOfRange);
  }
}

TEST_P(DelicateTest, SmoothingSpreadsOverUnmaskedClassesOnly) {
  const std::vector<float> logits{1, -kInfinity, 3, 0};
  const HostTargets targets{.a = {0, 2, 1}};
  const LossResult got = cross(logits, targets, {.label_smoothing = 0.3f});
  ExpectedRow expected;
  add_hard(expected, reference::cross_entropy(logits, reference::smoothed_label(logits, 2, Real{0.3f})), 1);
  expect_row(got.row_losses[1], got.gradient.row(1), expected, "smoothed");
  EXPECT_TRUE(std::isfinite(got.row_losses[1]));
  EXPECT_EQ(got.gradient.row(1)[1], 0.0f);
}

TEST_P(DelicateTest, TheLabelsOwnLogitMaskedGivesInfiniteLossAndFiniteGradient) {
  for (const float smoothing : {0.0f, 0.1f}) {
    const LossResult got = cross({1, -kInfinity, 3}, labels(1), {.label_smoothing = smoothing});
    EXPECT_EQ(got.row_losses[1], kInfinity);
    EXPECT_NEAR(got.gradient.row(1)[1], -1 + smoothing, 1e-6);
    EXPECT_EQ(got.status, 0u);
  }
  const LossResult all_spread = cross({1, -kInfinity, 3}, labels(1), {.label_smoothing = 1.0f});
  EXPECT_TRUE(std::isfinite(all_spread.row_losses[1])) << "the label has no weight of its own";
  HostTargets dense;
  dense.soft = matrix({{1, 0, 0}, {0.5f, 0, 0.5f}, {0, 1, 0}});
  EXPECT_TRUE(std::isfinite(cross({1, -kInfinity, 3}, dense).row_losses[1])) << "nobody wants the masked class";
}

TEST_P(DelicateTest, EqualRowsGiveExactlyZero) {
  for (const float temperature : {1e-3f, 0.5f, 1.0f, 4.0f, 1e4f}) {
    for (const std::int64_t classes : {1, 2, 10, 33, 100, 1000, 5000}) {
      HostMatrix logits = normal_matrix(17, classes, 6.0f, 43);
      if (classes > 2) {
        for (std::int64_t r = 0; r < 17; r += 3) logits.at(r, r % classes) = -kInfinity;
      }
      const LossResult got = run_distillation(
          logits, logits, {}, {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f}, stream());
      for (const float loss : got.row_losses) EXPECT_EQ(loss, 0.0f) << temperature << ", " << classes;
      for (const float g : got.gradient.values) ASSERT_EQ(g, 0.0f) << temperature << ", " << classes;
    }
  }
}

TEST_P(DelicateTest, LogitsOfTenThousandAreFinite) {
  const std::vector<std::vector<float>> rows{
      {1e4f, 0, -1e4f}, {-1e4f, 1e4f, 0}, {1e4f, 1e4f, 1e4f}, {-1e4f, -1e4f, -1e4f}};
  for (const auto& student : rows) {
    for (const auto& teacher : rows) {
      for (const float temperature : {0.01f, 1.0f, 100.0f}) {
        const LossResult got = distil(student, teacher, temperature);
        ExpectedRow expected;
        add_soft(expected, student, teacher, temperature, 1);
        expect_row(got.row_losses[1], got.gradient.row(1), expected, "1e4");
      }
    }
    const LossResult got = cross(student, labels(2));
    ExpectedRow expected;
    add_hard(expected, reference::cross_entropy(student, reference::smoothed_label(student, 2, 0)), 1);
    expect_row(got.row_losses[1], got.gradient.row(1), expected, "1e4");
  }
}

TEST_P(DelicateTest, OneClassGivesZero) {
  expect_zero_row(distil({5}, {-3}));
  const LossResult got = run_cross_entropy(matrix({{5}, {-7}}), HostTargets{.a = {0, 0}}, {}, stream());
  EXPECT_EQ(got.loss, 0.0f);
  EXPECT_EQ(got.gradient.values, (std::vector<float>{0, 0}));
}

TEST_P(DelicateTest, VerySmallTemperaturesAreFinite) {
  for (const float temperature :
       {1e-30f, std::numeric_limits<float>::min(), std::numeric_limits<float>::denorm_min()}) {
    const LossResult got = distil({1, 2, 3}, {2, 1, 0}, temperature);
    EXPECT_TRUE(std::isfinite(got.row_losses[1])) << temperature;
    for (const float g : got.gradient.row(1)) EXPECT_TRUE(std::isfinite(g)) << temperature;
  }
}

}  // namespace
}  // namespace leaven::test
