#pragma once

#include "tests/reference/loss_reference.hpp"

// The divergences of distillation_loss, from their definitions in long double: losses by the textbook formulae,
// gradients by the chain rule through softmax, written out over all pairs of classes. Independent of kernels/.
namespace leaven::reference {

enum class Kind { forward, reverse, jensen_shannon, decoupled };

struct Comparison {
  Kind kind = Kind::forward;
  Real beta = 0.5L;
  Real target_weight = 1;
  Real other_weight = 8;
  std::size_t target = 0;  // of decoupled
};

using Row = std::vector<Real>;

inline Row to_row(std::span<const float> logits) { return Row(logits.begin(), logits.end()); }

inline Row log_softmax_of(const Row& logits, Real temperature) {
  Real max = -kInf;
  for (const Real x : logits) max = std::max(max, x);
  Real sum = 0;
  for (const Real x : logits) sum += std::exp((x - max) / temperature);
  Row result;
  for (const Real x : logits) result.push_back((x - max) / temperature - std::log(sum));
  return result;
}

// (x - mean) / population standard deviation over the unmasked classes; zeros without spread.
struct Standardised {
  Row z;
  Real deviation = 0;
  Real count = 0;
};
inline Standardised standardise(const Row& logits) {
  Standardised s;
  Real mean = 0;
  for (const Real x : logits) {
    if (x == -kInf) continue;
    mean += x;
    s.count += 1;
  }
  mean /= s.count;
  Real square = 0;
  for (const Real x : logits) square += x == -kInf ? 0 : (x - mean) * (x - mean);
  s.deviation = std::sqrt(square / s.count);
  for (const Real x : logits) s.z.push_back(x == -kInf ? x : s.deviation > 0 ? (x - mean) / s.deviation : 0);
  return s;
}

// log of the weighted mean of softmax(teacher / T); the weights add up to 1. Fully masked teachers are left out.
inline Row log_mean_softmax(const std::vector<Row>& teachers, const Row& weights, Real temperature) {
  std::vector<Row> logs;
  Row log_weights;
  Real total = 0;
  for (std::size_t m = 0; m < teachers.size(); ++m) {
    if (std::all_of(teachers[m].begin(), teachers[m].end(), [](Real x) { return x == -kInf; })) continue;
    logs.push_back(log_softmax_of(teachers[m], temperature));
    log_weights.push_back(std::log(weights[m]));
    total += weights[m];
  }
  Row result;
  for (std::size_t c = 0; c < teachers[0].size(); ++c) {
    Real max = -kInf;
    for (std::size_t m = 0; m < logs.size(); ++m) max = std::max(max, logs[m][c] + log_weights[m]);
    Real sum = 0;
    for (std::size_t m = 0; m < logs.size(); ++m) sum += max == -kInf ? 0 : std::exp(logs[m][c] + log_weights[m] - max);
    result.push_back(max == -kInf ? -kInf : max + std::log(sum) - std::log(total));
  }
  return result;
}

inline Real log_sum(Real a, Real b) {
  const Real max = std::max(a, b);
  return max == -kInf ? -kInf : max + std::log(std::exp(a - max) + std::exp(b - max));
}
// w log(w / v) of logarithms, 0 where w is 0.
inline Real relative(Real log_w, Real log_v) { return log_w == -kInf ? 0 : std::exp(log_w) * (log_w - log_v); }

inline Row without(const Row& log_p, std::size_t target) {
  Row rest;
  for (std::size_t c = 0; c < log_p.size(); ++c) {
    if (c != target) rest.push_back(log_p[c]);
  }
  return rest;
}
inline Real log_total(const Row& logs) {
  Real result = -kInf;
  for (const Real x : logs) result = log_sum(result, x);
  return result;
}

inline Real kl(const Row& log_w, const Row& log_v) {
  Real sum = 0;
  for (std::size_t c = 0; c < log_w.size(); ++c) sum += relative(log_w[c], log_v[c]);
  return sum;
}

// Without T^2, of logarithms of distributions.
inline Real divergence(const Row& log_p, const Row& log_q, const Comparison& how) {
  switch (how.kind) {
    case Kind::forward: return kl(log_q, log_p);
    case Kind::reverse: return kl(log_p, log_q);
    case Kind::jensen_shannon: {
      Row log_m;
      for (std::size_t c = 0; c < log_p.size(); ++c) {
        log_m.push_back(log_sum(std::log(how.beta) + log_q[c], std::log1p(-how.beta) + log_p[c]));
      }
      return how.beta * kl(log_q, log_m) + (1 - how.beta) * kl(log_p, log_m);
    }
    case Kind::decoupled: break;
  }
  const Row others_p = without(log_p, how.target);
  const Row others_q = without(log_q, how.target);
  const Real rest_p = log_total(others_p);
  const Real rest_q = log_total(others_q);
  Real result = 0;
  if (how.target_weight > 0) {
    result += how.target_weight * (relative(log_q[how.target], log_p[how.target]) + relative(rest_q, rest_p));
  }
  if (how.other_weight > 0 && rest_p > -kInf && rest_q > -kInf) {
    Real sum = 0;
    for (std::size_t c = 0; c < others_p.size(); ++c) sum += relative(others_q[c] - rest_q, others_p[c] - rest_p);
    result += how.other_weight * sum;
  }
  return result;
}

// d divergence / d log p_c, as if they were independent.
inline Row slope(const Row& log_p, const Row& log_q, const Comparison& how) {
  Row result(log_p.size(), 0);
  const Row others_p = without(log_p, how.target);
  const Real rest_p = log_total(others_p);
  const Real rest_q = log_total(without(log_q, how.target));
  for (std::size_t c = 0; c < log_p.size(); ++c) {
    const Real p = std::exp(log_p[c]);
    const Real q = std::exp(log_q[c]);
    switch (how.kind) {
      case Kind::forward: result[c] = -q; break;
      case Kind::reverse: result[c] = p > 0 ? p * (log_p[c] - log_q[c] + 1) : 0; break;
      case Kind::jensen_shannon:
        if (p > 0) {
          const Real log_m = log_sum(std::log(how.beta) + log_q[c], std::log1p(-how.beta) + log_p[c]);
          result[c] = (1 - how.beta) * p * (log_p[c] - log_m);
        }
        break;
      case Kind::decoupled:
        if (c == how.target) {
          result[c] = -how.target_weight * q;
        } else {
          // Through the total of the others, and through the share of each among them.
          const Real share = p > 0 ? std::exp(log_p[c] - rest_p) : 0;
          result[c] = -how.target_weight * std::exp(rest_q) * share;
          if (rest_p > -kInf && rest_q > -kInf) {
            result[c] += how.other_weight * (share - (q > 0 ? std::exp(log_q[c] - rest_q) : 0));
          }
        }
        break;
    }
  }
  return result;
}

// T^2 divergence between softmax(student / T) and q, with its gradient with respect to the student's logits.
inline RowLoss compare(const Row& student, const Row& log_q, Real temperature, const Comparison& how) {
  const Row log_p = log_softmax_of(student, temperature);
  RowLoss row{temperature * temperature * divergence(log_p, log_q, how), {}};
  const Row slopes = slope(log_p, log_q, how);
  Real sum = 0;
  for (const Real x : slopes) sum += x;
  for (std::size_t c = 0; c < student.size(); ++c) {
    row.gradient.push_back(temperature * (slopes[c] - std::exp(log_p[c]) * sum));
  }
  return row;
}

// The whole soft part of a row. NaN and +inf rows are the caller's.
inline RowLoss soft_part(std::span<const float> student, const std::vector<std::span<const float>>& teachers,
                         const Row& weights, Real temperature, const Comparison& how, bool standardised) {
  RowLoss none{0, Row(student.size(), 0)};
  if (fully_masked(student)) return none;
  std::vector<Row> logits;
  bool present = false;
  for (const auto& teacher : teachers) {
    present = present || !fully_masked(teacher);
    const Row row = to_row(teacher);
    logits.push_back(standardised && !fully_masked(teacher) ? standardise(row).z : row);
  }
  if (!present) return none;
  const Row log_q = log_mean_softmax(logits, weights, temperature);
  if (!standardised) return compare(to_row(student), log_q, temperature, how);
  const Standardised s = standardise(to_row(student));
  RowLoss row = compare(s.z, log_q, temperature, how);
  Real mean = 0;
  Real mean_z = 0;
  for (std::size_t c = 0; c < s.z.size(); ++c) {
    if (s.z[c] == -kInf) continue;
    mean += row.gradient[c] / s.count;
    mean_z += row.gradient[c] * s.z[c] / s.count;
  }
  for (std::size_t c = 0; c < s.z.size(); ++c) {
    const Real z = s.z[c] == -kInf ? 0 : s.z[c];
    row.gradient[c] = s.deviation > 0 ? (row.gradient[c] - mean - z * mean_z) / s.deviation : 0;
  }
  return row;
}

}  // namespace leaven::reference
