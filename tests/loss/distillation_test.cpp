#include "tests/loss/expect_row.hpp"

namespace leaven::test {
namespace {

class DistillationTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(DistillationTest);

constexpr std::int64_t kClasses[] = {1,   2,   3,   7,   8,    10,   31,   32,   33,   100,
                                     127, 128, 129, 257, 1000, 1024, 1025, 1100, 2049, 5000};

std::int64_t rows_for(std::int64_t classes) { return classes <= 129 ? 37 : classes <= 1100 ? 9 : 3; }

// Teachers close to their students (a trained pair) and far from them.
HostMatrix teacher_of(const HostMatrix& student, float deviation, std::uint32_t seed) {
  HostMatrix teacher = normal_matrix(student.rows, student.columns, deviation, seed);
  for (std::int64_t r = 0; r < student.rows; r += 2) {
    for (std::int64_t c = 0; c < student.columns; ++c)
      teacher.at(r, c) = student.row(r)[static_cast<std::size_t>(c)] + 0.01f * teacher.at(r, c);
  }
  return teacher;
}

void expect_definition(const HostMatrix& student, const HostMatrix& teacher, const std::optional<HostTargets>& targets,
                       DistillationOptions options, Stream stream, const std::string& what) {
  options.reduction = Reduction::none;
  const LossResult got = run_distillation(student, teacher, targets, options, stream);
  EXPECT_EQ(got.status, 0u);
  EXPECT_EQ(got.valid_rows, student.rows);
  for (std::int64_t r = 0; r < student.rows; ++r) {
    ExpectedRow expected;
    if (options.soft_weight != 0)
      add_soft(expected, student.row(r), teacher.row(r), options.temperature, options.soft_weight);
    if (targets && options.hard_weight != 0) {
      const auto q = dense_target(*targets, student, r, options.label_smoothing, options.ignore_label);
      add_hard(expected, reference::cross_entropy(student.row(r), q), options.hard_weight);
    }
    expect_row(got.row_losses[static_cast<std::size_t>(r)], got.gradient.row(r), expected,
               what + ", row " + std::to_string(r));
  }
}

TEST_P(DistillationTest, SoftPartIsItsDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix student = normal_matrix(rows_for(classes), classes, 4.0f, 1);
      const HostMatrix teacher = teacher_of(student, 4.0f, 2);
      for (const float temperature : {0.05f, 0.5f, 1.0f, 3.7f, 1e4f}) {
        expect_definition(student, teacher, {}, {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f},
                          stream(),
                          isa + ", " + std::to_string(classes) + " classes, T " + std::to_string(temperature));
      }
    }
  });
}

TEST_P(DistillationTest, BothPartsAreTheirDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix student = normal_matrix(rows_for(classes), classes, 4.0f, 3);
      const HostMatrix teacher = teacher_of(student, 4.0f, 4);
      HostTargets targets{.a = some_labels(student.rows, classes)};
      const std::string what = isa + ", " + std::to_string(classes) + " classes";
      expect_definition(student, teacher, targets, {.temperature = 4.0f, .hard_weight = 0.3f, .soft_weight = 0.7f},
                        stream(), what);
      expect_definition(student, teacher, targets,
                        {.temperature = 0.7f, .hard_weight = 2.0f, .soft_weight = 0.5f, .label_smoothing = 0.1f},
                        stream(), what + ", smoothed");
      targets.b.assign(targets.a.rbegin(), targets.a.rend());
      targets.weight_a.assign(targets.a.size(), 0.3f);
      expect_definition(student, teacher, targets, {.hard_weight = 0.5f, .soft_weight = 0.5f}, stream(),
                        what + ", mixed");
      HostTargets dense;
      dense.soft = normal_matrix(student.rows, classes, 1.0f, 5);
      for (float& q : dense.soft->values) q = std::max(q, 0.0f) + 1e-3f;
      // Dense weights have any sum: scaled to the tolerances, which are for a sum of about 1.
      for (float& q : dense.soft->values) q /= static_cast<float>(classes);
      expect_definition(student, teacher, dense, {.hard_weight = 0.5f, .soft_weight = 0.5f}, stream(),
                        what + ", dense");
    }
  });
}

TEST_P(DistillationTest, HoldsItsToleranceForExtremeLogits) {
  for (const float deviation : {0.01f, 40.0f, 4000.0f}) {
    for (const std::int64_t classes : {2, 10, 100}) {
      const HostMatrix student = normal_matrix(200, classes, deviation, 6);
      const HostMatrix teacher = teacher_of(student, deviation, 7);
      for (const float temperature : {1e-3f, 0.5f, 1.0f, 20.0f, 1e4f}) {
        expect_definition(student, teacher, {}, {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f},
                          stream(),
                          "deviation " + std::to_string(deviation) + ", " + std::to_string(classes) + " classes, T " +
                              std::to_string(temperature));
      }
    }
  }
}

// Better than the tolerance, which at high temperatures would allow anything.
TEST_P(DistillationTest, KeepsItsRelativeAccuracyAtHighTemperatures) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {2, 10, 100, 1000}) {
      const HostMatrix student = normal_matrix(100, classes, 4.0f, 8);
      const HostMatrix teacher = normal_matrix(100, classes, 4.0f, 9);
      for (const float temperature : {1.0f, 30.0f, 1e4f}) {
        const LossResult got = run_distillation(
            student, teacher, {},
            {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .reduction = Reduction::none},
            stream());
        for (std::int64_t r = 0; r < 100; ++r) {
          const Real expected = reference::distillation(student.row(r), teacher.row(r), temperature).loss;
          const Real square = static_cast<Real>(temperature) * temperature;
          if (expected < 1e-10L * square) continue;  // the reference itself has no more digits
          EXPECT_LE(std::fabs(static_cast<Real>(got.row_losses[static_cast<std::size_t>(r)]) - expected),
                    1.5e-6L * expected)
              << isa << ", " << classes << " classes, T " << temperature << ", row " << r;
        }
      }
    }
  });
}

TEST_P(DistillationTest, TendsToHalfTheVarianceAtAnyHighTemperature) {
  const HostMatrix student = matrix({{1, -2, 0.5f, 3}, {0, 0, 0, 4}});
  const HostMatrix teacher = matrix({{0, 1, 0.25f, -1}, {0, 0, 0, 0}});
  for (const float temperature : {1e6f, 1e18f, 1e30f, 1e37f}) {
    const LossResult got = run_distillation(
        student, teacher, {},
        {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .reduction = Reduction::none}, stream());
    for (std::int64_t r = 0; r < 2; ++r) {
      double mean = 0;
      double square = 0;
      for (std::size_t c = 0; c < 4; ++c) {
        const double d = double{student.row(r)[c]} - double{teacher.row(r)[c]};
        mean += d / 4;
        square += d * d / 4;
      }
      EXPECT_NEAR(got.row_losses[static_cast<std::size_t>(r)], (square - mean * mean) / 2, 2e-5) << temperature;
      for (std::size_t c = 0; c < 4; ++c) {
        const double d = double{student.row(r)[c]} - double{teacher.row(r)[c]};
        EXPECT_NEAR(got.gradient.row(r)[c], (d - mean) / 4, 2e-5) << temperature;
      }
    }
  }
}

TEST_P(DistillationTest, IsTheCrossEntropyWithoutASoftWeight) {
  const HostMatrix student = normal_matrix(33, 10, 4.0f, 10);
  HostTargets targets{.a = some_labels(33, 10)};
  targets.a[5] = kIgnoreLabel;
  const LossResult got = run_distillation(student, normal_matrix(33, 10, 4.0f, 11), targets,
                                          {.hard_weight = 1.0f, .soft_weight = 0.0f}, stream());
  const LossResult expected = run_cross_entropy(student, targets, {}, stream());
  expect_same_bits(got.row_losses, expected.row_losses, "losses");
  expect_same_bits(got.gradient.values, expected.gradient.values, "gradient");
  EXPECT_EQ(got.loss, expected.loss);
  EXPECT_EQ(got.valid_rows, 32);
}

TEST_P(DistillationTest, DoesNotReadTargetsWithoutAHardWeight) {
  const HostMatrix student = normal_matrix(33, 10, 4.0f, 12);
  const HostMatrix teacher = normal_matrix(33, 10, 4.0f, 13);
  const HostTargets bad{.a = std::vector<std::int32_t>(33, 99)};
  const LossResult with = run_distillation(student, teacher, bad, {.hard_weight = 0.0f}, stream());
  const LossResult without = run_distillation(student, teacher, {}, {.hard_weight = 0.0f}, stream());
  expect_same_bits(with.gradient.values, without.gradient.values, "gradient");
  EXPECT_EQ(with.status, 0u);
}

TEST_P(DistillationTest, IgnoredRowsKeepTheirSoftPart) {
  const HostMatrix student = normal_matrix(3, 10, 4.0f, 14);
  const HostMatrix teacher = normal_matrix(3, 10, 4.0f, 15);
  const HostTargets targets{.a = {kIgnoreLabel, 3, 10}};
  const DistillationOptions options{.hard_weight = 0.5f, .soft_weight = 0.5f};
  const LossResult got = run_distillation(student, teacher, targets, options, stream());
  const LossResult soft = run_distillation(student, teacher, {}, {.hard_weight = 0.0f, .soft_weight = 0.5f}, stream());
  EXPECT_EQ(got.valid_rows, 3);
  EXPECT_EQ(got.status, kLabelOutOfRange);
  EXPECT_EQ(got.row_losses[0], soft.row_losses[0]);
  EXPECT_NE(got.row_losses[1], soft.row_losses[1]);
  EXPECT_EQ(got.row_losses[2], soft.row_losses[2]);
  EXPECT_EQ(got.gradient.row(0)[4], soft.gradient.row(0)[4]);
}

TEST_P(DistillationTest, CountsNothingForTwoWeightsOfZero) {
  const HostMatrix student = matrix({{1, -kInfinity}, {2, 3}});
  const HostMatrix teacher = matrix({{1, 2}, {2, 3}});
  const LossResult got = run_distillation(student, teacher, HostTargets{.a = {1, 0}},
                                          {.hard_weight = 0.0f, .soft_weight = 0.0f}, stream());
  EXPECT_EQ(got.loss, 0.0f);
  for (const float g : got.gradient.values) EXPECT_EQ(g, 0.0f);
}

}  // namespace
}  // namespace leaven::test
