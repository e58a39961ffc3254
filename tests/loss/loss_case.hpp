#pragma once

#include "tests/loss/expect_row.hpp"
#include "tests/loss/typed_matrix.hpp"

// One call of cross_entropy or distillation_loss with inputs of any types and weights, and what it should give.
namespace leaven::test {

struct LossTypes {
  FloatType student = FloatType::f32;
  FloatType teacher = FloatType::f32;
  FloatType gradient = FloatType::f32;
};

struct LossCase {
  HostMatrix student{};                 // values that its type can hold
  std::optional<HostMatrix> teacher{};  // none: cross_entropy
  std::optional<HostTargets> targets{};
  LossTypes types{};
  std::vector<float> class_weights{};
  std::vector<float> row_weights{};
  float temperature = 3.0f;
  float hard_weight = 1.0f;
  float soft_weight = 0.0f;
  float smoothing = 0.0f;
  std::int32_t ignore_label = kIgnoreLabel;
  Reduction reduction = Reduction::none;

  bool has_hard() const { return targets.has_value() && hard_weight != 0; }
  bool has_soft() const { return teacher.has_value() && soft_weight != 0; }
};

// Weights on the backend, `offset` values behind the start of their memory.
class BackendWeights {
 public:
  BackendWeights(const std::vector<float>& weights, Stream stream, std::int64_t offset)
      : offset_(offset), buffer_(spread(weights, offset), stream) {}
  std::span<const float> get() const {
    if (buffer_.size() == offset_) return {};
    return buffer_.cspan().subspan(static_cast<std::size_t>(offset_));
  }

 private:
  static std::vector<float> spread(const std::vector<float>& weights, std::int64_t offset) {
    std::vector<float> all(static_cast<std::size_t>(offset), kNan);
    all.insert(all.end(), weights.begin(), weights.end());
    return all;
  }
  std::int64_t offset_;
  GuardedBuffer<float> buffer_;
};

inline LossResult run_loss_case(const LossCase& x, Stream stream, Layout2d layout = {.padding = 3, .offset = 1}) {
  const TypedMatrix student(x.student, x.types.student, stream, layout);
  std::optional<TypedMatrix> teacher;
  if (x.teacher) teacher.emplace(*x.teacher, x.types.teacher, stream, layout);
  std::optional<BackendTargets> targets;
  if (x.targets) targets.emplace(*x.targets, stream, layout.padding, layout.offset);
  const BackendWeights class_weights(x.class_weights, stream, layout.offset);
  const BackendWeights row_weights(x.row_weights, stream, layout.offset);
  const TypedMatrix gradient(x.student.rows, x.student.columns, x.types.gradient, stream, layout);
  const LossWeights weights{.classes = class_weights.get(), .rows = row_weights.get()};
  LossResult result = run_guarded(x.student.rows, x.student.columns, x.reduction, stream, {},
                                  [&](const LossOutput& untyped, auto workspace) {
                                    LossOutput out = untyped;
                                    out.gradient = gradient.view();
                                    if (teacher) {
                                      DistillationInput in{.student = student.cview(), .teacher = teacher->cview()};
                                      if (targets) in.targets = targets->get();
                                      distillation_loss(in,
                                                        {.temperature = x.temperature,
                                                         .hard_weight = x.hard_weight,
                                                         .soft_weight = x.soft_weight,
                                                         .label_smoothing = x.smoothing,
                                                         .ignore_label = x.ignore_label,
                                                         .weights = weights,
                                                         .reduction = x.reduction},
                                                        out, workspace, stream);
                                    } else {
                                      cross_entropy(student.cview(), targets->get(),
                                                    {.label_smoothing = x.smoothing,
                                                     .ignore_label = x.ignore_label,
                                                     .weights = weights,
                                                     .reduction = x.reduction},
                                                    out, workspace, stream);
                                    }
                                  });
  result.gradient = gradient.to_host();
  return result;
}

inline Real usable(float weight) { return std::isfinite(weight) && weight >= 0 ? Real{weight} : 0; }
inline Real row_weight_of(const LossCase& x, std::int64_t row) {
  return x.row_weights.empty() ? 1 : usable(x.row_weights[static_cast<std::size_t>(row)]);
}

// Whether labels or dense weights give the row a target.
inline bool has_target(const LossCase& x, std::int64_t row) {
  const HostTargets& t = *x.targets;
  if (t.soft) {
    const auto q = t.soft->row(row);
    return std::all_of(q.begin(), q.end(), [](float w) { return std::isfinite(w) && w >= 0; }) &&
           std::any_of(q.begin(), q.end(), [](float w) { return w > 0; });
  }
  const auto r = static_cast<std::size_t>(row);
  const auto good = [&](std::int32_t label) {
    return label == x.ignore_label || (label >= 0 && label < x.student.columns);
  };
  if (t.b.empty()) return t.a[r] != x.ignore_label && good(t.a[r]);
  const bool weight = t.weight_a[r] >= 0 && t.weight_a[r] <= 1;
  return good(t.a[r]) && good(t.b[r]) && weight && (t.a[r] != x.ignore_label || t.b[r] != x.ignore_label);
}

inline bool is_valid_row(const LossCase& x, std::int64_t row) {
  if (row_weight_of(x, row) == 0) return false;
  return x.has_soft() || !x.targets || has_target(x, row);
}

// The target of a row with the classes' weights.
inline std::vector<Real> weighted_target(const LossCase& x, std::int64_t row) {
  std::vector<Real> q = dense_target(*x.targets, x.student, row, x.smoothing, x.ignore_label);
  for (std::size_t c = 0; c < q.size() && !x.class_weights.empty(); ++c) q[c] *= usable(x.class_weights[c]);
  return q;
}

// The row before the reduction; where nothing counts, exactly 0. Tolerances scale with the target's mass.
inline ExpectedRow expected_row(const LossCase& x, std::int64_t row) {
  ExpectedRow expected;
  expected.gradient.assign(static_cast<std::size_t>(x.student.columns), 0);
  const Real weight = row_weight_of(x, row);
  if (weight == 0) return expected;
  if (x.has_soft()) add_soft(expected, x.student.row(row), x.teacher->row(row), x.temperature, weight * x.soft_weight);
  if (!x.has_hard() || !has_target(x, row)) return expected;
  const std::vector<Real> q = weighted_target(x, row);
  Real mass = 0;
  for (const Real value : q) mass += value;
  reference::RowLoss hard = reference::cross_entropy(x.student.row(row), q);
  const Real unit = mass > 0 ? mass : 1;
  hard.loss /= unit;
  for (Real& g : hard.gradient) g /= unit;
  add_hard(expected, hard, weight * x.hard_weight * unit);
  return expected;
}

inline std::vector<ExpectedRow> expected_rows(const LossCase& x) {
  std::vector<ExpectedRow> rows;
  for (std::int64_t r = 0; r < x.student.rows; ++r) rows.push_back(expected_row(x, r));
  return rows;
}

inline void expect_near(float got, Real expected, Real tolerance, const std::string& what) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(got)) << what << ": " << got << ", expected NaN";
  } else if (std::isinf(expected)) {
    EXPECT_EQ(got, static_cast<float>(expected)) << what;
  } else {
    EXPECT_LE(std::fabs(Real{got} - expected), tolerance) << what << ": " << got << ", expected " << expected;
  }
}

// A row of the gradient, divided by the reduction's divisor and rounded to its type.
inline void expect_gradient(std::span<const float> got, const ExpectedRow& expected, Real divisor, FloatType type,
                            const std::string& what) {
  const Real relative = relative_rounding(type) * 1.01L + 2e-7L;
  Real sum = 0;
  for (std::size_t c = 0; c < got.size(); ++c) {
    const Real g = expected.gradient[c] / divisor;
    sum += got[c];
    const Real tolerance = expected.gradient_tolerance / divisor + relative * std::fabs(g) + smallest_step(type) / 2;
    if (std::isfinite(g) && std::fabs(Real{got[c]} - g) <= tolerance) continue;
    expect_near(got[c], g, tolerance, what + ", gradient of class " + std::to_string(c));
    if (testing::Test::HasFailure()) return;  // one is enough
  }
  if (type != FloatType::f32 || std::isnan(expected.loss)) return;
  const Real scale = expected.gradient_scale + largest(expected.gradient);
  EXPECT_LE(std::fabs(sum), static_cast<Real>(got.size()) * 1e-7L * scale / divisor + 1e-37L)
      << what << ": the gradient adds up to " << sum;
}

inline Real divisor_of(const LossCase& x) {
  if (x.reduction == Reduction::mean_all) return std::max<Real>(1, static_cast<Real>(x.student.rows));
  if (x.reduction != Reduction::mean_valid) return 1;
  Real valid = 0;
  for (std::int64_t r = 0; r < x.student.rows; ++r) valid += is_valid_row(x, r) ? 1 : 0;
  return std::max<Real>(1, valid);
}

// Row losses, gradient, the reduced loss and the count of valid rows.
inline void expect_result(const LossResult& got, const LossCase& x, const std::vector<ExpectedRow>& rows,
                          const std::string& what) {
  const Real divisor = divisor_of(x);
  Real sum = 0;
  Real tolerance = 0;
  std::int32_t valid = 0;
  for (std::int64_t r = 0; r < x.student.rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const std::string row = what + ", row " + std::to_string(r);
    expect_near(got.row_losses[i], rows[i].loss, rows[i].loss_tolerance, row + ", loss");
    expect_gradient(got.gradient.row(r), rows[i], divisor, x.types.gradient, row);
    sum += rows[i].loss;
    tolerance += rows[i].loss_tolerance + 5e-7L * std::fabs(rows[i].loss);
    valid += is_valid_row(x, r) ? 1 : 0;
  }
  EXPECT_EQ(got.valid_rows, valid) << what;
  if (x.reduction != Reduction::none) expect_near(got.loss, sum / divisor, tolerance / divisor, what + ", loss");
}
inline void expect_definition(const LossResult& got, const LossCase& x, const std::string& what) {
  expect_result(got, x, expected_rows(x), what);
}

enum class TargetKind { none, hard, mixed, dense };
inline constexpr TargetKind kTargetKinds[] = {TargetKind::none, TargetKind::hard, TargetKind::mixed, TargetKind::dense};

// Targets of one kind, with every fifth row ignored. Dense rows add up to about 1.
inline std::optional<HostTargets> some_targets(TargetKind kind, std::int64_t rows, std::int64_t classes) {
  if (kind == TargetKind::none) return std::nullopt;
  HostTargets t;
  if (kind == TargetKind::dense) {
    t.soft = normal_matrix(rows, classes, 1.0f, 203);
    for (float& q : t.soft->values) q = std::max(q, 0.0f) * 2.5f / static_cast<float>(classes);
    for (std::int64_t r = 0; r < rows; ++r) {
      t.soft->at(r, r % classes) += 0.125f;
      for (std::int64_t c = 0; c < classes && r % 5 == 4; ++c) t.soft->at(r, c) = 0;
    }
    return t;
  }
  t.a = some_labels(rows, classes);
  for (std::size_t r = 4; r < t.a.size(); r += 5) t.a[r] = kIgnoreLabel;
  if (kind == TargetKind::hard) return t;
  t.b.assign(t.a.rbegin(), t.a.rend());
  for (std::int64_t r = 0; r < rows; ++r) t.weight_a.push_back(static_cast<float>(r % 4) / 3.0f);
  return t;
}

inline std::string text(const LossTypes& types) {
  return std::string(type_name(types.student)) + ", teacher " + type_name(types.teacher) + ", gradient " +
         type_name(types.gradient);
}

}  // namespace leaven::test
