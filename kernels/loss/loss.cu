#include "kernels/loss/launch_loss.cuh"
#include "kernels/loss/launchers.hpp"

namespace leaven::cuda {
namespace {

// what     counts the valid rows into the workspace
// who      a thread per row of labels or of few dense targets, else kGroup lanes
// order    integer atomics: no matter
// traffic  reads each label, dense weight and row weight once
// limits   with a soft part only the row weights decide
template <int kGroup, bool kStaged>
__global__ void __launch_bounds__(kBlockThreads)
    count_valid_kernel(const LossParams p, const StagedLogits<1> dense, bool aligned) {
  constexpr int kRows = kBlockThreads / kGroup;
  const bool soft = p.teacher.data != nullptr;
  int count = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    std::uint32_t status = 0;
    const bool weighs = row < p.rows && row_weight(p, row, status) > 0.0f;
    bool valid = soft;
    if constexpr (kStaged) {
      const StagedLogits<1> of_block = dense.of_block(first, p.rows);
      TargetParams targets;
      targets.soft = static_cast<const float*>(of_block.rows.data);
      targets.soft_stride = of_block.rows.stride;
      valid = find_target<1>(targets, row, p.rows, p.classes, of_block.aligned).valid != 0;
    } else if (!soft) {
      valid = find_target<kGroup>(p.targets, row, p.rows, p.classes, aligned).valid != 0;
    }
    if (threadIdx.x % kGroup == 0) count += weighs && valid ? 1 : 0;
  }
  count = group_reduce<kBlockThreads>(count, Add{});
  if (threadIdx.x == 0 && count > 0) atomicAdd(&p.workspace->valid, count);
}

void count_valid(const LossParams& p, CUstream_st* stream) {
  if (p.rows == 0) return;
  constexpr const char* kName = "count of valid rows";
  const bool labels = p.targets.soft == nullptr || p.teacher.data != nullptr;
  const StagedLogits<1> dense = StagedLogits<1>::of(dense_rows(p), p.classes);
  if (!labels && p.classes > 4 && p.classes <= kStagedClasses) {
    return launch(kName, count_valid_kernel<1, true>, grid_for(p.rows, kBlockThreads, 1024), kBlockThreads,
                  dense.shared_bytes(), stream, p, dense, dense.aligned);
  }
  for_staged_group(labels ? 1 : p.classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    launch(kName, count_valid_kernel<kGroup, false>, grid_for(p.rows, kBlockThreads / kGroup, 1024), kBlockThreads, 0,
           stream, p, dense, dense.aligned);
  });
}

}  // namespace

std::int64_t shared_memory_limit() {
  int device = 0;
  int bytes = 0;
  check(cudaGetDevice(&device), "loss");
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "loss");
  constexpr int kOwn = 2048;
  return bytes - kOwn;
}

void loss(const LossParams& p, CUstream_st* stream) {
  if (p.divide_by_valid) count_valid(p, stream);
  const bool dense = p.targets.soft != nullptr;
  if (p.teacher.data == nullptr) return dense ? launch_dense_cross_entropy(p, stream) : launch_cross_entropy(p, stream);
  if (!p.hard) return launch_soft(p, stream);
  return dense ? launch_soft_and_dense(p, stream) : launch_soft_and_labels(p, stream);
}

}  // namespace leaven::cuda
