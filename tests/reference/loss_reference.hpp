#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

// Losses of one row in long double, by the textbook formulae and the rules for delicate rows, from the same float
// inputs. Independent of kernels/.
namespace leaven::reference {

using Real = long double;
inline constexpr Real kInf = std::numeric_limits<Real>::infinity();

struct RowLoss {
  Real loss = 0;
  std::vector<Real> gradient;
};

inline bool fully_masked(std::span<const float> logits) {
  return std::all_of(logits.begin(), logits.end(),
                     [](float x) { return x == -std::numeric_limits<float>::infinity(); });
}
inline bool has_nan_or_infinity(std::span<const float> logits) {
  return std::any_of(logits.begin(), logits.end(),
                     [](float x) { return std::isnan(x) || x == std::numeric_limits<float>::infinity(); });
}

// log softmax(logits / temperature)
inline std::vector<Real> log_softmax(std::span<const float> logits, Real temperature) {
  Real max = -kInf;
  for (const float x : logits) max = std::max(max, static_cast<Real>(x));
  Real sum = 0;
  for (const float x : logits) sum += std::exp((static_cast<Real>(x) - max) / temperature);
  std::vector<Real> result;
  for (const float x : logits) result.push_back((static_cast<Real>(x) - max) / temperature - std::log(sum));
  return result;
}

inline RowLoss nan_row(std::size_t classes) {
  const Real nan = std::numeric_limits<Real>::quiet_NaN();
  return {nan, std::vector<Real>(classes, nan)};
}

// (1 - e) onehot(label) + e / U on the U classes whose logit is above -inf
inline std::vector<Real> smoothed_label(std::span<const float> logits, std::int64_t label, Real smoothing) {
  std::vector<Real> target(logits.size(), 0);
  Real unmasked = 0;
  for (const float x : logits) unmasked += std::isinf(x) && x < 0 ? 0 : 1;
  for (std::size_t c = 0; c < logits.size(); ++c) {
    if (!(std::isinf(logits[c]) && logits[c] < 0) && unmasked > 0) target[c] = smoothing / unmasked;
  }
  target[static_cast<std::size_t>(label)] += 1 - smoothing;
  return target;
}

// -sum q log softmax(s); the gradient is (sum q) softmax(s) - q
inline RowLoss cross_entropy(std::span<const float> logits, std::span<const Real> q) {
  if (has_nan_or_infinity(logits)) return nan_row(logits.size());
  RowLoss row{0, std::vector<Real>(logits.size(), 0)};
  if (fully_masked(logits)) return row;
  const std::vector<Real> log_p = log_softmax(logits, 1);
  Real mass = 0;
  for (const Real x : q) mass += x;
  for (std::size_t c = 0; c < logits.size(); ++c) {
    if (q[c] > 0) row.loss -= q[c] * log_p[c];
    row.gradient[c] = mass * std::exp(log_p[c]) - q[c];
  }
  return row;
}

// T^2 KL(softmax(t/T) || softmax(s/T)); the gradient is T (p - q)
inline RowLoss distillation(std::span<const float> student, std::span<const float> teacher, Real temperature) {
  if (has_nan_or_infinity(student) || has_nan_or_infinity(teacher)) return nan_row(student.size());
  RowLoss row{0, std::vector<Real>(student.size(), 0)};
  if (fully_masked(student) || fully_masked(teacher)) return row;
  const std::vector<Real> log_p = log_softmax(student, temperature);
  const std::vector<Real> log_q = log_softmax(teacher, temperature);
  for (std::size_t c = 0; c < student.size(); ++c) {
    const Real p = std::exp(log_p[c]);
    const Real q = std::exp(log_q[c]);
    if (q > 0) row.loss += q * (log_q[c] - log_p[c]);
    row.gradient[c] = temperature * (p - q);
  }
  row.loss *= temperature * temperature;
  return row;
}

}  // namespace leaven::reference
