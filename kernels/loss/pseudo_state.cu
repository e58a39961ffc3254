#include "kernels/core/launch.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/pseudo_launchers.hpp"
#include "kernels/loss/row_group.cuh"

namespace leaven::cuda {
namespace {

// For group_reduce.
struct LaneStats {
  BatchStats all;
};
__device__ LaneStats xor_lane(const LaneStats& x, int offset) {
  return {{__shfl_xor_sync(kAllLanes, x.all.sum, offset), __shfl_xor_sync(kAllLanes, x.all.squares, offset),
           __shfl_xor_sync(kAllLanes, static_cast<long long>(x.all.rows), offset)}};
}
struct MergeStats {
  __device__ LaneStats operator()(const LaneStats& x, const LaneStats& y) const { return {merge(x.all, y.all)}; }
};
template <int kGroup>
__device__ BatchStats group_stats(const BatchStats& stats) {
  return group_reduce<kGroup>(LaneStats{stats}, MergeStats{}).all;
}
__global__ void __launch_bounds__(kBlockThreads)
    init_state_kernel(std::int64_t classes, float each_class, float first, float second, float* state) {
  const std::int64_t thread = std::int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (thread == 0) {
    state[classes] = first;
    state[classes + 1] = second;
  }
  for (std::int64_t c = thread; c < classes; c += std::int64_t{gridDim.x} * kBlockThreads) state[c] = each_class;
}

__global__ void __launch_bounds__(kBlockThreads) clear_kernel(std::int32_t* counts, std::int64_t classes) {
  for (std::int64_t c = std::int64_t{blockIdx.x} * kBlockThreads + threadIdx.x; c < classes;
       c += std::int64_t{gridDim.x} * kBlockThreads) {
    counts[c] = 0;
  }
}

// what     adds 1 to the class of each accepted row
// who      a thread per row; integer atomics, so the order does not matter
// traffic  reads each label and flag once
// limits   none
__global__ void __launch_bounds__(kBlockThreads) count_accepted_kernel(const StateUpdate u) {
  for (std::int64_t row = std::int64_t{blockIdx.x} * kBlockThreads + threadIdx.x; row < u.rows;
       row += std::int64_t{gridDim.x} * kBlockThreads) {
    if (u.accepted[row] != 0) atomicAdd(&u.counts[u.labels[row]], 1);
  }
}

// The largest of the state's classes to state[classes]. One block.
__device__ void keep_largest(const StateUpdate& u) {
  float largest = 0;
  for (std::int64_t c = threadIdx.x; c < u.classes; c += kBlockThreads) largest = larger(largest, u.state[c]);
  largest = group_reduce<kBlockThreads>(largest, Larger{});
  if (threadIdx.x == 0) u.state[u.classes] = largest;
}

// what     the counts of a batch are added to FlexMatch's
// who      one block
// traffic  reads and writes each count once
// limits   slow for very many classes, which nobody has
__global__ void __launch_bounds__(kBlockThreads) add_counts_kernel(const StateUpdate u) {
  for (std::int64_t c = threadIdx.x; c < u.classes; c += kBlockThreads) {
    u.state[c] += static_cast<float>(u.counts[c]);
  }
  keep_largest(u);  // a thread reads what it wrote
}

// The rows of a piece that a block works on.
struct Piece {
  float max[kPieceRows];         // logit of the label
  float confidence[kPieceRows];  // 0: the row does not count
};

// The columns of one tile: a thread's share of its column's sum over the rows of a piece.
__device__ float sum_piece(const InputRows& weak, const Piece& piece, std::int64_t first, int rows, std::int64_t column,
                           int phase, int phases) {
  float sum = 0;
  for (int i = phase; i < rows; i += phases) {
    if (piece.confidence[i] == 0.0f) continue;
    const float gap = load_logit(weak, first + i, column) - piece.max[i];
    sum = mul_add(exp_over({gap, 0.0f}, Temperature{}), piece.confidence[i], sum);
  }
  return sum;
}

// what     sums of probabilities over the rows of a chunk, per class
// who      a block per chunk of rows and tile of `width` columns (a power of two up to 32); its threads take a column
//          and every (256 / width)-th row, their sums are added up in a fixed order
// traffic  reads each logit once; labels and confidences once per tile
// limits   none
__global__ void __launch_bounds__(kBlockThreads)
    sum_probabilities_kernel(const InputRows weak, const StateUpdate u, int width, std::int64_t tiles) {
  __shared__ Piece piece;
  __shared__ float sums[kBlockThreads];
  const int phases = kBlockThreads / width;
  const int phase = static_cast<int>(threadIdx.x) / width;
  for (std::int64_t item = blockIdx.x; item < u.chunks.count * tiles; item += gridDim.x) {
    const std::int64_t chunk = item / tiles;
    const std::int64_t column = item % tiles * width + threadIdx.x % width;
    const std::int64_t end = min((chunk + 1) * u.chunks.rows, u.rows);
    float sum = 0;
    for (std::int64_t first = chunk * u.chunks.rows; first < end; first += kPieceRows) {
      const int rows = static_cast<int>(min(end - first, kPieceRows));
      __syncthreads();  // the piece and the sums before have been read
      if (threadIdx.x < rows) {
        const std::int64_t row = first + threadIdx.x;
        piece.max[threadIdx.x] = load_logit(weak, row, u.labels[row]);
        piece.confidence[threadIdx.x] = u.confidence[row];
      }
      __syncthreads();
      if (column < u.classes) sum += sum_piece(weak, piece, first, rows, column, phase, phases);
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (phase != 0 || column >= u.classes) continue;
    for (int i = 1; i < phases; ++i) sum += sums[i * width + threadIdx.x];
    u.sums[chunk * u.classes + column] = sum;
  }
}

// what     sums over the confidences of each chunk
// who      a block per chunk
// traffic  reads each confidence once
// limits   none
__global__ void __launch_bounds__(kBlockThreads) sum_confidences_kernel(const StateUpdate u) {
  const std::int64_t end = min((blockIdx.x + std::int64_t{1}) * u.chunks.rows, u.rows);
  BatchStats stats;
  for (std::int64_t row = blockIdx.x * u.chunks.rows + threadIdx.x; row < end; row += kBlockThreads) {
    add_confidence(stats, u.confidence[row]);
  }
  stats = group_stats<kBlockThreads>(stats);
  if (threadIdx.x == 0) u.stats[blockIdx.x] = stats;
}

template <int kGroup>
__device__ BatchStats batch_stats(const StateUpdate& u) {
  BatchStats stats;
  for (std::int64_t i = threadIdx.x % kGroup; i < u.chunks.count; i += kGroup) stats = merge(stats, u.stats[i]);
  return group_stats<kGroup>(stats);
}

// what     p_c of FreeMatch takes in the batch's mean probability
// who      a warp per class; chunks in a fixed order
// traffic  reads the sums of each chunk once
// limits   none
__global__ void __launch_bounds__(kBlockThreads) average_classes_kernel(const StateUpdate u) {
  const BatchStats stats = batch_stats<32>(u);
  const int lane = threadIdx.x % 32;
  for (std::int64_t c = std::int64_t{blockIdx.x} * 8 + threadIdx.x / 32; c < u.classes;
       c += std::int64_t{gridDim.x} * 8) {
    double sum = 0;
    for (std::int64_t i = lane; i < u.chunks.count; i += 32) sum += double{u.sums[i * u.classes + c]};
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(kAllLanes, sum, offset);
    if (lane != 0 || stats.rows == 0) continue;
    u.state[c] = moving_average(u.state[c], sum / static_cast<double>(stats.rows), u.momentum);
  }
}

// what     the last two numbers of the state of FreeMatch or SoftMatch
// who      one block; chunks in a fixed order
// traffic  reads the chunks' sums, and with FreeMatch the state
// limits   none
__global__ void __launch_bounds__(kBlockThreads) finish_state_kernel(const StateUpdate u) {
  const BatchStats stats = batch_stats<kBlockThreads>(u);
  if (stats.rows == 0) return;
  if (u.kind == WeightingKind::free_match) keep_largest(u);
  if (threadIdx.x != 0) return;
  float* const tail = u.state + u.classes;
  if (u.kind == WeightingKind::free_match) {
    tail[1] = moving_average(tail[1], stats.sum / static_cast<double>(stats.rows), u.momentum);
  } else {
    update_soft_match(tail, stats, u.momentum);
  }
}

constexpr const char* kName = "update_pseudo_state";

unsigned blocks_for(std::int64_t items) { return grid_for(items, kBlockThreads, 4096); }

void sum_probabilities(const InputRows& weak, const StateUpdate& u, CUstream_st* stream) {
  int width = 1;
  while (width < 32 && width < u.classes) width *= 2;
  const std::int64_t tiles = (u.classes + width - 1) / width;
  launch(kName, sum_probabilities_kernel, grid_for(u.chunks.count * tiles, 1), kBlockThreads, 0, stream, weak, u, width,
         tiles);
  launch(kName, average_classes_kernel, grid_for(u.classes, 8, 4096), kBlockThreads, 0, stream, u);
}

}  // namespace

void init_pseudo_state(WeightingKind kind, std::int64_t classes, float* state, CUstream_st* stream) {
  const InitialState initial = initial_state(kind, classes);
  launch("init_pseudo_state", init_state_kernel, blocks_for(classes), kBlockThreads, 0, stream, classes,
         initial.each_class, initial.first, initial.second, state);
}

void update_pseudo_state(const InputRows& weak, const StateUpdate& u, CUstream_st* stream) {
  pseudo_label(weak, u.rows, u.classes, u.threshold, u.labels, u.confidence, u.accepted, stream);
  if (u.kind == WeightingKind::flex_match) {
    launch(kName, clear_kernel, blocks_for(u.classes), kBlockThreads, 0, stream, u.counts, u.classes);
    launch(kName, count_accepted_kernel, blocks_for(u.rows), kBlockThreads, 0, stream, u);
    launch(kName, add_counts_kernel, 1u, kBlockThreads, 0, stream, u);
    return;
  }
  launch(kName, sum_confidences_kernel, static_cast<unsigned>(u.chunks.count), kBlockThreads, 0, stream, u);
  if (u.kind == WeightingKind::free_match) sum_probabilities(weak, u, stream);
  launch(kName, finish_state_kernel, 1u, kBlockThreads, 0, stream, u);
}

}  // namespace leaven::cuda
