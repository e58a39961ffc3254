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
    const Prediction found = find_prediction<kGroup>(logits, row, row < rows ? columns : 0, aligned);
    if (row >= rows || threadIdx.x % kGroup != 0) continue;
    labels[row] = found.column;
    confidence[row] = found.confidence;
    accepted[row] = found.valid && found.confidence >= threshold ? 1 : 0;
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
