#pragma once

#include "host/loss/row_phases.hpp"
#include "host/loss/unit.hpp"
#include "kernels/loss/targets.hpp"

// A unit of work of the loss loops, its inputs and its targets. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

// Arrays [group][lane] of one unit, or of a part of a very wide row.
struct Scratch {
  alignas(64) float student[kScratch];
  alignas(64) float teacher[kScratch];
  alignas(64) float dense[kScratch];
  alignas(64) float p[kScratch];  // exponentials at first, then probabilities
  alignas(64) float q[kScratch];
  alignas(64) float delta[kScratch];
  alignas(64) float shift[kScratch];
  alignas(64) float exponential[kScratch];  // of the hard part
};

struct TargetLanes {
  std::int32_t a[kLanes], b[kLanes];
  Lanes weight_a, weight_b;
  Lanes valid;  // 1 or 0
};

struct LossUnit : Unit {
  TargetLanes targets{};
};

void clear_ignored(float* values, const LossUnit& u, std::int64_t groups) {
  LEAVEN_EACH_LANE(r) {
    if (u.targets.valid.v[r] != 0.0f) continue;
    for (std::int64_t c = 0; c < groups; ++c) values[c * kLanes + r] = 0.0f;
  }
}

// Ignored rows: their weights, and without a soft part their logits, are zeros instead of what stands there.
template <bool kHard, bool kSoft>
void load_inputs(const LossParams& p, const LossUnit& u, const Chunk& chunk, Scratch& x) {
  const bool dense = kHard && p.targets.soft != nullptr;
  load(x.student, p.student, u, chunk, -kInfinity);
  if (kSoft) load(x.teacher, p.teacher, u, chunk, -kInfinity);
  if (dense) load(x.dense, {p.targets.soft, p.targets.soft_stride}, u, chunk, 0.0f);
  if (!kHard) return;
  if (lane_sum(u.targets.valid) == float{kLanes}) return;
  if (!kSoft) clear_ignored(x.student, u, chunk.groups);
  if (dense) clear_ignored(x.dense, u, chunk.groups);
}

// Bad weights and rows of zeros are found before anything is computed with them. Returns bits of LossStatus.
std::uint32_t find_dense_targets(const LossParams& p, LossUnit& u, Scratch& x) {
  Lanes bad{}, wanted{};
  for (std::int64_t i = 0; i < chunk_count(p.classes, u); ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    load(x.dense, {p.targets.soft, p.targets.soft_stride}, u, chunk, 0.0f);
    for (std::int64_t c = 0; c < chunk.groups * kLanes; c += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float weight = x.dense[c + r];
        bad.v[r] = is_good_weight(weight) ? bad.v[r] : 1.0f;
        wanted.v[r] = weight > 0.0f ? 1.0f : wanted.v[r];
      }
    }
  }
  if (!u.tile) {
    sum_across(bad);
    sum_across(wanted);
  }
  LEAVEN_EACH_LANE(r) u.targets.valid.v[r] = (bad.v[r] == 0.0f) & (wanted.v[r] != 0.0f) ? 1.0f : 0.0f;
  return lane_sum(bad) != 0.0f ? kWeightOutOfRange : 0u;
}

template <class T>
void load_lanes(T* to, const T* from, const LossUnit& u) {
  if (u.rows == kLanes) {
    LEAVEN_EACH_LANE(r) to[r] = from[u.row + r];
  } else {
    LEAVEN_EACH_LANE(r) to[r] = from[u.row_of(r)];
  }
}

// Returns bits of LossStatus.
std::uint32_t find_label_targets(const TargetParams& targets, std::int32_t classes, LossUnit& u) {
  std::int32_t a[kLanes], b[kLanes];
  Lanes weight;
  load_lanes(a, targets.a, u);
  if (targets.b != nullptr) {
    load_lanes(b, targets.b, u);
    load_lanes(weight.v, targets.weight_a, u);
  } else {
    LEAVEN_EACH_LANE(r) b[r] = targets.ignore_label;
    fill(weight, 1.0f);
  }
  std::uint32_t bits[kLanes];
  TargetLanes lanes;
  const std::int32_t ignore_label = targets.ignore_label;
  LEAVEN_EACH_LANE(r) {
    const RowTarget target = mixed_target(a[r], b[r], weight.v[r], ignore_label, classes);
    lanes.a[r] = target.a;
    lanes.b[r] = target.b;
    lanes.weight_a.v[r] = target.weight_a;
    lanes.weight_b.v[r] = target.weight_b;
    lanes.valid.v[r] = static_cast<float>(target.valid);
    bits[r] = target.status;
  }
  std::uint32_t status = 0;
  LEAVEN_EACH_LANE(r) status |= bits[r];
  u.targets = lanes;
  return status;
}

std::uint32_t find_targets(const LossParams& p, LossUnit& u, Scratch& x) {
  if (p.targets.soft != nullptr) return find_dense_targets(p, u, x);
  return find_label_targets(p.targets, static_cast<std::int32_t>(p.classes), u);
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
