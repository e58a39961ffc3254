#pragma once

#include <cuda_runtime.h>

#include <cstdint>

// The tiled matrix product behind convolution and linear layers: sum[m][n] += a[m][k] b[k][n] for one tile of m and n.
// Operands are objects that say where an element lies (patches of an image, weights, a plain matrix); the product
// stages kK slices of both in shared memory, two buffers deep, and keeps a kThreadM x kThreadN tile per thread in
// registers. What an index k means (which tap, which pixel) costs divisions: it is worked out once per block, ahead of
// use, into a ring of entries in shared memory. FMAs are explicit; each element's sum runs in the order of k.
namespace leaven::nn {

// Along which index neighbours in memory lie: k (patches, weights in forward), or the operand's other one.
enum class Contiguous { along_k, across_k };

// kSlices groups of threads take every kSlices-th step of k and are added at the end, slice by slice: for few outputs
// with long sums.
template <int kTileM, int kTileN, int kTileThreadM, int kTileThreadN, int kTileSlices = 1>
struct Tile {
  static constexpr int kM = kTileM, kN = kTileN, kK = 8, kSlices = kTileSlices;
  static constexpr int kThreadM = kTileThreadM, kThreadN = kTileThreadN;
  static constexpr int kThreadsM = kM / kThreadM, kThreadsN = kN / kThreadN;
  static constexpr int kSliceThreads = kThreadsM * kThreadsN, kThreads = kSliceThreads * kSlices;
  static constexpr int kWarpM = kThreadsM < 8 ? kThreadsM : 8;  // a warp is kWarpM x (32 / kWarpM) threads
  static constexpr int kStep = kK * kSlices;                    // of k, per round
  static constexpr int kEntries = kStep > 32 ? kStep : 32;      // of k that are worked out at once
  static_assert(kThreadM % 4 == 0 && kThreadN % 4 == 0 && kThreads % 32 == 0 && kThreadsM % kWarpM == 0);
  static_assert(kEntries <= kThreads && (kEntries & (kEntries - 1)) == 0);

  // The first of a thread's rows (columns); the i-th lies at offset(i): strips of four, one float4 each.
  __device__ static unsigned first_row(unsigned thread) {
    return 4 * (thread % kWarpM + kWarpM * (thread / 32 % (kThreadsM / kWarpM)));
  }
  __device__ static unsigned first_column(unsigned thread) {
    return 4 * (thread % 32 / kWarpM + 32 / kWarpM * (thread / 32 / (kThreadsM / kWarpM)));
  }
  __device__ static constexpr int row_offset(int i) { return i / 4 * (kM * 4 / kThreadM) + i % 4; }
  __device__ static constexpr int column_offset(int j) { return j / 4 * (kN * 4 / kThreadN) + j % 4; }
};

// Where an operand's neighbours lie, relative to its data, or that there are none: zeros are taken.
struct Place {
  int offset;
  bool exists;
};

// 16 bytes of shared memory in one access.
template <class Value>
__device__ Value read_16_bytes(const Value* address) {
  static_assert(sizeof(Value) == 16 && alignof(Value) == 16);
  const int4 raw = *reinterpret_cast<const int4*>(address);
  Value value;
  memcpy(&value, &raw, sizeof value);
  return value;
}

template <class Value>
__device__ void write_16_bytes(Value* address, const Value& value) {
  static_assert(sizeof(Value) == 16 && alignof(Value) == 16);
  int4 raw;
  memcpy(&raw, &value, sizeof raw);
  *reinterpret_cast<int4*>(address) = raw;
}

// One operand on its way to shared memory, as [k][kSize]: kWidth neighbours per access. Four floats of padding keep the
// stores of an operand that is contiguous along k (a transposition) free of bank conflicts.
//
// An operand has data, across(i), which prepares an index other than k, and place(across, k, entry).
template <class T, class Operand, int kSize, int kWidth>
struct Stage {
  static constexpr bool kAlongK = Operand::kContiguous == Contiguous::along_k;
  static constexpr int kPitch = kSize + (kAlongK ? 4 : 0);
  static constexpr int kFloats = T::kK * kPitch;
  static constexpr int kLanes = (kAlongK ? T::kK : kSize) / kWidth;  // threads side by side
  static constexpr int kLines = kAlongK ? kSize : T::kK;
  static constexpr int kStep = T::kSliceThreads / kLanes;
  static constexpr int kPasses = (kLines + kStep - 1) / kStep;
  static_assert(T::kSliceThreads % kLanes == 0);

  __device__ Stage(const Operand& operand, unsigned thread)
      : operand_(operand),
        lane_(thread % kLanes * kWidth),
        first_(thread / kLanes),
        across_(kAlongK ? decltype(across_){} : operand.across(lane_)) {}

  template <class Entry>
  __device__ void load(const Entry* entries, unsigned k) {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const unsigned line = first_ + pass * kStep;
      if (kLines % kStep != 0 && line >= kLines) continue;
      const unsigned own_k = k + (kAlongK ? lane_ : line);
      const Entry entry = read_16_bytes(entries + own_k % (2 * T::kEntries));
      fetch(operand_.data, operand_.place(kAlongK ? operand_.across(line) : across_, own_k, entry), values_[pass]);
    }
  }

  __device__ void store(float* shared) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const unsigned line = first_ + pass * kStep;
      if (kLines % kStep != 0 && line >= kLines) continue;
      if constexpr (kAlongK) {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) shared[(lane_ + i) * kPitch + line] = values_[pass][i];
      } else if constexpr (kWidth == 4) {
        *reinterpret_cast<float4*>(shared + line * kPitch + lane_) =
            make_float4(values_[pass][0], values_[pass][1], values_[pass][2], values_[pass][3]);
      } else {
        shared[line * kPitch + lane_] = values_[pass][0];
      }
    }
  }

 private:
  __device__ static void fetch(const float* data, const Place& place, float (&values)[kWidth]) {
    if constexpr (kWidth == 4) {
      const float4 all = place.exists ? *reinterpret_cast<const float4*>(data + place.offset) : float4{};
      values[0] = all.x, values[1] = all.y, values[2] = all.z, values[3] = all.w;
    } else {
      values[0] = place.exists ? data[place.offset] : 0.0f;
    }
  }

  const Operand operand_;
  const unsigned lane_, first_;
  const decltype(operand_.across(0u)) across_;
  float values_[kPasses][kWidth];
};

// Strips of four, `stride` floats apart.
template <int kSize>
__device__ void read_strips(const float* shared, int stride, float (&values)[kSize]) {
#pragma unroll
  for (int i = 0; i < kSize; i += 4) {
    const float4 strip = *reinterpret_cast<const float4*>(shared + i / 4 * stride);
    values[i] = strip.x, values[i + 1] = strip.y, values[i + 2] = strip.z, values[i + 3] = strip.w;
  }
}

template <class T>
using TileSum = float[T::kThreadM][T::kThreadN];

// The product itself, by all threads of the block.
template <class T, class OperandA, class OperandB, int kWidth>
struct TileProduct {
  using StageA = Stage<T, OperandA, T::kM, kWidth>;
  using StageB = Stage<T, OperandB, T::kN, kWidth>;
  static constexpr int kBuffer = StageA::kFloats + StageB::kFloats;
  static constexpr int kReduction = (T::kSlices - 1) * T::kM * T::kN;
  // Where two slices share a warp, eight floats of padding send their stores to different banks.
  static constexpr int kSliceFloats = 2 * kBuffer + (T::kSliceThreads < 32 ? 8 : 0);
  static constexpr int kSharedFloats = kSliceFloats * T::kSlices > kReduction ? kSliceFloats* T::kSlices : kReduction;

  __device__ static void step(const float* buffer, unsigned row, unsigned column, TileSum<T>& sum) {
#pragma unroll
    for (int k = 0; k < T::kK; ++k) {
      float a[T::kThreadM], b[T::kThreadN];
      read_strips(buffer + k * StageA::kPitch + row, T::row_offset(4), a);
      read_strips(buffer + StageA::kFloats + k * StageB::kPitch + column, T::column_offset(4), b);
#pragma unroll
      for (int i = 0; i < T::kThreadM; ++i)
#pragma unroll
        for (int j = 0; j < T::kThreadN; ++j) sum[i][j] = fmaf(a[i], b[j], sum[i][j]);
    }
  }

  // source.entry(k) works out index k. `entries`: 2 T::kEntries of them, in shared memory.
  template <class Source, class Entry>
  __device__ static void fill(const Source& source, Entry* entries, unsigned k) {
    if (threadIdx.x >= T::kEntries) return;
    k += threadIdx.x;
    write_16_bytes(entries + k % (2 * T::kEntries), source.entry(static_cast<int>(k)));
  }

  template <class Source, class Entry>
  __device__ static void run(const OperandA& a, const OperandB& b, const Source& source, unsigned depth, Entry* entries,
                             float* shared, TileSum<T>& sum) {
    const unsigned slice = T::kSlices > 1 ? threadIdx.x / T::kSliceThreads : 0;
    const unsigned thread = T::kSlices > 1 ? threadIdx.x % T::kSliceThreads : threadIdx.x;
    const unsigned row = T::first_row(thread), column = T::first_column(thread);
    float* buffers = shared + slice * kSliceFloats;
    StageA stage_a(a, thread);
    StageB stage_b(b, thread);
    fill(source, entries, 0);
    fill(source, entries, T::kEntries);
    __syncthreads();
    stage_a.load(entries, slice * T::kK);
    stage_b.load(entries, slice * T::kK);
    stage_a.store(buffers);
    stage_b.store(buffers + StageA::kFloats);
    __syncthreads();
    int current = 0;
    for (unsigned k = 0; k < depth; k += T::kStep) {
      const unsigned next = k + T::kStep;
      if (next < depth) {
        stage_a.load(entries, next + slice * T::kK);
        stage_b.load(entries, next + slice * T::kK);
        // The entries before `next` were read in earlier rounds: their place is free.
        if (next % T::kEntries == 0) fill(source, entries, next + T::kEntries);
      }
      step(buffers + current, row, column, sum);
      current = kBuffer - current;
      if (next < depth) {
        stage_a.store(buffers + current);
        stage_b.store(buffers + current + StageA::kFloats);
      }
      __syncthreads();
    }
    if constexpr (T::kSlices > 1) add_slices(shared, slice, thread, sum);
  }

  // Adds the sums of slices 1, 2, ... to those of slice 0, whose threads then hold the result. Threads of the same
  // place in their slices hold the same elements.
  __device__ static void add_slices(float* shared, unsigned slice, unsigned thread, TileSum<T>& sum) {
    constexpr int kElements = T::kThreadM * T::kThreadN, kPitch = (T::kSlices - 1) * T::kSliceThreads;
    if (slice > 0) {
      float* to = shared + (slice - 1) * T::kSliceThreads + thread;
#pragma unroll
      for (int e = 0; e < kElements; ++e) to[e * kPitch] = sum[e / T::kThreadN][e % T::kThreadN];
    }
    __syncthreads();
    if (slice > 0) return;
#pragma unroll
    for (int e = 0; e < kElements; ++e)
#pragma unroll
      for (int other = 0; other < T::kSlices - 1; ++other)
        sum[e / T::kThreadN][e % T::kThreadN] += shared[e * kPitch + other * T::kSliceThreads + thread];
  }
};

// Where a tile of sums goes: `columns` of them per row, plus a bias per column (or null).
struct TileOutput {
  float* data;
  const float* bias;
  int columns;
  bool by_four;  // each row begins at a multiple of 16 bytes, and columns % 4 == 0
};

// By the threads of slice 0; rows[i] is where row i of the tile begins, from `data` on; negative where there is none.
template <class T>
__device__ void store_tile(const TileOutput& out, float* data, const int* rows, int first_column,
                           const TileSum<T>& sum) {
  if (threadIdx.x >= T::kSliceThreads) return;
  const unsigned row = T::first_row(threadIdx.x);
  const int first = first_column + static_cast<int>(T::first_column(threadIdx.x));
#pragma unroll
  for (int j = 0; j < T::kThreadN; j += 4) {
    const int column = first + T::column_offset(j);
    float bias[4];
#pragma unroll
    for (int c = 0; c < 4; ++c) bias[c] = out.bias != nullptr && column + c < out.columns ? out.bias[column + c] : 0.0f;
#pragma unroll
    for (int i = 0; i < T::kThreadM; ++i) {
      const int offset = rows[row + T::row_offset(i)];
      if (offset < 0) continue;
      float* to = data + (offset + column);
      if (out.by_four && column < out.columns) {
        *reinterpret_cast<float4*>(to) =
            make_float4(sum[i][j] + bias[0], sum[i][j + 1] + bias[1], sum[i][j + 2] + bias[2], sum[i][j + 3] + bias[3]);
      } else {
#pragma unroll
        for (int c = 0; c < 4; ++c)
          if (column + c < out.columns) to[c] = sum[i][j + c] + bias[c];
      }
    }
  }
}

}  // namespace leaven::nn
