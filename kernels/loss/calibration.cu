#include "kernels/loss/calibration.hpp"

#include <cub/block/block_reduce.cuh>

#include "kernels/core/launch.cuh"
#include "kernels/loss/block_counts.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/row_tile.cuh"
#include "kernels/loss/top_row.cuh"

namespace leaven::cuda {
namespace {

constexpr int kFewBins = 256;

struct BinCounts {
  Count* rows;
  Count* right;
  Count* confidence;
  std::int64_t bins;
};

// what     adds each row with a valid label and a prediction to the bin of its confidence
// who      kGroup lanes per row, one of which counts
// traffic  reads each label once and each logit (several lanes: in rows with a valid label, in two passes, the second
//          mostly from the caches); up to 256 bins a block adds to each bin once, above that once per row
// limits   none
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    add_calibration_kernel(const StagedLogits<kGroup> logits, std::int64_t rows, std::int64_t columns,
                           const std::int32_t* labels, const BinCounts all) {
  __shared__ Count shared[3][kFewBins];
  Count* const bin_rows = begin_counts(shared[0], all.rows, all.bins);
  Count* const bin_right = begin_counts(shared[1], all.right, all.bins);
  Count* const bin_confidence = begin_counts(shared[2], all.confidence, all.bins);
  constexpr int kRows = kBlockThreads / kGroup;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < rows; first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const std::int32_t label = row < rows ? labels[row] : -1;
    const bool has_label = label >= 0 && label < columns;
    const StagedLogits<kGroup> m = logits.of_block(first, rows);
    const Prediction found = find_prediction<kGroup>(m.rows, row, has_label ? columns : 0, m.aligned);
    if (!has_label || threadIdx.x % kGroup != 0 || !found.valid) continue;
    const std::int64_t bin = calibration_bin(found.confidence, all.bins);
    atomicAdd(&bin_rows[bin], Count{1});
    if (found.column == label) atomicAdd(&bin_right[bin], Count{1});
    atomicAdd(&bin_confidence[bin], static_cast<Count>(confidence_units(found.confidence)));
  }
  end_counts(shared[0], all.rows, all.bins);
  end_counts(shared[1], all.right, all.bins);
  end_counts(shared[2], all.confidence, all.bins);
}

// what     the expected calibration error of all bins
// who      one block; sums of integers (CUB)
// traffic  reads each bin once
// limits   2^31 - 1 rows in all
__global__ void __launch_bounds__(kBlockThreads) calibration_error_kernel(const BinCounts all, float* error) {
  using Reduce = cub::BlockReduce<std::int64_t, kBlockThreads>;
  __shared__ typename Reduce::TempStorage storage[2];
  std::int64_t gap = 0;
  std::int64_t rows = 0;
  for (std::int64_t bin = threadIdx.x; bin < all.bins; bin += kBlockThreads) {
    gap += calibration_gap(static_cast<std::int64_t>(all.right[bin]), static_cast<std::int64_t>(all.confidence[bin]));
    rows += static_cast<std::int64_t>(all.rows[bin]);
  }
  gap = Reduce(storage[0]).Sum(gap);
  rows = Reduce(storage[1]).Sum(rows);
  if (threadIdx.x == 0) *error = expected_gap(gap, rows);
}

BinCounts counts_of(const CalibrationBins& bins) {
  return {reinterpret_cast<Count*>(bins.rows.data()), reinterpret_cast<Count*>(bins.right.data()),
          reinterpret_cast<Count*>(bins.confidence.data()), static_cast<std::int64_t>(bins.rows.size())};
}

}  // namespace

void add_calibration(const InputRows& logits, std::int64_t rows, std::int64_t classes, const std::int32_t* labels,
                     const CalibrationBins& bins, CUstream_st* stream) {
  if (rows == 0) return;
  for_staged_group(classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    const auto staged = StagedLogits<kGroup>::of(logits, classes);
    launch("add_calibration", add_calibration_kernel<kGroup>, grid_for(rows, kBlockThreads / kGroup, kMaxCountBlocks),
           kBlockThreads, staged.shared_bytes(), stream, staged, rows, classes, labels, counts_of(bins));
  });
}

void calibration_error(const CalibrationBins& bins, float* error, CUstream_st* stream) {
  launch("calibration_error", calibration_error_kernel, 1, kBlockThreads, 0, stream, counts_of(bins), error);
}

}  // namespace leaven::cuda
