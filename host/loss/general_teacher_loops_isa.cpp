#include "host/loss/general_loops.hpp"
#include "host/loss/general_sides.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// The student's largest class as reference of gradients.
template <DivergenceKind kKind>
CentreLanes find_centres(const GeneralParams& g, const TemperatureLanes& k, const Sides& sides) {
  Lanes y{};
  if constexpr (kKind == DivergenceKind::reverse || kKind == DivergenceKind::jensen_shannon) {
    y = find_any_log_ratios(g, k, sides, sides.student.max, [&](int m) { return sides.teachers[m].at_student_max; });
  }
  return centres_at<kKind>(g.divergence, y, k);
}

// The way back through the z-score.
template <DivergenceKind kKind>
void standardise_factors(const TermSums& sums, const Sides& sides, const DecoupledLanes& decoupled,
                         FactorLanes& factors) {
  const ScaleLanes scale = sides.student.scale;
  const Lanes unmasked = sides.student_extent.unmasked;
  const TermSums local = sums;
  LEAVEN_EACH_LANE(r) {
    SoftFactors f = factors.at(r);
    float target_z = 0;
    if constexpr (kKind == DivergenceKind::decoupled) target_z = z_score(decoupled.student_logit.v[r], scale.at(r));
    add_standardisation(f, local.at(r), target_z, unmasked.v[r], scale.gain.v[r]);
    factors.set(r, f);
  }
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
    if (g.standardise) {
      add_z_sums(x.student, x.p, share_of<kKind>(x.p, x.q), x.y, chunk.groups, sides.student.scale, sums);
    }
  });
  if (!u.tile) sums.across();
  FactorLanes factors = find_factors<kKind>(g, u, scale, sums, sides.state, decoupled.binary);
  if (g.standardise) standardise_factors<kKind>(sums, sides, decoupled, factors);
  add_soft_losses(u, factors, losses);
  if (p.gradient.data == nullptr) return status;
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    if (!is_one_chunk(p, u)) {
      Lanes offset;
      find_classes(g, u, chunk, k, sides, x, offset);
      find_raw<kKind>(x.p, x.q, x.y, chunk.groups, offset, centre, k);
    }
    soft_gradients(x.p, share_of<kKind>(x.p, x.q), x.y, chunk.groups, factors);
    if (kDecoupled) set_target_gradients(u, chunk, factors, x.y);
    if (g.standardise) standardised_gradients(x.student, x.y, chunk.groups, factors, sides.student.scale);
    if (p.hard) add_hard_gradient(p, u, chunk, hard, x, x.y);
    store_gradient(p, u, chunk, status, x.y);
  });
  return status;
}

template <DivergenceKind kKind>
void teacher_rows_of(const GeneralParams& g, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  const TemperatureLanes k(g.loss.temperature);
  for_each_general_unit<GeneralScratch>(
      g.loss, begin, end, partial,
      [&](LossUnit& u, GeneralScratch& x, Lanes& losses) { return process<kKind>(g, scale, k, u, x, losses); });
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
