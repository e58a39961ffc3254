#pragma once

#include <algorithm>

#include "kernels/core/launch.cuh"
#include "kernels/loss/loss_rows.cuh"
#include "kernels/loss/loss_wide.cuh"

namespace leaven::cuda {

// Shared memory that a block of this device may ask for, less what kernels have of their own; asked for once a device.
std::int64_t shared_memory_limit();

template <class Rows>
Access access_to(const Rows& m, std::int64_t classes, bool four_columns) {
  if (m.data == nullptr) return Access::single;
  if (four_columns && is_aligned(m)) return Access::vectors;
  return m.stride == classes ? Access::tile : Access::single;
}

template <class L, HardPart kHard, bool kSoft>
void launch_loss_rows(const char* name, const LossParams& p, CUstream_st* stream) {
  constexpr bool kFour = L::kVector == 4;
  const InputRows dense{p.targets.soft, p.targets.soft_stride, FloatType::f32};
  LossAccess access{access_to(p.student, p.classes, kFour), access_to(p.teacher, p.classes, kFour),
                    access_to(dense, p.classes, kFour), access_to(p.gradient, p.classes, kFour), 0};
  if (access.tiles()) access.tile_bytes = (L::kRows * static_cast<int>(p.classes) * 4 + 15) / 16 * 16 + 16;
  const int tiles = kHard == HardPart::dense ? 4 : kSoft ? 3 : 2;
  const unsigned blocks = p.rows > 0 ? grid_for(p.rows, L::kRows, kMaxLossBlocks) : 1;
  launch(name, loss_rows_kernel<L, kHard, kSoft>, blocks, kBlockThreads, tiles * access.tile_bytes, stream, p, access);
}

template <HardPart kHard, bool kSoft>
void launch_loss_wide(const char* name, const LossParams& p, CUstream_st* stream) {
  const auto access = [](const auto& m) { return is_aligned(m) ? Access::vectors : Access::single; };
  const InputRows dense{p.targets.soft, p.targets.soft_stride, FloatType::f32};
  const LossAccess all{access(p.student), access(p.teacher), access(dense), access(p.gradient), 0};
  const std::int64_t bytes = size_of(p.student.type) + (kSoft ? size_of(p.teacher.type) : 0);
  const std::int64_t most = shared_memory_limit() / (8 * bytes) * 8;  // eight of 16 bits are 16 bytes
  const std::int64_t kept = std::min((p.classes + 7) / 8 * 8, most);
  constexpr auto kKernel = loss_wide_kernel<kHard, kSoft>;
  check(cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_memory_limit())),
        name);
  const unsigned blocks = p.rows > 0 ? grid_for(p.rows, 1, kMaxLossBlocks) : 1;
  launch(name, kKernel, blocks, kWideThreads, static_cast<std::size_t>(kept * bytes), stream, p, all,
         static_cast<int>(kept));
}

template <HardPart kHard, bool kSoft>
void launch_loss(const LossParams& p, CUstream_st* stream) {
  constexpr const char* kName = kSoft ? "distillation_loss" : "cross_entropy";
  const std::int64_t classes = p.classes;
  if (classes <= 4) return launch_loss_rows<RowLayout<1, 4, 1>, kHard, kSoft>(kName, p, stream);
  if (classes <= 16) return launch_loss_rows<RowLayout<2, 8, 1>, kHard, kSoft>(kName, p, stream);
  if (classes <= 64) return launch_loss_rows<RowLayout<8, 2, 4>, kHard, kSoft>(kName, p, stream);
  if (classes <= 128) return launch_loss_rows<RowLayout<16, 2, 4>, kHard, kSoft>(kName, p, stream);
  if (classes <= 256) return launch_loss_rows<RowLayout<32, 2, 4>, kHard, kSoft>(kName, p, stream);
  if (classes <= 512) return launch_loss_rows<RowLayout<64, 2, 4>, kHard, kSoft>(kName, p, stream);
  if (classes <= 1024) return launch_loss_rows<RowLayout<128, 2, 4>, kHard, kSoft>(kName, p, stream);
  if (classes <= 2048) return launch_loss_rows<RowLayout<256, 2, 4>, kHard, kSoft>(kName, p, stream);
  launch_loss_wide<kHard, kSoft>(kName, p, stream);
}

void launch_cross_entropy(const LossParams& p, CUstream_st* stream);        // labels
void launch_dense_cross_entropy(const LossParams& p, CUstream_st* stream);  // dense targets
void launch_soft(const LossParams& p, CUstream_st* stream);                 // T^2 KL alone
void launch_soft_and_labels(const LossParams& p, CUstream_st* stream);
void launch_soft_and_dense(const LossParams& p, CUstream_st* stream);

}  // namespace leaven::cuda
