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

// What a row says and how sure it is.
struct Prediction {
  std::int32_t column;  // arg max, 0 where not valid
  float confidence;     // largest probability, 0 where not valid
  float max;            // largest logit; finite where valid
  bool valid;           // neither NaN nor +inf nor fully masked
};

// Two passes over the row, the second mostly from the caches.
template <int kGroup>
__device__ Prediction find_prediction(const InputRows& logits, std::int64_t row, std::int64_t classes, bool aligned) {
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
  return {valid ? top.column : 0, valid ? 1.0f / sum : 0.0f, max, valid};
}

}  // namespace leaven::cuda
