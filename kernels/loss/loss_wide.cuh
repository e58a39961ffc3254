#pragma once

#include "kernels/loss/loss_rows.cuh"

namespace leaven::cuda {

inline constexpr int kWideThreads = 512;
using WideLayout = RowLayout<kWideThreads, 4>;

// The logits of a row, of which each lane reads its own columns in every pass: the first `kept` columns from shared
// memory, where the first pass has left them as they are.
struct KeptLogits {
  RowRef row;
  unsigned char* shared;
  int kept;
  bool first_pass;

  __device__ void read(float (&x)[4], int column, int classes) const {
    const bool from_shared = !first_pass && column < kept;
    const RowRef from{from_shared ? shared : row.data, row.type, from_shared || row.vectors};
    typed(from, [&](const auto* data) { read_columns(x, data, from.vectors, column, classes, -kInfinity); });
    if (!first_pass || column >= kept) return;
    const MutableRowRef to{shared, row.type, true};
    typed(to, [&](auto* data) { write_four(data + column, {{x[0], x[1], x[2], x[3]}}); });
  }
};

// A row that is not looked at.
__device__ inline void write_zeros(const MutableRowRef& to, int classes) {
  typed(to, [&](auto* row) {
    for (int column = threadIdx.x; column < classes; column += kWideThreads) write_one(row + column, 0.0f);
  });
}

template <HardPart kHard, bool kSoft>
__device__ void do_wide_row(const LossParams& p, std::int64_t index, int kept, float scale, LossTotals& totals) {
  extern __shared__ uint4 tiles[];
  auto* const shared = reinterpret_cast<unsigned char*>(tiles);
  LossPasses<WideLayout, 4, kHard, kSoft, KeptLogits> row{
      p,
      {row_of(p.student, index, is_aligned(p.student)), shared, kept, true},
      {row_of(p.teacher, index, is_aligned(p.teacher)), shared + kept * size_of(p.student.type), kept, true},
      row_of(dense_rows(p), index, is_aligned(dense_rows(p))),
      static_cast<int>(threadIdx.x) * WideLayout::kVector,
      {},
      0.0f,
      false};
  row.weight = row_weight(p, index, totals.status);
  if constexpr (kHard == HardPart::labels) row.target = weighted_target(p, index, row.weight);
  row.looked_at = is_looked_at<kHard, kSoft>(row.target, row.weight);
  const RowMax max = row.find_max();
  row.student.first_pass = row.teacher.first_pass = false;
  LossSums<kHard, kSoft> sums;
  const HardSums hard_sums = row.find_sums(max, sums);
  HardRow hard;
  if constexpr (kHard != HardPart::none) {
    hard = hard_row(hard_sums, row.target.valid != 0, p.targets.smoothing, p.hard_weight * row.weight, scale);
  }
  SoftResult soft;
  NearCentre centre{};
  FarState far;
  bool near = true;
  if constexpr (kSoft) {
    centre = find_centre(p, sums, row.looked_at);
    const NearRow found = row.find_near_row(max, centre, near);
    soft = {found.loss, found.factor, found.mean_w, 0.0f};
    if (!near) soft = row.find_far_row(far);
    soft.factor *= p.soft_weight * row.weight * scale;
  }
  if (p.gradient.data != nullptr) {
    const MutableRowRef to = row_of(p.gradient, index, is_aligned(p.gradient));
    if (!row.looked_at) write_zeros(to, static_cast<int>(p.classes));
    row.write_gradient(to, max, hard, soft, [&](auto& x, const float* student) {
      if (near) return find_near_elements(p, max, centre.d, x, student);
      find_far_elements(p, far, x, student);
    });
  }
  const float loss = hard.loss + (kSoft ? weighted_gap(p.soft_weight * row.weight, soft.loss) : 0.0f);
  const bool valid = kSoft ? row.weight > 0.0f : row.target.valid != 0;
  const float checked = !valid ? 0.0f : kSoft ? soft.sums : hard_sums.exponentials;
  note_row(p, index, max, row.target.status, loss, checked, valid, threadIdx.x == 0, totals);
}

// what     losses, their sum and gradients of rows of any number of classes
// who      one block per row; blocks loop over rows
// traffic  reads each logit once as far as shared memory keeps it, else once per pass: four, or seven in rows that are
//          not near, the later ones mostly from the second-level cache; writes one gradient
// limits   exponentials are computed again in each pass
template <HardPart kHard, bool kSoft>
__global__ void __launch_bounds__(kWideThreads, 1) loss_wide_kernel(const LossParams parameters, const int kept) {
  const LossParams p = parameters;  // as in loss_rows_kernel
  const float divisor = loss_divisor(p);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  LossTotals totals;
  if constexpr (kHard != HardPart::none) totals.status = class_weight_status<kWideThreads>(p);
  for (std::int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    do_wide_row<kHard, kSoft>(p, row, kept, scale, totals);
  }
  finish_loss<kWideThreads, kWideThreads>(p, totals);
}

}  // namespace leaven::cuda
