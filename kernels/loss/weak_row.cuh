#pragma once

#include "kernels/loss/top_row.cuh"

namespace leaven::cuda {

// What a weak view says of a row: the bits of pseudo_label. Without an answer: label 0 and confidence 0.
struct WeakRow {
  float max;
  std::int32_t label;
  float confidence;
};

template <int kGroup>
__device__ WeakRow find_weak_row(const InputRows& logits, std::int64_t row, std::int64_t classes, bool aligned) {
  const Top top = find_top<kGroup>(logits, row, classes, aligned);
  const float max = finite_max(top.max);
  float sum = 0;
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
    const Four x = load4(logits, row, column, classes, aligned, -kInfinity);
#pragma unroll
    for (int j = 0; j < 4; ++j) sum += exp_over({x.v[j] - max, 0.0f}, Temperature{});
  }
  sum = group_sum<kGroup>(sum);
  const bool valid = top.nan == 0 && top.max != -kInfinity && sum == sum;
  return {max, valid ? top.column : 0, valid ? 1.0f / sum : 0.0f};
}

}  // namespace leaven::cuda
