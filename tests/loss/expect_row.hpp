#pragma once

#include "tests/loss/loss_support.hpp"

// Rows against the reference, within the stated tolerances (docs/losses.md).
namespace leaven::test {

using reference::Real;

// hard_weight CE + soft_weight T^2 KL of one row, with what its tolerances need.
struct ExpectedRow {
  Real loss = 0;
  std::vector<Real> gradient;
  Real loss_tolerance = 0;
  Real gradient_tolerance = 0;
  Real gradient_scale = 0;
};

inline std::vector<Real> dense_target(const HostTargets& t, const HostMatrix& logits, std::int64_t row, Real smoothing,
                                      std::int32_t ignore_label) {
  std::vector<Real> q(static_cast<std::size_t>(logits.columns), 0);
  if (t.soft) {
    for (std::size_t c = 0; c < q.size(); ++c) q[c] = t.soft->row(row)[c];
    return q;
  }
  const auto r = static_cast<std::size_t>(row);
  const auto add = [&](std::int32_t label, Real weight) {
    if (label == ignore_label) return;
    const std::vector<Real> one = reference::smoothed_label(logits.row(row), label, smoothing);
    for (std::size_t c = 0; c < q.size(); ++c) q[c] += weight * one[c];
  };
  add(t.a[r], t.b.empty() ? 1 : t.weight_a[r]);
  if (!t.b.empty()) add(t.b[r], 1 - static_cast<Real>(t.weight_a[r]));
  return q;
}

inline Real largest(const std::vector<Real>& values) {
  Real result = 0;
  for (const Real value : values) result = std::max(result, std::fabs(value));
  return result;
}

// log p - log q, the largest in size (the x of the formulae, but for a shift).
inline Real largest_log_ratio(std::span<const float> student, std::span<const float> teacher, Real temperature) {
  const std::vector<Real> p = reference::log_softmax(student, temperature);
  const std::vector<Real> q = reference::log_softmax(teacher, temperature);
  Real result = 0;
  for (std::size_t c = 0; c < p.size(); ++c) {
    if (std::isfinite(p[c]) && std::isfinite(q[c])) result = std::max(result, std::fabs(p[c] - q[c]));
  }
  return result;
}

inline void add_hard(ExpectedRow& row, const reference::RowLoss& hard, Real weight) {
  row.loss += weight * hard.loss;
  row.loss_tolerance += weight * 1e-6L * (1 + std::fabs(hard.loss));
  row.gradient_tolerance += weight * 1e-6L;
  row.gradient_scale += weight;
  row.gradient.resize(hard.gradient.size());
  for (std::size_t c = 0; c < hard.gradient.size(); ++c) row.gradient[c] += weight * hard.gradient[c];
}

// 1e-18 T and T^2: what long double leaves of the reference's own differences.
inline void add_soft(ExpectedRow& row, std::span<const float> student, std::span<const float> teacher, Real temperature,
                     Real weight) {
  const reference::RowLoss soft = reference::distillation(student, teacher, temperature);
  const Real square = temperature * temperature;
  const Real extra = temperature < 0.5L ? largest_log_ratio(student, teacher, temperature) : 0;
  row.loss += weight * soft.loss;
  row.loss_tolerance += weight * square * 1e-6L * (1 + soft.loss / square + extra);
  row.gradient_tolerance += weight * (2e-6L * largest(soft.gradient) + 1e-18L * temperature + 1e-37L);
  row.gradient_scale += weight * (largest(soft.gradient) + 1e-11L * temperature + 1e-30L);
  row.gradient.resize(soft.gradient.size());
  for (std::size_t c = 0; c < soft.gradient.size(); ++c) row.gradient[c] += weight * soft.gradient[c];
}

inline void expect_row(float loss, std::span<const float> gradient, const ExpectedRow& expected,
                       const std::string& what) {
  EXPECT_LE(std::fabs(static_cast<Real>(loss) - expected.loss), expected.loss_tolerance)
      << what << ": loss " << loss << ", expected " << expected.loss;
  Real sum = 0;
  for (std::size_t c = 0; c < gradient.size(); ++c) {
    sum += gradient[c];
    ASSERT_LE(std::fabs(static_cast<Real>(gradient[c]) - expected.gradient[c]), expected.gradient_tolerance)
        << what << ", class " << c << ": gradient " << gradient[c] << ", expected " << expected.gradient[c];
  }
  EXPECT_LE(std::fabs(sum), static_cast<Real>(gradient.size()) * 1e-7L * expected.gradient_scale)
      << what << ": the gradient adds up to " << sum;
}

// call() with each instruction set in turn on the CPU, once on the GPU.
template <class Call>
void for_each_isa(Stream stream, Call&& call) {
  if (stream.backend() == Backend::cuda) return call(std::string("cuda"));
  const CpuIsa before = cpu_isa();
  for (const CpuIsa isa : {CpuIsa::baseline, CpuIsa::avx2, CpuIsa::avx512}) {
    if (isa > best_cpu_isa()) continue;
    set_cpu_isa(isa);
    call(std::string(name(isa)));
  }
  set_cpu_isa(before);
}

}  // namespace leaven::test
