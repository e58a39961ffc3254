#include "tests/loss/divergence_support.hpp"

namespace leaven::test {
namespace {

class StandardiseTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(StandardiseTest);

struct Named {
  const char* name;
  Divergence divergence;
};
const Named kDivergences[] = {
    {"forward", ForwardKl{}}, {"reverse", ReverseKl{}}, {"jensen-shannon", JensenShannon{0.3f}}};

Case standardised_case(HostMatrix student, HostMatrix teacher, const Divergence& divergence, float temperature) {
  Case c{.student = std::move(student), .teachers = {std::move(teacher)}};
  c.options = {.temperature = temperature,
               .hard_weight = 0.0f,
               .soft_weight = 1.0f,
               .divergence = divergence,
               .standardise = Standardise::yes};
  return c;
}

// z-scores have an error of their own, which does not shrink with the difference of the rows.
constexpr Extra kOfZ{.loss = 1, .gradient = 1};

TEST_P(StandardiseTest, IsItsDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const auto& [name, divergence] : kDivergences) {
      for (const std::int64_t classes : {2, 3, 10, 129, 1030, 2500}) {
        for (const float temperature : {0.3f, 1.0f, 4.0f, 100.0f}) {
          if (classes > 129 && temperature != 1.0f) continue;
          const HostMatrix student = normal_matrix(classes > 129 ? 2 : 8, classes, 4.0f, 211);
          Case c = standardised_case(student, teacher_near(student, 4.0f, 212), divergence, temperature);
          for (float& x : c.teachers[0].values) x = 3 * x + 20;
          c.student.at(1, 0) = -kInfinity;  // masked in both: left out of mean and deviation
          c.teachers[0].at(1, 0) = -kInfinity;
          expect_case(c, stream(),
                      isa + ", " + name + ", " + std::to_string(classes) + " classes, T " + std::to_string(temperature),
                      {}, kOfZ);
        }
      }
    }
  });
}

TEST_P(StandardiseTest, DoesNotSeeShiftsAndScales) {
  const HostMatrix student = normal_matrix(4, 10, 4.0f, 213);
  Case c = standardised_case(student, student, ReverseKl{}, 1.0f);
  for (float& x : c.teachers[0].values) x = 4 * x;  // exact
  const LossResult got = run_case(c, stream());
  for (const float loss : got.row_losses) EXPECT_LE(loss, 1e-12f);
}

TEST_P(StandardiseTest, RowsWithoutSpreadAreZeros) {
  for (const auto& [name, divergence] : kDivergences) {
    const Case c = standardised_case(matrix({{5, 5, 5, 5}, {1, 2, 3, 4}, {7, 7, -kInfinity, 7}}),
                                     matrix({{1, 2, 3, 4}, {9, 9, 9, 9}, {1, 1, -kInfinity, 1}}), divergence, 2.0f);
    expect_case(c, stream(), name, {}, kOfZ);
    const LossResult got = run_case(c, stream());
    for (const float g : got.gradient.row(0)) EXPECT_EQ(g, 0.0f);
    EXPECT_EQ(got.row_losses[2], 0.0f);
  }
}

TEST_P(StandardiseTest, DeviationsNeitherOverflowNorVanish) {
  Case c = standardised_case(matrix({{1e30f, -1e30f, 0, 3e29f}, {1e-30f, 2e-30f, 0, 5e-30f}}),
                             matrix({{1, 2, 3, 4}, {4, 3, 2, 1}}), ReverseKl{}, 1.0f);
  c.options.reduction = Reduction::none;
  const LossResult got = run_case(c, stream());
  for (std::int64_t r = 0; r < 2; ++r) {
    const reference::RowLoss expected = soft_reference(c, r);
    EXPECT_NEAR(got.row_losses[static_cast<std::size_t>(r)], static_cast<double>(expected.loss), 3e-6);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(static_cast<double>(got.gradient.row(r)[i] / expected.gradient[i]), 1.0, 1e-4);
    }
  }
}

TEST_P(StandardiseTest, KnowsSmallDeviationsOfLargeLogits) {
  HostMatrix student = normal_matrix(5, 10, 1.0f, 215);
  for (float& x : student.values) x = 10000.0f + std::round(x * 64) / 64;
  const Case c = standardised_case(student, normal_matrix(5, 10, 2.0f, 216), ReverseKl{}, 1.0f);
  expect_case(c, stream(), "large logits", {}, kOfZ);
}

}  // namespace
}  // namespace leaven::test
