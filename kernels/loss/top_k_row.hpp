#pragma once

#include "kernels/core/float16.hpp"
#include "kernels/loss/divergence_row.hpp"
#include "kernels/loss/targets.hpp"

// A student's row against a compact cache: k listed classes and the rest of them as one event.
namespace leaven {

LEAVEN_HD std::int32_t listed_class(const TopKParams& k, std::int64_t row, std::int64_t i) {
  return k.classes[row * k.k + i];
}
LEAVEN_HD float listed_log_q(const TopKParams& k, std::int64_t row, std::int64_t i) {
  return float_of_f16(k.log_probabilities[row * k.k + i]);
}

// Of entry i alone: its class inside the row and not among the entries before it, its log-probability at most 0.
LEAVEN_HD std::uint32_t listed_status(const TopKParams& k, std::int64_t row, std::int64_t i, std::int32_t classes) {
  const std::int32_t of_this = listed_class(k, row, i);
  bool bad = static_cast<std::uint32_t>(of_this) >= static_cast<std::uint32_t>(classes);
  for (std::int64_t j = 0; j < i; ++j) bad |= listed_class(k, row, j) == of_this;
  return (bad ? kLabelOutOfRange : 0u) | (listed_log_q(k, row, i) <= 0.0f ? 0u : kWeightOutOfRange);
}
// Bits of LossStatus; not 0: the row is an ignored one.
LEAVEN_HD std::uint32_t top_k_status(const TopKParams& k, std::int64_t row, std::int32_t classes) {
  std::uint32_t status = is_good_weight(k.rest[row]) ? 0u : kWeightOutOfRange;
  for (std::int64_t i = 0; i < k.k; ++i) status |= listed_status(k, row, i, classes);
  return status;
}

// Logarithms of the sums of a row. The teacher's probabilities are divided by their sum: 16 bits leave it near 1.
struct TopKRow {
  float max = 0;  // of the student's logits
  float rest_max = 0;
  float log_total = 0;
  float inverse_total = 0;
  float rest_p = 0;
  float rest_log_p = 0;
  float rest_q = 0;
  float rest_log_q = 0;
  float inverse_rest = 0;  // 1 / sum of exp((s - rest_max) / T) over the rest
  float log_mass = 0;
  float inverse_mass = 0;
  RowState state{};
};
struct TopKSums {
  float listed = 0;    // of exp((s - max) / T)
  float rest = 0;      // of exp((s - rest_max) / T)
  float listed_q = 0;  // of the teacher's probabilities
};
LEAVEN_HD TopKRow top_k_row(float max, float rest_max, const TopKSums& sums, float rest_q, const Temperature& t) {
  constexpr float kSmallest = 0x1p-126f;
  TopKRow row;
  row.max = finite_max(max);
  row.rest_max = finite_max(rest_max);
  const Difference rest_gap = difference(rest_max, row.max);
  const float rest = sums.rest == 0.0f ? 0.0f : sums.rest * exp_over(rest_gap, t);
  const float total = sums.listed + rest;
  const float mass = sums.listed_q + rest_q;
  row.inverse_total = inverse_sum(total);
  row.log_total = log_of(total);
  row.rest_p = rest * row.inverse_total;
  row.rest_log_p = sums.rest == 0.0f ? -kInfinity : rest_gap.hi * t.inverse + log_of(sums.rest) - row.log_total;
  row.inverse_rest = inverse_sum(sums.rest);
  row.inverse_mass = inverse_sum(mass);
  row.log_mass = log_of(mass);
  row.rest_q = rest_q * row.inverse_mass;
  row.rest_log_q = rest_q < kSmallest ? -kInfinity : log_of(rest_q) - row.log_mass;
  row.state = {(total == 0.0f) | (mass == 0.0f) ? 1.0f : 0.0f, 1.0f, total + sums.rest};
  return row;
}

// An event as both see it.
struct Event {
  float p;
  float q;
  float y_t;
  float log_p;
};
LEAVEN_HD Event make_event(float p, float q, float log_p, float log_q, const Temperature& t) {
  const float y_t = t.value * (log_p - log_q);
  return {p, q, y_t == y_t ? y_t : 0.0f, log_p};
}
LEAVEN_HD Event listed_event(float logit, float log_q, const TopKRow& row, const Temperature& t) {
  const Difference gap = difference(logit, row.max);
  return make_event(exp_over(gap, t) * row.inverse_total, exp_over({log_q, 0.0f}, Temperature{}) * row.inverse_mass,
                    gap.hi * t.inverse - row.log_total, log_q - row.log_mass, t);
}
LEAVEN_HD Event rest_event(const TopKRow& row, const Temperature& t) {
  return make_event(row.rest_p, row.rest_q, row.rest_log_p, row.rest_log_q, t);
}

LEAVEN_HD ClassTerm event_term(const Event& x, const Centre& centre, const DivergenceParams& d, const Temperature& t) {
  if (d.kind == DivergenceKind::reverse) return class_term<DivergenceKind::reverse>(x.p, x.q, x.y_t, centre, d, t);
  if (d.kind == DivergenceKind::jensen_shannon) {
    return class_term<DivergenceKind::jensen_shannon>(x.p, x.q, x.y_t, centre, d, t);
  }
  return class_term<DivergenceKind::forward>(x.p, x.q, x.y_t, centre, d, t);
}
LEAVEN_HD float event_gradient(const SoftFactors& f, const Event& x, const Centre& centre, const DivergenceParams& d,
                               const Temperature& t) {
  return class_gradient(f, x.p, event_term(x, centre, d, t), false);
}

}  // namespace leaven
