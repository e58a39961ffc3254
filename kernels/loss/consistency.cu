#include "kernels/core/launch.cuh"
#include "kernels/loss/finish_loss.cuh"
#include "kernels/loss/hard_row.hpp"
#include "kernels/loss/pseudo_launchers.hpp"
#include "kernels/loss/row_tile.cuh"
#include "kernels/loss/top_row.cuh"

namespace leaven::cuda {
namespace {

struct ConsistencyAlignment {
  bool weak, strong, gradient;
};

// The probabilities that the strong view should have.
struct WeakTarget {
  std::int32_t label;
  float max;
  float inverse;  // of the sum of exponentials at the target's temperature; 0 for rows of weight 0
};

// Of four columns; behind the end, and everywhere in rows of weight 0, they are 0.
template <int kGroup, ConsistencyTarget kTarget>
__device__ Four target4(const LossParams& p, const WeakTarget& target, std::int64_t row, std::int64_t column,
                        std::int64_t classes, bool aligned) {
  Four q;
  if constexpr (kTarget == ConsistencyTarget::soft) {
    q = load4(p.teacher, row, column, classes, aligned, -kInfinity);
#pragma unroll
    for (int j = 0; j < 4; ++j) q.v[j] = exp_over(difference(q.v[j], target.max), p.temperature) * target.inverse;
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) q.v[j] = column + j == target.label ? 1.0f : 0.0f;
  }
  return q;
}

template <int kGroup, ConsistencyTarget kTarget>
__device__ WeakTarget find_weak_target(const LossParams& p, const Prediction& weak, std::int64_t row,
                                       std::int64_t classes, bool aligned) {
  WeakTarget target{weak.column, weak.max, 0.0f};
  if constexpr (kTarget == ConsistencyTarget::soft) {
    float sum = 0;
    for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
      const Four t = load4(p.teacher, row, column, classes, aligned, -kInfinity);
#pragma unroll
      for (int j = 0; j < 4; ++j) sum += exp_over(difference(t.v[j], target.max), p.temperature);
    }
    target.inverse = inverse_sum(group_sum<kGroup>(sum));
  }
  return target;
}

template <int kGroup>
__device__ RowMax find_strong_max(const LossParams& p, std::int64_t row, std::int64_t classes, bool aligned) {
  RowMax max;
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
    const Four s = load4(p.student, row, column, classes, aligned, -kInfinity);
#pragma unroll
    for (int j = 0; j < 4; ++j) max.student = larger(max.student, s.v[j]);
  }
  return group_reduce<kGroup>(max, Merge{});
}

template <int kGroup, ConsistencyTarget kTarget>
__device__ HardSums find_strong_sums(const LossParams& p, const WeakTarget& target, float max, std::int64_t row,
                                     std::int64_t classes, const ConsistencyAlignment& aligned) {
  HardSums sums;
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
    const Four s = load4(p.student, row, column, classes, aligned.strong, -kInfinity);
    const Four q = target4<kGroup, kTarget>(p, target, row, column, classes, aligned.weak);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sums.exponentials += hard_exponential(max - s.v[j]);
      sums.target_gaps += weighted_gap(q.v[j], max - s.v[j]);
    }
  }
  sums.exponentials = group_sum<kGroup>(sums.exponentials);
  sums.target_gaps = group_sum<kGroup>(sums.target_gaps);
  sums.mass = 1.0f;
  return sums;
}

template <int kGroup, ConsistencyTarget kTarget>
__device__ void write_strong_gradient(const LossParams& p, const WeakTarget& target, const HardRow& hard, float max,
                                      std::int64_t row, std::int64_t classes, const ConsistencyAlignment& aligned) {
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < p.classes; column += kGroup * 4) {
    const Four s = load4(p.student, row, column, classes, aligned.strong, -kInfinity);
    const Four q = target4<kGroup, kTarget>(p, target, row, column, classes, aligned.weak);
    Four gradient;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      gradient.v[j] = hard_gradient(hard.softmax, hard_exponential(max - s.v[j]), hard.target, q.v[j]);
    }
    store4(p.gradient, row, column, p.classes, aligned.gradient, gradient);
  }
}

// what     weights by the weak view, losses of the strong one, their sum and gradients
// who      kGroup lanes per row, as pseudo_label; a block takes kBlockThreads / kGroup rows at a time
// traffic  reads each weak logit once, each strong one too (several lanes: where the row counts), and writes one
//          gradient; further passes over a row (two to four of the weak logits, three of the strong ones) from shared
//          memory (one lane) or mostly from the caches
// limits   none; the gradient may be the strong logits: a lane reads and writes its own columns; four blocks per
//          multiprocessor keep up to 1,024 classes within 64 registers
template <int kGroup, ConsistencyTarget kTarget>
__global__ void __launch_bounds__(kBlockThreads, kGroup < kBlockThreads ? 4 : 1)
    consistency_kernel(const LossParams all, const PseudoWeight weighting, const StagedLogits<kGroup> weak_rows,
                       const StagedLogits<kGroup> strong_rows) {
  constexpr int kRows = kBlockThreads / kGroup;
  LossParams p = all;  // as the block sees them
  const float divisor = loss_divisor(p);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  LossTotals totals;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const StagedLogits<kGroup> weak_view = weak_rows.of_block(first, p.rows);
    const StagedLogits<kGroup> strong_view = strong_rows.of_block(first, p.rows, 1);
    ConsistencyAlignment aligned{weak_view.aligned, strong_view.aligned, is_aligned(p.gradient)};
    p.teacher = weak_view.rows;
    p.student = strong_view.rows;
    float* const tile = StagedLogits<kGroup>::tile_of(1, strong_rows.tile);
    if constexpr (kGroup == 1) {
      const std::int64_t stride = strong_rows.tile.stride;
      if (p.gradient.data != nullptr) p.gradient = {tile - first * stride, stride, FloatType::f32};
      aligned.gradient = strong_view.aligned;
    }
    const Prediction weak = find_prediction<kGroup>(p.teacher, row, row < p.rows ? p.classes : 0, aligned.weak);
    const float weight = pseudo_weight(weighting, weak.column, weak.confidence);
    const std::int64_t classes = weight > 0.0f ? p.classes : 0;
    const WeakTarget target = find_weak_target<kGroup, kTarget>(p, weak, row, classes, aligned.weak);
    const RowMax row_max = find_strong_max<kGroup>(p, row, classes, aligned.strong);
    const float max = finite_max(row_max.student);
    const HardSums sums = find_strong_sums<kGroup, kTarget>(p, target, max, row, classes, aligned);
    const HardRow hard = hard_row(sums, weight > 0.0f, 0.0f, weight, scale);
    if (row < p.rows) {
      if (p.gradient.data != nullptr) {
        write_strong_gradient<kGroup, kTarget>(p, target, hard, max, row, classes, aligned);
      }
      note_row(p, row, row_max, 0u, hard.loss, sums.exponentials, weight > 0.0f, threadIdx.x % kGroup == 0, totals);
    }
    if (kGroup == 1 && p.gradient.data != nullptr) {
      __syncthreads();
      const std::int64_t left = p.rows - first;
      write_tile<kBlockThreads, false>(tile, strong_rows.tile, all.gradient, first,
                                       static_cast<int>(left < kBlockThreads ? left : kBlockThreads));
    }
  }
  finish_loss(p, totals);
}

// what     counts the rows of weight above 0, into the workspace
// who      as above; integer atomics, so the order does not matter
// traffic  reads each weak logit once, once more from the caches
// limits   none
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    count_weighted_kernel(const LossParams p, const PseudoWeight weighting, const StagedLogits<kGroup> weak_rows) {
  constexpr int kRows = kBlockThreads / kGroup;
  int count = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const StagedLogits<kGroup> m = weak_rows.of_block(first, p.rows);
    const Prediction weak = find_prediction<kGroup>(m.rows, row, row < p.rows ? p.classes : 0, m.aligned);
    if (threadIdx.x % kGroup == 0) count += pseudo_weight(weighting, weak.column, weak.confidence) > 0.0f ? 1 : 0;
  }
  count = group_reduce<kBlockThreads>(count, Add{});
  if (threadIdx.x == 0 && count > 0) atomicAdd(&p.workspace->valid, count);
}

}  // namespace

void consistency(const LossParams& p, const PseudoWeight& weighting, ConsistencyTarget target, CUstream_st* stream) {
  for_staged_group(p.classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    const auto weak = StagedLogits<kGroup>::of(p.teacher, p.classes);
    const auto strong = StagedLogits<kGroup>::of(p.student, p.classes);
    constexpr std::int64_t kRows = kBlockThreads / kGroup;
    if (p.divide_by_valid && p.rows > 0) {
      launch("count of weighted rows", count_weighted_kernel<kGroup>, grid_for(p.rows, kRows, 1024), kBlockThreads,
             weak.shared_bytes(), stream, p, weighting, weak);
    }
    const auto kernel = target == ConsistencyTarget::hard ? consistency_kernel<kGroup, ConsistencyTarget::hard>
                                                          : consistency_kernel<kGroup, ConsistencyTarget::soft>;
    const unsigned blocks = p.rows > 0 ? grid_for(p.rows, kRows, kMaxLossBlocks) : 1;
    const std::size_t bytes = 2 * weak.shared_bytes();
    allow_shared_memory("consistency_loss", kernel, static_cast<std::int64_t>(bytes));
    launch("consistency_loss", kernel, blocks, kBlockThreads, bytes, stream, p, weighting, weak, strong);
  });
}

}  // namespace leaven::cuda
