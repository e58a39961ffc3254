#include "kernels/core/launch.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/top_row.cuh"

namespace leaven::cuda {
namespace {

// what     arg max, largest probability and whether that reaches the threshold, per row
// who      kGroup lanes per row
// traffic  two passes over the row, the second mostly from the caches
// limits   none
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    pseudo_label_kernel(const InputRows logits, std::int64_t rows, std::int64_t columns, bool aligned, float threshold,
                        std::int32_t* labels, float* confidence, std::uint8_t* accepted) {
  constexpr int kRows = kBlockThreads / kGroup;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < rows; first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const std::int64_t classes = row < rows ? columns : 0;
    const Top top = find_top<kGroup>(logits, row, classes, aligned);
    float sum = 0;
    for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
      const Four x = load4(logits, row, column, classes, aligned, -kInfinity);
      for (int j = 0; j < 4; ++j) sum += exp_over({x.v[j] - finite_max(top.max), 0.0f}, Temperature{});
    }
    sum = group_sum<kGroup>(sum);
    if (row >= rows || threadIdx.x % kGroup != 0) continue;
    const bool valid = top.nan == 0 && top.max != -kInfinity && sum == sum;
    const float largest = valid ? 1.0f / sum : 0.0f;
    labels[row] = valid ? top.column : 0;
    confidence[row] = largest;
    accepted[row] = valid && largest >= threshold ? 1 : 0;
  }
}

}  // namespace

void pseudo_label(const InputRows& logits, std::int64_t rows, std::int64_t classes, float threshold,
                  std::int32_t* labels, float* confidence, std::uint8_t* accepted, CUstream_st* stream) {
  if (rows == 0) return;
  for_group(classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    launch("pseudo_label", pseudo_label_kernel<kGroup>, grid_for(rows, kBlockThreads / kGroup), kBlockThreads, 0,
           stream, logits, rows, classes, is_aligned(logits), threshold, labels, confidence, accepted);
  });
}

}  // namespace leaven::cuda
