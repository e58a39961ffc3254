#pragma once

#include <algorithm>

#include "kernels/core/launch.cuh"
#include "kernels/loss/divergence_row.hpp"
#include "kernels/loss/finish_loss.cuh"
#include "kernels/loss/general_hard.hpp"
#include "kernels/loss/row_tile.cuh"

// Rows of the general losses in shared memory, and the passes over a row which all of them make.
namespace leaven::cuda {

// Where a block's rows lie in shared memory: a slot for each matrix, the student's first. Lies there itself: in
// registers it would leave no room for the rest.
struct RowSlots {
  TileShape shape;         // of the columns that are there
  std::int32_t lanes;      // of a row
  std::int32_t slot_size;  // elements
  std::int32_t matrices;   // slots that are read: the student, then teachers
  std::int32_t count;      // all slots; dense targets have the last one
  std::uint32_t turns;     // of the blocks, for all rows
};

// GeneralParams as kernels take them: scalars, which kernels copy (what is passed on by reference is read with an
// address each time), and the teachers, which are indexed.
struct RowParams {
  LossParams loss;
  DivergenceParams divergence;
  TopKParams top_k;
  std::int32_t teacher_count;
  bool standardise;
};
struct Teachers {
  TeacherParams all[kMaxTeachers];
};

// The block's own copy, in shared memory. All threads call.
template <class T>
__device__ const T& share(const T& given) {
  __shared__ T shared;
  if (threadIdx.x == 0) shared = given;
  __syncthreads();
  return shared;
}

// A NaN becomes the one that arithmetic makes on the device, whatever its operands' signs: for the rows' bits.
__device__ inline float one_nan(float x) { return x == x ? x : __int_as_float(0x7fffffff); }

// A row in work.
template <int kThreads_, bool kWhole_, bool kDecoupled_>
struct RowPlace {
  static constexpr int kThreads = kThreads_;
  static constexpr bool kWhole = kWhole_;          // all columns are in shared memory
  static constexpr bool kDecoupled = kDecoupled_;  // sums leave out the target

  const RowParams& g;
  const TeacherParams* teachers;
  const RowSlots& slots;
  float* tile;  // the row's first column in the first slot
  std::int64_t row;
  int lane;
  int classes;      // 0: the row is not looked at
  int target = -1;  // of DecoupledKl; -1 in rows that are not looked at

  __device__ bool is_kept(int column) const { return kWhole || column < slots.shape.classes; }
  __device__ float& at(int slot, int column) const { return tile[slot * slots.slot_size + column]; }

  __device__ bool is_target(int column) const { return kDecoupled && column == target; }

  __device__ float student(int column) const {
    return is_kept(column) ? tile[column] : load_logit(g.loss.student, row, column);
  }
  __device__ float teacher(int m, int column) const {
    return is_kept(column) ? at(1 + m, column) : load_logit(teachers[m].logits, row, column);
  }
  __device__ float dense(int column) const {
    const TargetParams& t = g.loss.targets;
    if (t.soft == nullptr) return 0.0f;
    return is_kept(column) ? at(slots.count - 1, column) : t.soft[row * t.soft_stride + column];
  }
  // With whole rows, to be written by the block when all its rows are done with.
  __device__ void set_gradient(int column, float value) const {
    value = one_nan(value);
    if constexpr (kWhole) {
      tile[column] = value;
    } else {
      store_value(g.loss.gradient, row, column, value);
    }
  }

  // body(column) for those of the lane
  template <class Body>
  __device__ __forceinline__ void for_each_column(Body&& body) const {
    const int step = lanes();
#pragma unroll 1
    for (int column = lane; column < classes; column += step) body(column);
  }
  __device__ int lanes() const { return kWhole ? slots.lanes : kThreads; }

  // Every lane of the row gets the combination. All threads call: of the warp, or of the block where it has one row.
  template <class T, class Combine>
  __device__ __forceinline__ T reduce(T value, Combine combine) const {
    const int width = lanes() < 32 ? lanes() : 32;
#pragma unroll 1
    for (int offset = width / 2; offset > 0; offset /= 2) value = combine(value, xor_lane(value, offset));
    if (lanes() > 32) value = combine_warps<kThreads>(value, combine);
    return value;
  }
  __device__ float sum(float value) const { return reduce(value, Add{}); }
  __device__ void barrier() const {
    if (lanes() > 32) {
      __syncthreads();
    } else {
      __syncwarp();
    }
  }
};

struct Smaller {
  __device__ float operator()(float x, float y) const { return y < x ? y : x; }
};
// logit(column) is that of the row
template <class Place, class Logit>
__device__ __forceinline__ Extent find_extent(const Place& at, Logit&& logit) {
  Extent extent;
  at.for_each_column([&](int column) {
    const float x = logit(column);
    const bool unmasked = x != -kInfinity;
    extent.max = larger(extent.max, x);
    extent.min = unmasked && x < extent.min ? x : extent.min;
    extent.unmasked += unmasked ? 1.0f : 0.0f;
  });
  return {at.reduce(extent.max, Larger{}), at.reduce(extent.min, Smaller{}), at.sum(extent.unmasked)};
}

// The target of a row as the labels or dense weights have it, without the classes' weights. Dense weights are looked at
// before anything is computed with them.
template <class Place>
__device__ __forceinline__ RowTarget find_row_target(const Place& at) {
  const LossParams& p = at.g.loss;
  RowTarget target;
  if (p.targets.soft == nullptr) {
    if (p.targets.a != nullptr && at.classes > 0) target = label_target(p.targets, at.row, at.classes);
    return target;
  }
  int bad = 0;
  int wanted = 0;
  at.for_each_column([&](int column) {
    const float x = at.dense(column);
    bad += is_good_weight(x) ? 0 : 1;
    wanted += x > 0.0f ? 1 : 0;
  });
  bad = at.reduce(bad, Add{});
  wanted = at.reduce(wanted, Add{});
  target.status = bad > 0 ? kWeightOutOfRange : 0u;
  target.valid = bad == 0 && wanted > 0 ? 1 : 0;
  return target;
}

// The hard part of a row: its target, and what loss and gradient are made of. Labels are read again: kept, they would
// fill registers while the divergence is computed.
struct GeneralHardPart {
  HardTarget target{};
  HardFactors factors{};
};
template <class Place>
__device__ __forceinline__ float share_at(const Place& at, const HardTarget& target, int column, float logit) {
  const float* const weights = at.g.loss.targets.class_weights;
  return target_share(target, column, logit, at.dense(column), weights != nullptr ? weights[column] : 1.0f);
}
template <class Place>
__device__ __forceinline__ GeneralHardPart find_hard_part(const Place& at, bool targeted, float max, float unmasked,
                                                          float scale, std::uint32_t& status) {
  const LossParams& p = at.g.loss;
  GeneralHardPart hard;
  if (!p.hard) return hard;
  RowTarget labels;
  if (targeted && p.targets.soft == nullptr) labels = label_target(p.targets, at.row, at.classes);
  hard.target = hard_target(labels, p.targets.smoothing, unmasked);
  ShareSums sums;
  at.for_each_column([&](int column) {
    const float s = at.student(column);
    const float share = share_at(at, hard.target, column, s);
    sums.exponentials += hard_exponential(max - s);
    sums.mass += share;
    sums.gaps += weighted_gap(share, max - s);
    if (p.targets.class_weights != nullptr && targeted) status |= weight_status(p.targets.class_weights[column]);
  });
  sums = {at.sum(sums.exponentials), at.sum(sums.mass), at.sum(sums.gaps)};
  if (targeted) hard.factors = hard_factors(sums, p.hard_weight, scale);
  return hard;
}
template <class Place>
__device__ __forceinline__ float hard_gradient_at(const Place& at, const GeneralHardPart& hard, int column, float logit,
                                                  float max) {
  if (hard.factors.target == 0.0f) return 0.0f;
  return share_gradient(hard.factors, hard_exponential(max - logit), share_at(at, hard.target, column, logit));
}

// What a row's gradient is multiplied by.
__device__ __forceinline__ float gradient_scale(const LossParams& p, float weight) {
  const float divisor = loss_divisor(p);
  return divisor > 0.0f ? weight / divisor : 0.0f;
}

// The kernels' loop over rows. do_row(place, index of the row in the block, labels, weight, valid, status) returns the
// row's loss, not weighted, and writes its gradient; it makes `valid` false for a row that is to be ignored. It is
// called by all lanes of a warp, for rows behind the end and ignored ones too: these have no classes by then.
template <int kThreads, bool kWhole, bool kDecoupled, class ReadMore, class DoRow>
__device__ __forceinline__ void do_rows(const RowParams& g, const TeacherParams* teachers, const RowSlots& slots,
                                        ReadMore&& read_more, DoRow&& do_row) {
  extern __shared__ float4 shared[];
  float* const tiles = reinterpret_cast<float*>(shared);
  const LossParams& p = g.loss;
  const int lanes = kWhole ? slots.lanes : kThreads;
  const int at_once = kThreads / lanes;
  const int index = static_cast<int>(threadIdx.x) / lanes;
  LossTotals totals;
  for (unsigned turn = blockIdx.x; turn < slots.turns; turn += gridDim.x) {
    const std::int64_t first = std::int64_t{turn} * at_once;
    const int count = static_cast<int>(p.rows - first < at_once ? p.rows - first : at_once);
    __syncthreads();  // the rows before are done with
#pragma unroll 1
    for (int slot = 0; slot < slots.matrices; ++slot) {
      InputRows rows = p.student;
      if (slot > 0) rows = teachers[slot - 1].logits;
      read_tile<kThreads, false, 1>(tiles + slot * slots.slot_size, slots.shape, rows, first, count);
    }
    if (p.targets.soft != nullptr) {
      read_tile<kThreads, false, 1>(tiles + (slots.count - 1) * slots.slot_size, slots.shape, dense_rows(p), first,
                                    count);
    }
    read_more(first, count);
    __syncthreads();
    const bool exists = index < count;
    RowPlace<kThreads, kWhole, kDecoupled> at{g,
                                              teachers,
                                              slots,
                                              tiles + index * slots.shape.stride,
                                              first + index,
                                              static_cast<int>(threadIdx.x) % lanes,
                                              exists ? static_cast<int>(p.classes) : 0};
    const float weight = exists ? row_weight(p, at.row, totals.status) : 0.0f;
    const RowTarget labels = kDecoupled || p.hard ? find_row_target(at) : RowTarget{};
    totals.status |= labels.status;
    bool valid = weight > 0.0f;
    const float loss = do_row(at, index, labels, weight, valid, totals.status);
    if (exists && !valid && p.gradient.data != nullptr) {
      at.classes = static_cast<int>(p.classes);
      at.for_each_column([&](int column) { at.set_gradient(column, 0.0f); });
    }
    keep_row(p, at.row, valid ? one_nan(weight * loss) : 0.0f, valid, exists && at.lane == 0, totals);
    if (kWhole && p.gradient.data != nullptr) {
      __syncthreads();
      write_tile<kThreads, false, 1>(tiles, slots.shape, p.gradient, first, count);
    }
  }
  finish_loss<1, kThreads>(p, totals);
}

// Launches `whole` with as few lanes a row as leave them at most sixteen columns (a warp or a block: 32) and find room
// for the block's rows in the shared memory of every device, and `wide` with a block a row where none do. Bits follow
// from the number of classes and matrices alone. `count` slots, and `own` bytes a row behind them.
using GeneralKernel = void (*)(RowParams, Teachers, RowSlots);
inline void launch_rows(const char* name, GeneralKernel whole, GeneralKernel wide, const GeneralParams& g, int matrices,
                        int count, std::int64_t own, CUstream_st* stream) {
  constexpr std::int64_t kMostBytes = 62 << 10;
  const LossParams& p = g.loss;
  const RowParams params{p, g.divergence, g.top_k, g.teacher_count, g.standardise};
  Teachers teachers;
  std::copy_n(g.teachers, kMaxTeachers, teachers.all);
  if (p.targets.soft != nullptr) ++count;
  const auto go = [&](GeneralKernel kernel, int threads, int lanes, const TileShape& shape) {
    const int at_once = threads / lanes;
    const auto turns = static_cast<std::uint32_t>((p.rows + at_once - 1) / at_once);
    const RowSlots slots{shape, lanes, at_once * shape.stride, matrices, count, turns};
    const std::int64_t bytes = std::int64_t{4} * count * slots.slot_size + at_once * own;
    allow_shared_memory(name, kernel, bytes);
    const unsigned blocks = p.rows > 0 ? grid_for(p.rows, at_once, kMaxLossBlocks) : 1;
    launch(name, kernel, blocks, threads, static_cast<std::size_t>(bytes), stream, params, teachers, slots);
  };
  for (const int lanes : {1, 2, 4, 8, 16, 32, kRowThreads}) {
    const std::int64_t columns = (p.classes + lanes - 1) / lanes;
    // Rows that share a warp begin in different banks.
    const std::int64_t stride = lanes < 32 ? (columns | 1) * lanes : (p.classes + 3) / 4 * 4;
    const std::int64_t bytes = kRowThreads / lanes * (4 * count * stride + own);
    if (columns <= (lanes < 32 ? 16 : 32) && bytes <= kMostBytes) {
      return go(whole, kRowThreads, lanes, shape_of(p.classes, stride));
    }
  }
  const std::int64_t kept = std::min(p.classes, (shared_memory_limit() - own) / (4 * count) / 4 * 4);
  go(wide, kWideThreads, kWideThreads, shape_of(kept, (kept + 3) / 4 * 4));
}

// The losses against a compact cache, once valid rows are counted.
void launch_top_k_rows(const GeneralParams& params, CUstream_st* stream);

}  // namespace leaven::cuda
