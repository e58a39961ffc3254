#include "kernels/core/launch.cuh"
#include "kernels/loss/block_counts.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/row_tile.cuh"
#include "kernels/loss/top_row.cuh"

namespace leaven::cuda {
namespace {

constexpr int kFewCounts = 32 * 32;

// what     adds 1 to counts[label][arg max] for each row with a valid label and an arg max
// who      kGroup lanes per row, one of which counts
// traffic  reads each label and (several lanes: in rows with a valid one) each logit once; up to 32 classes a block
// adds to the matrix
//          once, above that once per row
// limits   none
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    confusion_matrix_kernel(const StagedLogits<kGroup> logits, std::int64_t rows, std::int64_t columns,
                            const std::int32_t* labels, Count* counts) {
  __shared__ Count shared[kFewCounts];
  Count* const add_to = begin_counts(shared, counts, columns * columns);
  constexpr int kRows = kBlockThreads / kGroup;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < rows; first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const std::int32_t label = row < rows ? labels[row] : -1;
    const bool has_label = label >= 0 && label < columns;
    const StagedLogits<kGroup> m = logits.of_block(first, rows);
    const Top top = find_top<kGroup>(m.rows, row, has_label ? columns : 0, m.aligned);
    if (!has_label || threadIdx.x % kGroup != 0 || top.nan != 0 || top.max == -kInfinity) continue;
    atomicAdd(&add_to[label * columns + top.column], Count{1});
  }
  end_counts(shared, counts, columns * columns);
}

}  // namespace

void confusion_matrix(const InputRows& logits, std::int64_t rows, std::int64_t classes, const std::int32_t* labels,
                      std::int64_t* counts, CUstream_st* stream) {
  if (rows == 0) return;
  for_staged_group(classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    const auto staged = StagedLogits<kGroup>::of(logits, classes);
    launch("confusion_matrix", confusion_matrix_kernel<kGroup>, grid_for(rows, kBlockThreads / kGroup, kMaxCountBlocks),
           kBlockThreads, staged.shared_bytes(), stream, staged, rows, classes, labels,
           reinterpret_cast<Count*>(counts));
  });
}

}  // namespace leaven::cuda
