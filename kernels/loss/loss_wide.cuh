#pragma once

#include "kernels/loss/loss_rows.cuh"

namespace leaven::cuda {

using WideLayout = RowLayout<kWideThreads, 4>;

// What of a row is in shared memory: its first columns, in two arrays or one (TileSlots without the exponentials of the
// hard part beside a teacher), and those exponentials too where they are few enough.
struct WideSlots {
  std::int32_t kept;  // columns, a multiple of four
  bool exponentials;
};

// One row, which a block works on: each lane on its own columns. What is not in shared memory is read and computed
// anew in each pass.
template <HardPart kHard, bool kSoft>
struct WideRow {
  using Lane = LossLane<WideLayout::kVector, kHard, kSoft>;
  static constexpr bool kDense = kHard == HardPart::dense;

  const LossParams& p;
  const WideSlots& slots;
  RowRef student, teacher, dense;
  int start;    // the lane's first column
  int classes;  // none of a row that is not looked at

  // The student's logits, then d and w; without a teacher the exponentials.
  __device__ float* first(int column) const {
    extern __shared__ float4 shared[];
    return reinterpret_cast<float*>(shared) + column;
  }
  // The teacher's logits, then q.
  __device__ float* second(int column) const { return first(slots.kept + column); }
  __device__ float* third(int column) const { return first(2 * slots.kept + column); }

  // body(lane, column) from `column` to before `end`; returns the column after those.
  template <class Body>
  __device__ int for_columns(int column, int end, Body&& body) const {
#pragma unroll 1
    for (; column < end; column += WideLayout::kStep) {
      Lane x;
      x.start = column;
      x.classes = classes;
      body(x, column);
    }
    return column;
  }
  // kept(lane, column) for the lane's columns that are in shared memory, then rest(lane, column).
  template <class Kept, class Rest>
  __device__ void for_each_lane(Kept&& kept, Rest&& rest) const {
    for_columns(for_columns(start, slots.kept < classes ? slots.kept : classes, kept), classes, rest);
  }
  __device__ void read(float (&x)[4], const RowRef& row, int column, float padding) const {
    typed(row, [&](const auto* data) { read_columns(x, data, row.vectors, column, classes, padding); });
  }
  __device__ void read_logits(Lane& x, int column) const {
    read(x.exponential, student, column, -kInfinity);
    if constexpr (kSoft) read(x.q, teacher, column, -kInfinity);
  }
  __device__ void read_dense(Lane& x, int column) const {
    if constexpr (kDense) read(x.dense, dense, column, 0.0f);
  }

  __device__ RowMax find_max() const {
    float max[kSoft ? 2 : 1];
#pragma unroll
    for (float& m : max) m = -kInfinity;
    const auto rest = [&](Lane& x, int column) {
      read_logits(x, column);
      x.add_to_max(max);
    };
    for_each_lane(
        [&](Lane& x, int column) {
          rest(x, column);
          store(first(column), x.exponential);
          if constexpr (kSoft) store(second(column), x.q);
        },
        rest);
    return reduce_max<kWideThreads>(max);
  }

  __device__ HardSums find_sums(const RowMax& max, RowTarget& target, LossSums<kHard, kSoft>& sums) const {
    const auto add = [&](Lane& x, int column) {
      if constexpr (kSoft) x.add_to_soft_sums(p, max, sums);
      read_dense(x, column);
      if constexpr (kHard != HardPart::none) x.add_to_hard_sums(p, max, sums);
    };
    for_each_lane(
        [&](Lane& x, int column) {
          load(x.exponential, first(column));
          if constexpr (kSoft) load(x.q, second(column));
          add(x, column);
          if constexpr (kSoft) {
            store(first(column), x.w);
            store(second(column), x.q);
            if (kHard != HardPart::none && slots.exponentials) store(third(column), x.exponential);
          } else {
            store(first(column), x.exponential);
          }
        },
        [&](Lane& x, int column) {
          read_logits(x, column);
          add(x, column);
        });
    return finish_sums<kWideThreads>(p, student, max, sums, target);
  }

  // `near` is that of a lane, then that of the row.
  __device__ SoftResult find_near_row(const RowMax& max, const NearCentre& centre, bool& near) const {
    float sum_w = 0;
    float sum_g = 0;
    for_each_lane(
        [&](Lane& x, int column) {
          load(x.w, first(column));
          load(x.q, second(column));
          x.add_to_terms(p, centre.d, sum_w, sum_g);
          store(first(column), x.w);
        },
        [&](Lane& x, int column) {
          read_logits(x, column);
          x.find_near_elements(p, max);
          x.add_to_terms(p, centre.d, sum_w, sum_g);
        });
    const NearRow found = reduce_terms<kWideThreads>(p, sum_w, sum_g, centre, near);
    return {found.loss, found.factor, found.mean_w, 0.0f};
  }

  __device__ void write_gradient(const MutableRowRef& to, const RowMax& max, const RowTarget& target,
                                 const HardRow& hard, const NearCentre& centre, const SoftResult& soft) const {
    // From exponentials of the hard part, q and w.
    const auto write = [&](Lane& x, int column) {
      if constexpr (kDense) {
        read_dense(x, column);
        x.weigh_dense(p);
      }
      if constexpr (kHard != HardPart::none) x.find_hard_gradient(p, target, hard);
      float gradient[WideLayout::kVector];
      x.find_gradient(soft, gradient);
      typed(to, [&](auto* data) { write_columns(data, to.vectors, column, classes, gradient); });
    };
    const auto find_exponentials = [&](Lane& x) {
      if constexpr (kHard != HardPart::none) x.find_exponentials(p, finite_max(max.student));
    };
    for_each_lane(
        [&](Lane& x, int column) {
          if constexpr (!kSoft) {
            load(x.exponential, first(column));
          } else {
            load(x.w, first(column));
            load(x.q, second(column));
            if (kHard != HardPart::none && slots.exponentials) {
              load(x.exponential, third(column));
            } else if (kHard != HardPart::none) {
              read(x.exponential, student, column, -kInfinity);
              find_exponentials(x);
            }
          }
          write(x, column);
        },
        [&](Lane& x, int column) {
          read_logits(x, column);
          if constexpr (kSoft) {
            float unused_w = 0;
            float unused_g = 0;
            x.find_near_elements(p, max);
            x.add_to_terms(p, centre.d, unused_w, unused_g);
          }
          find_exponentials(x);
          write(x, column);
        });
  }
  // Of a row that is not looked at.
  __device__ void clear_gradient(const MutableRowRef& to) const {
    typed(to, [&](auto* row) {
      for (int column = threadIdx.x; column < p.classes; column += kWideThreads) write_one(row + column, 0.0f);
    });
  }
};

// The block's row. Returns false, with nothing kept of it, where it is not near.
template <HardPart kHard, bool kSoft>
__device__ bool do_wide_row(const LossParams& p, const WideSlots& slots, std::int64_t index, float scale,
                            LossTotals& totals) {
  const float weight = row_weight(p, index, totals.status);
  RowTarget target;
  if constexpr (kHard == HardPart::labels) target = weighted_target(p, index, weight);
  const bool looked_at = is_looked_at<kHard, kSoft>(target, weight);
  const WideRow<kHard, kSoft> row{p,
                                  slots,
                                  row_of(p.student, index, is_aligned(p.student)),
                                  row_of(p.teacher, index, is_aligned(p.teacher)),
                                  row_of(dense_rows(p), index, is_aligned(dense_rows(p))),
                                  static_cast<int>(threadIdx.x) * WideLayout::kVector,
                                  looked_at ? static_cast<int>(p.classes) : 0};
  const RowMax max = row.find_max();
  LossSums<kHard, kSoft> sums;
  const HardSums hard_sums = row.find_sums(max, target, sums);
  HardRow hard;
  if constexpr (kHard != HardPart::none) {
    hard = hard_row(hard_sums, target.valid != 0, p.targets.smoothing, p.hard_weight * weight, scale);
  }
  SoftResult soft;
  NearCentre centre{};
  if constexpr (kSoft) {
    centre = find_centre(p, sums, looked_at);
    bool near = centre.near;
    soft = row.find_near_row(max, centre, near);
    if (!near) return false;
    soft.factor *= p.soft_weight * weight * scale;
  }
  if (p.gradient.data != nullptr) {
    const MutableRowRef to = row_of(p.gradient, index, is_aligned(p.gradient));
    if (looked_at) {
      row.write_gradient(to, max, target, hard, centre, soft);
    } else {
      row.clear_gradient(to);
    }
  }
  keep_near_row<kSoft>(p, index, weight, target, max, hard, hard_sums, soft, threadIdx.x == 0, totals);
  return true;
}

// what     losses, their sum and gradients of rows of any number of classes
// who      one block per row; blocks loop over rows
// traffic  reads each logit once as far as shared memory keeps what is made of it (the student's once more for the
//          gradient where it keeps two arrays of three), else four times; rows that are not near are read six times
//          more; mostly from the second-level cache; writes one gradient
// limits   what is not kept is computed again in each pass
template <HardPart kHard, bool kSoft>
__global__ void __launch_bounds__(kWideThreads, 1)
    loss_wide_kernel(const LossParams parameters, const WideSlots shared_slots) {
  const LossParams p = parameters;  // as in loss_rows_kernel
  const WideSlots slots = shared_slots;
  const float divisor = loss_divisor(p);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  LossTotals totals;
  if constexpr (kHard != HardPart::none) totals.status = class_weight_status<kWideThreads>(p);
  for (std::int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    const bool near = do_wide_row<kHard, kSoft>(p, slots, row, scale, totals);
    if constexpr (kSoft) {
      if (!near) {
        do_far_row<WideLayout, 4, kHard>(p, row_of(p.gradient, row, is_aligned(p.gradient)),
                                         static_cast<int>(threadIdx.x) * WideLayout::kVector, row, near, true, scale,
                                         totals);
      }
    }
  }
  finish_loss<kWideThreads, kWideThreads>(p, totals);
}

}  // namespace leaven::cuda
