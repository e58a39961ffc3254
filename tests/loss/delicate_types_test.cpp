#include "tests/loss/loss_case.hpp"

// The delicate rows of docs/losses.md in logits of each type, all in one batch, each between good rows.
namespace leaven::test {
namespace {

class DelicateTypesTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(DelicateTypesTest);

constexpr float kMasked = -kInfinity;

// Values that all three types can hold.
struct DelicateRow {
  const char* name;
  std::vector<float> student;
  std::vector<float> teacher;
};
std::vector<DelicateRow> delicate_rows() {
  return {{"teacher 0 and student masked", {1, kMasked, 3}, {2, kMasked, 0}},
          {"teacher wants a masked class", {1, kMasked, 3}, {2, 1, 0}},
          {"teacher masks a class", {1, 2, 3}, {2, kMasked, 0}},
          {"student fully masked", {kMasked, kMasked, kMasked}, {2, 1, 0}},
          {"teacher fully masked", {1, 2, 3}, {kMasked, kMasked, kMasked}},
          {"both fully masked", {kMasked, kMasked, kMasked}, {kMasked, kMasked, kMasked}},
          {"student +inf", {1, kInfinity, 3}, {2, 1, 0}},
          {"teacher +inf", {1, 2, 3}, {kInfinity, 1, 0}},
          {"student NaN", {1, kNan, 3}, {2, 1, 0}},
          {"teacher NaN", {1, 2, 3}, {2, 1, kNan}},
          {"NaN among masked classes", {kMasked, kNan, kMasked}, {2, 1, 0}},
          {"equal rows", {1, 2, 3}, {1, 2, 3}},
          {"equal rows with a masked class", {1, kMasked, 3}, {1, kMasked, 3}},
          {"10240", {10240, 0, -10240}, {-10240, 10240, 0}},
          {"ties", {2, 2, 2}, {5, 5, 5}},
          {"one class left", {kMasked, kMasked, 3}, {kMasked, kMasked, -7}}};
}

// As wide as the class count: what is behind the first three repeats the last (NaN and +inf: once).
HostMatrix rows_of(const std::vector<DelicateRow>& rows, std::vector<float> DelicateRow::*side, std::int64_t classes,
                   FloatType type) {
  HostMatrix m = normal_matrix(2 * static_cast<std::int64_t>(rows.size()) + 1, classes, 2.0f,
                               side == &DelicateRow::student ? 321 : 322);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::int64_t c = 0; c < classes; ++c) {
      const float last = (rows[i].*side)[2];
      const float value = c < 3 ? (rows[i].*side)[static_cast<std::size_t>(c)] : std::isnan(last) ? 1.0f : last;
      m.at(2 * static_cast<std::int64_t>(i) + 1, c) = value;
    }
  }
  return rounded(std::move(m), type);
}

LossCase delicate_case(std::int64_t classes, FloatType student, FloatType teacher) {
  const std::vector<DelicateRow> rows = delicate_rows();
  LossCase x;
  x.types = {student, teacher, student};
  x.student = rows_of(rows, &DelicateRow::student, classes, student);
  x.teacher = rows_of(rows, &DelicateRow::teacher, classes, teacher);
  x.targets = HostTargets{.a = std::vector<std::int32_t>(static_cast<std::size_t>(x.student.rows), 0)};
  return x;
}

TEST_P(DelicateTypesTest, EachDelicateRowHasItsAnswerInEveryType) {
  for (const std::int64_t classes : {3, 10, 100, 129, 1025, 4097}) {
    for (const FloatType student : kFloatTypes) {
      for (const FloatType teacher : kFloatTypes) {
        if (classes > 100 && teacher != student) continue;  // time
        LossCase x = delicate_case(classes, student, teacher);
        const std::string what = std::to_string(classes) + " classes, " + text(x.types);
        for (const float temperature : {0.5f, 2.0f}) {
          if (classes > 1000 && temperature < 1) continue;  // time
          x.temperature = temperature;
          x.hard_weight = 0;
          x.soft_weight = 1;
          LossResult got = run_loss_case(x, stream());
          expect_definition(got, x, what + ", soft part");
          EXPECT_EQ(got.status, kLogitPlusInfinity | kLogitNaN) << what;
          x.hard_weight = 0.5f;
          x.soft_weight = 0.5f;
          got = run_loss_case(x, stream());
          expect_definition(got, x, what + ", both parts");
          EXPECT_EQ(got.status, kLogitPlusInfinity | kLogitNaN) << what;
        }
        x.teacher.reset();
        x.hard_weight = 1;
        for (const float smoothing : {0.0f, 0.25f}) {
          x.smoothing = smoothing;
          const LossResult got = run_loss_case(x, stream());
          expect_definition(got, x, what + ", cross-entropy");
          EXPECT_EQ(got.status, kLogitPlusInfinity | kLogitNaN) << what;
        }
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(DelicateTypesTest, EqualRowsGiveExactlyZeroInEveryType) {
  for (const std::int64_t classes : {1, 3, 10, 100, 1000, 5000}) {
    for (const FloatType type : kFloatTypes) {
      LossCase x;
      x.student = rounded(normal_matrix(3, classes, 6.0f, 323), type);
      x.teacher = x.student;
      x.types = {type, type, type};
      x.hard_weight = 0;
      x.soft_weight = 1;
      for (const float temperature : {1e-3f, 1.0f, 1e4f}) {
        x.temperature = temperature;
        const LossResult got = run_loss_case(x, stream());
        for (const float loss : got.row_losses) EXPECT_EQ(loss, 0.0f) << classes << ", T " << temperature;
        for (const float g : got.gradient.values) ASSERT_EQ(g, 0.0f) << classes << ", T " << temperature;
      }
    }
  }
}

// The largest finite values of f16, the smallest ones of each type.
TEST_P(DelicateTypesTest, ExtremesOfTheTypesAreFinite) {
  for (const FloatType type : kFloatTypes) {
    LossCase x;
    x.student = rounded(matrix({{65504, -65504, 0}, {0x1p-24f, 0, -0x1p-24f}, {0x1p-14f, 0x1p-15f, 0}}), type);
    x.teacher = rounded(matrix({{-65504, 0, 65504}, {0, 0x1p-24f, 0}, {0, 1, 0x1p-24f}}), type);
    x.types = {type, type, FloatType::f32};
    x.hard_weight = 0;
    x.soft_weight = 1;
    for (const float temperature : {0.5f, 1.0f, 1000.0f}) {
      x.temperature = temperature;
      expect_definition(run_loss_case(x, stream()), x,
                        std::string(type_name(type)) + ", T " + std::to_string(temperature));
    }
  }
}

}  // namespace
}  // namespace leaven::test
