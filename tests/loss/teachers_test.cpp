#include "tests/loss/divergence_support.hpp"

namespace leaven::test {
namespace {

class TeachersTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(TeachersTest);

Case several(std::int64_t rows, std::int64_t classes, std::vector<float> weights, float temperature,
             const Divergence& divergence = ForwardKl{}) {
  Case c{.student = normal_matrix(rows, classes, 3.0f, 251), .teachers = {}, .weights = std::move(weights)};
  for (std::size_t m = 0; m < c.weights.size(); ++m) {
    c.teachers.push_back(teacher_near(c.student, 3.0f, static_cast<std::uint32_t>(252 + m)));
  }
  c.options = {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .divergence = divergence};
  return c;
}

const Divergence kDivergences[] = {ForwardKl{}, ReverseKl{}, JensenShannon{0.3f}};

TEST_P(TeachersTest, CompareWithTheMeanOfProbabilities) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const Divergence& divergence : kDivergences) {
      for (const std::int64_t classes : {1, 2, 10, 130, 1025, 2100}) {
        for (const float temperature : {0.5f, 4.0f, 1e3f}) {
          if (classes > 130 && temperature != 4.0f) continue;
          const Case c = several(classes > 130 ? 2 : 7, classes, {1, 0.5f, 3}, temperature, divergence);
          // Teachers on both sides of the student: their differences have more error than that of the mean.
          expect_case(c, stream(),
                      isa + ", divergence " + std::to_string(divergence.index()) + ", " + std::to_string(classes) +
                          " classes, T " + std::to_string(temperature),
                      {}, {.gradient = 0.2L / temperature});
        }
      }
    }
  });
}

TEST_P(TeachersTest, AnyNumberUpToEight) {
  std::vector<float> weights;
  for (int m = 1; m <= 8; ++m) {
    weights.push_back(static_cast<float>(m));
    expect_case(several(4, 20, weights, 2.0f), stream(), std::to_string(m) + " teachers", {}, {.gradient = 0.2L});
  }
}

TEST_P(TeachersTest, OneTeacherGivesTheBitsOfThatTeacher) {
  for (const Divergence& divergence : kDivergences) {
    Case c = several(5, 33, {0.7f}, 2.0f, divergence);
    const LossResult one = run_case(c, stream());
    c.weights.clear();
    const LossResult plain = run_case(c, stream());
    expect_same_bits(one.row_losses, plain.row_losses, "losses");
    expect_same_bits(one.gradient.values, plain.gradient.values, "gradients");
  }
}

TEST_P(TeachersTest, EqualTeachersAreOneTeacher) {
  Case c = several(5, 33, {0.25f, 0.75f}, 2.0f);
  c.teachers[1] = c.teachers[0];
  expect_case(c, stream(), "equal teachers");
  c.teachers = {c.student, c.student};
  const LossResult got = run_case(c, stream());
  for (const float loss : got.row_losses) EXPECT_EQ(loss, 0.0f);
  for (const float g : got.gradient.values) EXPECT_EQ(g, 0.0f);
}

TEST_P(TeachersTest, ATeacherOfWeightZeroIsNotLookedAt) {
  Case c = several(3, 10, {1.0f, 0.0f, 2.0f}, 2.0f);
  for (float& x : c.teachers[1].values) x = kNan;
  expect_case(c, stream(), "weight 0", {}, {.gradient = 0.2L});
}

TEST_P(TeachersTest, VerySmallWeightsCountWhereTheOthersSayNothing) {
  Case c = several(1, 3, {1.0f, 1e-9f}, 1.0f);
  c.student = matrix({{0, 1, 2}});
  c.teachers = {matrix({{60, 0, 0}}), matrix({{0, 0, 60}})};
  for (const Divergence& divergence : kDivergences) {
    c.options.divergence = divergence;
    expect_case(c, stream(), "small weight");
  }
}

TEST_P(TeachersTest, FullyMaskedTeachersAreLeftOut) {
  for (const Divergence& divergence : kDivergences) {
    Case c = several(2, 5, {1.0f, 2.0f, 1.0f}, 2.0f, divergence);
    for (std::int64_t i = 0; i < 5; ++i) c.teachers[0].at(0, i) = -kInfinity;
    for (HostMatrix& teacher : c.teachers) {
      for (std::int64_t i = 0; i < 5; ++i) teacher.at(1, i) = -kInfinity;
    }
    c.options.reduction = Reduction::none;
    expect_case(c, stream(), "masked", {}, {.gradient = 0.2L});
    EXPECT_EQ(run_case(c, stream()).row_losses[1], 0.0f);
  }
}

TEST_P(TeachersTest, AClassThatOneTeacherExcludesIsTheOthers) {
  for (const Divergence& divergence : kDivergences) {
    Case c = several(4, 5, {1.0f, 2.0f}, 2.0f, divergence);
    for (std::int64_t r = 0; r < 4; ++r) c.teachers[static_cast<std::size_t>(r % 2)].at(r, r) = -kInfinity;
    expect_case(c, stream(), "excluded by one", {}, {.gradient = 0.2L});
  }
}

TEST_P(TeachersTest, AnyTypeAndLayout) {
  for (const FloatType type : {FloatType::f16, FloatType::bf16}) {
    expect_case(several(3, 21, {1, 2}, 2.0f, JensenShannon{}), stream(), type_name(type), {type, type, {3, 1}},
                {.gradient = 0.2L});
    expect_case(several(3, 20, {1, 2}, 2.0f), stream(), type_name(type), {type, FloatType::f32, {}},
                {.gradient = 0.2L});
  }
}

TEST_P(TeachersTest, NanOfOneTeacherIsThatRowsAlone) {
  Case c = several(3, 10, {1.0f, 2.0f}, 2.0f);
  c.teachers[1].at(1, 4) = kNan;
  const LossResult got = run_case(c, stream());
  EXPECT_TRUE(std::isnan(got.row_losses[1]));
  EXPECT_FALSE(std::isnan(got.row_losses[0] + got.row_losses[2]));
  for (const float g : got.gradient.row(1)) EXPECT_TRUE(std::isnan(g));
  EXPECT_EQ(got.status, kLogitNaN);
}

}  // namespace
}  // namespace leaven::test
