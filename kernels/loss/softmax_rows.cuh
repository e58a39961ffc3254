#pragma once

#include "kernels/core/launch.cuh"
#include "kernels/loss/lane_row.cuh"
#include "kernels/loss/softmax_row.hpp"

namespace leaven::cuda {

struct SoftmaxParams {
  InputRows logits;
  OutputRows out;
  std::int64_t rows;
  std::int64_t classes;
  Temperature temperature;
  bool logits_aligned;
  bool out_aligned;
};

struct Larger {
  __device__ float operator()(float x, float y) const { return larger(x, y); }
};

template <int kCount>
__device__ __forceinline__ float largest_of(const float (&x)[kCount]) {
  float max = x[0];
#pragma unroll
  for (int i = 1; i < kCount; ++i) max = larger(max, x[i]);
  return larger(-kInfinity, max);  // a NaN in x[0] counts for nothing either
}

// Makes results of logits, or of exponentials where the scale is linear.
template <ProbabilityScale kScale, int kCount>
__device__ __forceinline__ void finish_elements(float (&x)[kCount], float max, float factor,
                                                const Temperature& temperature) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if constexpr (kScale == ProbabilityScale::linear) {
      x[i] *= factor;
    } else {
      x[i] = log_probability(difference(x[i], max), factor, temperature);
    }
  }
}

// what     softmax or log_softmax of rows of up to 4 * kGroup * kVectors classes
// who      kGroup lanes per row; a block takes kBlockThreads / kGroup rows at a time
// traffic  reads each logit once and writes one result
// limits   4 * kVectors logits or exponentials per lane stay in registers; `out` may be `logits`
template <int kGroup, int kVectors, ProbabilityScale kScale>
__global__ void __launch_bounds__(kBlockThreads, 4) softmax_rows_kernel(const SoftmaxParams p) {
  constexpr int kRows = kBlockThreads / kGroup;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const std::int64_t classes = row < p.rows ? p.classes : 0;
    float x[4 * kVectors];
    load_lane<kGroup, kVectors>(p.logits, row, 0, classes, p.logits_aligned, x);
    const float max = finite_max(group_reduce<kGroup>(largest_of(x), Larger{}));
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 4 * kVectors; ++i) {
      const float value = exp_over(difference(x[i], max), p.temperature);
      if constexpr (kScale == ProbabilityScale::linear) x[i] = value;
      sum += value;
    }
    const float factor = row_factor<kScale>(group_sum<kGroup>(sum));
    finish_elements<kScale>(x, max, factor, p.temperature);
    store_lane<kGroup, kVectors>(p.out, row, 0, classes, p.out_aligned, x);
  }
}

// Of the columns that a lane has seen: largest logit, and the sum of exp((x - max) / T).
struct MaxSum {
  float max = -kInfinity;
  float sum = 0;
};

// The first pass over a part of a row: a new maximum is rare, and scales the sum so far once for all elements.
template <int kCount>
__device__ __forceinline__ void add_elements(MaxSum& lane, const float (&x)[kCount], const Temperature& temperature) {
  const float max = larger(lane.max, largest_of(x));
  if (max > lane.max) lane.sum *= exp_over(difference(lane.max, max), temperature);
  lane.max = max;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) sum += exp_over(difference(x[i], finite_max(max)), temperature);
  lane.sum += sum;
}

// what     softmax or log_softmax of rows of any number of classes
// who      one block per row; blocks loop over rows
// traffic  reads each logit twice (maximum and sum in one pass), writes one result
// limits   exponentials are computed twice; `out` may be `logits`: a lane reads and writes its own columns
template <ProbabilityScale kScale>
__global__ void __launch_bounds__(kBlockThreads, 4) softmax_wide_kernel(const SoftmaxParams p) {
  constexpr int kVectors = 4;
  constexpr std::int64_t kPart = 4 * kVectors * kBlockThreads;
  float x[4 * kVectors];
  for (std::int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    MaxSum lane;
    for (std::int64_t first = 0; first < p.classes; first += kPart) {
      load_lane<kBlockThreads, kVectors>(p.logits, row, first, p.classes, p.logits_aligned, x);
      add_elements(lane, x, p.temperature);
    }
    const float max = finite_max(group_reduce<kBlockThreads>(lane.max, Larger{}));
    const float sum = group_sum<kBlockThreads>(lane.sum * exp_over(difference(lane.max, max), p.temperature));
    const float factor = row_factor<kScale>(sum);
    for (std::int64_t first = 0; first < p.classes; first += kPart) {
      load_lane<kBlockThreads, kVectors>(p.logits, row, first, p.classes, p.logits_aligned, x);
      if constexpr (kScale == ProbabilityScale::linear) {
#pragma unroll
        for (int i = 0; i < 4 * kVectors; ++i) x[i] = exp_over(difference(x[i], max), p.temperature);
      }
      finish_elements<kScale>(x, max, factor, p.temperature);
      store_lane<kBlockThreads, kVectors>(p.out, row, first, p.classes, p.out_aligned, x);
    }
  }
}

template <ProbabilityScale kScale>
void launch_softmax(const char* function, const InputRows& logits, std::int64_t rows, std::int64_t classes,
                    const Temperature& temperature, const OutputRows& out, CUstream_st* stream) {
  if (rows == 0) return;
  const SoftmaxParams p{logits, out, rows, classes, temperature, is_aligned(logits), is_aligned(out)};
  if (classes > kMaxLaneClasses) {
    return launch(function, softmax_wide_kernel<kScale>, grid_for(rows, 1), kBlockThreads, 0, stream, p);
  }
  for_lane_shape(classes, [&](auto shape) {
    constexpr int kGroup = decltype(shape)::group;
    constexpr int kVectors = decltype(shape)::vectors;
    launch(function, softmax_rows_kernel<kGroup, kVectors, kScale>, grid_for(rows, kBlockThreads / kGroup),
           kBlockThreads, 0, stream, p);
  });
}

}  // namespace leaven::cuda
