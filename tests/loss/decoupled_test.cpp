#include "tests/loss/divergence_support.hpp"

namespace leaven::test {
namespace {

class DecoupledTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(DecoupledTest);

Case decoupled_case(std::int64_t rows, std::int64_t classes, float deviation, float temperature, std::uint32_t seed) {
  Case c{.student = normal_matrix(rows, classes, deviation, seed), .teachers = {}};
  c.teachers = {teacher_near(c.student, deviation, seed + 1)};
  c.targets = HostTargets{.a = some_labels(rows, classes)};
  c.options = {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .divergence = DecoupledKl{}};
  return c;
}

TEST_P(DecoupledTest, IsItsDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {2, 3, 10, 17, 100, 1025, 2500}) {
      for (const float temperature : {0.5f, 1.0f, 4.0f, 1e3f}) {
        if (classes > 1000 && temperature != 4.0f) continue;
        for (const DecoupledKl weights : {DecoupledKl{}, DecoupledKl{0.0f, 1.0f}, DecoupledKl{2.0f, 0.0f}}) {
          Case c = decoupled_case(classes > 1000 ? 2 : 32, classes, 3.0f, temperature, 231);
          c.options.divergence = weights;
          expect_case(c, stream(),
                      isa + ", " + std::to_string(classes) + " classes, T " + std::to_string(temperature) +
                          ", weights " + std::to_string(weights.target_weight));
        }
      }
    }
  });
}

TEST_P(DecoupledTest, KnowsNearlyCertainTargets) {
  Case c = decoupled_case(24, 10, 1.0f, 1.0f, 233);
  for (std::int64_t r = 0; r < 24; ++r) {
    const std::int64_t target = c.targets->a[static_cast<std::size_t>(r)];
    c.student.at(r, target) += static_cast<float>(r) * 4 - 48;
    c.teachers[0].at(r, target) += static_cast<float>(r % 7) * 12 - 36;
  }
  expect_case(c, stream(), "nearly certain");
}

TEST_P(DecoupledTest, OfEqualRowsIsZero) {
  Case c = decoupled_case(6, 33, 4.0f, 2.0f, 235);
  c.teachers = {c.student};
  const LossResult got = run_case(c, stream());
  for (const float loss : got.row_losses) EXPECT_EQ(loss, 0.0f);
  for (const float g : got.gradient.values) EXPECT_EQ(g, 0.0f);
}

TEST_P(DecoupledTest, WithWeightsOneIsForwardKlWhereTheTeacherHasNoTarget) {
  // KL = binary KL + (1 - q_target) KL of the others.
  Case c = decoupled_case(4, 10, 3.0f, 2.0f, 237);
  c.options.divergence = DecoupledKl{1.0f, 1.0f};
  for (std::int64_t r = 0; r < 4; ++r) c.teachers[0].at(r, c.targets->a[static_cast<std::size_t>(r)]) = -kInfinity;
  Case forward = c;
  forward.options.divergence = ForwardKl{};
  const LossResult a = run_case(c, stream());
  const LossResult b = run_case(forward, stream());
  for (std::size_t r = 0; r < 4; ++r) EXPECT_NEAR(a.row_losses[r], b.row_losses[r], 4e-6f * (1 + b.row_losses[r]));
  for (std::size_t i = 0; i < 40; ++i) EXPECT_NEAR(a.gradient.values[i], b.gradient.values[i], 8e-6f);
}

TEST_P(DecoupledTest, TakesSeveralTeachersAndStandardisedRows) {
  for (const Standardise standardise : {Standardise::no, Standardise::yes}) {
    for (const std::int64_t classes : {3, 20, 1100, 2100}) {
      Case c = decoupled_case(6, classes, 3.0f, 2.0f, 239);
      c.teachers.push_back(teacher_near(c.student, 3.0f, 240));
      c.teachers.push_back(normal_matrix(6, classes, 1.0f, 241));
      c.weights = {1.0f, 2.0f, 0.5f};
      c.options.standardise = standardise;
      c.options.hard_weight = 0.5f;
      const Real extra = standardise == Standardise::yes ? 1 : 0.2L;
      expect_case(c, stream(), std::to_string(classes) + " classes", {}, {.loss = 1, .gradient = extra});
    }
  }
}

TEST_P(DecoupledTest, RowsWithoutALabelAreIgnored) {
  Case c = decoupled_case(4, 10, 3.0f, 2.0f, 243);
  c.targets->a = {3, kIgnoreLabel, 10, 4};
  c.options.hard_weight = 0.5f;
  c.options.reduction = Reduction::mean_valid;
  for (float& x : std::span(c.student.values).subspan(10, 10)) x = kNan;
  const LossResult got = run_case(c, stream());
  EXPECT_EQ(got.status, kLabelOutOfRange);
  EXPECT_EQ(got.valid_rows, 2);
  EXPECT_NEAR(got.loss, (got.row_losses[0] + got.row_losses[3]) / 2, 1e-5f);
  for (std::size_t i = 10; i < 30; ++i) EXPECT_EQ(got.gradient.values[i], 0.0f);
  EXPECT_EQ(got.row_losses[1], 0.0f);
}

TEST_P(DecoupledTest, AnswersDelicateRows) {
  const float inf = kInfinity;
  const auto run = [&](std::vector<float> student, std::vector<float> teacher) {
    Case c{.student = matrix({std::move(student)}), .teachers = {}};
    c.teachers = {matrix({std::move(teacher)})};
    c.targets = HostTargets{.a = {0}};
    c.options = {.temperature = 2.0f, .hard_weight = 0.0f, .soft_weight = 1.0f, .divergence = DecoupledKl{}};
    return run_case(c, stream());
  };
  const auto is_finite = [](const LossResult& got) {
    for (const float g : got.gradient.values) EXPECT_TRUE(std::isfinite(g)) << g;
  };
  EXPECT_EQ(run({5}, {2}).row_losses[0], 0.0f);  // one class
  EXPECT_EQ(run({5}, {2}).gradient.values[0], 0.0f);
  const LossResult excluded = run({-inf, 1, 2}, {1, 2, 3});  // the target, by the student alone
  EXPECT_EQ(excluded.row_losses[0], inf);
  is_finite(excluded);
  const LossResult both = run({-inf, 1, 2}, {-inf, 1, 2});  // in both: only the others are left, and they are equal
  EXPECT_EQ(both.row_losses[0], 0.0f);
  is_finite(both);
  const LossResult others = run({1, -inf, -inf}, {1, 2, 3});  // every other class
  EXPECT_EQ(others.row_losses[0], inf);
  is_finite(others);
  const LossResult certain = run({1, 2, 3}, {1, -inf, -inf});  // the teacher knows only the target
  const double p = 1 / (1 + std::exp(0.5) + std::exp(1.0));
  EXPECT_NEAR(certain.row_losses[0], -4 * std::log(p), 1e-5);
  EXPECT_NEAR(certain.gradient.values[0], 2 * (p - 1), 1e-5);
  is_finite(certain);
  const LossResult other = run({1, -inf, 2}, {1, 2, 2});  // another class, by the student alone
  EXPECT_EQ(other.row_losses[0], inf);
  is_finite(other);
  const LossResult masked = run({-inf, -inf, -inf}, {1, 2, 3});
  EXPECT_EQ(masked.row_losses[0], 0.0f);
  is_finite(masked);
  EXPECT_EQ(run({1, 2, 3}, {-inf, -inf, -inf}).row_losses[0], 0.0f);
  EXPECT_TRUE(std::isnan(run({1, kNan, 3}, {1, 2, 3}).row_losses[0]));
  EXPECT_TRUE(std::isnan(run({kNan, 1, 3}, {1, 2, 3}).row_losses[0]));
  const LossResult infinite = run({1, 2, 3}, {inf, 2, 3});
  EXPECT_TRUE(std::isnan(infinite.row_losses[0]));
  EXPECT_TRUE(std::isnan(infinite.gradient.values[1]));
  EXPECT_EQ(infinite.status, kLogitPlusInfinity);
}

}  // namespace
}  // namespace leaven::test
