#pragma once

#include "host/loss/hard_phases.hpp"
#include "host/loss/loss_unit.hpp"

// The cross-entropy of a unit's rows from their sums. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

struct HardLaneSums {
  Lanes exponentials, mass, target_gaps;
  UnmaskedSums unmasked;

  HardLaneSums() {
    // Lane by lane: compilers clear the struct at once more slowly.
    LEAVEN_EACH_LANE(r) {
      exponentials.v[r] = 0.0f;
      mass.v[r] = 0.0f;
      target_gaps.v[r] = 0.0f;
      unmasked.count.v[r] = 0.0f;
      unmasked.mass.v[r] = 0.0f;
      unmasked.gaps.v[r] = 0.0f;
    }
  }
};

bool is_smoothed(const LossParams& p) { return p.targets.smoothing > 0.0f; }
bool needs_class_weights(const LossParams& p) { return is_smoothed(p) || p.targets.class_weights != nullptr; }

// Label targets: their mass and the gaps of their logits.
void add_labels(const LossUnit& u, const Lanes& gap_a, const Lanes& gap_b, HardLaneSums& sums) {
  const Lanes weight_a = u.targets.weight_a;
  const Lanes weight_b = u.targets.weight_b;
  LEAVEN_EACH_LANE(r) {
    sums.mass.v[r] = weight_a.v[r] + weight_b.v[r];
    sums.target_gaps.v[r] = weighted_gap(weight_a.v[r], gap_a.v[r]) + weighted_gap(weight_b.v[r], gap_b.v[r]);
  }
}

HardLanes find_hard_rows(const LossParams& p, const LossUnit& u, const HardLaneSums& sums, float scale) {
  const HardLaneSums local = sums;
  const Lanes valid = u.targets.valid, label_mass = u.targets.mass, row_weight = u.weight;
  const float smoothing = p.targets.smoothing;
  const float hard_weight = p.hard_weight;
  HardLanes lanes;
  LEAVEN_EACH_LANE(r) {
    const HardSums all{local.exponentials.v[r],   local.mass.v[r],          local.target_gaps.v[r],  label_mass.v[r],
                       local.unmasked.count.v[r], local.unmasked.mass.v[r], local.unmasked.gaps.v[r]};
    const HardRow row = hard_row(all, valid.v[r] != 0.0f, smoothing, hard_weight * row_weight.v[r], scale);
    lanes.loss.v[r] = row.loss;
    lanes.softmax.v[r] = row.softmax;
    lanes.target.v[r] = row.target;
    lanes.spread.v[r] = row.spread;
  }
  return lanes;
}

// Sums are NaN where a logit is NaN or +inf. `max` as found, or 0 instead of -inf.
std::uint32_t hard_status(const HardLaneSums& sums, const Lanes& max) {
  if (all_finite(sums.exponentials)) return 0;
  std::uint32_t status = 0;
  for (int r = 0; r < kLanes; ++r) {
    const bool infinite = max.v[r] == kInfinity;
    const float sum = sums.exponentials.v[r];
    status |= sum == sum ? 0u : infinite ? kLogitPlusInfinity : kLogitNaN;
  }
  return status;
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
