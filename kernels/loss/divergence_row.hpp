#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/loss/general_params.hpp"
#include "kernels/loss/hard_row.hpp"
#include "kernels/loss/log_ratio.hpp"

// The divergences of one row, given p, q and y = log(p / q) of each class (docs/losses.md derives the formulae).
namespace leaven {

// The student's logit where the teacher's is largest. Where that is -inf the two rows have nothing near in common, and
// y is taken from the two largest logits instead.
LEAVEN_HD Difference teacher_reference(const RowMax& max) {
  const Difference reference = soft_reference(max);
  return reference.hi == -kInfinity ? Difference{} : reference;
}
LEAVEN_HD float teacher_offset_t(const RowMax& max, float sum_shift_t, float student_sum, float teacher_sum,
                                 const TeacherRow& teacher, float gain, const Temperature& temperature) {
  const bool excluded = max.student_at_teacher == -kInfinity;
  return soft_offset_t(excluded ? temperature.value : sum_shift_t, student_sum, teacher_sum,
                       {teacher.reference.hi * gain, 0.0f}, temperature);
}
// p_k / q_k of the class that the teacher's row refers to.
LEAVEN_HD float reference_ratio(const StudentRow& student, const TeacherRow& teacher, float teacher_sum) {
  return exp_over(teacher.reference, student.scale.temperature) * teacher_sum * student.inverse_sum;
}

// A gradient is scale (raw - share * moment): the centre of what raw is made of, or (forward) its rounding errors.
struct ClassTerm {
  float term;  // T^2 times the class's part of the divergence, at least 0
  float raw;
  float share;
};
// The gradients of `reverse` and `jensen_shannon` weight T log(p / q) and T log(p / m) with p; these are seen from a
// class of reference, so that nearly one-hot rows keep their digits. There, q has `share` of the mixture and p `rest`.
struct Centre {
  float y_t = 0;
  float share = 0;
  float rest = 0;
};
// From y of the student's largest class. Beyond 80 the share would vanish; the reference may be any constant.
LEAVEN_HD Centre find_centre(float y_t, const DivergenceParams& d, const Temperature& temperature) {
  if (d.kind == DivergenceKind::reverse) return {y_t, 0.0f, 0.0f};
  if (d.kind != DivergenceKind::jensen_shannon) return {};
  const float limit_t = 80.0f * temperature.value;
  const float capped_t = y_t < limit_t ? y_t : limit_t;
  const float e = exponential_of(-fabsf(capped_t) * temperature.inverse).value;
  const float share = capped_t < 0.0f ? d.beta : d.beta * e;
  const float rest = capped_t < 0.0f ? d.one_minus_beta * e : d.one_minus_beta;
  const float inverse = 1.0f / (share + rest);
  return {capped_t, share * inverse, rest * inverse};
}
template <DivergenceKind kKind>
LEAVEN_HD ClassTerm class_term(float p, float q, float y_t, const Centre& centre, const DivergenceParams& d,
                               const Temperature& temperature) {
  if constexpr (kKind == DivergenceKind::reverse) {
    return {soft_term(q, p, -y_t, 0.0f, temperature), p > 0.0f ? p * (y_t - centre.y_t) : 0.0f, p};
  } else if constexpr (kKind == DivergenceKind::jensen_shannon) {
    const float over_p_t = mixture_log_t(y_t, d.beta, d.one_minus_beta, temperature);
    const float over_q_t = mixture_log_t(-y_t, d.one_minus_beta, d.beta, temperature);
    const float m = mul_add(d.beta, q, d.one_minus_beta * p);
    const float term = d.beta * soft_term(m, q, over_q_t, 0.0f, temperature) +
                       d.one_minus_beta * soft_term(m, p, over_p_t, 0.0f, temperature);
    const float seen_t = mixture_log_t(y_t - centre.y_t, centre.share, centre.rest, temperature);
    return {term, p > 0.0f ? -p * seen_t : 0.0f, p};
  } else {
    return {soft_term(p, q, y_t, 0.0f, temperature), probability_gap_t(p, q, y_t, temperature), q};
  }
}
LEAVEN_HD float gradient_weight(const DivergenceParams& d) {
  return d.kind == DivergenceKind::jensen_shannon ? d.one_minus_beta
         : d.kind == DivergenceKind::decoupled    ? d.other_weight
                                                  : 1.0f;
}

// One class against all others: probabilities and their logarithms.
struct Odds {
  float target = 0;
  float other = 0;
  float log_target = 0;
  float log_other = 0;
  float total = 0;  // 0: everything is masked
};
LEAVEN_HD Odds find_odds(float target_logit, float other_max, float other_sum, const Temperature& temperature) {
  const float max = finite_max(larger(other_max, target_logit));
  const Difference target_gap = difference(target_logit, max);
  const Difference other_gap = difference(other_max, max);
  const float target = exp_over(target_gap, temperature);
  const float other = other_sum == 0.0f ? 0.0f : other_sum * exp_over(other_gap, temperature);
  Odds odds;
  odds.total = target + other;
  const float inverse = inverse_sum(odds.total);
  const float log_total = log_of(odds.total);
  odds.target = target * inverse;
  odds.other = other * inverse;
  odds.log_target = target_gap.hi * temperature.inverse - log_total;
  odds.log_other = other_gap.hi * temperature.inverse + log_of(other_sum) - log_total;
  return odds;
}

// KL between the student's and the teacher's answer to "the target or not". `odds_ratio_t` is T times the logarithm of
// the ratio of their odds; not finite where a side is masked.
struct BinaryTerm {
  float term = 0;   // T^2 KL
  float gap_t = 0;  // T (p_target - q_target)
};
LEAVEN_HD BinaryTerm binary_term(const Odds& p, float q_target, float q_other, float odds_ratio_t,
                                 const Temperature& t) {
  const bool finite = (fabsf(odds_ratio_t) < kInfinity) & (p.other > 0.0f) & (q_other > 0.0f);
  const float target_t =
      finite ? -mixture_log_t(odds_ratio_t, q_other, q_target, t) : t.value * (p.log_target - log_of(q_target));
  const float other_t =
      finite ? -mixture_log_t(-odds_ratio_t, q_target, q_other, t) : t.value * (p.log_other - log_of(q_other));
  const bool target_excluded = (p.log_target == -kInfinity) & (q_target > 0.0f);
  const bool other_excluded = (p.other == 0.0f) & (q_other > 0.0f) & !finite;
  const float term = soft_term(p.target, q_target, target_t, 0.0f, t) + soft_term(p.other, q_other, other_t, 0.0f, t);
  const float from_target = probability_gap_t(p.target, q_target, target_t, t);
  const float from_other = -probability_gap_t(p.other, q_other, other_t, t);
  return {target_excluded | other_excluded ? kInfinity : term, q_target < q_other ? from_target : from_other};
}

// Sums over the classes of a row.
struct DivergenceSums {
  float term = 0;
  float raw = 0;
  float raw_z = 0;  // times the z-score; these three only where rows are standardised
  float share_z = 0;
  float p_z = 0;
};

// What a row's gradient is made of: at the target of DecoupledKl `target`, elsewhere
// scale (raw - share moment) - p_factor p; then the way back through the z-score.
struct SoftFactors {
  float loss = 0;
  float scale = 0;
  float moment = 0;
  float p_factor = 0;
  float target = 0;
  float mean_gz = 0;
  float gain = 1;
};
// How a row stands, flags as 1 or 0 (compilers make vectors of these). `masked`: student or teacher has no class at
// all; `compared`: both have one among those that the sums are of (all, or all but the target); `check`: NaN where a
// logit is NaN or +inf.
struct RowState {
  float masked = 0;
  float compared = 1;
  float check = 0;
};
LEAVEN_HD SoftFactors soft_factors(const DivergenceParams& d, const DivergenceSums& sums, const BinaryTerm& binary,
                                   const RowState& state, float soft_weight, float scale) {
  const bool decoupled = d.kind == DivergenceKind::decoupled;
  const float compared = state.compared != 0.0f ? sums.term : 0.0f;
  const float loss =
      decoupled ? weighted_gap(d.target_weight, binary.term) + weighted_gap(d.other_weight, compared) : compared;
  const float kept_loss = state.masked != 0.0f ? 0.0f : weighted_gap(soft_weight, loss);
  const float kept_scale = state.masked != 0.0f ? 0.0f : soft_weight * scale;
  // The student wants what the teacher excludes.
  const float finite_scale = (d.kind == DivergenceKind::reverse) & (sums.term == kInfinity) ? 0.0f : kept_scale;
  const bool nan = state.check != state.check;
  const float factor = nan ? state.check : finite_scale;
  const float compared_factor = state.compared != 0.0f ? factor : 0.0f;
  SoftFactors f;
  f.loss = nan ? state.check : kept_loss;
  f.scale = nan ? state.check : compared_factor * gradient_weight(d);
  f.moment = sums.raw;
  f.target = decoupled ? factor * d.target_weight * binary.gap_t : 0.0f;
  f.p_factor = f.target;
  return f;
}
// With z-scores: the mean over the unmasked classes of gradient times z.
LEAVEN_HD void add_standardisation(SoftFactors& f, const DivergenceSums& sums, float target_z, float unmasked,
                                   float gain) {
  const float compared = f.scale == 0.0f ? 0.0f : f.scale * (sums.raw_z - f.moment * sums.share_z);
  const float sum = compared - f.p_factor * sums.p_z + f.target * target_z;
  f.mean_gz = unmasked > 0.0f ? sum / unmasked : 0.0f;
  f.gain = sum == sum ? gain : sum;
}
LEAVEN_HD float class_gradient(const SoftFactors& f, float p, const ClassTerm& x, bool is_target) {
  const float other = f.scale == 0.0f ? 0.0f : f.scale * mul_add(-x.share, f.moment, x.raw);
  return is_target ? f.target : other - (f.p_factor == 0.0f ? 0.0f : f.p_factor * p);
}
LEAVEN_HD float standardised_gradient(const SoftFactors& f, float gradient, float z) {
  return f.gain == 0.0f ? 0.0f : mul_add(-z, f.mean_gz, gradient) * f.gain;
}

}  // namespace leaven
