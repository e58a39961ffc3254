#include <random>

#include "tests/loss/divergence_support.hpp"

namespace leaven::test {
namespace {

class DivergenceDelicateTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(DivergenceDelicateTest);

struct Named {
  const char* name;
  Divergence divergence;
};
const Named kDivergences[] = {{"forward", ForwardKl{}},
                              {"reverse", ReverseKl{}},
                              {"jensen-shannon", JensenShannon{0.3f}},
                              {"decoupled", DecoupledKl{1.0f, 2.0f}}};

Case pair_case(HostMatrix student, HostMatrix teacher, const Divergence& divergence, float temperature = 2.0f) {
  Case c{.student = std::move(student), .teachers = {std::move(teacher)}};
  c.targets = HostTargets{.a = std::vector<std::int32_t>(static_cast<std::size_t>(c.student.rows), 0)};
  c.options = {.temperature = temperature,
               .hard_weight = 0.0f,
               .soft_weight = 1.0f,
               .divergence = divergence,
               .reduction = Reduction::none};
  return c;
}

TEST_P(DivergenceDelicateTest, ReverseKlIsInfiniteWhereTheTeacherExcludes) {
  const Case c = pair_case(matrix({{1, 2, 3}, {1, 2, 3}, {-kInfinity, 2, 3}}),
                           matrix({{-kInfinity, 2, 3}, {1, 2, -kInfinity}, {-kInfinity, 3, 1}}), ReverseKl{});
  const LossResult got = run_case(c, stream());
  EXPECT_EQ(got.row_losses[0], kInfinity);
  EXPECT_EQ(got.row_losses[1], kInfinity);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(got.gradient.values[i], 0.0f);
  EXPECT_TRUE(std::isfinite(got.row_losses[2]));
  EXPECT_GT(got.row_losses[2], 0.0f);
  EXPECT_EQ(got.status, 0u);
}

TEST_P(DivergenceDelicateTest, ReverseKlGoesWithoutClassesThatTheStudentExcludes) {
  for (const std::int64_t excluded : {0, 2}) {  // also the teacher's largest one
    Case c = pair_case(matrix({{1, 2, 3, 0}}), matrix({{5, 1, 2, 4}}), ReverseKl{});
    c.student.at(0, excluded) = -kInfinity;
    expect_case(c, stream(), "excluded by the student");
  }
}

TEST_P(DivergenceDelicateTest, JensenShannonIsFiniteWhateverIsExcluded) {
  const HostMatrix student =
      matrix({{-kInfinity, 2, 3, 1}, {1, 2, 3, 0}, {-kInfinity, -kInfinity, 3, 1}, {1, 2, -kInfinity, 0}});
  const HostMatrix teacher =
      matrix({{5, 1, 2, 1}, {5, 1, -kInfinity, 2}, {1, 2, -kInfinity, -kInfinity}, {1, 3, -kInfinity, 2}});
  for (const float beta : {0.01f, 0.5f, 0.99f}) {
    expect_case(pair_case(student, teacher, JensenShannon{beta}), stream(), "beta " + std::to_string(beta));
  }
}

TEST_P(DivergenceDelicateTest, MaskedAndBrokenRowsKeepToThemselves) {
  const float inf = kInfinity;
  for (const auto& [name, divergence] : kDivergences) {
    for (const Standardise standardise : {Standardise::no, Standardise::yes}) {
      const HostMatrix plain =
          matrix({{1, 2, 3}, {-inf, -inf, -inf}, {1, 2, 3}, {kNan, 2, 3}, {1, 2, 3}, {1, inf, 3}, {1, 2, 3}});
      const HostMatrix other =
          matrix({{3, 1, 2}, {1, 2, 3}, {-inf, -inf, -inf}, {1, 2, 3}, {1, 2, kNan}, {1, 2, 3}, {3, inf, 1}});
      Case c = pair_case(plain, other, divergence);
      c.options.standardise = standardise;
      if (std::holds_alternative<ForwardKl>(divergence) && standardise == Standardise::no) {
        c.weights = {0.5f, 0.5f};  // the general loss, not the one of a single teacher
        c.teachers.push_back(other);
      }
      const LossResult got = run_case(c, stream());
      EXPECT_GT(got.row_losses[0], 0.0f) << name;
      EXPECT_TRUE(std::isfinite(got.row_losses[0])) << name;
      for (const std::size_t r : {1u, 2u}) {
        EXPECT_EQ(got.row_losses[r], 0.0f) << name;
        for (const float g : got.gradient.row(static_cast<std::int64_t>(r))) EXPECT_EQ(g, 0.0f) << name;
      }
      for (const std::size_t r : {3u, 4u, 5u, 6u}) {
        EXPECT_TRUE(std::isnan(got.row_losses[r])) << name << ", row " << r;
        for (const float g : got.gradient.row(static_cast<std::int64_t>(r))) EXPECT_TRUE(std::isnan(g)) << name << r;
      }
      EXPECT_EQ(got.status, kLogitNaN | kLogitPlusInfinity) << name;
      EXPECT_EQ(got.valid_rows, 7) << name;
    }
  }
}

// Rows of all kinds: nothing is NaN, nothing negative, gradients add up to 0.
TEST_P(DivergenceDelicateTest, AnyRowHasAnAnswer) {
  std::mt19937 generator(281);
  const auto any = [&](int below) { return static_cast<int>(generator() % static_cast<unsigned>(below)); };
  const auto seed = [&] { return static_cast<std::uint32_t>(generator()); };
  constexpr float kTemperatures[] = {1e-3f, 0.1f, 0.7f, 1.0f, 4.0f, 100.0f, 1e4f};
  constexpr float kDeviations[] = {1e-3f, 1.0f, 30.0f, 1e4f};
  for (int round = 0; round < (on_cuda() ? 60 : 400); ++round) {
    const std::int64_t classes = round % 10 == 0 ? 1 + any(1200) : 1 + any(40);
    const auto& [name, divergence] = kDivergences[any(4)];
    HostMatrix student = normal_matrix(4, classes, kDeviations[any(4)], seed());
    HostMatrix teacher = any(3) == 0 ? student : normal_matrix(4, classes, kDeviations[any(4)], seed());
    for (int i = any(4); i > 0; --i) {
      student.at(any(4), any(static_cast<int>(classes))) = -kInfinity;
      teacher.at(any(4), any(static_cast<int>(classes))) = -kInfinity;
    }
    Case c = pair_case(student, teacher, divergence, kTemperatures[any(7)]);
    if (any(3) == 0) c.options.standardise = Standardise::yes;
    if (any(3) == 0) {
      c.weights = {1.0f, 0.5f};
      c.teachers.push_back(normal_matrix(4, classes, 10.0f, seed()));
    }
    const LossResult got = run_case(c, stream());
    for (std::int64_t r = 0; r < 4; ++r) {
      const float loss = got.row_losses[static_cast<std::size_t>(r)];
      const std::string what = std::string(name) + ", round " + std::to_string(round) + ", row " + std::to_string(r);
      ASSERT_GE(loss, 0.0f) << what;
      Real sum = 0;
      Real size = 0;
      for (const float g : got.gradient.row(r)) {
        ASSERT_TRUE(std::isfinite(g)) << what;
        sum += g;
        size = std::max(size, std::fabs(static_cast<Real>(g)));
      }
      if (!std::isfinite(loss)) continue;
      Real tolerance = static_cast<Real>(classes) * 5e-7L * size + 1e-6L * size + 1e-30L;
      if (c.options.standardise == Standardise::yes) {  // what remains when the part along z is taken off
        const Real deviation = reference::standardise(reference::to_row(c.student.row(r))).deviation;
        if (deviation > 0) tolerance += 1e-6L * c.options.temperature / deviation;
      }
      ASSERT_LE(std::fabs(sum), tolerance) << what;
    }
  }
}

}  // namespace
}  // namespace leaven::test
