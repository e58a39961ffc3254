#pragma once

#include "host/loss/hard_phases.hpp"
#include "host/loss/loss_unit.hpp"

// The cross-entropy of a unit's rows, beside whatever soft part there is. Only for *_isa.cpp files.
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

// Where a row is one chunk, they stay in the scratch array. Returns bits of LossStatus.
std::uint32_t load_all_class_weights(const LossParams& p, const LossUnit& u, HardScratch& x) {
  std::uint32_t status = 0;
  if (!needs_class_weights(p)) return status;
  for (std::int64_t i = 0; i < chunk_count(p.classes, u); ++i) {
    status |= load_class_weights(p, u, chunk_at(p.classes, u, i), x);
  }
  return status;
}

// Where a row is one chunk, dense targets have been loaded by find_targets and class weights by load_all_class_weights.
void load_hard_inputs(const LossParams& p, const LossUnit& u, const Chunk& chunk, HardScratch& x) {
  const bool several = chunk_count(p.classes, u) > 1;
  if (several && needs_class_weights(p)) load_class_weights(p, u, chunk, x);
  if (p.targets.soft == nullptr) return;
  if (several) load_dense(p, u, chunk, x);
  if (!all_lanes(u.targets.valid)) clear_lanes(x.dense, chunk.groups, u.targets.valid);
  if (needs_class_weights(p)) multiply(x.dense, x.class_weights, chunk.groups);
}

// `max` are the largest logits, finite ones.
void add_hard_sums(const LossParams& p, const LossUnit& u, const Chunk& chunk, const Lanes& max, HardScratch& x,
                   HardLaneSums& sums) {
  load_hard_inputs(p, u, chunk, x);
  hard_elements(x.student, x.exponential, chunk.groups, max, ahead(p.student, u, 0, chunk.first),
                gradient_ahead(p, u, 0, chunk.first), sums.exponentials);
  if (p.targets.soft != nullptr) {
    dense_gaps(x.student, x.dense, chunk.groups, max, ahead(dense_rows(p), u, 0, chunk.first), sums.mass,
               sums.target_gaps);
  } else if (is_smoothed(p)) {
    unmasked_gaps(x.student, x.class_weights, chunk.groups, max, sums.unmasked);
  }
}

void hard_sums_across(HardLaneSums& sums) {
  sum_across(sums.exponentials);
  sum_across(sums.mass);
  sum_across(sums.target_gaps);
  sum_across(sums.unmasked.count);
  sum_across(sums.unmasked.mass);
  sum_across(sums.unmasked.gaps);
}

// The logit of one label per lane. `logits` is the unit's tile; a row's may be of another chunk.
Lanes label_logits(const InputRows& rows, const LossUnit& u, const float* logits, const std::int32_t* labels) {
  Lanes lanes;
  if (u.tile) {
    LEAVEN_EACH_LANE(r) lanes.v[r] = logits[std::int64_t{labels[r]} * kLanes + r];
  } else {
    fill(lanes, load_logit(rows, u.row, labels[0]));
  }
  return lanes;
}

// Label targets: their mass and the gaps of their logits.
void add_labels(const LossUnit& u, const Lanes& a, const Lanes& b, const Lanes& max, HardLaneSums& sums) {
  const Lanes weight_a = u.targets.weight_a, weight_b = u.targets.weight_b;
  const Lanes local = max, logit_a = a, logit_b = b;
  LEAVEN_EACH_LANE(r) {
    sums.mass.v[r] = weight_a.v[r] + weight_b.v[r];
    sums.target_gaps.v[r] =
        weighted_gap(weight_a.v[r], local.v[r] - logit_a.v[r]) + weighted_gap(weight_b.v[r], local.v[r] - logit_b.v[r]);
  }
}

HardLanes find_hard_rows(const LossParams& p, const LossUnit& u, float scale, const HardLaneSums& sums) {
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

// The same from the unit's logits, whose largest are `max`.
HardLanes find_hard_rows(const LossParams& p, const LossUnit& u, const HardScratch& x, const Lanes& max, float scale,
                         HardLaneSums& sums) {
  if (p.targets.soft == nullptr) {
    const Lanes a = label_logits(p.student, u, x.student, u.targets.a);
    add_labels(u, a, p.targets.b != nullptr ? label_logits(p.student, u, x.student, u.targets.b) : Lanes{}, max, sums);
  }
  return find_hard_rows(p, u, scale, sums);
}

// The labels' share of a chunk of the gradient, element for element.
void subtract_labels(const LossUnit& u, const Chunk& chunk, const std::int32_t* labels, const Lanes& weights,
                     float* gradient, const HardLanes& hard) {
  if (u.tile) {
    Lanes shares = hard.target;
    const Lanes local = weights;
    LEAVEN_EACH_LANE(r) shares.v[r] *= local.v[r];
    for (int r = 0; r < kLanes; ++r) gradient[labels[r] * kLanes + r] -= shares.v[r];
  } else {
    const std::int64_t at = labels[0] - chunk.first;
    if (at >= 0 && at < chunk.columns) gradient[at] -= hard.target.v[0] * weights.v[0];
  }
}

// Takes the targets off a chunk of the gradient.
void subtract_hard_targets(const LossParams& p, const LossUnit& u, const Chunk& chunk, const HardLanes& hard,
                           const HardScratch& x, float* gradient) {
  if (p.targets.soft != nullptr) return subtract_targets(gradient, x.dense, chunk.groups, hard.target);
  subtract_labels(u, chunk, u.targets.a, u.targets.weight_a, gradient, hard);
  if (p.targets.b != nullptr) subtract_labels(u, chunk, u.targets.b, u.targets.weight_b, gradient, hard);
  if (is_smoothed(p)) subtract_spread(x.student, x.class_weights, gradient, chunk.groups, hard.spread);
}

// Sums are NaN where a logit is NaN or +inf. `max` as found, or 0 instead of -inf.
std::uint32_t hard_status(const Lanes& max, const HardLaneSums& sums) {
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
