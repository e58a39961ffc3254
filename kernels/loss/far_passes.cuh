#pragma once

#include "kernels/loss/far_row.cuh"
#include "kernels/loss/finish_loss.cuh"
#include "kernels/loss/loss_lane.cuh"

namespace leaven::cuda {

// A row that is not near, worked on in passes, each of which reads it anew from global memory, kUnit columns of a lane
// at a time; which columns are whose, layout L says.
template <class L, int kUnit, HardPart kHard>
struct FarPasses {
  using Lane = LossLane<kUnit, kHard, true>;
  const LossParams& p;
  RowRef student, teacher, dense;
  int start;    // the lane's first column
  int classes;  // none of a row that is not looked at

  // body(lane)
  template <class Body>
  __device__ void for_each_lane(Body&& body) const {
#pragma unroll 1
    for (std::int64_t at = start; at < classes; at += L::kStep) {
#pragma unroll 1
      for (int j = 0; j < L::kVector; j += kUnit) {
        Lane x;
        x.start = static_cast<int>(at) + j;
        x.classes = classes;
        read(x.exponential, student, x.start, -kInfinity);
        read(x.q, teacher, x.start, -kInfinity);
        if constexpr (kHard == HardPart::dense) read(x.dense, dense, x.start, 0.0f);
        body(x);
      }
    }
  }
  __device__ void read(float (&x)[kUnit], const RowRef& row, int column, float padding) const {
    typed(row, [&](const auto* data) { read_columns(x, data, row.vectors, column, classes, padding); });
  }

  __device__ RowMax find_max() const {
    float max[2] = {-kInfinity, -kInfinity};
    for_each_lane([&](Lane& x) { x.add_to_max(max); });
    return reduce_max<L::kGroup>(max);
  }

  __device__ HardSums find_sums(const RowMax& max, RowTarget& target) const {
    LossSums<kHard, true> sums;
    for_each_lane([&](Lane& x) { x.add_to_hard_sums(p, max, sums); });
    return finish_sums<L::kGroup>(p, student, max, sums, target);
  }

  __device__ SoftResult find_soft(FarState& state) const {
    const FarRow found = find_far_row<L::kGroup>(p.temperature, state, [&](auto&& body) {
      for_each_lane([&](Lane& x) {
#pragma unroll
        for (int j = 0; j < kUnit; ++j) body(x.exponential[j], x.q[j]);
      });
    });
    const bool masked = state.student == 0.0f || state.teacher == 0.0f;
    return {found.loss, masked ? 0.0f : 1.0f, found.residual, state.student + state.teacher};
  }

  __device__ void write_gradient(const MutableRowRef& to, const RowMax& max, const RowTarget& target,
                                 const HardRow& hard, const FarState& far, const SoftResult& soft) const {
    for_each_lane([&](Lane& x) {
      if constexpr (kHard == HardPart::dense) x.weigh_dense(p);
#pragma unroll
      for (int j = 0; j < kUnit; ++j) {
        const FarState::Values found = far.values(x.exponential[j], x.q[j], p.temperature);
        x.q[j] = found.q;
        x.w[j] = soft_raw_gradient(found.shift, found.q, far.sum_shift);
      }
      if constexpr (kHard != HardPart::none) {
        x.find_exponentials(p, finite_max(max.student));
        x.find_hard_gradient(p, target, hard);
      }
      float gradient[kUnit];
      x.find_gradient(soft, gradient);
      typed(to, [&](auto* data) { write_columns(data, to.vectors, x.start, classes, gradient); });
    });
  }
};

// The row of a group that is not near; its gradient goes to `to`. Groups whose row is near take part in the reductions.
// All threads of the warp call (groups of several warps: of the block).
template <class L, int kUnit, HardPart kHard>
__device__ void do_far_row(const LossParams& p, const MutableRowRef& to, int start, std::int64_t row, bool near,
                           bool aligned, float scale, LossTotals& totals) {
  const FarPasses<L, kUnit, kHard> passes{p,
                                          row_of(p.student, row, aligned && is_aligned(p.student)),
                                          row_of(p.teacher, row, aligned && is_aligned(p.teacher)),
                                          row_of(dense_rows(p), row, aligned && is_aligned(dense_rows(p))),
                                          start,
                                          near ? 0 : static_cast<int>(p.classes)};
  std::uint32_t status = 0;  // known from before
  const float weight = near ? 0.0f : row_weight(p, row, status);
  RowTarget target;
  if (kHard == HardPart::labels && !near) target = weighted_target(p, row, weight);
  const RowMax max = passes.find_max();
  HardRow hard;
  if constexpr (kHard != HardPart::none) {
    const HardSums sums = passes.find_sums(max, target);
    hard = hard_row(sums, target.valid != 0, p.targets.smoothing, p.hard_weight * weight, scale);
  }
  FarState far;
  SoftResult soft = passes.find_soft(far);
  soft.factor *= p.soft_weight * weight * scale;
  if (near) return;
  if (p.gradient.data != nullptr) passes.write_gradient(to, max, target, hard, far, soft);
  const float loss = hard.loss + weighted_gap(p.soft_weight * weight, soft.loss);
  note_row(p, row, max, target.status, loss, soft.sums, true, start == 0, totals);
}

}  // namespace leaven::cuda
