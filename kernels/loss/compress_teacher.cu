#include "kernels/core/launch.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/top_row.cuh"

namespace leaven::cuda {
namespace {

// Behind `previous` in the order of falling logits and, among equal ones, rising columns.
__device__ __forceinline__ bool is_behind(float logit, std::int64_t column, const Top& previous) {
  return logit < previous.max || (logit == previous.max && column > previous.column);
}

// The first element behind `previous`.
template <int kGroup>
__device__ __forceinline__ Top find_next(const InputRows& logits, std::int64_t row, std::int64_t classes, bool aligned,
                                         const Top& previous) {
  Top top{-kInfinity, 0x7fffffff, 0};
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
    const Four x = load4(logits, row, column, classes, aligned, -kInfinity);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const Top candidate{x.v[j], static_cast<std::int32_t>(column + j), 0};
      if (column + j < classes && is_behind(x.v[j], column + j, previous)) top = HigherTop{}(top, candidate);
    }
  }
  return group_reduce<kGroup>(top, HigherTop{});
}

// what     the k largest logits of each row, as log-probabilities, and the probability of all others
// who      a warp per row up to 1,024 classes, a block above
// traffic  reads each logit once from memory and k + 2 times from the caches
// limits   made once per teacher: it picks one class after the other
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    compress_kernel(const InputRows logits, std::int64_t rows, std::int64_t classes, const Temperature temperature,
                    const TopKRows out, bool aligned) {
  constexpr int kRows = kBlockThreads / kGroup;
  const std::int64_t row = std::int64_t{blockIdx.x} * kRows + threadIdx.x / kGroup;
  if (row >= rows) return;
  const Top first = find_top<kGroup>(logits, row, classes, aligned);
  float sum = 0;
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
    const Four x = load4(logits, row, column, classes, aligned, -kInfinity);
#pragma unroll
    for (int j = 0; j < 4; ++j) sum += exp_over(difference(x.v[j], finite_max(first.max)), temperature);
  }
  sum = group_sum<kGroup>(sum);
  const bool good = first.nan == 0 && sum > 0.0f && first.max < kInfinity;
  const float log_sum = log_of(sum);
  Top previous{kInfinity, -1, 0};
  for (std::int64_t i = 0; i < out.k; ++i) {
    const Top top = good ? find_next<kGroup>(logits, row, classes, aligned, previous)
                         : Top{-kInfinity, static_cast<std::int32_t>(i), 0};
    const float gap = good ? difference(top.max, first.max).hi : -kInfinity;
    if (threadIdx.x % kGroup == 0) {
      out.classes[row * out.k + i] = top.column;
      out.log_probabilities[row * out.k + i] = f16_bits(good ? gap * temperature.inverse - log_sum : -kInfinity);
    }
    previous = top;
  }
  float rest = 0;
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
    const Four x = load4(logits, row, column, classes, aligned, -kInfinity);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const bool behind = column + j < classes && is_behind(x.v[j], column + j, previous);
      rest += behind ? exp_over(difference(x.v[j], finite_max(first.max)), temperature) : 0.0f;
    }
  }
  rest = group_sum<kGroup>(rest);
  if (threadIdx.x % kGroup == 0) out.rest[row] = good ? rest / sum : 0.0f;
}

}  // namespace

void compress_teacher(const InputRows& logits, std::int64_t rows, std::int64_t classes, const Temperature& temperature,
                      const TopKRows& out, CUstream_st* stream) {
  if (rows == 0) return;
  const bool warps = classes <= 1024;
  launch("compress_teacher", warps ? compress_kernel<32> : compress_kernel<kBlockThreads>,
         grid_for(rows, warps ? kBlockThreads / 32 : 1), kBlockThreads, 0, stream, logits, rows, classes, temperature,
         out, is_aligned(logits));
}

}  // namespace leaven::cuda
