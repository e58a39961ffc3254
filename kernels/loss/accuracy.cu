#include <cub/block/block_reduce.cuh>

#include "kernels/core/launch.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/top_row.cuh"

namespace leaven::cuda {
namespace {

constexpr std::int64_t kMaxBlocks = 1024;

// what     adds the rows whose arg max is their label to counts[0], those with a valid label to counts[1]
// who      kGroup lanes per row; a block adds up its rows (CUB) and adds to the counts once: integers, in any order
// traffic  reads each logit and label once
// limits   none
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    accuracy_kernel(const InputRows logits, std::int64_t rows, std::int64_t columns, bool aligned,
                    const std::int32_t* labels, unsigned long long* counts) {
  using Reduce = cub::BlockReduce<std::int64_t, kBlockThreads>;
  __shared__ typename Reduce::TempStorage storage[2];
  constexpr int kRows = kBlockThreads / kGroup;
  std::int64_t right = 0;
  std::int64_t valid = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < rows; first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const bool inside = row < rows;
    const Top top = find_top<kGroup>(logits, row, inside ? columns : 0, aligned);
    if (!inside || threadIdx.x % kGroup != 0) continue;
    const std::int32_t label = labels[row];
    const bool has_label = label >= 0 && label < columns;
    valid += has_label ? 1 : 0;
    right += has_label && label == top.column && top.nan == 0 && top.max != -kInfinity ? 1 : 0;
  }
  right = Reduce(storage[0]).Sum(right);
  valid = Reduce(storage[1]).Sum(valid);
  if (threadIdx.x != 0) return;
  atomicAdd(&counts[0], static_cast<unsigned long long>(right));
  atomicAdd(&counts[1], static_cast<unsigned long long>(valid));
}

}  // namespace

void accuracy(const InputRows& logits, std::int64_t rows, std::int64_t classes, const std::int32_t* labels,
              std::int64_t* counts, CUstream_st* stream) {
  if (rows == 0) return;
  for_group(classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    launch("accuracy", accuracy_kernel<kGroup>, grid_for(rows, kBlockThreads / kGroup, kMaxBlocks), kBlockThreads, 0,
           stream, logits, rows, classes, is_aligned(logits), labels, reinterpret_cast<unsigned long long*>(counts));
  });
}

}  // namespace leaven::cuda
