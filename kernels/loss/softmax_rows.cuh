#pragma once

#include "kernels/core/launch.cuh"
#include "kernels/loss/lane_row.cuh"
#include "kernels/loss/row_tile.cuh"
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

template <int kCount>
__device__ __forceinline__ float largest_of(const float (&x)[kCount]) {
  float max = -kInfinity;
#pragma unroll
  for (int i = 0; i < kCount; ++i) max = larger(max, x[i]);
  return max;
}

// Logits become what is kept of them; gives the sum of their exponentials.
template <ProbabilityScale kScale, int kCount>
__device__ __forceinline__ float keep_elements(float (&x)[kCount], float max, const Temperature& temperature) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const Difference d = difference(x[i], max);
    const float exponential = exp_over(d, temperature);
    x[i] = kept_element<kScale>(d, exponential, temperature);
    sum += exponential;
  }
  return sum;
}

template <ProbabilityScale kScale, int kCount>
__device__ __forceinline__ void finish_elements(float (&x)[kCount], float factor) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) x[i] = row_result<kScale>(x[i], factor);
}

// what     softmax or log_softmax of rows of up to kStagedClasses classes, a multiple of kVector
// who      a thread per row; a block takes kBlockThreads rows at a time
// traffic  reads each logit once and writes one result, in pieces of 16 bytes where the matrices are aligned
// limits   rows stay in shared memory, as float32; `out` may be `logits`
template <int kVector, ProbabilityScale kScale>
__global__ void __launch_bounds__(kBlockThreads) softmax_staged_kernel(const SoftmaxParams p, const TileShape tile) {
  constexpr bool kWhole = kVector == 4;
  extern __shared__ float4 shared[];
  auto* const rows = reinterpret_cast<float*>(shared);
  float* const row = rows + threadIdx.x * tile.stride;
  const auto for_each = [&](auto&& body) {  // body(kVector elements of the row)
#pragma unroll 1
    for (int column = 0; column < tile.classes; column += kVector) {
      float x[kVector];
      load(x, row + column);
      body(x);
      store(row + column, x);
    }
  };
  for (std::int64_t first = std::int64_t{blockIdx.x} * kBlockThreads; first < p.rows;
       first += std::int64_t{gridDim.x} * kBlockThreads) {
    const int count = static_cast<int>(p.rows - first < kBlockThreads ? p.rows - first : kBlockThreads);
    __syncthreads();  // the rows before are written
    read_tile<kBlockThreads, kWhole>(rows, tile, p.logits, first, count);
    __syncthreads();
    float max = -kInfinity;
    for_each([&](float(&x)[kVector]) { max = larger(max, largest_of(x)); });
    max = finite_max(max);
    float sum = 0;
    for_each([&](float(&x)[kVector]) { sum += keep_elements<kScale>(x, max, p.temperature); });
    const float factor = row_factor<kScale>(sum);
    for_each([&](float(&x)[kVector]) { finish_elements<kScale>(x, factor); });
    __syncthreads();
    write_tile<kBlockThreads, kWhole>(rows, tile, p.out, first, count);
  }
}

// what     softmax or log_softmax of rows of up to 4 * kGroup * kVectors classes
// who      kGroup lanes per row; a block takes kBlockThreads / kGroup rows at a time
// traffic  reads each logit once and writes one result
// limits   4 * kVectors values per lane stay in registers; `out` may be `logits`
template <int kGroup, int kVectors, ProbabilityScale kScale>
__global__ void __launch_bounds__(kBlockThreads, kGroup < kBlockThreads ? 4
                                                 : kVectors < 8         ? 3
                                                                : 2) softmax_rows_kernel(const SoftmaxParams p) {
  constexpr int kRows = kBlockThreads / kGroup;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const std::int64_t classes = row < p.rows ? p.classes : 0;
    float x[4 * kVectors];
    load_lane<kGroup, kVectors>(p.logits, row, 0, classes, p.logits_aligned, x);
    const float max = finite_max(group_reduce<kGroup>(largest_of(x), Larger{}));
    const float sum = keep_elements<kScale>(x, max, p.temperature);
    finish_elements<kScale>(x, row_factor<kScale>(group_sum<kGroup>(sum)));
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
// limits   softmax computes exponentials twice; `out` may be `logits`: a lane reads and writes its own columns
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
      keep_elements<kScale>(x, max, p.temperature);
      finish_elements<kScale>(x, factor);
      store_lane<kBlockThreads, kVectors>(p.out, row, first, p.classes, p.out_aligned, x);
    }
  }
}

template <ProbabilityScale kScale>
void launch_softmax(const char* function, const InputRows& logits, std::int64_t rows, std::int64_t classes,
                    const Temperature& temperature, const OutputRows& out, CUstream_st* stream) {
  if (rows == 0) return;
  const SoftmaxParams p{logits, out, rows, classes, temperature, is_aligned(logits), is_aligned(out)};
  if (classes <= kStagedClasses) {
    const TileShape tile = tile_shape(1, classes);
    const auto bytes = static_cast<std::size_t>(tile.stride) * kBlockThreads * 4;
    const auto kernel = classes % 4 == 0   ? softmax_staged_kernel<4, kScale>
                        : classes % 2 == 0 ? softmax_staged_kernel<2, kScale>
                                           : softmax_staged_kernel<1, kScale>;
    return launch(function, kernel, grid_for(rows, kBlockThreads), kBlockThreads, bytes, stream, p, tile);
  }
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
