#pragma once

#include <cuda_runtime.h>

#include <cstdint>

// The tiled matrix product behind convolution and linear layers: sum[m][n] += a[m][k] b[k][n] for one tile of m and n.
// Operands are objects that say where an element lies (patches of an image, weights, a plain matrix); the product
// stages kK slices of both in shared memory, two buffers deep, and keeps a kThreadM x kThreadN tile per thread in
// registers. FMAs are explicit; each element's sum runs in the order of k.
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
  static_assert(kThreadM % 4 == 0 && kThreadN % 4 == 0 && kSliceThreads % 32 == 0 && kThreadsM % kWarpM == 0);

  // The first of a thread's rows (columns); the i-th lies at offset(i): strips of four, one float4 each.
  __device__ static int first_row(int thread) {
    return 4 * (thread % kWarpM + kWarpM * (thread / 32 % (kThreadsM / kWarpM)));
  }
  __device__ static int first_column(int thread) {
    return 4 * (thread % 32 / kWarpM + 32 / kWarpM * (thread / 32 / (kThreadsM / kWarpM)));
  }
  __device__ static constexpr int row_offset(int i) { return i / 4 * (kM * 4 / kThreadM) + i % 4; }
  __device__ static constexpr int column_offset(int j) { return j / 4 * (kN * 4 / kThreadN) + j % 4; }
};

// One operand on its way to shared memory, as [k][kSize]: kWidth neighbours per access. Four floats of padding keep the
// stores of an operand that is contiguous along k (a transposition) free of bank conflicts.
template <class T, int kSize, Contiguous kContiguous, int kWidth>
struct Stage {
  static constexpr bool kAlongK = kContiguous == Contiguous::along_k;
  static constexpr int kPitch = kSize + (kAlongK ? 4 : 0);
  static constexpr int kFloats = T::kK * kPitch;
  static constexpr int kLanes = (kAlongK ? T::kK : kSize) / kWidth;  // threads side by side
  static constexpr int kLines = kAlongK ? kSize : T::kK;
  static constexpr int kStep = T::kSliceThreads / kLanes;
  static constexpr int kPasses = (kLines + kStep - 1) / kStep;
  static_assert(T::kSliceThreads % kLanes == 0);

  // operand.across(i) and operand.along(k) place an index; operand.fetch(across, along, values) reads kWidth
  // neighbours, zeros outside.
  template <class Operand>
  __device__ void load(const Operand& operand, int thread, int k) {
    const int lane = thread % kLanes * kWidth;
    const int first = thread / kLanes;
    if constexpr (kAlongK) {
      const auto along = operand.along(k + lane);
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        const int line = first + pass * kStep;
        if (kLines % kStep == 0 || line < kLines) operand.fetch(operand.across(line), along, values_[pass]);
      }
    } else {
      const auto across = operand.across(lane);
#pragma unroll
      for (int pass = 0; pass < kPasses; ++pass) {
        const int line = first + pass * kStep;
        if (kLines % kStep == 0 || line < kLines) operand.fetch(across, operand.along(k + line), values_[pass]);
      }
    }
  }

  __device__ void store(float* shared, int thread) const {
    const int lane = thread % kLanes * kWidth;
    const int first = thread / kLanes;
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const int line = first + pass * kStep;
      if (kLines % kStep != 0 && line >= kLines) continue;
      if constexpr (kAlongK) {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) shared[(lane + i) * kPitch + line] = values_[pass][i];
      } else if constexpr (kWidth == 4) {
        *reinterpret_cast<float4*>(shared + line * kPitch + lane) =
            make_float4(values_[pass][0], values_[pass][1], values_[pass][2], values_[pass][3]);
      } else {
        shared[line * kPitch + lane] = values_[pass][0];
      }
    }
  }

 private:
  float values_[kPasses][kWidth];
};

// kWidth floats at `address`, or zeros.
template <int kWidth>
__device__ void fetch_or_zero(bool valid, const float* address, float (&values)[kWidth]) {
  if constexpr (kWidth == 4) {
    const float4 all = valid ? __ldg(reinterpret_cast<const float4*>(address)) : float4{};
    values[0] = all.x, values[1] = all.y, values[2] = all.z, values[3] = all.w;
  } else {
    values[0] = valid ? __ldg(address) : 0.0f;
  }
}

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

// The product itself, by all threads of the block. StageA and StageB are Stage<...>.
template <class T, class StageA, class StageB>
struct TileProduct {
  static constexpr int kBuffer = StageA::kFloats + StageB::kFloats;
  static constexpr int kReduction = (T::kSlices - 1) * T::kM * T::kN;
  static constexpr int kSliceFloats = 2 * kBuffer;
  static constexpr int kSharedFloats = kSliceFloats * T::kSlices > kReduction ? kSliceFloats* T::kSlices : kReduction;

  __device__ static void step(const float* buffer, int row, int column, TileSum<T>& sum) {
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

  template <class OperandA, class OperandB>
  __device__ static void run(const OperandA& a, const OperandB& b, int depth, float* shared, TileSum<T>& sum) {
    const int slice = static_cast<int>(threadIdx.x) / T::kSliceThreads;
    const int thread = static_cast<int>(threadIdx.x) % T::kSliceThreads;
    const int row = T::first_row(thread), column = T::first_column(thread);
    float* buffers = shared + slice * kSliceFloats;
    StageA stage_a;
    StageB stage_b;
    if (depth > 0) {
      stage_a.load(a, thread, slice * T::kK);
      stage_b.load(b, thread, slice * T::kK);
      stage_a.store(buffers, thread);
      stage_b.store(buffers + StageA::kFloats, thread);
    }
    __syncthreads();
    int current = 0;
    for (int k = 0; k < depth; k += T::kK * T::kSlices) {
      const bool more = k + T::kK * T::kSlices < depth;
      if (more) {
        stage_a.load(a, thread, k + (T::kSlices + slice) * T::kK);
        stage_b.load(b, thread, k + (T::kSlices + slice) * T::kK);
      }
      step(buffers + current, row, column, sum);
      current = kBuffer - current;
      if (more) {
        stage_a.store(buffers + current, thread);
        stage_b.store(buffers + current + StageA::kFloats, thread);
      }
      __syncthreads();
    }
    if constexpr (T::kSlices > 1) add_slices(shared, slice, row, column, sum);
  }

  // Adds the sums of slices 1, 2, ... to those of slice 0, whose threads then hold the result.
  __device__ static void add_slices(float* shared, int slice, int row, int column, TileSum<T>& sum) {
    const int own = row * T::kN + column;
    if (slice > 0) {
#pragma unroll
      for (int i = 0; i < T::kThreadM; ++i)
#pragma unroll
        for (int j = 0; j < T::kThreadN; ++j) {
          const int element = own + T::row_offset(i) * T::kN + T::column_offset(j);
          shared[(slice - 1) * T::kM * T::kN + element] = sum[i][j];
        }
    }
    __syncthreads();
    if (slice > 0) return;
#pragma unroll
    for (int i = 0; i < T::kThreadM; ++i)
#pragma unroll
      for (int j = 0; j < T::kThreadN; ++j) {
        const int element = own + T::row_offset(i) * T::kN + T::column_offset(j);
#pragma unroll
        for (int other = 0; other < T::kSlices - 1; ++other) sum[i][j] += shared[other * T::kM * T::kN + element];
      }
  }
};

// Where a tile of sums goes: `columns` of them per row, plus a bias per column (or null).
struct TileOutput {
  float* data;
  const float* bias;
  int columns;
  bool by_four;  // each row begins at a multiple of 16 bytes, and columns % 4 == 0
};

// By the threads of slice 0; rows[i] is where row i of the tile begins, negative where there is none.
template <class T>
__device__ void store_tile(const TileOutput& out, const std::int64_t* rows, int first_column, const TileSum<T>& sum) {
  if (threadIdx.x >= T::kSliceThreads) return;
  const int row = T::first_row(static_cast<int>(threadIdx.x));
  const int first = first_column + T::first_column(static_cast<int>(threadIdx.x));
#pragma unroll
  for (int j = 0; j < T::kThreadN; j += 4) {
    const int column = first + T::column_offset(j);
    float bias[4];
#pragma unroll
    for (int c = 0; c < 4; ++c) bias[c] = out.bias != nullptr && column + c < out.columns ? out.bias[column + c] : 0.0f;
#pragma unroll
    for (int i = 0; i < T::kThreadM; ++i) {
      const std::int64_t offset = rows[row + T::row_offset(i)];
      if (offset < 0) continue;
      float* to = out.data + offset + column;
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
