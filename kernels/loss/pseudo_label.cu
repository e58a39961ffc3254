#include "kernels/core/launch.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/row_tile.cuh"
#include "kernels/loss/top_row.cuh"

namespace leaven::cuda {
namespace {

// what     arg max, largest probability and whether that reaches the threshold, per row
// who      kGroup lanes per row
// traffic  reads each logit once where there is one lane, else in two passes, the second mostly from the caches
// limits   none
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    pseudo_label_kernel(const StagedLogits<kGroup> logits, std::int64_t rows, std::int64_t columns, float threshold,
                        std::int32_t* labels, float* confidence, std::uint8_t* accepted) {
  constexpr int kRows = kBlockThreads / kGroup;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < rows; first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const StagedLogits<kGroup> m = logits.of_block(first, rows);
    const Prediction found = find_prediction<kGroup>(m.rows, row, row < rows ? columns : 0, m.aligned);
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
  for_staged_group(classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    const auto staged = StagedLogits<kGroup>::of(logits, classes);
    launch("pseudo_label", pseudo_label_kernel<kGroup>, grid_for(rows, kBlockThreads / kGroup), kBlockThreads,
           staged.shared_bytes(), stream, staged, rows, classes, threshold, labels, confidence, accepted);
  });
}

}  // namespace leaven::cuda
