#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/loss/float_math.hpp"

// The loss of one row, as element functions and merges (docs/losses.md derives the formulae). Loops do, in this order:
//   1. RowMax over the elements            4. the sum of soft_shift_t, then soft_offset_t
//   2. exponentials and their sums         5. the sums of soft_term and soft_raw_gradient (the residual)
//   3. HardRow, SoftRow                    6. the gradient
// Quantities with _t carry a factor T: nothing overflows or vanishes for very large or small temperatures.
namespace leaven {

// Largest logits, and the student's logit where the teacher's is largest (the largest of them on ties).
struct RowMax {
  float student = -kInfinity;
  float teacher = -kInfinity;
  float student_at_teacher = -kInfinity;
};
// y where it is larger; a NaN on either side counts for nothing (y) or stays (x): sums find NaN, not this.
LEAVEN_HD float larger(float x, float y) { return y > x ? y : x; }
LEAVEN_HD RowMax merge(const RowMax& x, const RowMax& y) {
  const float on_tie =
      y.teacher == x.teacher ? larger(x.student_at_teacher, y.student_at_teacher) : x.student_at_teacher;
  return {larger(x.student, y.student), larger(x.teacher, y.teacher),
          y.teacher > x.teacher ? y.student_at_teacher : on_tie};
}
// A finite stand-in where all logits are -inf (or NaN): exponentials are then 0 (or NaN).
LEAVEN_HD float finite_max(float max) { return max == -kInfinity ? 0.0f : max; }

// The class k of the teacher's largest logit, seen from the student's largest: s_k - max s.
LEAVEN_HD Difference soft_reference(const RowMax& max) {
  return difference(max.student_at_teacher, finite_max(max.student));
}

struct SoftElement {
  float student;  // exp((s - max s) / T)
  float teacher;  // exp((t - max t) / T)
  float delta;    // (s - t) - (s_k - t_k): 0 for equal rows; not finite where a logit is -inf
};
LEAVEN_HD SoftElement soft_element(float s, float t, float student_max, float teacher_max, const Difference& reference,
                                   const Temperature& temperature) {
  const Difference a = difference(s, student_max);
  const Difference b = difference(t, teacher_max);
  return {exp_over(a, temperature), exp_over(b, temperature),
          ((a.hi - b.hi) - reference.hi) + ((a.lo - b.lo) - reference.lo)};
}

struct SoftRow {
  float inverse_student;  // 1 / sum, 0 for a fully masked row
  float inverse_teacher;
  float ratio;  // p_k / q_k
};
LEAVEN_HD float inverse_sum(float sum) { return sum == 0.0f ? 0.0f : 1.0f / sum; }
LEAVEN_HD SoftRow soft_row(float student_sum, float teacher_sum, const Difference& reference,
                           const Temperature& temperature) {
  const float inverse_student = inverse_sum(student_sum);
  return {inverse_student, inverse_sum(teacher_sum), exp_over(reference, temperature) * teacher_sum * inverse_student};
}

// T (p - p_k/q_k q), p and q the probabilities of student and teacher. For small delta not as a difference.
LEAVEN_HD float soft_shift_t(float p, float q, float delta, float ratio, const Temperature& temperature) {
  const float x = delta * temperature.inverse;
  const float scaled = ratio * q;
  const float near = scaled * mul_add(delta * x, exp_remainder(x), delta);
  const float far = temperature.value * (p - scaled);
  return fabsf(x) < 1.0f ? near : far;
}

// T log(q_k / p_k). shift_t is the sum of soft_shift_t, T (1 - p_k/q_k).
LEAVEN_HD float soft_offset_t(float shift_t, float student_sum, float teacher_sum, const Difference& reference,
                              const Temperature& temperature) {
  const float shift = shift_t * temperature.inverse;
  const bool near = shift < 0.5f;
  const float near_x = 1.0f - shift;
  const float x = near ? near_x : teacher_sum / student_sum;
  const float correction = near ? (1.0f - near_x) - shift : 0.0f;
  const float offset = temperature.value * -log_corrected(x, correction);
  return near ? offset : offset - reference.hi;
}

// T (p - q), the gradient of T^2 KL, but for the rounding errors of the sums: over a row it should add up to 0 and adds
// up to a residual, which is taken off in proportion to q.
LEAVEN_HD float soft_raw_gradient(float shift_t, float q, float sum_shift_t) {
  return mul_add(-q, sum_shift_t, shift_t);
}
LEAVEN_HD float soft_gradient(float shift_t, float q, float sum_shift_t, float residual) {
  return mul_add(-q, residual, soft_raw_gradient(shift_t, q, sum_shift_t));
}

// T^2 (p - q - q log(p/q)) >= 0: their sum is T^2 KL. Where |log(p/q)| < 1, not as a difference.
LEAVEN_HD float soft_term(float p, float q, float delta, float offset_t, const Temperature& temperature) {
  const float y_t = delta - offset_t;
  const float y = y_t * temperature.inverse;
  const float weighted = q * y_t;
  const float near = weighted * y_t * exp_remainder(y);
  const float far = temperature.value * (temperature.value * (p - q) - (q > 0.0f ? weighted : 0.0f));
  return fabsf(y) < 1.0f ? near : far;
}

// T^2 KL of a row: the sum of soft_term but for the delicate rows. A masked row gives 0, a class that the teacher wants
// and the student excludes +inf, a NaN or +inf logit NaN.
LEAVEN_HD float soft_loss(float sum_terms, float student_sum, float teacher_sum, const Difference& reference) {
  const float loss = reference.hi == -kInfinity ? kInfinity : sum_terms;
  const bool masked = (student_sum == 0.0f) | (teacher_sum == 0.0f);
  const float both = student_sum + teacher_sum;
  return both == both ? (masked ? 0.0f : loss) : both;
}

}  // namespace leaven
