#pragma once

#include "host/loss/far_phases.hpp"
#include "host/loss/hard_phases.hpp"
#include "host/loss/loss_unit.hpp"

// Rows of a unit by the formula for rows of any kind. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

struct FarRow {
  FarMaxLanes max;
  References references;
  FarSums sums;
  FarLanes lanes;
  SoftLanes result;  // the factor without weights
};

// A chunk of a row of several chunks once more: probabilities and shifts.
void repeat_shifts(const LossParams& p, const LossUnit& u, const Chunk& chunk, const FarRow& far,
                   const TemperatureLanes& k, Scratch& x) {
  FarSums known_sums{};
  Lanes known{};
  load_logits<true>(p, u, chunk, x);
  far_elements(x.student, x.teacher, x.far_p, x.far_q, x.far_delta, chunk.groups, far.references, k, known_sums);
  far_shifts(x.far_p, x.far_q, x.far_delta, x.far_shift, chunk.groups, far.lanes, k, known);
}
// And the raw gradient, in far_shift.
void repeat_far(const LossParams& p, const LossUnit& u, const Chunk& chunk, const FarRow& far,
                const TemperatureLanes& k, Scratch& x) {
  FarLanes known = far.lanes;
  repeat_shifts(p, u, chunk, far, k, x);
  far_terms(x.far_p, x.far_q, x.far_delta, x.far_shift, chunk.groups, k, known);
}

void find_far_sums(const LossParams& p, const LossUnit& u, const TemperatureLanes& k, Scratch& x, FarRow& far) {
  const std::int64_t chunks = chunk_count(p.classes, u);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) load_logits<true>(p, u, chunk, x);
    find_far_max(x.student, x.teacher, chunk.groups, far.max);
  }
  if (!u.tile) far_max_across(far.max);
  far.references = far_references(far.max);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) load_logits<true>(p, u, chunk, x);
    far_elements(x.student, x.teacher, x.far_p, x.far_q, x.far_delta, chunk.groups, far.references, k, far.sums);
  }
  if (u.tile) return;
  sum_across(far.sums.student);
  sum_across(far.sums.teacher);
}

void find_far_factors(const TemperatureLanes& k, FarRow& far) {
  const FarSums sums = far.sums;
  const References references = far.references;
  FarLanes lanes{};
  LEAVEN_EACH_LANE(r) {
    const SoftRow row =
        soft_row(sums.student.v[r], sums.teacher.v[r], {references.hi.v[r], references.lo.v[r]}, k.at(r));
    lanes.inverse_student.v[r] = row.inverse_student;
    lanes.inverse_teacher.v[r] = row.inverse_teacher;
    lanes.ratio.v[r] = row.ratio;
  }
  far.lanes = lanes;
}

void find_far_result(FarRow& far) {
  const FarSums sums = far.sums;
  const Lanes terms = far.lanes.terms, reference = far.references.hi;
  SoftLanes result;
  LEAVEN_EACH_LANE(r) {
    const bool masked = (sums.student.v[r] == 0.0f) | (sums.teacher.v[r] == 0.0f);
    result.loss.v[r] = soft_loss(terms.v[r], sums.student.v[r], sums.teacher.v[r], {reference.v[r], 0.0f});
    result.factor.v[r] = masked ? 0.0f : 1.0f;
  }
  result.mean_w = far.lanes.residual;
  far.result = result;
}

// Leaves probabilities of the teacher and the raw gradient in far_q and far_shift where the row is one chunk. The
// logits of a row of one chunk are those that stand in the scratch arrays.
void find_far(const LossParams& p, const LossUnit& u, const TemperatureLanes& k, Scratch& x, FarRow& far) {
  const std::int64_t chunks = chunk_count(p.classes, u);
  for (int r = 0; r < kLanes; ++r) far.max.set(r, RowMax{});
  far.sums = {};
  find_far_sums(p, u, k, x, far);
  find_far_factors(k, far);
  Lanes sum_shift{};
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) {
      FarSums known{};
      load_logits<true>(p, u, chunk, x);
      far_elements(x.student, x.teacher, x.far_p, x.far_q, x.far_delta, chunk.groups, far.references, k, known);
    }
    far_shifts(x.far_p, x.far_q, x.far_delta, x.far_shift, chunk.groups, far.lanes, k, sum_shift);
  }
  if (!u.tile) sum_across(sum_shift);
  far.lanes.shift_t = sum_shift;
  const FarSums sums = far.sums;
  LEAVEN_EACH_LANE(r) {
    far.lanes.offset_t.v[r] = soft_offset_t(sum_shift.v[r], sums.student.v[r], sums.teacher.v[r],
                                            {far.references.hi.v[r], far.references.lo.v[r]}, k.at(r));
  }
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) repeat_shifts(p, u, chunk, far, k, x);
    far_terms(x.far_p, x.far_q, x.far_delta, x.far_shift, chunk.groups, k, far.lanes);
  }
  if (!u.tile) {
    sum_across(far.lanes.terms);
    sum_across(far.lanes.residual);
  }
  find_far_result(far);
}

// Sums are NaN where a logit is NaN or +inf.
std::uint32_t far_status(const FarRow& far) {
  std::uint32_t status = 0;
  for (int r = 0; r < kLanes; ++r) {
    const bool infinite = (far.max.student.v[r] == kInfinity) | (far.max.teacher.v[r] == kInfinity);
    const float both = far.sums.student.v[r] + far.sums.teacher.v[r];
    status |= both == both ? 0u : infinite ? kLogitPlusInfinity : kLogitNaN;
  }
  return status;
}

void replace_lanes(float* __restrict to, const float* __restrict from, std::int64_t groups, const Lanes& keep) {
  const Lanes local = keep;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) to[i + r] = local.v[r] != 0.0f ? to[i + r] : from[i + r];
  }
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
