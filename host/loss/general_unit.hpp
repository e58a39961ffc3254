#pragma once

#include <limits>

#include "host/loss/general_phases.hpp"
#include "host/loss/hard_part.hpp"
#include "kernels/loss/general_params.hpp"

// A unit of work of the general loss, its inputs and what all of its loops share. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

// body(chunk) for all chunks of the unit.
template <class Body>
LEAVEN_HD void for_each_chunk(const LossParams& p, const LossUnit& u, Body&& body) {
  for (std::int64_t i = 0; i < chunk_count(p.classes, u); ++i) body(chunk_at(p.classes, u, i));
}
bool is_one_chunk(const LossParams& p, const LossUnit& u) { return chunk_count(p.classes, u) == 1; }

// Logits of ignored rows are zeros instead of what stands there.
void load_kept(float* to, const InputRows& rows, const LossUnit& u, const Chunk& chunk) {
  load(to, rows, u, chunk, -kInfinity);
  if (!all_lanes(u.weight)) clear_lanes(to, chunk.groups, u.weight);
}

// The largest logits; those of one chunk then stand in `logits`.
Lanes find_largest(const LossParams& p, const LossUnit& u, const InputRows& rows, float* logits) {
  MaxLanes max;
  fill(max.student, -kInfinity);
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    load_kept(logits, rows, u, chunk);
    find_max<false>(logits, nullptr, chunk.groups, max);
  });
  if (!u.tile) max_across(max.student);
  return max.student;
}
Lanes finite_lanes(const Lanes& max) {
  Lanes finite;
  LEAVEN_EACH_LANE(r) finite.v[r] = finite_max(max.v[r]);
  return finite;
}

// The hard part of the unit's rows, whose largest logits are `max`. Adds bits of LossStatus.
struct GeneralHard {
  HardLanes lanes;
  Lanes max;  // finite
};
GeneralHard find_hard_part(const LossParams& p, const LossUnit& u, const Lanes& max, float scale, HardScratch& x,
                           std::uint32_t& status) {
  GeneralHard hard;
  hard.max = finite_lanes(max);
  HardLaneSums sums;
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    if (!is_one_chunk(p, u)) load_kept(x.student, p.student, u, chunk);
    add_hard_sums(p, u, chunk, hard.max, x, sums);
  });
  if (!u.tile) hard_sums_across(sums);
  hard.lanes = find_hard_rows(p, u, x, hard.max, scale, sums);
  status |= hard_status(max, sums);
  return hard;
}
// Adds it to a chunk of the gradient; x.student is the chunk.
void add_hard_gradient(const LossParams& p, const LossUnit& u, const Chunk& chunk, const GeneralHard& hard,
                       HardScratch& x, float* gradient) {
  if (!is_one_chunk(p, u)) {
    Lanes known{};
    load_hard_inputs(p, u, chunk, x);
    hard_elements(x.student, x.exponential, chunk.groups, hard.max, ahead(p.student, u, 0, chunk.first),
                  gradient_ahead(p, u, 0, chunk.first), known);
  }
  add_softmax(gradient, x.exponential, chunk.groups, hard.lanes.softmax);
  subtract_hard_targets(p, u, chunk, hard.lanes, x, gradient);
}

// How rows stand (RowState), flags as 1 or 0.
struct StateLanes {
  Lanes masked, compared, check, infinite;
};
std::uint32_t state_status(const StateLanes& state) {
  if (all_finite(state.check)) return 0;
  std::uint32_t status = 0;
  for (int r = 0; r < kLanes; ++r) {
    const float check = state.check.v[r];
    status |= check == check ? 0u : state.infinite.v[r] != 0.0f ? kLogitPlusInfinity : kLogitNaN;
  }
  return status;
}

// Centres from y of the student's largest class.
template <DivergenceKind kKind>
CentreLanes centres_at(const DivergenceParams& d, const Lanes& y, const TemperatureLanes& k) {
  CentreLanes centre;
  fill(centre.beta, d.beta);
  fill(centre.one_minus_beta, d.one_minus_beta);
  const Lanes beta = centre.beta, one_minus_beta = centre.one_minus_beta;
  LEAVEN_EACH_LANE(r) {
    const Centre of_row = find_centre(y.v[r], {kKind, beta.v[r], one_minus_beta.v[r]}, k.at(r));
    centre.y_t.v[r] = of_row.y_t;
    centre.share.v[r] = of_row.share;
    centre.rest.v[r] = of_row.rest;
  }
  return centre;
}
// Which of p and q is ClassTerm's share.
template <DivergenceKind kKind>
const float* share_of(const float* p, const float* q) {
  return kKind == DivergenceKind::reverse || kKind == DivergenceKind::jensen_shannon ? p : q;
}

// T^2 KL of the target or not, and T (p - q) of the target: only with DecoupledKl.
struct BinaryLanes {
  Lanes term, gap_t;
};
template <DivergenceKind kKind>
FactorLanes find_factors(const GeneralParams& g, const LossUnit& u, float scale, const TermSums& sums,
                         const StateLanes& state, const BinaryLanes& binary) {
  const TermSums local = sums;
  const StateLanes rows = state;
  const Lanes weight = u.weight;
  DivergenceParams d = g.divergence;
  d.kind = kKind;
  const float soft_weight = g.loss.soft_weight;
  FactorLanes factors;
  LEAVEN_EACH_LANE(r) {
    BinaryTerm of_target;
    if constexpr (kKind == DivergenceKind::decoupled) of_target = {binary.term.v[r], binary.gap_t.v[r]};
    const RowState row{rows.masked.v[r], rows.compared.v[r], rows.check.v[r]};
    factors.set(r, soft_factors(d, local.at(r), of_target, row, soft_weight, scale * weight.v[r]));
  }
  return factors;
}
// The sign of a NaN is that of an operand which the compiler chose, in some lanes another than in the rest: all become
// one, for the rows' bits.
void make_nans_alike(float* __restrict values, std::int64_t groups) {
  for (std::int64_t i = 0; i < groups * kLanes; ++i)
    values[i] = values[i] == values[i] ? values[i] : std::numeric_limits<float>::quiet_NaN();
}
void add_soft_losses(const LossUnit& u, const FactorLanes& factors, Lanes& losses) {
  LEAVEN_EACH_LANE(r) losses.v[r] += weighted_gap(u.weight.v[r], factors.loss.v[r]);
  make_nans_alike(losses.v, 1);
}
// The last step of a chunk of the gradient. `status` is that of the unit's rows: without one of its bits, no NaN.
void store_gradient(const LossParams& p, const LossUnit& u, const Chunk& chunk, std::uint32_t status, float* gradient) {
  if (status != 0) make_nans_alike(gradient, chunk.groups);
  store(p.gradient, gradient, u, chunk);
}

// process(unit, scratch, losses) for the units of the rows begin .. end - 1 returns bits of LossStatus and gives rows
// that turn out as ignored the weight 0.
template <class AnyScratch, class Process>
void for_each_general_unit(const LossParams& p, std::int64_t begin, std::int64_t end, LossPartial& partial,
                           Process&& process) {
  AnyScratch scratch;
  LossUnit u;
  u.tile = p.classes <= kTileClasses;
  Totals totals;
  if (p.hard) totals.status |= load_all_class_weights(p, u, scratch);
  for_each_unit(begin, end, p.classes, u, [&] {
    Lanes losses, counts;
    totals.status |= process(u, scratch, losses);
    LEAVEN_EACH_LANE(r) counts.v[r] = u.weight.v[r] > 0.0f ? 1.0f : 0.0f;
    totals.add_unit(p, u, losses, counts);
  });
  totals.write(p, partial);
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
