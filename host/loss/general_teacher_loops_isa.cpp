#include "host/loss/general_loops.hpp"
#include "host/loss/general_sides.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// The student's largest class as reference of gradients.
template <DivergenceKind kKind>
CentreLanes find_centres(const GeneralParams& g, const TemperatureLanes& k, const Sides& sides) {
  CentreLanes centre;
  fill(centre.beta, g.divergence.beta);
  fill(centre.one_minus_beta, g.divergence.one_minus_beta);
  if constexpr (kKind == DivergenceKind::reverse || kKind == DivergenceKind::jensen_shannon) {
    const Lanes y = find_any_log_ratios(g, k, sides, sides.student.max,
                                        [&](int m) { return sides.teachers[m].at_student_max; });
    LEAVEN_EACH_LANE(r) {
      const DivergenceParams d{kKind, centre.beta.v[r], centre.one_minus_beta.v[r]};
      const Centre of_row = find_centre(y.v[r], d, k.at(r));
      centre.y_t.v[r] = of_row.y_t;
      centre.share.v[r] = of_row.share;
      centre.rest.v[r] = of_row.rest;
    }
  }
  return centre;
}

void find_binary_terms(const GeneralParams& g, const TemperatureLanes& k, const Sides& sides, DecoupledLanes& lanes) {
  const Lanes y =
      find_any_log_ratios(g, k, sides, lanes.student_logit, [&](int m) { return lanes.teacher_logits[m]; });
  const Lanes target = lanes.target, other = lanes.other, log_target = lanes.log_target, log_other = lanes.log_other;
  const Lanes q_target = lanes.q_target, q_other = lanes.q_other;
  LEAVEN_EACH_LANE(r) {
    const Odds odds{target.v[r], other.v[r], log_target.v[r], log_other.v[r], 0.0f};
    const BinaryTerm binary = binary_term(odds, q_target.v[r], q_other.v[r], y.v[r], k.at(r));
    lanes.term.v[r] = binary.term;
    lanes.gap_t.v[r] = binary.gap_t;
  }
}

// ClassTerm's share.
template <DivergenceKind kKind>
const float* share_of(const GeneralScratch& x) {
  return kKind == DivergenceKind::reverse || kKind == DivergenceKind::jensen_shannon ? x.p : x.q;
}

template <DivergenceKind kKind>
FactorLanes find_factors(const GeneralParams& g, const LossUnit& u, float scale, const TermSums& sums,
                         const Sides& sides, const DecoupledLanes& decoupled) {
  const TermSums local = sums;
  const StateLanes state = sides.state;
  const Lanes weight = u.weight;
  DivergenceParams d = g.divergence;
  d.kind = kKind;
  const float soft_weight = g.loss.soft_weight;
  FactorLanes factors;
  LEAVEN_EACH_LANE(r) {
    BinaryTerm binary;
    if constexpr (kKind == DivergenceKind::decoupled) binary = {decoupled.term.v[r], decoupled.gap_t.v[r]};
    const RowState row{state.masked.v[r], state.compared.v[r], state.check.v[r]};
    factors.set(r, soft_factors(d, local.at(r), binary, row, soft_weight, scale * weight.v[r]));
  }
  if (!g.standardise) return factors;
  for (int r = 0; r < kLanes; ++r) {
    SoftFactors f = factors.at(r);
    const RowScale of_row = sides.student.scale.at(r);
    float target_z = 0;
    if constexpr (kKind == DivergenceKind::decoupled) target_z = z_score(decoupled.student_logit.v[r], of_row);
    add_standardisation(f, local.at(r), target_z, sides.student_extent.unmasked.v[r], of_row.gain);
    factors.set(r, f);
  }
  return factors;
}

void set_target_gradients(const LossUnit& u, const Chunk& chunk, const FactorLanes& factors, float* gradient) {
  if (u.tile) {
    for (int r = 0; r < kLanes; ++r) gradient[u.targets.a[r] * kLanes + r] = factors.target.v[r];
  } else {
    const std::int64_t at = u.targets.a[0] - chunk.first;
    if (at >= 0 && at < chunk.columns) gradient[at] = factors.target.v[0];
  }
}

// Losses of the unit's rows to `losses`; gradients to their place. Returns bits of LossStatus.
template <DivergenceKind kKind>
std::uint32_t process(const GeneralParams& g, float scale, const TemperatureLanes& k, LossUnit& u, GeneralScratch& x,
                      Lanes& losses) {
  constexpr bool kDecoupled = kKind == DivergenceKind::decoupled;
  const LossParams& p = g.loss;
  std::uint32_t status = find_row_weights(p, u);
  if (p.hard || kDecoupled) status |= find_targets(p, u, x);
  if (kDecoupled) {
    LEAVEN_EACH_LANE(r) u.weight.v[r] = u.targets.valid.v[r] != 0.0f ? u.weight.v[r] : 0.0f;
  }
  const Lanes max = find_largest(p, u, p.student, x.student);
  losses = Lanes{};
  GeneralHard hard;
  if (p.hard) {
    hard = find_hard_part(p, u, max, scale, x, status);
    losses = hard.lanes.loss;
  }
  Sides sides;
  DecoupledLanes decoupled;
  find_sides(g, u, k, max, sides, decoupled, x);
  if (g.standardise) {
    find_weights<true, kDecoupled>(g, k, sides, decoupled);
  } else {
    find_weights<false, kDecoupled>(g, k, sides, decoupled);
  }
  status |= state_status(sides.state);
  if (kDecoupled) find_binary_terms(g, k, sides, decoupled);
  const CentreLanes centre = find_centres<kKind>(g, k, sides);
  TermSums sums{};
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    Lanes offset;
    find_classes(g, u, chunk, k, sides, x, offset);
    add_terms<kKind>(x.p, x.q, x.y, chunk.groups, offset, centre, k, sums);
    if (g.standardise) add_z_sums(x.student, x.p, share_of<kKind>(x), x.y, chunk.groups, sides.student.scale, sums);
  });
  if (!u.tile) sums.across();
  const FactorLanes factors = find_factors<kKind>(g, u, scale, sums, sides, decoupled);
  LEAVEN_EACH_LANE(r) losses.v[r] += weighted_gap(u.weight.v[r], factors.loss.v[r]);
  if (p.gradient.data == nullptr) return status;
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    if (!is_one_chunk(p, u)) {
      Lanes offset;
      find_classes(g, u, chunk, k, sides, x, offset);
      find_raw<kKind>(x.p, x.q, x.y, chunk.groups, offset, centre, k);
    }
    soft_gradients(x.p, share_of<kKind>(x), x.y, chunk.groups, factors);
    if (kDecoupled) set_target_gradients(u, chunk, factors, x.y);
    if (g.standardise) standardised_gradients(x.student, x.y, chunk.groups, factors, sides.student.scale);
    if (p.hard) add_hard_gradient(p, u, chunk, hard, x, x.y);
    store(p.gradient, x.y, u, chunk);
  });
  return status;
}

template <DivergenceKind kKind>
void teacher_rows_of(const GeneralParams& g, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  const TemperatureLanes k(g.loss.temperature);
  for_each_general_unit(g.loss, begin, end, partial, [&](LossUnit& u, GeneralScratch& x, Lanes& losses) {
    return process<kKind>(g, scale, k, u, x, losses);
  });
}

void teacher_rows(const GeneralParams& g, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  switch (g.divergence.kind) {
    case DivergenceKind::forward: return teacher_rows_of<DivergenceKind::forward>(g, scale, begin, end, partial);
    case DivergenceKind::reverse: return teacher_rows_of<DivergenceKind::reverse>(g, scale, begin, end, partial);
    case DivergenceKind::jensen_shannon:
      return teacher_rows_of<DivergenceKind::jensen_shannon>(g, scale, begin, end, partial);
    case DivergenceKind::decoupled: return teacher_rows_of<DivergenceKind::decoupled>(g, scale, begin, end, partial);
  }
}

}  // namespace

const GeneralRowsFunction general_teacher_rows = teacher_rows;

}  // namespace leaven::LEAVEN_ISA
