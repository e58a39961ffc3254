#include "kernels/core/launch.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/row_group.cuh"

namespace leaven::cuda {
namespace {

// what     softmax(logits / T) of each row; rows that are all -inf become zeros
// who      kGroup lanes per row
// traffic  three passes over the row, the second and third mostly from the caches; one write
// limits   none; `out` may be `logits`: a lane reads and writes its own columns
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads)
    softmax_kernel(const InputRows logits, std::int64_t rows, std::int64_t columns, const Temperature temperature,
                   const OutputRows out, bool logits_aligned, bool out_aligned) {
  constexpr int kRows = kBlockThreads / kGroup;
  const int first_column = threadIdx.x % kGroup * 4;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < rows; first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const std::int64_t classes = row < rows ? columns : 0;
    RowMax max;
    for (std::int64_t column = first_column; column < classes; column += kGroup * 4) {
      const Four x = load4(logits, row, column, classes, logits_aligned, -kInfinity);
      for (int j = 0; j < 4; ++j) max.student = larger(max.student, x.v[j]);
    }
    const float row_max = finite_max(group_reduce<kGroup>(max, Merge{}).student);
    float sum = 0;
    for (std::int64_t column = first_column; column < classes; column += kGroup * 4) {
      const Four x = load4(logits, row, column, classes, logits_aligned, -kInfinity);
      for (int j = 0; j < 4; ++j) sum += exp_over(difference(x.v[j], row_max), temperature);
    }
    const float inverse = inverse_sum(group_sum<kGroup>(sum));
    for (std::int64_t column = first_column; column < classes; column += kGroup * 4) {
      Four x = load4(logits, row, column, classes, logits_aligned, -kInfinity);
      for (int j = 0; j < 4; ++j) x.v[j] = exp_over(difference(x.v[j], row_max), temperature) * inverse;
      store4(out, row, column, classes, out_aligned, x);
    }
  }
}

}  // namespace

void softmax(const InputRows& logits, std::int64_t rows, std::int64_t classes, const Temperature& temperature,
             const OutputRows& out, CUstream_st* stream) {
  if (rows == 0) return;
  for_group(classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    launch("softmax", softmax_kernel<kGroup>, grid_for(rows, kBlockThreads / kGroup), kBlockThreads, 0, stream, logits,
           rows, classes, temperature, out, is_aligned(logits), is_aligned(out));
  });
}

}  // namespace leaven::cuda
