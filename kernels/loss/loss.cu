#include "kernels/loss/launch_loss.cuh"
#include "kernels/loss/launchers.hpp"

namespace leaven::cuda {
namespace {

// what     counts the valid rows into the workspace
// who      a thread per row of labels or of few dense targets, else kGroup lanes; integer atomics: the order is no
// matter traffic  reads each label, dense weight and row weight once limits   with a soft part only the row weights
// decide
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads) count_valid_kernel(const LossParams p, StagedLogits<kGroup> dense) {
  constexpr int kRows = kBlockThreads / kGroup;
  const bool soft = p.teacher.data != nullptr;
  int count = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    std::uint32_t status = 0;
    const bool weighs = row < p.rows && row_weight(p, row, status) > 0.0f;
    bool valid = true;
    if (!soft) {
      TargetParams targets = p.targets;
      bool aligned = false;
      if (targets.soft != nullptr) {
        const StagedLogits<kGroup> of_block = dense.of_block(first, p.rows);
        targets.soft = static_cast<const float*>(of_block.rows.data);
        targets.soft_stride = of_block.rows.stride;
        aligned = of_block.aligned;
      }
      valid = find_target<kGroup>(targets, row, p.rows, p.classes, aligned).valid != 0;
    }
    if (threadIdx.x % kGroup == 0) count += weighs && valid ? 1 : 0;
  }
  count = group_reduce<kBlockThreads>(count, Add{});
  if (threadIdx.x == 0 && count > 0) atomicAdd(&p.workspace->valid, count);
}

void count_valid(const LossParams& p, CUstream_st* stream) {
  if (p.rows == 0) return;
  const bool labels = p.targets.soft == nullptr || p.teacher.data != nullptr;
  for_staged_group(labels ? 1 : p.classes, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    const auto dense = StagedLogits<kGroup>::of(dense_rows(p), labels ? 1 : p.classes);
    launch("count of valid rows", count_valid_kernel<kGroup>, grid_for(p.rows, kBlockThreads / kGroup, 1024),
           kBlockThreads, labels ? 0 : dense.shared_bytes(), stream, p, dense);
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
