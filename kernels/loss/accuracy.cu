#include <cub/block/block_reduce.cuh>

#include "kernels/core/launch.cuh"
#include "kernels/loss/block_counts.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/row_tile.cuh"

namespace leaven::cuda {
namespace {

// Logits that come before the label's, and whether there was a NaN (not 0).
struct Rank {
  std::int32_t before = 0;
  std::int32_t nan = 0;
};
__device__ inline Rank xor_lane(const Rank& x, int offset) {
  return {cuda::xor_lane(x.before, offset), cuda::xor_lane(x.nan, offset)};
}
struct AddRanks {
  __device__ Rank operator()(const Rank& x, const Rank& y) const { return {x.before + y.before, x.nan | y.nan}; }
};

template <int kGroup>
__device__ Rank find_rank(const InputRows& logits, std::int64_t row, std::int64_t classes, bool aligned,
                          std::int32_t label, float label_logit) {
  Rank rank;
  for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
    const Four x = load4(logits, row, column, classes, aligned, -kInfinity);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const bool before = x.v[j] > label_logit || (x.v[j] == label_logit && column + j < label);
      rank.before += before ? 1 : 0;
      if (x.v[j] != x.v[j]) rank.nan = 1;
    }
  }
  return group_reduce<kGroup>(rank, AddRanks{});
}

// what     adds the rows whose label is among the k largest logits to counts[0], those with a valid label to counts[1]
// who      kGroup lanes per row; a block adds up its rows (CUB) and adds to the counts once: integers, in any order
// traffic  reads each label and each logit once (several lanes: in rows with a valid label, the label's twice)
// limits   none
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    accuracy_kernel(const StagedLogits<kGroup> logits, std::int64_t rows, std::int64_t columns,
                    const std::int32_t* labels, std::int64_t k, Count* counts) {
  using Reduce = cub::BlockReduce<std::int64_t, kBlockThreads>;
  __shared__ typename Reduce::TempStorage storage[2];
  constexpr int kRows = kBlockThreads / kGroup;
  std::int64_t right = 0;
  std::int64_t valid = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < rows; first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const std::int32_t label = row < rows ? labels[row] : -1;
    const bool has_label = label >= 0 && label < columns;
    const StagedLogits<kGroup> m = logits.of_block(first, rows);
    const float label_logit = has_label ? load_logit(m.rows, row, label) : -kInfinity;
    const Rank rank = find_rank<kGroup>(m.rows, row, has_label ? columns : 0, m.aligned, label, label_logit);
    if (!has_label || threadIdx.x % kGroup != 0) continue;
    valid += 1;
    right += rank.before < k && rank.nan == 0 && label_logit != -kInfinity ? 1 : 0;
  }
  right = Reduce(storage[0]).Sum(right);
  valid = Reduce(storage[1]).Sum(valid);
  if (threadIdx.x != 0) return;
  atomicAdd(&counts[0], static_cast<Count>(right));
  atomicAdd(&counts[1], static_cast<Count>(valid));
}

}  // namespace

void accuracy(const InputRows& logits, std::int64_t rows, std::int64_t classes, const std::int32_t* labels,
              std::int64_t k, std::int64_t* counts, CUstream_st* stream) {
  if (rows == 0) return;
  for_staged_group(classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    const auto staged = StagedLogits<kGroup>::of(logits, classes);
    launch("accuracy", accuracy_kernel<kGroup>, grid_for(rows, kBlockThreads / kGroup, kMaxCountBlocks), kBlockThreads,
           staged.shared_bytes(), stream, staged, rows, classes, labels, k, reinterpret_cast<Count*>(counts));
  });
}

}  // namespace leaven::cuda
