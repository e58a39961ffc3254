#pragma once

#include "kernels/loss/row_group.cuh"

namespace leaven::cuda {

// The largest logit of a row and its lowest column; `nan` is 1 where there is a NaN.
struct Top {
  float max = -kInfinity;
  std::int32_t column = 0;
  std::int32_t nan = 0;
};
__device__ inline Top xor_lane(const Top& top, int offset) {
  return {xor_lane(top.max, offset), xor_lane(top.column, offset), xor_lane(top.nan, offset)};
}
struct HigherTop {
  __device__ Top operator()(const Top& x, const Top& y) const {
    const bool take = y.max > x.max || (y.max == x.max && y.column < x.column);
    return {take ? y.max : x.max, take ? y.column : x.column, x.nan | y.nan};
  }
};

template <int kGroup>
__device__ Top find_top(const InputRows& logits, std::int64_t row, std::int64_t classes, bool aligned) {
  Top top;
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
    const Four x = load4(logits, row, column, classes, aligned, -kInfinity);
    for (int j = 0; j < 4; ++j) {
      if (x.v[j] != x.v[j]) top.nan = 1;
      if (x.v[j] > top.max) {
        top.max = x.v[j];
        top.column = static_cast<std::int32_t>(column + j);
      }
    }
  }
  return group_reduce<kGroup>(top, HigherTop{});
}

}  // namespace leaven::cuda
