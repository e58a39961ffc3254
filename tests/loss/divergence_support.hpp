#pragma once

#include "tests/loss/expect_row.hpp"
#include "tests/loss/typed_matrix.hpp"
#include "tests/reference/divergence_reference.hpp"

// Calls of distillation_loss with any divergence and teachers, and what they should give.
namespace leaven::test {

// What is compared: on the host, to be put on a backend in any type and layout.
struct Case {
  HostMatrix student;
  std::vector<HostMatrix> teachers;
  std::vector<float> weights{};  // of the teachers; empty: one teacher, passed as such
  std::optional<HostTargets> targets{};
  std::vector<float> class_weights{};
  std::vector<float> row_weights{};
  DistillationOptions options{};
};

struct Storage {
  FloatType type = FloatType::f32;
  FloatType gradient_type = FloatType::f32;
  Layout2d layout{};
};

inline LossResult run_case(const Case& c, Stream stream, Storage storage = {}) {
  const std::int64_t rows = c.student.rows;
  const TypedMatrix student(c.student, storage.type, stream, storage.layout);
  std::vector<TypedMatrix> teachers;
  for (const HostMatrix& teacher : c.teachers) teachers.emplace_back(teacher, storage.type, stream, storage.layout);
  std::vector<WeightedTeacher> weighted;
  for (std::size_t m = 0; m < c.weights.size(); ++m) weighted.push_back({teachers[m].cview(), c.weights[m]});
  std::optional<BackendTargets> targets;
  if (c.targets) targets.emplace(*c.targets, stream, storage.layout.padding, storage.layout.offset);
  const Buffer<float> class_weights(std::span<const float>(c.class_weights), stream);
  const Buffer<float> row_weights(std::span<const float>(c.row_weights), stream);
  const HostMatrix nans{rows, c.student.columns, std::vector<float>(c.student.values.size(), kNan)};
  const TypedMatrix gradient(nans, storage.gradient_type, stream, storage.layout);
  GuardedBuffer<float> row_losses(rows, stream);
  GuardedBuffer<float> loss(1, stream);
  GuardedBuffer<std::int32_t> valid(1, stream);
  GuardedBuffer<std::uint32_t> status(std::vector<std::uint32_t>{0}, stream);
  GuardedBuffer<std::byte> workspace(std::vector<std::byte>(static_cast<std::size_t>(loss_workspace_bytes(rows))),
                                     stream);
  DistillationInput in{.student = student.cview(), .teacher = teachers.at(0).cview()};
  if (!weighted.empty()) in.teacher = std::span<const WeightedTeacher>(weighted);
  if (targets) in.targets = targets->get();
  DistillationOptions options = c.options;
  if (!c.class_weights.empty()) options.weights.classes = class_weights.cspan();
  if (!c.row_weights.empty()) options.weights.rows = row_weights.cspan();
  const bool none = options.reduction == Reduction::none;
  const LossOutput out{.row_losses = row_losses.span(),
                       .loss = none ? nullptr : loss.data(),
                       .gradient = gradient.view(),
                       .valid_rows = valid.data(),
                       .status = status.data()};
  distillation_loss(in, options, out, workspace.span(), stream);
  stream.synchronize();
  row_losses.expect_guards_intact();
  loss.expect_guards_intact();
  workspace.expect_guards_intact();
  gradient.expect_only_matrix_written();
  student.expect_only_matrix_written();
  return {row_losses.to_host(), gradient.to_host(), none ? kNan : loss.to_host()[0], valid.to_host()[0],
          status.to_host()[0]};
}

inline reference::Comparison comparison(const DistillationOptions& options, std::size_t target) {
  reference::Comparison how{.target = target};
  if (std::holds_alternative<ReverseKl>(options.divergence)) how.kind = reference::Kind::reverse;
  if (const auto* js = std::get_if<JensenShannon>(&options.divergence)) {
    how.kind = reference::Kind::jensen_shannon;
    how.beta = js->beta;
  }
  if (const auto* dkd = std::get_if<DecoupledKl>(&options.divergence)) {
    how.kind = reference::Kind::decoupled;
    how.target_weight = dkd->target_weight;
    how.other_weight = dkd->other_weight;
  }
  return how;
}

// The row's soft part without soft_weight, T^2 included unless the options say no.
inline reference::RowLoss soft_reference(const Case& c, std::int64_t r) {
  std::vector<std::span<const float>> teachers;
  reference::Row weights;
  double sum = 0;
  for (const float w : c.weights) sum += double{w};
  for (std::size_t m = 0; m < c.teachers.size(); ++m) {
    const float weight = c.weights.empty() ? 1.0f : c.weights[m];
    if (weight == 0.0f) continue;
    teachers.push_back(c.teachers[m].row(r));
    weights.push_back(c.weights.empty() ? 1 : static_cast<Real>(double{weight} / sum));
  }
  const std::size_t target = c.targets && !c.targets->a.empty() && c.targets->a[static_cast<std::size_t>(r)] >= 0
                                 ? static_cast<std::size_t>(c.targets->a[static_cast<std::size_t>(r)])
                                 : 0;
  const Real temperature = c.options.temperature;
  reference::RowLoss row =
      reference::soft_part(c.student.row(r), teachers, weights, temperature, comparison(c.options, target),
                           c.options.standardise == Standardise::yes);
  if (c.options.factor == TemperatureFactor::none) {
    row.loss /= temperature * temperature;
    for (Real& g : row.gradient) g /= temperature * temperature;
  }
  return row;
}

inline reference::RowLoss hard_reference(const Case& c, std::int64_t r) {
  std::vector<Real> q = dense_target(*c.targets, c.student, r, c.options.label_smoothing, c.options.ignore_label);
  for (std::size_t i = 0; i < q.size() && !c.class_weights.empty(); ++i) q[i] *= static_cast<Real>(c.class_weights[i]);
  return reference::cross_entropy(c.student.row(r), q);
}

// The tolerances of docs/losses.md, section "Divergences". Beyond them: of the loss in units of T^2, of the gradient in
// units of T.
struct Extra {
  Real loss = 0;
  Real gradient = 0;
};

// log p - log q of the row, the largest in size, over the classes that both have.
inline Real largest_ratio(const Case& c, std::int64_t r) {
  Real result = 0;
  for (const HostMatrix& teacher : c.teachers) {
    result = std::max(result, largest_log_ratio(c.student.row(r), teacher.row(r), c.options.temperature));
  }
  return result;
}

// q (1 - q) of the target of DecoupledKl, the largest of the row's teachers; 0 with another divergence.
inline Real target_variance(const Case& c, std::int64_t r) {
  if (!std::holds_alternative<DecoupledKl>(c.options.divergence)) return 0;
  const std::int32_t target = c.targets->a[static_cast<std::size_t>(r)];
  Real result = 0;
  for (std::size_t m = 0; target >= 0 && m < c.teachers.size(); ++m) {
    const Real q =
        std::exp(reference::log_softmax(c.teachers[m].row(r), c.options.temperature)[static_cast<std::size_t>(target)]);
    result = std::max(result, q * (1 - q));
  }
  return result;
}

inline void expect_case(const Case& c, Stream stream, const std::string& what, Storage storage = {}, Extra extra = {}) {
  Case held = c;
  held.options.reduction = Reduction::none;
  held.student = rounded(held.student, storage.type);
  for (HostMatrix& teacher : held.teachers) teacher = rounded(teacher, storage.type);
  const LossResult got = run_case(held, stream, storage);
  EXPECT_EQ(got.status, 0u) << what;
  EXPECT_EQ(got.valid_rows, c.student.rows) << what;
  const DistillationOptions& options = held.options;
  const Real temperature = options.temperature;
  const Real square = options.factor == TemperatureFactor::none ? 1 : temperature * temperature;
  const auto* dkd = std::get_if<DecoupledKl>(&options.divergence);
  const Real parts = dkd != nullptr ? static_cast<Real>(dkd->target_weight) + dkd->other_weight : 1;
  for (std::int64_t r = 0; r < held.student.rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const reference::RowLoss soft = soft_reference(held, r);
    const Real weight = held.row_weights.empty() ? 1 : held.row_weights[i];
    const Real soft_weight = options.soft_weight * weight;
    Real loss = soft_weight * soft.loss;
    const Real ratio = largest_ratio(held, r);
    const Real loss_ratio = options.temperature < 0.5f ? ratio : 0;
    Real loss_tolerance = soft_weight * 1e-6L * (square * parts * (1 + loss_ratio + extra.loss) + soft.loss);
    std::vector<Real> gradient = soft.gradient;
    const Real scale = soft_weight * square / temperature * parts;
    Real gradient_tolerance =
        soft_weight * 2e-6L * (1 + ratio) * largest(soft.gradient) + scale * (1e-18L + 1e-6L * extra.gradient) + 1e-37L;
    gradient_tolerance += scale * 2e-7L * ratio * target_variance(held, r);
    for (Real& g : gradient) g *= soft_weight;
    if (held.targets && options.hard_weight != 0) {
      const reference::RowLoss hard = hard_reference(held, r);
      const Real hard_weight = options.hard_weight * weight;
      loss += hard_weight * hard.loss;
      loss_tolerance += hard_weight * 1e-6L * (1 + hard.loss);
      gradient_tolerance += hard_weight * 1e-6L * std::max<Real>(1, largest(hard.gradient));
      for (std::size_t j = 0; j < gradient.size(); ++j) gradient[j] += hard_weight * hard.gradient[j];
    }
    EXPECT_LE(std::fabs(static_cast<Real>(got.row_losses[i]) - loss), loss_tolerance)
        << what << ", row " << r << ": loss " << got.row_losses[i] << ", expected " << loss;
    EXPECT_GE(got.row_losses[i], 0.0f) << what << ", row " << r;
    Real sum = 0;
    for (std::size_t j = 0; j < gradient.size(); ++j) {
      const float value = got.gradient.row(r)[j];
      sum += value;
      const Real tolerance =
          gradient_tolerance + rounding_of(static_cast<double>(gradient[j]), storage.gradient_type) * 1.01;
      ASSERT_LE(std::fabs(static_cast<Real>(value) - gradient[j]), tolerance)
          << what << ", row " << r << ", class " << j << ": gradient " << value << ", expected " << gradient[j];
    }
    if (storage.gradient_type != FloatType::f32) continue;
    EXPECT_LE(std::fabs(sum), static_cast<Real>(gradient.size()) * (1e-7L * largest(gradient) + gradient_tolerance / 8))
        << what << ", row " << r << ": the gradient adds up to " << sum;
  }
}

// Teachers close to their students (a trained pair) in every second row, and far from them.
inline HostMatrix teacher_near(const HostMatrix& student, float deviation, std::uint32_t seed) {
  HostMatrix teacher = normal_matrix(student.rows, student.columns, deviation, seed);
  for (std::int64_t r = 0; r < student.rows; r += 2) {
    for (std::int64_t c = 0; c < student.columns; ++c) {
      teacher.at(r, c) = student.row(r)[static_cast<std::size_t>(c)] + 0.01f * teacher.at(r, c);
    }
  }
  return teacher;
}

}  // namespace leaven::test
