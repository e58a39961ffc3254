#pragma once

#include <algorithm>

#include "kernels/core/launch.cuh"
#include "kernels/loss/loss_rows.cuh"
#include "kernels/loss/loss_wide.cuh"

namespace leaven::cuda {

template <class L, HardPart kHard, bool kSoft>
void launch_loss_rows(const char* name, const LossParams& p, CUstream_st* stream) {
  const TileShape shape = tile_shape(L::kGroup, p.classes);
  const std::int64_t bytes = TileSlots<kHard, kSoft>::kCount * L::kRows * std::int64_t{shape.stride} * 4;
  constexpr auto kKernel = loss_rows_kernel<L, kHard, kSoft>;
  allow_shared_memory(name, kKernel, bytes);
  const unsigned blocks = p.rows > 0 ? grid_for(p.rows, L::kRows, kMaxLossBlocks) : 1;
  launch(name, kKernel, blocks, kRowThreads, static_cast<std::size_t>(bytes), stream, p, shape);
}

template <HardPart kHard, bool kSoft>
void launch_loss_wide(const char* name, const LossParams& p, CUstream_st* stream) {
  constexpr std::int64_t kColumn = 4 * (kSoft ? 2 : 1);
  const std::int64_t columns = (p.classes + 3) / 4 * 4;
  const std::int64_t most = shared_memory_limit();
  const bool exponentials = kSoft && kHard != HardPart::none && columns * (kColumn + 4) <= most;
  const std::int64_t kept = std::min(columns, most / kColumn / 4 * 4);
  const std::int64_t bytes = kept * (kColumn + (exponentials ? 4 : 0));
  const WideSlots slots{static_cast<std::int32_t>(kept), exponentials};
  constexpr auto kKernel = loss_wide_kernel<kHard, kSoft>;
  allow_shared_memory(name, kKernel, bytes);
  const unsigned blocks = p.rows > 0 ? grid_for(p.rows, 1, kMaxLossBlocks) : 1;
  launch(name, kKernel, blocks, kWideThreads, static_cast<std::size_t>(bytes), stream, p, slots);
}

template <HardPart kHard, bool kSoft>
void launch_loss(const LossParams& p, CUstream_st* stream) {
  constexpr const char* kName = kSoft ? "distillation_loss" : "cross_entropy";
  const std::int64_t classes = p.classes;
  const std::int64_t lanes = (classes + kMostColumns<kHard, kSoft> - 1) / kMostColumns<kHard, kSoft>;
  if (lanes <= 1) {
    if (classes % 4 == 0) return launch_loss_rows<RowLayout<1, 4>, kHard, kSoft>(kName, p, stream);
    if (classes % 2 == 0) return launch_loss_rows<RowLayout<1, 2>, kHard, kSoft>(kName, p, stream);
    return launch_loss_rows<RowLayout<1, 1>, kHard, kSoft>(kName, p, stream);
  }
  if (lanes <= 4) return launch_loss_rows<RowLayout<4, 4>, kHard, kSoft>(kName, p, stream);
  if (lanes <= 8) return launch_loss_rows<RowLayout<8, 4>, kHard, kSoft>(kName, p, stream);
  if (lanes <= 16) return launch_loss_rows<RowLayout<16, 4>, kHard, kSoft>(kName, p, stream);
  if (lanes <= 32) return launch_loss_rows<RowLayout<32, 4>, kHard, kSoft>(kName, p, stream);
  if (lanes <= 128) return launch_loss_rows<RowLayout<128, 4>, kHard, kSoft>(kName, p, stream);
  launch_loss_wide<kHard, kSoft>(kName, p, stream);
}

void launch_cross_entropy(const LossParams& p, CUstream_st* stream);        // labels
void launch_dense_cross_entropy(const LossParams& p, CUstream_st* stream);  // dense targets
void launch_soft(const LossParams& p, CUstream_st* stream);                 // T^2 KL alone
void launch_soft_and_labels(const LossParams& p, CUstream_st* stream);
void launch_soft_and_dense(const LossParams& p, CUstream_st* stream);

}  // namespace leaven::cuda
