#include "kernels/loss/launch_loss.cuh"
#include "kernels/loss/launchers.hpp"

namespace leaven::cuda {
namespace {

// what     counts the rows whose target is valid, into the workspace
// who      a warp per row of dense targets, a thread per row of labels; integer atomics, so the order does not matter
// traffic  reads each label or dense weight once
// limits   none
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads) count_valid_kernel(const LossParams p, bool aligned) {
  constexpr int kRows = kBlockThreads / kGroup;
  int count = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    const RowTarget target = find_target<kGroup>(p.targets, row, p.rows, p.classes, aligned);
    if (row < p.rows && threadIdx.x % kGroup == 0) count += target.valid;
  }
  count = group_reduce<kBlockThreads>(count, Add{});
  if (threadIdx.x == 0 && count > 0) atomicAdd(&p.workspace->valid, count);
}

void count_valid(const LossParams& p, CUstream_st* stream) {
  if (p.rows == 0) return;
  constexpr const char* kName = "count of valid rows";
  const bool aligned = is_aligned(p.targets.soft, p.targets.soft_stride);
  if (p.targets.soft == nullptr) {
    launch(kName, count_valid_kernel<1>, grid_for(p.rows, 256, 1024), kBlockThreads, 0, stream, p, aligned);
  } else {
    launch(kName, count_valid_kernel<32>, grid_for(p.rows, 8, 1024), kBlockThreads, 0, stream, p, aligned);
  }
}

}  // namespace

void loss(const LossParams& params, CUstream_st* stream) {
  LossParams p = params;
  if (p.divide_by_valid && p.teacher.data != nullptr) {  // every row is valid
    p.divide_by_valid = false;
    p.divisor = static_cast<float>(p.rows);
  }
  if (p.divide_by_valid) count_valid(p, stream);
  if (p.teacher.data == nullptr) return launch_loss_hard(p, stream);
  return p.hard ? launch_loss_both(p, stream) : launch_loss_soft(p, stream);
}

}  // namespace leaven::cuda
