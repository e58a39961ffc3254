#include "tests/loss/expect_row.hpp"
#include "tests/loss/typed_matrix.hpp"

// Types of logits and weights of rows and classes in the CUDA kernels of cross_entropy and distillation_loss.
namespace leaven::test {
namespace {

constexpr FloatType kTypes[] = {FloatType::f32, FloatType::f16, FloatType::bf16};
constexpr std::int64_t kClasses[] = {1, 2, 4, 5, 10, 16, 17, 64, 65, 100, 128, 129, 257, 513, 1000, 1025, 2049, 3001};

std::int64_t rows_for(std::int64_t classes) { return classes <= 64 ? 19 : classes <= 300 ? 5 : 3; }

class LossTypesCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (require_cuda_or_skip()) stream_.emplace(Backend::cuda);
  }
  bool ready() const { return stream_.has_value(); }
  Stream stream() const { return *stream_; }

 private:
  std::optional<OwnedStream> stream_{};
};

// Dense targets of each row, times the classes' weights.
std::vector<Real> weighted_target(const HostTargets& targets, const HostMatrix& logits, std::int64_t row,
                                  Real smoothing, const std::vector<float>& classes) {
  std::vector<Real> q = dense_target(targets, logits, row, smoothing, kIgnoreLabel);
  for (std::size_t c = 0; c < q.size() && !classes.empty(); ++c) q[c] *= classes[c];
  return q;
}

ExpectedRow expected_row(const HostMatrix& student, const HostMatrix* teacher, const HostTargets& targets,
                         const DistillationOptions& options, const HostWeights& weights, std::int64_t row) {
  ExpectedRow expected;
  const Real weight = weights.rows.empty() ? 1 : weights.rows[static_cast<std::size_t>(row)];
  if (teacher != nullptr) {
    add_soft(expected, student.row(row), teacher->row(row), options.temperature, weight * options.soft_weight);
  }
  const auto q = weighted_target(targets, student, row, options.label_smoothing, weights.classes);
  add_hard(expected, reference::cross_entropy(student.row(row), q),
           weight * (teacher != nullptr ? options.hard_weight : 1));
  return expected;
}

// A gradient of 16 bits is rounded once more.
void expect_rows(const LossResult& got, const HostMatrix& student, const HostMatrix* teacher,
                 const HostTargets& targets, const DistillationOptions& options, const HostWeights& weights,
                 FloatType gradient, const std::string& what) {
  const Real step = gradient == FloatType::f32 ? 0 : gradient == FloatType::f16 ? 0x1p-11L : 0x1p-8L;
  for (std::int64_t r = 0; r < student.rows; ++r) {
    const ExpectedRow expected = expected_row(student, teacher, targets, options, weights, r);
    const std::string where = what + ", row " + std::to_string(r);
    EXPECT_LE(std::fabs(Real{got.row_losses[static_cast<std::size_t>(r)]} - expected.loss), expected.loss_tolerance)
        << where;
    for (std::int64_t c = 0; c < student.columns; ++c) {
      const auto i = static_cast<std::size_t>(c);
      const Real allowed =
          expected.gradient_tolerance + step * std::fabs(expected.gradient[i]) + (step > 0 ? 3e-8L : 0);
      ASSERT_LE(std::fabs(Real{got.gradient.row(r)[i]} - expected.gradient[i]), allowed) << where << ", class " << c;
    }
  }
}

TEST_F(LossTypesCuda, EachTypeGivesTheDefinition) {
  if (!ready()) return;
  const DistillationOptions options{.hard_weight = 0.4f, .soft_weight = 0.6f, .reduction = Reduction::none};
  int turn = 0;
  for (const std::int64_t classes : kClasses) {
    for (const FloatType s : kTypes) {
      for (const FloatType t : kTypes) {
        const FloatType g = ++turn % 2 == 0 ? s : FloatType::f32;
        const HostMatrix student = round_to(s, normal_matrix(rows_for(classes), classes, 3.0f, 1));
        const HostMatrix teacher = round_to(t, normal_matrix(rows_for(classes), classes, 3.0f, 2));
        const HostTargets targets{.a = some_labels(student.rows, classes)};
        const Layout2d layout = turn % 3 == 0 ? Layout2d{} : turn % 3 == 1 ? Layout2d{0, 3} : Layout2d{5, 1};
        const LossResult got = run_typed(student, &teacher, targets, options, {}, {s, t, g}, stream(), layout);
        EXPECT_EQ(got.status, 0u);
        expect_rows(got, student, &teacher, targets, options, {}, g,
                    std::string(type_name(s)) + " and " + type_name(t) + ", " + std::to_string(classes) + " classes");
      }
    }
  }
}

// The types are a matter of memory: the same values give the same bits.
TEST_F(LossTypesCuda, SixteenBitsGiveTheBitsOfTheSameFloats) {
  if (!ready()) return;
  const DistillationOptions options{.temperature = 2.0f, .label_smoothing = 0.1f, .reduction = Reduction::mean_valid};
  for (const std::int64_t classes : kClasses) {
    for (const FloatType type : {FloatType::f16, FloatType::bf16}) {
      const HostMatrix student = round_to(type, normal_matrix(rows_for(classes), classes, 3.0f, 3));
      const HostMatrix teacher = round_to(type, normal_matrix(rows_for(classes), classes, 3.0f, 4));
      const HostTargets targets{.a = some_labels(student.rows, classes)};
      const LossResult floats = run_typed(student, &teacher, targets, options, {}, {}, stream());
      const std::string what = std::string(type_name(type)) + ", " + std::to_string(classes) + " classes";
      for (const Layout2d layout : {Layout2d{}, Layout2d{0, 1}, Layout2d{3, 5}}) {
        const LossResult got =
            run_typed(student, &teacher, targets, options, {}, {type, type, FloatType::f32}, stream(), layout);
        expect_same_bits(got.row_losses, floats.row_losses, what);
        expect_same_bits(got.gradient.values, floats.gradient.values, what);
        const LossResult narrow =
            run_typed(student, &teacher, targets, options, {}, {type, type, type}, stream(), layout);
        expect_same_bits(narrow.gradient.values, round_to(type, floats.gradient).values,
                         what + ", gradient of 16 bits");
      }
    }
  }
}

TEST_F(LossTypesCuda, WeightsOfRowsAndClassesMultiply) {
  if (!ready()) return;
  for (const std::int64_t classes : kClasses) {
    const HostMatrix student = normal_matrix(rows_for(classes), classes, 3.0f, 5);
    const HostMatrix teacher = normal_matrix(rows_for(classes), classes, 3.0f, 6);
    HostWeights weights;
    for (std::int64_t c = 0; c < classes; ++c) weights.classes.push_back(0.25f * static_cast<float>(1 + c % 4));
    for (std::int64_t r = 0; r < student.rows; ++r) weights.rows.push_back(0.5f + static_cast<float>(r % 3));
    const std::string what = std::to_string(classes) + " classes";
    HostTargets targets{.a = some_labels(student.rows, classes)};
    const auto check = [&](const HostTargets& with, float smoothing, const std::string& kind) {
      const DistillationOptions options{
          .hard_weight = 0.5f, .soft_weight = 0.5f, .label_smoothing = smoothing, .reduction = Reduction::none};
      for (const HostMatrix* t : {static_cast<const HostMatrix*>(nullptr), &teacher}) {
        const LossResult got = run_typed(student, t, with, options, weights, {}, stream());
        EXPECT_EQ(got.valid_rows, student.rows);
        EXPECT_EQ(got.status, 0u);
        expect_rows(got, student, t, with, options, weights, FloatType::f32, what + ", " + kind);
      }
    };
    check(targets, 0.0f, "labels");
    check(targets, 0.2f, "smoothed");
    targets.b.assign(targets.a.rbegin(), targets.a.rend());
    targets.weight_a.assign(targets.a.size(), 0.3f);
    check(targets, 0.0f, "mixed");
    HostTargets dense;
    dense.soft = normal_matrix(student.rows, classes, 1.0f, 7);
    for (float& q : dense.soft->values) q = (std::max(q, 0.0f) + 1e-3f) / static_cast<float>(classes);
    check(dense, 0.0f, "dense");
  }
}

TEST_F(LossTypesCuda, RowsOfWeightZeroAreIgnoredAndNotLookedAt) {
  if (!ready()) return;
  for (const std::int64_t classes : {2, 10, 33, 200, 700, 1500, 2100}) {
    HostMatrix student = normal_matrix(6, classes, 3.0f, 8);
    HostMatrix teacher = normal_matrix(6, classes, 3.0f, 9);
    student.at(1, 0) = kNan;
    teacher.at(2, classes - 1) = kInfinity;
    HostTargets dense;
    dense.soft = normal_matrix(6, classes, 0.0f, 10);
    for (float& q : dense.soft->values) q = 0.5f;
    const HostWeights weights{.rows = {1.0f, 0.0f, -1.0f, 2.0f, kNan, kInfinity}};
    for (const HostMatrix* t : {static_cast<const HostMatrix*>(nullptr), static_cast<const HostMatrix*>(&teacher)}) {
      for (const HostTargets& targets : {HostTargets{.a = some_labels(6, classes)}, dense}) {
        const LossResult got = run_typed(student, t, targets, {}, weights, {}, stream());
        EXPECT_EQ(got.valid_rows, 2) << classes;
        EXPECT_EQ(got.status, static_cast<std::uint32_t>(kWeightOutOfRange)) << classes;
        EXPECT_FLOAT_EQ(got.loss, (got.row_losses[0] + got.row_losses[3]) / 2);
        EXPECT_GT(got.row_losses[0], 0.0f);
        for (const std::int64_t r : {1, 2, 4, 5}) {
          EXPECT_EQ(got.row_losses[static_cast<std::size_t>(r)], 0.0f) << classes << " classes, row " << r;
          for (const float g : got.gradient.row(r)) ASSERT_EQ(g, 0.0f) << classes << " classes, row " << r;
        }
      }
    }
  }
}

TEST_F(LossTypesCuda, BadWeightsOfClassesCountAsZeroAndSetTheStatus) {
  if (!ready()) return;
  for (const std::int64_t classes : {3, 10, 100, 3001}) {
    const HostMatrix student = normal_matrix(3, classes, 3.0f, 11);
    HostWeights bad{.classes = std::vector<float>(static_cast<std::size_t>(classes), 1.0f)};
    HostWeights zero = bad;
    bad.classes[2] = -1.0f;
    zero.classes[2] = 0.0f;
    const HostTargets targets{.a = {2, 1, 0}};
    const DistillationOptions options{.label_smoothing = 0.1f, .reduction = Reduction::sum};
    const LossResult got = run_typed(student, nullptr, targets, options, bad, {}, stream());
    const LossResult expected = run_typed(student, nullptr, targets, options, zero, {}, stream());
    EXPECT_EQ(got.status, static_cast<std::uint32_t>(kWeightOutOfRange));
    EXPECT_EQ(expected.status, 0u);
    EXPECT_EQ(got.valid_rows, 3);
    expect_same_bits(got.gradient.values, expected.gradient.values, "gradient");
  }
}

// Rows that are not near go another way; their neighbours in a warp or block must not notice.
TEST_F(LossTypesCuda, FarRowsLeaveTheirNeighboursAlone) {
  if (!ready()) return;
  const DistillationOptions options{
      .temperature = 1.0f, .hard_weight = 0.5f, .soft_weight = 0.5f, .reduction = Reduction::none};
  for (const std::int64_t classes : kClasses) {
    if (classes == 1) continue;
    const HostMatrix student = normal_matrix(9, classes, 1.0f, 12);
    const HostMatrix teacher = normal_matrix(9, classes, 1.0f, 13);
    const HostTargets targets{.a = some_labels(9, classes)};
    const LossResult near = run_typed(student, &teacher, targets, options, {}, {}, stream());
    HostMatrix far = student;
    for (std::int64_t r = 1; r < 9; r += 3) {
      far.at(r, 0) = 40.0f;
      far.at(r, classes - 1) = -kInfinity;
    }
    for (const Layout2d layout : {Layout2d{}, Layout2d{0, 1}, Layout2d{3, 2}}) {
      const LossResult got = run_typed(far, &teacher, targets, options, {}, {}, stream(), layout);
      for (std::int64_t r = 0; r < 9; ++r) {
        const auto i = static_cast<std::size_t>(r);
        if (r % 3 != 1) {
          expect_same_bits({{got.row_losses[i]}}, {{near.row_losses[i]}}, "loss of a near row");
          expect_same_bits(got.gradient.row(r), near.gradient.row(r), "gradient of a near row");
          continue;
        }
        EXPECT_EQ(got.row_losses[i], kInfinity);
        const ExpectedRow expected = expected_row(far, &teacher, targets, options, {}, r);
        for (std::int64_t c = 0; c < classes; ++c) {
          const auto k = static_cast<std::size_t>(c);
          ASSERT_LE(std::fabs(Real{got.gradient.row(r)[k]} - expected.gradient[k]), expected.gradient_tolerance);
        }
      }
    }
  }
}

TEST_F(LossTypesCuda, InPlaceGivesTheSameGradientInEachType) {
  if (!ready()) return;
  for (const std::int64_t classes : kClasses) {
    for (const FloatType type : kTypes) {
      const HostMatrix student = normal_matrix(rows_for(classes), classes, 3.0f, 14);
      const HostMatrix teacher = normal_matrix(rows_for(classes), classes, 8.0f, 15);  // near and far rows
      const HostTargets targets{.a = some_labels(student.rows, classes)};
      const DistillationOptions options{.temperature = 2.0f, .reduction = Reduction::none};
      const LossResult expected = run_typed(student, &teacher, targets, options, {}, {type, type, type}, stream());
      for (const Layout2d layout : {Layout2d{}, Layout2d{0, 3}, Layout2d{4, 0}}) {
        const TypedMatrix s(student, type, stream(), layout);
        const TypedMatrix t(teacher, type, stream(), layout);
        const BackendTargets labels(targets, stream());
        const Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(student.rows), stream());
        distillation_loss({.student = s.view(), .teacher = t.view(), .targets = labels.get()}, options,
                          {.gradient = s.mutable_view(), .in_place = InPlace::yes}, workspace.span(), stream());
        expect_same_bits(s.to_host().values, expected.gradient.values,
                         std::string(type_name(type)) + ", " + std::to_string(classes) + " classes");
      }
    }
  }
}

}  // namespace
}  // namespace leaven::test
