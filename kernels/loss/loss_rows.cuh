#pragma once

#include "kernels/loss/far_passes.cuh"
#include "kernels/loss/row_tile.cuh"

namespace leaven::cuda {

// Which columns of a row are whose: kGroup lanes, each with kVector neighbouring columns of every kStep. The order of a
// row's sums follows from it, so it must follow from the number of classes alone.
template <int kGroup_, int kVector_>
struct RowLayout {
  static constexpr int kGroup = kGroup_;
  static constexpr int kVector = kVector_;
  static constexpr int kStep = kGroup * kVector;
  static constexpr int kRows = kRowThreads / kGroup;  // of a block, at a time
};

// The arrays of a row, in slots of shared memory. The gradient takes the first one's place.
template <HardPart kHard, bool kSoft>
struct TileSlots {
  static constexpr int kStudent = 0;  // logits; then exponentials of the hard part, without one w
  static constexpr int kTeacher = 1;  // logits; then q
  static constexpr int kDifferences = kHard == HardPart::none ? kStudent : 2;  // d; then w
  static constexpr int kDense = kSoft ? 3 : 1;
  static constexpr int kCount =
      (kHard != HardPart::none ? 1 : 0) + (kSoft ? 2 : 0) + (kHard == HardPart::dense ? 1 : 0);
};
// Classes per lane: a block's slots fit in 62 KiB, which every device has.
template <HardPart kHard, bool kSoft>
inline constexpr int kMostColumns = TileSlots<kHard, kSoft>::kCount == 4 ? 28 : 32;

template <HardPart kHard, bool kSoft>
__device__ bool is_looked_at(const RowTarget& target, float weight) {
  return weight > 0.0f && (kSoft || kHard == HardPart::dense || target.valid != 0);
}

// One row in shared memory, as the lanes of its group work on it: each on its own columns, so that what a lane reads is
// what it has written.
template <class L, HardPart kHard, bool kSoft>
struct TileRow {
  using Slots = TileSlots<kHard, kSoft>;
  using Lane = LossLane<L::kVector, kHard, kSoft>;
  static constexpr bool kDense = kHard == HardPart::dense;

  const LossParams& p;
  float* row;     // its first column in the first slot
  int slot_size;  // elements
  int start;      // the lane's first column
  int classes;    // none of a row that is not looked at

  __device__ float* slot(int index) const { return row + index * slot_size; }

  // body(lane, its first column)
  template <class Body>
  __device__ void for_each_lane(Body&& body) const {
#pragma unroll 1
    for (int column = start; column < classes; column += L::kStep) {
      Lane x;
      x.start = column;
      x.classes = classes;
      body(x, column);
    }
  }

  __device__ RowMax find_max() const {
    float max[kSoft ? 2 : 1];
#pragma unroll
    for (float& m : max) m = -kInfinity;
    for_each_lane([&](Lane& x, int column) {
      load(x.exponential, slot(Slots::kStudent) + column);
      if constexpr (kSoft) load(x.q, slot(Slots::kTeacher) + column);
      x.add_to_max(max);
    });
    return reduce_max<L::kGroup>(max);
  }

  // Logits become exponentials, q and d.
  __device__ void find_sums(const RowMax& max, LossSums<kHard, kSoft>& sums) const {
    for_each_lane([&](Lane& x, int column) {
      load(x.exponential, slot(Slots::kStudent) + column);
      if constexpr (kSoft) {
        load(x.q, slot(Slots::kTeacher) + column);
        x.add_to_soft_sums(p, max, sums);
        store(slot(Slots::kTeacher) + column, x.q);
        store(slot(Slots::kDifferences) + column, x.w);
      }
      if constexpr (kDense) load(x.dense, slot(Slots::kDense) + column);
      if constexpr (kHard != HardPart::none) {
        x.add_to_hard_sums(p, max, sums);
        store(slot(Slots::kStudent) + column, x.exponential);
      }
      if constexpr (kDense) store(slot(Slots::kDense) + column, x.dense);
    });
  }

  // Differences become w. `near` is that of a lane, then that of the row.
  __device__ SoftResult find_near_row(const NearCentre& centre, bool& near) const {
    float sum_w = 0;
    float sum_g = 0;
    for_each_lane([&](Lane& x, int column) {
      load(x.q, slot(Slots::kTeacher) + column);
      load(x.w, slot(Slots::kDifferences) + column);
      x.add_to_terms(p, centre.d, sum_w, sum_g);
      store(slot(Slots::kDifferences) + column, x.w);
    });
    const NearRow found = reduce_terms<L::kGroup>(p, sum_w, sum_g, centre, near);
    SoftResult soft{found.loss, found.factor, found.mean_w, 0.0f};
    if (L::kGroup == 1 && classes <= kNearResidualClasses) remove_residual(soft, centre);
    return soft;
  }
  // w becomes the gradient but for its factor.
  __device__ void remove_residual(SoftResult& soft, const NearCentre& centre) const {
    float* const w = slot(Slots::kDifferences);
    const float* const q = slot(Slots::kTeacher);
    float sum = 0;
#pragma unroll 1
    for (int i = 0; i < classes; ++i) {
      w[i] = near_gradient(w[i], q[i], soft.mean_w);
      sum += w[i];
    }
    soft.mean_w = sum * centre.inverse_sum;
  }

  __device__ void find_gradient(const RowTarget& target, const HardRow& hard, const SoftResult& soft) const {
    for_each_lane([&](Lane& x, int column) {
      if constexpr (kHard != HardPart::none) load(x.exponential, slot(Slots::kStudent) + column);
      if constexpr (kDense) load(x.dense, slot(Slots::kDense) + column);
      if constexpr (kSoft) {
        load(x.q, slot(Slots::kTeacher) + column);
        load(x.w, slot(Slots::kDifferences) + column);
      }
      if constexpr (kHard != HardPart::none) x.find_gradient_beside_labels(p, target, hard);
      float gradient[L::kVector];
      x.find_gradient(soft, gradient);
      store(slot(0) + column, gradient);
    });
    if constexpr (kHard == HardPart::labels) {
      for_each_label(p, target, [&](int label, float weight) {
        if (label / L::kVector % L::kGroup * L::kVector == start) row[label] -= hard.target * weight;
      });
    }
  }
  // Of a row that is not looked at.
  __device__ void clear_gradient() const {
#pragma unroll 1
    for (int column = start; column < p.classes; column += L::kStep) {
#pragma unroll
      for (int j = 0; j < L::kVector; ++j) row[column + j] = 0.0f;
    }
  }
};

// Whether all rows are near that share a warp (groups of several warps: a block).
template <int kGroup>
__device__ bool all_near(bool near) {
  if constexpr (kGroup > 32) return __syncthreads_and(near) != 0;
  return __all_sync(kAllLanes, near) != 0;
}

// All but the gradient of a near row, or of one without a soft part.
template <bool kSoft>
__device__ void keep_near_row(const LossParams& p, std::int64_t row, float weight, const RowTarget& target,
                              const RowMax& max, const HardRow& hard, const HardSums& hard_sums, const SoftResult& soft,
                              bool first_lane, LossTotals& totals) {
  const float loss = hard.loss + (kSoft ? weighted_gap(p.soft_weight * weight, soft.loss) : 0.0f);
  const bool valid = kSoft ? weight > 0.0f : target.valid != 0;
  const float checked = kSoft || !valid ? 0.0f : hard_sums.exponentials;  // near rows have no NaN
  note_row(p, row, max, target.status, loss, checked, valid, first_lane, totals);
}

// The row of a group, in shared memory. Returns false, with nothing kept of it, where it is not near. All threads of
// the warp call (groups of several warps: of the block).
template <class L, HardPart kHard, bool kSoft>
__device__ bool do_row(const LossParams& p, TileRow<L, kHard, kSoft> x, std::int64_t row, bool exists, float scale,
                       LossTotals& totals) {
  const float weight = exists ? row_weight(p, row, totals.status) : 0.0f;
  RowTarget target;
  if (kHard == HardPart::labels && exists) target = weighted_target(p, row, weight);
  const bool looked_at = is_looked_at<kHard, kSoft>(target, weight);
  if (!looked_at) x.classes = 0;
  const RowMax max = x.find_max();
  HardSums hard_sums;
  if constexpr (kHard == HardPart::labels) {
    const float student_max = finite_max(max.student);
    for_each_label(p, target, [&](int label, float of_label) {
      hard_sums.target_gaps += of_label * (student_max - x.row[label]);
    });
    group_barrier<L::kGroup>();
  }
  LossSums<kHard, kSoft> sums;
  x.find_sums(max, sums);
  reduce_sums<L::kGroup>(p, sums, target, hard_sums);
  HardRow hard;
  if constexpr (kHard != HardPart::none) {
    hard = hard_row(hard_sums, target.valid != 0, p.targets.smoothing, p.hard_weight * weight, scale);
  }
  SoftResult soft;
  if constexpr (kSoft) {
    const NearCentre centre = find_centre(p, sums, looked_at);
    bool near = centre.near;
    soft = x.find_near_row(centre, near);
    if (!near) return false;
    soft.factor *= p.soft_weight * weight * scale;
  }
  if (!exists) return true;
  if (p.gradient.data != nullptr) {
    if (looked_at) {
      x.find_gradient(target, hard, soft);
    } else {
      x.clear_gradient();
    }
  }
  keep_near_row<kSoft>(p, row, weight, target, max, hard, hard_sums, soft, x.start == 0, totals);
  return true;
}

// The logits and dense targets of a block's rows, to its slots.
template <class L, HardPart kHard, bool kSoft>
__device__ void read_tiles(const LossParams& p, const TileShape& shape, int slot_size, std::int64_t first, int count) {
  using Slots = TileSlots<kHard, kSoft>;
  extern __shared__ float4 shared[];
  float* const slots = reinterpret_cast<float*>(shared);
  __syncthreads();  // the rows before are done with
  read_tile<kRowThreads, L::kVector == 4>(slots + Slots::kStudent * slot_size, shape, p.student, first, count);
  if constexpr (kSoft)
    read_tile<kRowThreads, L::kVector == 4>(slots + Slots::kTeacher * slot_size, shape, p.teacher, first, count);
  if constexpr (kHard == HardPart::dense) {
    read_tile<kRowThreads, L::kVector == 4>(slots + Slots::kDense * slot_size, shape, dense_rows(p), first, count);
  }
  const int rest = shape.classes % L::kVector;
  if (L::kGroup > 1 && rest != 0) {  // whole vectors
    const int row = static_cast<int>(threadIdx.x) / 4;
    const int column = static_cast<int>(threadIdx.x) % 4;
    for (int r = row; r < count && column >= rest; r += kRowThreads / 4) {
      float* const at = slots + r * shape.stride + shape.classes - rest + column;
      at[Slots::kStudent * slot_size] = -kInfinity;
      if constexpr (kSoft) at[Slots::kTeacher * slot_size] = -kInfinity;
      if constexpr (kHard == HardPart::dense) at[Slots::kDense * slot_size] = 0.0f;
    }
  }
  __syncthreads();
}

// what     losses, their sum and gradients of rows of up to L::kGroup * kMostColumns classes
// who      L::kGroup lanes per row; a block takes L::kRows rows at a time
// traffic  reads each logit and dense target once and writes one gradient; rows that are not near are read six times
//          more, mostly from the caches
// limits   a block keeps its rows in shared memory, one to four arrays of float32: each exponential is computed once
template <class L, HardPart kHard, bool kSoft>
__global__ void __launch_bounds__(kRowThreads, 8) loss_rows_kernel(const LossParams parameters, const TileShape tile) {
  const LossParams p = parameters;  // copies: parameters that are passed on by reference are read with an address each
  const TileShape shape = tile;     // time
  extern __shared__ float4 shared[];
  const int slot_size = L::kRows * shape.stride;
  const float divisor = loss_divisor(p);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  LossTotals totals;
  if constexpr (kHard != HardPart::none) totals.status = class_weight_status<kRowThreads>(p);
  for (std::int64_t first = std::int64_t{blockIdx.x} * L::kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * L::kRows) {
    const int count = static_cast<int>(p.rows - first < L::kRows ? p.rows - first : L::kRows);
    read_tiles<L, kHard, kSoft>(p, shape, slot_size, first, count);
    const int thread = static_cast<int>(threadIdx.x);
    const int index = thread / L::kGroup;
    const TileRow<L, kHard, kSoft> x{p, reinterpret_cast<float*>(shared) + index * shape.stride, slot_size,
                                     thread % L::kGroup * L::kVector, shape.classes};
    const std::int64_t row = first + index;
    const bool near = do_row(p, x, row, index < count, scale, totals);
    if constexpr (kSoft) {
      if (!all_near<L::kGroup>(near)) {
        do_far_row<L, 1, kHard>(p, {x.row, FloatType::f32, false}, x.start, row, near, false, scale, totals);
      }
    }
    if (p.gradient.data != nullptr) {
      __syncthreads();
      write_tile<kRowThreads, L::kVector == 4>(reinterpret_cast<float*>(shared), shape, p.gradient, first, count);
    }
  }
  finish_loss<L::kGroup, kRowThreads>(p, totals);
}

}  // namespace leaven::cuda
