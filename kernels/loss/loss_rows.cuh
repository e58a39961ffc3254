#pragma once

#include "kernels/loss/block_rows.cuh"
#include "kernels/loss/finish_loss.cuh"
#include "kernels/loss/loss_passes.cuh"

namespace leaven::cuda {

// The row's logits and dense targets; what is not looked at counts as behind the end.
template <class L, HardPart kHard, bool kSoft>
__device__ void read_row(const LossParams& p, const BlockRows& block, int index, LossLane<L, kHard, kSoft>& x) {
  const int readable = x.looked_at ? block.classes : 0;
  read_lane<L>(x.exponential, block.student(p, index), x.start, readable, -kInfinity);
  if constexpr (kSoft) read_lane<L>(x.q, block.teacher(p, index), x.start, readable, -kInfinity);
  if constexpr (kHard == HardPart::dense) read_lane<L>(x.dense, block.dense(p, index), x.start, readable, 0.0f);
}

template <class L, HardPart kHard, bool kSoft>
__device__ RowMax find_max(const LossLane<L, kHard, kSoft>& x) {
  float max[kSoft ? 2 : 1];
#pragma unroll
  for (float& m : max) m = -kInfinity;
  x.add_to_max(max);
  return reduce_max<L::kGroup>(max);
}

// All threads of the warp call (groups of several warps: of the block). `near` is that of a lane, then that of the row.
template <class L, HardPart kHard, bool kSoft>
__device__ SoftResult find_near_row(const LossParams& p, const NearCentre& centre, LossLane<L, kHard, kSoft>& x,
                                    bool& near) {
  float sum_w = 0;
  float sum_g = 0;
  x.add_to_terms(p, centre.d, sum_w, sum_g);
  const NearRow row = reduce_terms<L::kGroup>(p, sum_w, sum_g, centre, near);
  float residual = 0;
  if constexpr (LossLane<L, kHard, kSoft>::kResidual) {
    x.for_each([&](int i, int) { residual += near_gradient(x.w[i], x.q[i], row.mean_w); });
  }
  return {row.loss, row.factor, row.mean_w, residual * centre.inverse_sum, 0.0f};
}

// Whether all rows are near that share a warp (groups of several warps: a block).
template <int kGroup>
__device__ bool all_near(bool near) {
  if constexpr (kGroup > 32) return __syncthreads_and(near) != 0;
  return __all_sync(kAllLanes, near) != 0;
}

template <class L, HardPart kHard, bool kSoft>
__device__ bool is_looked_at(const RowTarget& target, float weight) {
  return weight > 0.0f && (kSoft || kHard == HardPart::dense || target.valid != 0);
}

// The row of a group. Returns false, with nothing done, where it is not near. All threads of the warp call (groups of
// several warps: of the block).
template <class L, HardPart kHard, bool kSoft>
__device__ bool do_row(const LossParams& p, const BlockRows& block, int thread, float scale, LossTotals& totals) {
  const int index = thread / L::kGroup;
  const bool exists = index < block.count;
  const std::int64_t row = block.first + index;
  const float weight = exists ? row_weight(p, row, totals.status) : 0.0f;
  RowTarget target;
  if (kHard == HardPart::labels && !kSoft && exists) target = weighted_target(p, row, weight);
  LossLane<L, kHard, kSoft> x;
  x.classes = block.classes;
  x.start = L::start(thread);
  x.looked_at = is_looked_at<L, kHard, kSoft>(target, weight);
  read_row(p, block, index, x);
  const RowMax max = find_max(x);
  LossSums<kHard, kSoft> sums;
  if constexpr (kSoft) x.add_to_soft_sums(p, max, sums);
  if (kHard == HardPart::labels && kSoft && exists) target = weighted_target(p, row, weight);
  if constexpr (kHard != HardPart::none) x.add_to_hard_sums(p, max, target, sums);
  const HardSums hard_sums = reduce_sums<L::kGroup>(p, sums, target);
  HardRow hard;
  if constexpr (kHard != HardPart::none) {
    hard = hard_row(hard_sums, target.valid != 0, p.targets.smoothing, p.hard_weight * weight, scale);
    x.find_hard_gradient(p, target, hard);
  }
  SoftResult soft;
  if constexpr (kSoft) {
    const NearCentre centre = find_centre(p, sums, x.looked_at);
    bool near = centre.near;
    soft = find_near_row(p, centre, x, near);
    if (!near) return false;
    soft.factor *= p.soft_weight * weight * scale;
  }
  if (!exists) return true;
  if (p.gradient.data != nullptr) {
    float gradient[L::kElements];
    x.find_gradient(soft, gradient);
    write_lane<L>(block.gradient(p, index), x.start, block.classes, gradient);
  }
  const float loss = hard.loss + (kSoft ? weighted_gap(p.soft_weight * weight, soft.loss) : 0.0f);
  const bool valid = kSoft ? weight > 0.0f : target.valid != 0;
  const float checked = kSoft || !valid ? 0.0f : hard_sums.exponentials;  // near rows have no NaN
  note_row(p, row, max, target.status, loss, checked, valid, x.start == 0, totals);
  return true;
}

// The row of a group that is not near, from its logits to its gradient; groups whose row is near take part in the
// reductions. All threads of the warp call (groups of several warps: of the block).
template <class L, HardPart kHard>
__device__ void do_far_row(const LossParams& p, const BlockRows& block, int thread, bool near, float scale,
                           LossTotals& totals) {
  const int index = thread / L::kGroup;
  LossPasses<L, 1, kHard, true, PlainLogits> row{
      p,    {block.student(p, index)}, {block.teacher(p, index)}, block.dense(p, index), L::start(thread), {}, 0.0f,
      !near};
  std::uint32_t status = 0;  // known from before
  if (!near) row.weight = row_weight(p, block.first + index, status);
  if (kHard == HardPart::labels && !near) row.target = weighted_target(p, block.first + index, row.weight);
  const RowMax max = row.find_max();
  HardRow hard;
  if constexpr (kHard != HardPart::none) {
    LossSums<kHard, true> sums;
    const HardSums hard_sums = row.find_sums(max, sums);
    hard = hard_row(hard_sums, row.target.valid != 0, p.targets.smoothing, p.hard_weight * row.weight, scale);
  }
  FarState far;
  SoftResult soft = row.find_far_row(far);
  soft.factor *= p.soft_weight * row.weight * scale;
  if (near) return;
  if (p.gradient.data != nullptr) {
    row.write_gradient(block.gradient(p, index), max, hard, soft,
                       [&](auto& x, const float* student) { find_far_elements(p, far, x, student); });
  }
  const float loss = hard.loss + weighted_gap(p.soft_weight * row.weight, soft.loss);
  note_row(p, block.first + index, max, row.target.status, loss, soft.sums, true, row.start == 0, totals);
}

// As many as there are registers for, without spills.
template <class L, HardPart kHard, bool kSoft>
inline constexpr int kBlocksPerMultiprocessor = kSoft&& kHard == HardPart::labels && (L::kGroup == 2 || L::kGroup == 8)
                                                    ? 2
                                                    : 3;

// what     losses, their sum and gradients of rows of up to L::kGroup * L::kElements classes
// who      L::kGroup lanes per row; a block takes L::kRows rows at a time
// traffic  reads each logit and dense target once and writes one gradient; rows that are not near are read six times
//          more, mostly from the caches
// limits   exponentials stay in registers: two to four arrays of 8 a lane
template <class L, HardPart kHard, bool kSoft>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor<L, kHard, kSoft>)
    loss_rows_kernel(const LossParams parameters, const LossAccess how) {
  const LossParams p = parameters;  // copies: parameters that are passed on by reference are read with an address each
  const LossAccess access = how;    // time
  const float divisor = loss_divisor(p);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  LossTotals totals;
  if constexpr (kHard != HardPart::none) totals.status = class_weight_status(p);
  for (std::int64_t first = std::int64_t{blockIdx.x} * L::kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * L::kRows) {
    int thread = static_cast<int>(threadIdx.x);
    asm volatile("" : "+r"(thread));  // else what follows from it stays in registers from row to row
    const BlockRows block(p, access, first, L::kRows);
    block.template read_tiles<kSoft, kHard == HardPart::dense>(p);
    const bool near = do_row<L, kHard, kSoft>(p, block, thread, scale, totals);
    if constexpr (kSoft) {
      if (!all_near<L::kGroup>(near)) do_far_row<L, kHard>(p, block, thread, near, scale, totals);
    }
    if (p.gradient.data != nullptr) block.write_tile(p.gradient);
  }
  finish_loss<L::kGroup>(p, totals);
}

}  // namespace leaven::cuda
