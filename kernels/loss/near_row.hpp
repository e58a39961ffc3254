#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"
#include "kernels/loss/float_math.hpp"

// T^2 KL(q || p) of a row whose student is near its teacher, with one exponential and one expm1 per class
// (docs/losses.md derives the formulae). Loops do, in this order:
//   1. the largest logits of student and teacher
//   2. near_element; the sums of q and q d, the largest and the smallest d
//   3. near_centre: whether the row is near. If not, or where a logit is not finite: row_loss.hpp
//   4. near_term; the sums of w and q g
//   5. near_row; the gradient of a class is factor * near_gradient
// q is not divided by its sum anywhere. Quantities with _t carry a factor T.
namespace leaven {

// Limits of log(p/q) in a near row. Above, rounding errors of q exp(x) would show in the gradient; below, those of the
// mean.
inline constexpr float kNearAbove = 8.0f;
inline constexpr float kNearBelow = 16.0f;

// exp(x / T) for x <= 0, where tiny values need not be exact; 0 below exp(-87). NaN for NaN.
LEAVEN_HD float exp_near(float x, const Temperature& t) {
  constexpr float kRound = 0x1.8p23f;
  const float lowest = -87.0f * t.value;
  const float bounded = x < lowest ? lowest : x;
  const float rounded = mul_add(bounded, t.log2e, kRound);
  const float n = rounded - kRound;
  const float power = float_of_bits((bits_of_float(rounded) << 23) + 0x3f800000u);
  const float r = mul_add(-n, t.ln2_hi + t.ln2_lo, bounded) * t.inverse;
  const float result = mul_add(mul_add(exp_series(r), r, 1.0f), r, 1.0f) * power;
  return x < lowest ? 0.0f : result;
}

struct NearElement {
  float q;  // exp((t - max t) / T)
  float d;  // (s - t) - (max s - max t); NaN where a logit is not finite
};
// `reference` is max s - max t exactly: where both are largest in the same class, that class has d = 0.
LEAVEN_HD NearElement near_element(float s, float t, float teacher_max, const Difference& reference,
                                   const Temperature& k) {
  const float hi = s - t;
  const float minus_t = hi - s;
  const float lo = (s - (hi - minus_t)) - (t + minus_t);  // hi + lo is s - t exactly
  return {exp_near(t - teacher_max, k), (hi - reference.hi) + (lo - reference.lo)};
}

struct NearCentre {
  float inverse_sum;  // 1 / sum q
  float d;            // x = (d - centre) / T
  float mean_t;       // T times the mean of x, weighted with q
  float near;         // 1 or 0
};
// The mean of d, where no term of the loss is a difference; but 0 where one class has half of the teacher's
// probability: its small gradient would be the difference of two large numbers.
LEAVEN_HD NearCentre near_centre(float sum_q, float sum_qd, float largest_d, float smallest_d, const Temperature& k) {
  const float inverse_sum = 1.0f / sum_q;
  const float mean = sum_qd * inverse_sum;
  const float spread_out = sum_q > 2.0f ? 1.0f : 0.0f;
  const float centre = spread_out * mean;
  const float mean_t = mean - centre;  // NaN where a d is not finite
  // As numbers: compilers make vectors of these.
  const float above = largest_d - centre <= kNearAbove * k.value ? 1.0f : 0.0f;
  const float below = centre - smallest_d <= kNearBelow * k.value ? above : 0.0f;
  return {inverse_sum, centre, mean_t, mean_t == mean_t ? below : 0.0f};
}

struct NearTerm {
  float w_t;  // q T expm1(x)
  float g_t;  // q T^2 (expm1(x) - x) >= 0
};
LEAVEN_HD NearTerm near_term(float q, float d, float centre, const Temperature& k) {
  constexpr float kRound = 0x1.8p23f;
  const float u = d - centre;
  const float lowest = -40.0f * k.value;  // expm1 is -1 there
  const float bounded = u < lowest ? lowest : u;
  const float rounded = mul_add(bounded, k.log2e, kRound);
  const float n = rounded - kRound;
  const float power = float_of_bits((bits_of_float(rounded) << 23) + 0x3f800000u);
  const float r_t = mul_add(-n, k.ln2_lo, mul_add(-n, k.ln2_hi, bounded));
  const float r = r_t * k.inverse;
  const float series_t = r_t * exp_series(r);
  const float expm1_t = mul_add(power, mul_add(series_t, r, r_t), mul_add(power, k.value, -k.value));
  const float near_zero = series_t * r_t;  // no difference where x is small
  const float elsewhere = k.value * (expm1_t - u);
  return {q * expm1_t, q * (n == 0.0f ? near_zero : elsewhere)};
}

struct NearRow {
  float loss;    // T^2 KL
  float mean_w;  // T sum q expm1(x): subtracted from each class's w_t, times q
  float factor;
};
// KL = log(1 + c) - m, with c and m the means of expm1(x) and x: where c is small, g - (c - log(1 + c)) with the mean g
// of expm1(x) - x, so that small losses are no differences.
LEAVEN_HD NearRow near_row(float sum_w, float sum_g, const NearCentre& centre, const Temperature& k) {
  const float mean_w = sum_w * centre.inverse_sum;
  const float mean_g = sum_g * centre.inverse_sum;
  const float c = mean_w * k.inverse;
  const float small = mul_add(-mean_w * mean_w, mul_add(-c, log_series(c), 0.5f), mean_g);
  const float sum = 1.0f + c;
  const float large = k.value * mul_add(k.value, log_of(sum), -centre.mean_t);
  const float loss = (c > -0.25f) & (c < 0.375f) ? small : large;
  return {loss < 0.0f ? 0.0f : loss, mean_w, centre.inverse_sum / sum};
}
// T (p - q) / factor. A row's gradient should add up to 0. Of up to so many classes the rounding errors of the sum
// show: there it is taken off in proportion to q, by near_gradient once more.
inline constexpr std::int64_t kNearResidualClasses = 4;
LEAVEN_HD float near_gradient(float w_t, float q, float mean_w) { return mul_add(-q, mean_w, w_t); }

}  // namespace leaven
