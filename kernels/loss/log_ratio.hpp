#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/loss/row_loss.hpp"

// Logarithms of ratios of probabilities, y = log(p / q), which are accurate near 0 too: what every divergence is made
// of. Quantities with _t carry a factor T (the temperature of the call, without standard deviations).
namespace leaven {

// exp(x) and exp(x) - 1 for x <= 0; the second without cancellation.
struct Exponential {
  float value;
  float minus_one;
};
LEAVEN_HD Exponential exponential_of(float x) {
  const float far = exp_over({x, 0.0f}, Temperature{});
  const float near = mul_add(x * x, exp_remainder(x), x);
  const bool is_near = x > -1.0f;
  return {is_near ? 1.0f + near : far, is_near ? near : far - 1.0f};
}

// log(1 + u) of -1 < u <= 0, given also as sum = 1 + u where that has more digits (near -1).
LEAVEN_HD float log_of_sum(float u, float sum) {
  const bool near = u > -0.5f;
  const float near_x = 1.0f + u;
  return log_corrected(near ? near_x : sum, near ? (1.0f - near_x) + u : 0.0f);
}

// T log(m / p) of the mixture m = share q + rest p (share + rest = 1): 1 + share (exp(-y) - 1), as log1p where that is
// the accurate form. T log(m / q) is the same with -y, rest and share.
LEAVEN_HD float mixture_log_t(float y_t, float share, float rest, const Temperature& temperature) {
  constexpr float kSmallest = 0x1p-126f;
  const float distance_t = fabsf(y_t);
  const bool p_larger = !(y_t < 0.0f);
  const Exponential e = exponential_of(-distance_t * temperature.inverse);
  const float u = p_larger ? share * e.minus_one : -share * e.minus_one / e.value;
  const float sum = p_larger ? mul_add(share, e.value, rest) : mul_add(rest, e.value, share);  // m / the larger
  const bool near = (u > -0.5f) & (u < 1.0f);
  const float near_x = 1.0f + u;
  const float log_t = temperature.value * log_corrected(near ? near_x : sum, near ? (1.0f - near_x) + u : 0.0f);
  const float of_larger_t = sum < kSmallest ? -distance_t : log_t;
  return near ? log_t : p_larger ? of_larger_t : of_larger_t + distance_t;
}

// T (p - q), where |y| < 1 not as a difference.
LEAVEN_HD float probability_gap_t(float p, float q, float y_t, const Temperature& temperature) {
  const float y = y_t * temperature.inverse;
  const float near = q * mul_add(y_t * y, exp_remainder(y), y_t);
  return fabsf(y) < 1.0f ? near : temperature.value * (p - q);
}

// How the logits of a row become arguments of exponentials: divided by T, or by T times their standard deviation.
struct RowScale {
  Temperature temperature{};
  float gain = 1;      // 1 / standard deviation; 0 for a row without spread
  float max = 0;       // of the whole row
  float mean_gap = 0;  // mean - max
};

// The temperature T * deviation, split as in Temperature.
LEAVEN_HD Temperature scaled_temperature(const Temperature& t, float deviation) {
  constexpr float kLn2High = 0x1.62e4p-1f;
  constexpr float kLn2Low = 0x1.7f7d1cp-20f;
  const float product = t.value * deviation;
  const float value = product < 0x1p-126f ? 0x1p-126f : product > 0x1p126f ? 0x1p126f : product;
  const float coarse = float_of_bits(bits_of_float(value) & 0xffff0000u);  // products with kLn2High are exact
  const float high = float_of_bits(bits_of_float(value * kLn2High) & 0xffffff00u);
  Temperature scaled;
  scaled.value = value;
  scaled.inverse = 1.0f / value;
  scaled.log2e = 0x1.715476p+0f / value;
  scaled.ln2_hi = high;
  scaled.ln2_lo = (coarse * kLn2High - high) + ((value - coarse) * kLn2High + value * kLn2Low);
  return scaled;
}

// Standard deviations in two passes, in units of the row's range, so that squares neither overflow nor vanish.
struct Extent {
  float max = -kInfinity;
  float min = kInfinity;  // of the unmasked classes
  float unmasked = 0;
};
LEAVEN_HD float range_of(const Extent& x) { return x.max > x.min ? x.max - x.min : 1.0f; }
LEAVEN_HD float relative_gap(float logit, const Extent& x, float inverse_range) {
  return logit == -kInfinity ? 0.0f : (x.max - logit) * inverse_range;
}
// From the means of (gap - mean) and of its square.
LEAVEN_HD RowScale standard_scale(const Temperature& t, const Extent& x, float mean, float mean_rest,
                                  float mean_square) {
  const float variance = mean_square - mean_rest * mean_rest;
  const float deviation = range_of(x) * sqrtf(variance > 0.0f ? variance : 0.0f);
  const bool spread = deviation > 0.0f;
  RowScale scale;
  scale.max = finite_max(x.max);
  scale.temperature = scaled_temperature(t, spread ? deviation : 1.0f);
  scale.gain = spread ? 1.0f / deviation : 0.0f;
  scale.mean_gap = -(mean + mean_rest) * range_of(x);
  return scale;
}

// A class's z-score; 0 for masked ones.
LEAVEN_HD float z_score(float logit, const RowScale& scale) {
  return logit == -kInfinity ? 0.0f : ((logit - scale.max) - scale.mean_gap) * scale.gain;
}

// What is known of a teacher's row, all of it relative to its largest logit.
struct TeacherRow {
  RowScale scale{};
  float max = 0;
  float at_student_max = 0;  // its logit where the student's is largest
  Difference reference{};    // the student's logit where the teacher's is largest, minus the student's largest
  float inverse_sum = 0;
  float offset_t = 0;
  float weight = 0;  // of the present teachers; they add up to 1
};
struct StudentRow {
  RowScale scale{};
  float max = 0;
  float inverse_sum = 0;
};

// Both sides of a class, and y but for the offset. Masked on both sides: y is 0.
struct ClassPair {
  Difference student;  // s - max s
  Difference teacher;
};
LEAVEN_HD ClassPair class_pair(float s, float t, const StudentRow& student, const TeacherRow& teacher) {
  return {difference(s, student.max), difference(t, teacher.max)};
}
LEAVEN_HD float raw_log_ratio_t(const ClassPair& x, const StudentRow& student, const TeacherRow& teacher) {
  const float gain = student.scale.gain;
  const float gain_difference = gain - teacher.scale.gain;
  const float delta =
      ((x.student.hi - x.teacher.hi) - teacher.reference.hi) + ((x.student.lo - x.teacher.lo) - teacher.reference.lo);
  const float alike = mul_add(delta, gain, x.teacher.hi * gain_difference);
  const float apart = (x.student.hi - teacher.reference.hi) * gain - x.teacher.hi * teacher.scale.gain;
  const float scaled = fabsf(gain_difference) < 0.25f * gain ? alike : apart;
  const bool plain = (gain_difference == 0.0f) | (x.teacher.hi == -kInfinity) | (x.student.hi == -kInfinity);
  const float result = plain ? delta * (gain > 0.0f ? gain : 1.0f) : scaled;
  return result == result ? result : 0.0f;
}

// A class seen by several teachers: q is the weighted mean of their probabilities, and y comes from exp(-y), the mean
// of their exp(-y). One teacher: its own values, exactly.
struct Blend {
  float q = 0;
  float top_t = -kInfinity;  // the largest -y
  float excess = 0;          // sum of weight (exp(-y - top) - 1)
  float sum = 0;             // sum of weight exp(-y - top)
  float weight = 0;
};
LEAVEN_HD void add_teacher(Blend& blend, float q, float y_t, float weight, const Temperature& temperature) {
  const float v_t = -y_t;
  const bool higher = v_t > blend.top_t;
  const float gap_t = v_t == blend.top_t ? 0.0f : -fabsf(v_t - blend.top_t);
  const Exponential e = exponential_of(gap_t * temperature.inverse);
  const float raised = mul_add(blend.excess, e.value, blend.weight * e.minus_one);
  blend.excess = higher ? raised : mul_add(weight, e.minus_one, blend.excess);
  blend.sum = higher ? mul_add(blend.sum, e.value, weight) : mul_add(weight, e.value, blend.sum);
  blend.top_t = higher ? v_t : blend.top_t;
  blend.q = mul_add(weight, q, blend.q);
  blend.weight += weight;
}
LEAVEN_HD float blended_log_ratio_t(const Blend& blend, const Temperature& temperature) {
  return -mul_add(temperature.value, log_of_sum(blend.excess, blend.sum), blend.top_t);
}

}  // namespace leaven
