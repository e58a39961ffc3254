#pragma once

#include "host/loss/unit.hpp"
#include "kernels/loss/divergence_row.hpp"
#include "kernels/loss/general_hard.hpp"

// The passes over one row of the general loss: sixteen lanes along the row, a chunk of columns at a time, sums in a
// fixed order. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

template <int kCount>
struct Values {
  float v[kCount];
};
template <int kCount>
struct LaneSums {
  Lanes v[kCount];
};

// Adds body(i), a Values, for each element of a chunk.
template <int kCount, class Body>
LEAVEN_HD void add_elements(std::int64_t groups, LaneSums<kCount>& sums, Body&& body) {
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    LaneSums<kCount> part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const Values<kCount> x = body(i + r);
        for (int n = 0; n < kCount; ++n) part.v[n].v[r] += x.v[n];
      }
    }
    for (int n = 0; n < kCount; ++n) add(sums.v[n], part.v[n]);
  }
}
template <int kCount>
LEAVEN_HD Values<kCount> total(const LaneSums<kCount>& sums) {
  Values<kCount> x;
  for (int n = 0; n < kCount; ++n) x.v[n] = lane_sum(sums.v[n]);
  return x;
}

// Arrays of one chunk.
struct GeneralScratch {
  alignas(64) float whole[kScratch];    // the student's logits
  alignas(64) float student[kScratch];  // the same without the excluded classes
  alignas(64) float teacher[kScratch];
  alignas(64) float p[kScratch];
  alignas(64) float q[kScratch];
  alignas(64) float y[kScratch];
  alignas(64) float top[kScratch];  // of the blend, as the next two
  alignas(64) float excess[kScratch];
  alignas(64) float sum[kScratch];
  alignas(64) float dense[kScratch];
  alignas(64) float gradient[kScratch];
};

// body(chunk) for all chunks of a row.
template <class Body>
LEAVEN_HD void for_each_chunk(std::int64_t classes, const Unit& u, Body&& body) {
  for (std::int64_t i = 0; i < chunk_count(classes, u); ++i) body(chunk_at(classes, u, i));
}

Extent find_extent(const InputRows& rows, const Unit& u, std::int64_t classes, float* logits) {
  Lanes max, min, unmasked{};
  fill(max, -kInfinity);
  fill(min, kInfinity);
  for_each_chunk(classes, u, [&](const Chunk& chunk) {
    load(logits, rows, u, chunk, -kInfinity);
    const float* __restrict s = logits;
    Lanes local_max = max, local_min = min, local_unmasked = unmasked;
    for (std::int64_t i = 0; i < chunk.groups * kLanes; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float x = s[i + r];
        const bool is_unmasked = x != -kInfinity;
        local_max.v[r] = larger(local_max.v[r], x);
        local_min.v[r] = is_unmasked & (x < local_min.v[r]) ? x : local_min.v[r];
        local_unmasked.v[r] += is_unmasked ? 1.0f : 0.0f;
      }
    }
    max = local_max;
    min = local_min;
    unmasked = local_unmasked;
  });
  Extent extent;
  for (int r = 0; r < kLanes; ++r) {
    extent.max = larger(extent.max, max.v[r]);
    extent.min = min.v[r] < extent.min ? min.v[r] : extent.min;
  }
  extent.unmasked = lane_sum(unmasked);
  return extent;
}

// Dense weights are looked at before anything is computed with them.
RowTarget find_row_target(const LossParams& p, const Unit& u, float* dense) {
  RowTarget target;
  if (p.targets.a != nullptr) return label_target(p.targets, u.row, static_cast<std::int32_t>(p.classes));
  if (p.targets.soft == nullptr) return target;
  LaneSums<2> found{};
  for_each_chunk(p.classes, u, [&](const Chunk& chunk) {
    load(dense, {p.targets.soft, p.targets.soft_stride}, u, chunk, 0.0f);
    const float* const weights = dense;
    add_elements(chunk.groups, found, [&](std::int64_t i) {
      return Values<2>{{is_good_weight(weights[i]) ? 0.0f : 1.0f, weights[i] > 0.0f ? 1.0f : 0.0f}};
    });
  });
  const bool bad = lane_sum(found.v[0]) != 0.0f;
  target.status = bad ? kWeightOutOfRange : 0u;
  target.valid = !bad && lane_sum(found.v[1]) != 0.0f ? 1 : 0;
  return target;
}

struct HardPart {
  HardTarget target{};
  HardFactors factors{};
};

// The shares of a chunk's classes, to `dense`.
std::uint32_t find_chunk_shares(const LossParams& p, const HardTarget& target, const Unit& u, const Chunk& chunk,
                                GeneralScratch& x) {
  const std::int64_t size = chunk.groups * kLanes;
  if (p.targets.soft != nullptr) {
    load(x.dense, {p.targets.soft, p.targets.soft_stride}, u, chunk, 0.0f);
  } else {
    for (std::int64_t i = 0; i < size; ++i) x.dense[i] = 0.0f;
  }
  std::uint32_t bad = 0;
  if (p.targets.class_weights != nullptr) {
    const float* const weights = p.targets.class_weights + chunk.first;
    for (std::int64_t i = 0; i < chunk.columns; ++i) bad |= is_good_weight(weights[i]) ? 0u : kWeightOutOfRange;
  }
  const HardTarget local = target;
  for (std::int64_t i = 0; i < chunk.columns; ++i) {
    const float weight = p.targets.class_weights != nullptr ? p.targets.class_weights[chunk.first + i] : 1.0f;
    x.dense[i] = target_share(local, static_cast<std::int32_t>(chunk.first + i), x.whole[i], x.dense[i], weight);
  }
  return bad;
}

HardPart find_hard_part(const LossParams& p, const RowTarget& labels, const Unit& u, const Extent& extent, float scale,
                        GeneralScratch& x, std::uint32_t& status) {
  HardPart hard;
  if (!p.hard || labels.valid == 0) return hard;
  hard.target = hard_target(labels, p.targets.smoothing, extent.unmasked);
  const float max = finite_max(extent.max);
  LaneSums<3> sums{};
  for_each_chunk(p.classes, u, [&](const Chunk& chunk) {
    load(x.whole, p.student, u, chunk, -kInfinity);
    status |= find_chunk_shares(p, hard.target, u, chunk, x);
    const float* const s = x.whole;
    const float* const shares = x.dense;
    add_elements(chunk.groups, sums, [&](std::int64_t i) {
      const float gap = max - s[i];
      return Values<3>{{hard_exponential(gap), shares[i], weighted_gap(shares[i], gap)}};
    });
  });
  const Values<3> all = total(sums);
  hard.factors = hard_factors({all.v[0], all.v[1], all.v[2]}, p.hard_weight, scale);
  return hard;
}

// Adds the hard part to the chunk's gradient; x.whole is the chunk.
void add_hard_gradient(const LossParams& p, const HardPart& hard, const Unit& u, const Chunk& chunk, float max,
                       GeneralScratch& x) {
  if (hard.factors.target == 0.0f) return;
  find_chunk_shares(p, hard.target, u, chunk, x);
  const HardFactors factors = hard.factors;
  for (std::int64_t i = 0; i < chunk.groups * kLanes; ++i) {
    x.gradient[i] += share_gradient(factors, hard_exponential(max - x.whole[i]), x.dense[i]);
  }
}

void clear_gradient(const LossParams& p, const Unit& u, float* gradient) {
  if (p.gradient.data == nullptr) return;
  for (std::int64_t i = 0; i < kScratch; ++i) gradient[i] = 0.0f;
  for_each_chunk(p.classes, u, [&](const Chunk& chunk) { store(p.gradient, gradient, u, chunk); });
}

// process(unit, labels, scale, status) for each row that is not ignored gives its loss; `invalid` says which rows are.
// Returns the number of valid rows.
template <class IsValid, class Process>
std::int64_t for_each_row(const LossParams& p, float scale, std::int64_t begin, std::int64_t end, float* losses,
                          GeneralScratch& x, bool labelled, IsValid&& is_valid, Process&& process) {
  std::uint32_t status = 0;
  std::int64_t valid_rows = 0;
  for (std::int64_t row = begin; row < end; ++row) {
    Unit u;
    u.row = row;
    const float weight = row_weight(p, row, status);
    const RowTarget labels = labelled ? find_row_target(p, u, x.dense) : RowTarget{};
    status |= labels.status;
    const bool valid = is_valid(row, labels, status) & (weight > 0.0f);
    if (valid) {
      losses[row - begin] = weight * process(u, labels, scale * weight, status);
    } else {
      losses[row - begin] = 0.0f;
      clear_gradient(p, u, x.gradient);
    }
    valid_rows += valid ? 1 : 0;
  }
  if (status != 0 && p.status != nullptr) __atomic_fetch_or(p.status, status, __ATOMIC_RELAXED);
  return valid_rows;
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
