#pragma once

#include "kernels/loss/divergence_row.hpp"
#include "kernels/loss/finish_loss.cuh"
#include "kernels/loss/general_hard.hpp"

// The passes over one row of the general loss, by a warp or a block. Each pass reads the row again, from the caches.
namespace leaven::cuda {

// Which matrices allow accesses to four columns at once: bits.
inline constexpr unsigned kStudentAligned = 1;
inline constexpr unsigned kGradientAligned = 2;
inline constexpr unsigned kDenseAligned = 4;
inline constexpr unsigned kTeacherAligned = 8;  // of the first teacher; the next bits of the others

inline unsigned alignment_bits(const GeneralParams& g) {
  const LossParams& p = g.loss;
  unsigned bits = (is_aligned(p.student) ? kStudentAligned : 0) | (is_aligned(p.gradient) ? kGradientAligned : 0) |
                  (is_aligned(p.targets.soft, p.targets.soft_stride) ? kDenseAligned : 0);
  for (int m = 0; m < g.teacher_count; ++m) bits |= is_aligned(g.teachers[m].logits) ? kTeacherAligned << m : 0;
  return bits;
}

// A row in work. `excluded` is the class that sums leave out (the target of DecoupledKl), or -1.
struct RowPlace {
  std::int64_t row;
  std::int64_t classes;
  std::int64_t excluded;
  unsigned aligned;
};

template <int kGroup>
__device__ __forceinline__ std::int64_t first_column() {
  return threadIdx.x % kGroup * 4;
}

__device__ __forceinline__ Four load_row4(const InputRows& m, const RowPlace& at, std::int64_t column, unsigned bit) {
  return load4(m, at.row, column, at.classes, (at.aligned & bit) != 0, -kInfinity);
}
__device__ __forceinline__ Four exclude(Four x, std::int64_t column, std::int64_t excluded) {
#pragma unroll
  for (int j = 0; j < 4; ++j) x.v[j] = column + j == excluded ? -kInfinity : x.v[j];
  return x;
}

struct Larger {
  __device__ float operator()(float x, float y) const { return larger(x, y); }
};
struct Smaller {
  __device__ float operator()(float x, float y) const { return y < x ? y : x; }
};
template <int kGroup>
__device__ __forceinline__ Extent find_extent(const InputRows& m, const RowPlace& at, unsigned bit) {
  Extent extent;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four x = load_row4(m, at, column, bit);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const bool unmasked = x.v[j] != -kInfinity;
      extent.max = larger(extent.max, x.v[j]);
      extent.min = unmasked && x.v[j] < extent.min ? x.v[j] : extent.min;
      extent.unmasked += unmasked ? 1.0f : 0.0f;
    }
  }
  return {group_reduce<kGroup>(extent.max, Larger{}), group_reduce<kGroup>(extent.min, Smaller{}),
          group_sum<kGroup>(extent.unmasked)};
}

template <int kGroup>
__device__ __forceinline__ RowScale find_standard_scale(const InputRows& m, const RowPlace& at, unsigned bit,
                                                        const Extent& extent, const Temperature& temperature) {
  const float inverse_range = 1.0f / range_of(extent);
  const float inverse_count = extent.unmasked > 0.0f ? 1.0f / extent.unmasked : 0.0f;
  float sum = 0;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four x = load_row4(m, at, column, bit);
#pragma unroll
    for (int j = 0; j < 4; ++j) sum += relative_gap(x.v[j], extent, inverse_range);
  }
  const float mean = group_sum<kGroup>(sum) * inverse_count;
  float rest = 0;
  float square = 0;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four x = load_row4(m, at, column, bit);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float gap = x.v[j] == -kInfinity ? 0.0f : relative_gap(x.v[j], extent, inverse_range) - mean;
      rest += gap;
      square = mul_add(gap, gap, square);
    }
  }
  rest = group_sum<kGroup>(rest) * inverse_count;
  square = group_sum<kGroup>(square) * inverse_count;
  return standard_scale(temperature, extent, mean, rest, square);
}
template <int kGroup>
__device__ __forceinline__ RowScale find_scale(const GeneralParams& g, const InputRows& m, const RowPlace& at,
                                               unsigned bit, const Extent& extent) {
  if (g.standardise) return find_standard_scale<kGroup>(m, at, bit, extent, g.loss.temperature);
  return {g.loss.temperature, 1.0f, finite_max(extent.max), 0.0f};
}

// The hard part's sums, and the share of each class again for the gradient.
__device__ __forceinline__ float share_at(const LossParams& p, const HardTarget& target, const RowPlace& at,
                                          std::int64_t column, float logit, float dense) {
  const float class_weight =
      p.targets.class_weights != nullptr && column < at.classes ? p.targets.class_weights[column] : 1.0f;
  return target_share(target, static_cast<std::int32_t>(column), logit, dense, class_weight);
}
__device__ __forceinline__ Four load_dense(const LossParams& p, const RowPlace& at, std::int64_t column) {
  if (p.targets.soft == nullptr) return {};
  return load4(p.targets.soft + at.row * p.targets.soft_stride, column, at.classes, (at.aligned & kDenseAligned) != 0,
               0.0f);
}
template <int kGroup>
__device__ __forceinline__ ShareSums find_shares(const LossParams& p, const HardTarget& target, const RowPlace& at,
                                                 float max, std::uint32_t& status) {
  ShareSums sums;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four s = load_row4(p.student, at, column, kStudentAligned);
    const Four dense = load_dense(p, at, column);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float share = share_at(p, target, at, column + j, s.v[j], dense.v[j]);
      sums.exponentials += hard_exponential(max - s.v[j]);
      sums.mass += share;
      sums.gaps += weighted_gap(share, max - s.v[j]);
      if (p.targets.class_weights != nullptr && column + j < at.classes) {
        status |= is_good_weight(p.targets.class_weights[column + j]) ? 0u : kWeightOutOfRange;
      }
    }
  }
  return {group_sum<kGroup>(sums.exponentials), group_sum<kGroup>(sums.mass), group_sum<kGroup>(sums.gaps)};
}

// Dense weights are looked at before anything is computed with them.
template <int kGroup>
__device__ __forceinline__ RowTarget find_row_target(const LossParams& p, const RowPlace& at) {
  RowTarget target;
  if (p.targets.a != nullptr) return label_target(p.targets, at.row, static_cast<std::int32_t>(at.classes));
  if (p.targets.soft == nullptr) return target;
  int bad = 0;
  int wanted = 0;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four x = load_dense(p, at, column);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      bad += is_good_weight(x.v[j]) ? 0 : 1;
      wanted += x.v[j] > 0.0f ? 1 : 0;
    }
  }
  bad = group_reduce<kGroup>(bad, Add{});
  wanted = group_reduce<kGroup>(wanted, Add{});
  target.status = bad > 0 ? kWeightOutOfRange : 0u;
  target.valid = bad == 0 && wanted > 0 ? 1 : 0;
  return target;
}

// The hard part of a row: its target, and what loss and gradient are made of.
struct GeneralHardPart {
  HardTarget target{};
  HardFactors factors{};
};
template <int kGroup>
__device__ __forceinline__ GeneralHardPart find_hard_part(const LossParams& p, const RowTarget& labels,
                                                          const RowPlace& at, const Extent& extent, float scale,
                                                          std::uint32_t& status) {
  GeneralHardPart hard;
  if (!p.hard || labels.valid == 0) return hard;
  hard.target = hard_target(labels, p.targets.smoothing, extent.unmasked);
  const ShareSums sums = find_shares<kGroup>(p, hard.target, at, finite_max(extent.max), status);
  hard.factors = hard_factors(sums, p.hard_weight, scale);
  return hard;
}
__device__ __forceinline__ float hard_gradient_at(const LossParams& p, const GeneralHardPart& hard, const RowPlace& at,
                                                  std::int64_t column, float logit, float dense, float max) {
  if (hard.factors.target == 0.0f) return 0.0f;
  const float share = share_at(p, hard.target, at, column, logit, dense);
  return share_gradient(hard.factors, hard_exponential(max - logit), share);
}

template <int kGroup>
__device__ __forceinline__ void clear_gradient(const LossParams& p, const RowPlace& at) {
  if (p.gradient.data == nullptr) return;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    store4(p.gradient, at.row, column, at.classes, (at.aligned & kGradientAligned) != 0, Four{});
  }
}

}  // namespace leaven::cuda
