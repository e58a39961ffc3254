#pragma once

#include "kernels/loss/loss_params.hpp"
#include "kernels/loss/row_group.cuh"
#include "kernels/loss/targets.hpp"

namespace leaven::cuda {

// What a thread has seen of the rows of its block.
struct LossTotals {
  float loss = 0;
  int valid = 0;
  std::uint32_t status = 0;
};

// Keeps what is to be kept of a finished row.
__device__ inline void keep_row(const LossParams& p, std::int64_t row, float loss, bool valid, bool first_lane,
                                LossTotals& totals) {
  if (!first_lane) return;
  if (p.row_losses != nullptr) p.row_losses[row] = loss;
  totals.loss += loss;
  totals.valid += valid ? 1 : 0;
}
// The same, with the status of its logits: `sums` is NaN where one was NaN or +inf.
__device__ inline void note_row(const LossParams& p, std::int64_t row, const RowMax& max, std::uint32_t status,
                                float loss, float sums, bool valid, bool first_lane, LossTotals& totals) {
  const bool infinite = max.student == kInfinity || max.teacher == kInfinity;
  totals.status |= status;
  if (sums != sums) totals.status |= infinite ? kLogitPlusInfinity : kLogitNaN;
  keep_row(p, row, loss, valid, first_lane, totals);
}

__device__ inline float loss_divisor(const LossParams& p) {
  return p.divide_by_valid ? static_cast<float>(p.workspace->valid) : p.divisor;
}

// what     the losses of all blocks become one number, the counts too; the workspace is zero again for the next call
// who      every block leaves its sum; the last one to finish adds them up, its threads with a stride of the block
// order    blocks and their rows depend on the number of rows and classes alone, and so does this sum
// fences   a block's sum is visible before its ticket (release); the last block reads after the last ticket (acquire),
//          past the first-level cache
// limits   only the first lanes of groups of kGroup have totals
template <int kGroup = 1, int kThreads = kBlockThreads>
__device__ void finish_loss(const LossParams& p, const LossTotals& totals) {
  if (totals.status != 0 && p.status != nullptr) atomicOr(p.status, totals.status);
  if (p.loss == nullptr && p.valid_rows == nullptr && !p.divide_by_valid) return;
  const float divisor = loss_divisor(p);
  float loss = totals.loss;
  int valid = totals.valid;
#pragma unroll
  for (int offset = 16; offset >= kGroup; offset /= 2) {
    loss += xor_lane(loss, offset);
    valid += xor_lane(valid, offset);
  }
  __shared__ LossPartial warps[kThreads / 32];
  __shared__ bool is_last;
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = {loss, valid};
  __syncthreads();
  if (threadIdx.x == 0) {
#pragma unroll
    for (int warp = 1; warp < kThreads / 32; ++warp) {
      loss += warps[warp].loss;
      valid += warps[warp].valid;
    }
    p.partials[blockIdx.x] = {loss, valid};
    __threadfence();
    is_last = atomicAdd(&p.workspace->finished, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  loss = 0;
  valid = 0;
  for (unsigned i = threadIdx.x; i < gridDim.x; i += kThreads) {
    loss += __ldcg(&p.partials[i].loss);
    valid += __ldcg(&p.partials[i].valid);
  }
  loss = group_sum<kThreads>(loss);
  valid = group_reduce<kThreads>(valid, Add{});
  if (threadIdx.x != 0) return;
  if (p.loss != nullptr) *p.loss = divisor > 0.0f ? loss / divisor : 0.0f;
  if (p.valid_rows != nullptr) *p.valid_rows = valid;
  p.workspace->valid = 0;
  p.workspace->finished = 0;
}

}  // namespace leaven::cuda
