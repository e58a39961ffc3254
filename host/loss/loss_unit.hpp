#pragma once

#include "host/loss/unit.hpp"
#include "kernels/loss/targets.hpp"

// A unit of work of the loss loops, its inputs and its targets. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

// Arrays [group][lane] of one unit, or of a part of a very wide row: those of the hard part, and all.
struct HardScratch {
  alignas(64) float student[kScratch];
  alignas(64) float dense[kScratch];
  alignas(64) float exponential[kScratch];
  alignas(64) float class_weights[kScratch];
};
struct Scratch : HardScratch {
  alignas(64) float teacher[kScratch];
  alignas(64) float q[kScratch];
  alignas(64) float w[kScratch];      // differences of logits at first, the gradient in the end
  alignas(64) float far_p[kScratch];  // of rows that are not near
  alignas(64) float far_q[kScratch];
  alignas(64) float far_delta[kScratch];
  alignas(64) float far_shift[kScratch];
};

struct TargetLanes {
  std::int32_t a[kLanes], b[kLanes];
  Lanes weight_a, weight_b, mass;
  Lanes valid;  // 1 or 0
};

struct LossUnit : Unit {
  Lanes weight{};  // of the rows; 0 where they are ignored
  TargetLanes targets{};
};

// Where no gradient is wanted, the student's rows: they are asked for anyway.
Ahead gradient_ahead(const LossParams& p, const LossUnit& u, int row, std::int64_t first) {
  return p.gradient.data != nullptr ? ahead(p.gradient, u, row, first) : ahead(p.student, u, row, first);
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
std::uint32_t find_row_weights(const LossParams& p, LossUnit& u) {
  if (p.row_weights == nullptr) {
    fill(u.weight, 1.0f);
    return 0;
  }
  Lanes given;
  load_lanes(given.v, p.row_weights, u);
  std::uint32_t status = 0;
  for (int r = 0; r < kLanes; ++r) {
    status |= weight_status(given.v[r]);
    u.weight.v[r] = usable_weight(given.v[r]);
  }
  return status;
}

// Weights of classes that cannot be used count as 0. Returns bits of LossStatus.
std::uint32_t load_class_weights(const LossParams& p, const LossUnit& u, const Chunk& chunk, HardScratch& x) {
  if (p.targets.class_weights == nullptr) {
    for (std::int64_t i = 0; i < chunk.groups * kLanes; ++i) x.class_weights[i] = 1.0f;
    return 0;
  }
  std::uint32_t status = 0;
  for (std::int64_t c = 0; c < chunk.columns; ++c) {
    const float weight = p.targets.class_weights[chunk.first + c];
    status |= weight_status(weight);
    if (u.tile) {
      for (int r = 0; r < kLanes; ++r) x.class_weights[c * kLanes + r] = usable_weight(weight);
    } else {
      x.class_weights[c] = usable_weight(weight);
    }
  }
  if (!u.tile) fill_groups(x.class_weights, chunk.columns, 0.0f);
  return status;
}

void clear_lanes(float* values, std::int64_t groups, const Lanes& keep) {
  LEAVEN_EACH_LANE(r) {
    if (keep.v[r] != 0.0f) continue;
    for (std::int64_t c = 0; c < groups; ++c) values[c * kLanes + r] = 0.0f;
  }
}
bool all_lanes(const Lanes& flags) {
  std::int32_t zeros = 0;
  LEAVEN_EACH_LANE(r) zeros += flags.v[r] == 0.0f ? 1 : 0;
  return zeros == 0;
}
bool all_finite(const Lanes& sums) {
  std::int32_t others = 0;
  LEAVEN_EACH_LANE(r) others += sums.v[r] - sums.v[r] == 0.0f ? 0 : 1;
  return others == 0;
}

// Logits of ignored rows are zeros instead of what stands there.
template <bool kSoft>
void load_logits(const LossParams& p, const LossUnit& u, const Chunk& chunk, Scratch& x) {
  load(x.student, p.student, u, chunk, -kInfinity);
  if (kSoft) load(x.teacher, p.teacher, u, chunk, -kInfinity);
  const Lanes& keep = kSoft ? u.weight : u.targets.valid;
  if (all_lanes(keep)) return;
  clear_lanes(x.student, chunk.groups, keep);
  if (kSoft) clear_lanes(x.teacher, chunk.groups, keep);
}

void load_dense(const LossParams& p, const LossUnit& u, const Chunk& chunk, HardScratch& x) {
  load(x.dense, {p.targets.soft, p.targets.soft_stride}, u, chunk, 0.0f);
}

// The bits of a weight as an unsigned number tell what it is: 0 is 0, a good weight comes next, and from those of
// infinity on it is infinite, negative or NaN. So the largest one of a row tells whether the row is valid.
LEAVEN_HD std::uint32_t weight_bits(float weight) { return bits_of_float(weight + 0.0f); }  // -0 becomes 0
LEAVEN_HD bool is_bad_weight(std::uint32_t bits) { return bits >= 0x7f800000u; }
struct LargerBits {
  LEAVEN_HD std::uint32_t operator()(std::uint32_t x, std::uint32_t y) const { return y > x ? y : x; }
};

void find_largest_bits(const float* __restrict weights, std::int64_t groups, std::uint32_t* __restrict largest) {
  std::uint32_t local[kLanes];
  LEAVEN_EACH_LANE(r) local[r] = largest[r];
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) local[r] = LargerBits{}(local[r], weight_bits(weights[i + r]));
  }
  LEAVEN_EACH_LANE(r) largest[r] = local[r];
}

// Bad weights and rows of zeros are found before anything is computed with them. Where the row is one chunk, its
// weights stay in the scratch array. Returns bits of LossStatus.
std::uint32_t find_dense_targets(const LossParams& p, LossUnit& u, HardScratch& x) {
  alignas(64) std::uint32_t largest[kLanes];
  LEAVEN_EACH_LANE(r) largest[r] = 0;
  for (std::int64_t i = 0; i < chunk_count(p.classes, u); ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    load_dense(p, u, chunk, x);
    find_largest_bits(x.dense, chunk.groups, largest);
  }
  std::uint32_t any = 0;
  LEAVEN_EACH_LANE(r) any = LargerBits{}(any, largest[r]);
  if (!u.tile) LEAVEN_EACH_LANE(r) largest[r] = any;
  LEAVEN_EACH_LANE(r) u.targets.valid.v[r] = (largest[r] != 0u) & !is_bad_weight(largest[r]) ? 1.0f : 0.0f;
  return is_bad_weight(any) ? kWeightOutOfRange : 0u;
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
    lanes.mass.v[r] = target.mass;
    lanes.valid.v[r] = static_cast<float>(target.valid);
    bits[r] = target.status;
  }
  std::uint32_t status = 0;
  LEAVEN_EACH_LANE(r) status |= bits[r];
  if (targets.class_weights != nullptr) {
    for (int r = 0; r < kLanes; ++r) {
      RowTarget target{lanes.a[r], lanes.b[r], lanes.weight_a.v[r], lanes.weight_b.v[r]};
      weigh_classes(target, targets.class_weights);
      lanes.weight_a.v[r] = target.weight_a;
      lanes.weight_b.v[r] = target.weight_b;
      status |= target.status;
    }
  }
  u.targets = lanes;
  return status;
}

// A row without weight is an ignored one.
void ignore_weightless(LossUnit& u) {
  LEAVEN_EACH_LANE(r) u.targets.valid.v[r] = u.weight.v[r] > 0.0f ? u.targets.valid.v[r] : 0.0f;
}

// Returns bits of LossStatus.
std::uint32_t find_targets(const LossParams& p, LossUnit& u, HardScratch& x) {
  const std::uint32_t status = p.targets.soft != nullptr
                                   ? find_dense_targets(p, u, x)
                                   : find_label_targets(p.targets, static_cast<std::int32_t>(p.classes), u);
  ignore_weightless(u);
  return status;
}

// Lanes without a row of their own do not count.
void drop_spare_lanes(const LossUnit& u, Lanes& lanes) {
  if (u.rows == kLanes) return;
  for (int r = u.rows; r < kLanes; ++r) lanes.v[r] = 0.0f;
}

// What the rows of a piece come to.
struct Totals {
  Lanes loss{}, valid{};
  std::uint32_t status = 0;

  void add_unit(const LossParams& p, const LossUnit& u, const Lanes& row_losses, const Lanes& row_counts) {
    Lanes losses = row_losses, counts = row_counts;
    drop_spare_lanes(u, losses);
    drop_spare_lanes(u, counts);
    add(loss, losses);
    add(valid, counts);
    if (p.row_losses == nullptr) return;
    for (int r = 0; r < u.rows; ++r) p.row_losses[u.row + r] = losses.v[r];
  }
  void write(const LossParams& p, LossPartial& partial) const {
    partial.loss = lane_sum(loss);
    partial.valid = static_cast<std::int32_t>(lane_sum(valid));
    if (status != 0 && p.status != nullptr) __atomic_fetch_or(p.status, status, __ATOMIC_RELAXED);
  }
};

}  // namespace
}  // namespace leaven::LEAVEN_ISA
