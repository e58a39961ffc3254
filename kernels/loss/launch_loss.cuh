#pragma once

#include "kernels/loss/loss_rows.cuh"
#include "kernels/loss/loss_wide.cuh"

namespace leaven::cuda {

template <bool kHard, bool kSoft>
void launch_loss(const LossParams& p, CUstream_st* stream) {
  constexpr const char* kName = kSoft ? "distillation_loss" : "cross_entropy";
  const LossAlignment aligned{is_aligned(p.student), is_aligned(p.teacher),
                              is_aligned(p.targets.soft, p.targets.soft_stride), is_aligned(p.gradient)};
  const auto start = [&](void (*kernel)(LossParams, LossAlignment), std::int64_t rows_per_block) {
    const unsigned blocks = p.rows > 0 ? grid_for(p.rows, rows_per_block, kMaxLossBlocks) : 1;
    launch(kName, kernel, blocks, kBlockThreads, 0, stream, p, aligned);
  };
  const std::int64_t classes = p.classes;
  if (classes <= 4) return start(loss_rows_kernel<1, 1, kHard, kSoft>, 256);
  if (classes <= 16) return start(loss_rows_kernel<4, 1, kHard, kSoft>, 64);
  if (classes <= 64) return start(loss_rows_kernel<16, 1, kHard, kSoft>, 16);
  if (classes <= 128) return start(loss_rows_kernel<32, 1, kHard, kSoft>, 8);
  if (classes <= 256) return start(loss_rows_kernel<32, 2, kHard, kSoft>, 8);
  if (classes <= 512) return start(loss_rows_kernel<32, 4, kHard, kSoft>, 8);
  if (classes <= 1024) return start(loss_rows_kernel<256, 1, kHard, kSoft>, 1);
  if (classes <= 2048) return start(loss_rows_kernel<256, 2, kHard, kSoft>, 1);
  if (classes <= 4096) return start(loss_rows_kernel<256, 4, kHard, kSoft>, 1);
  start(loss_wide_kernel<kHard, kSoft>, 1);
}

void launch_loss_hard(const LossParams& p, CUstream_st* stream);
void launch_loss_soft(const LossParams& p, CUstream_st* stream);
void launch_loss_both(const LossParams& p, CUstream_st* stream);

}  // namespace leaven::cuda
