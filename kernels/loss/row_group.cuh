#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/loss/row_loss.hpp"
#include "kernels/loss/typed_rows.hpp"

// Rows of logits on the device: a group of kGroup lanes (a power of two up to a warp, or a whole block) works on one
// row. Lane l has the columns (v * kGroup + l) * 4 + 0 .. 3 for v = 0, 1, ...: the order of a row's sums depends on the
// number of classes alone, and on the aligned path each access moves 16 bytes.
namespace leaven::cuda {

inline constexpr int kBlockThreads = 256;
inline constexpr int kMaxWarps = 16;  // of a block
inline constexpr unsigned kAllLanes = 0xffffffffu;

struct Four {
  float v[4];
};

// Where a matrix allows accesses to four columns at once, in every row.
LEAVEN_HD bool is_aligned(const void* data, std::int64_t row_stride, FloatType type = FloatType::f32) {
  return reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(4 * size_of(type)) == 0 &&
         row_stride % 4 == 0;
}
LEAVEN_HD bool is_aligned(const InputRows& m) { return is_aligned(m.data, m.stride, m.type); }
LEAVEN_HD bool is_aligned(const OutputRows& m) { return is_aligned(m.data, m.stride, m.type); }

// Columns column .. column + 3 of a row; `padding` behind its end.
__device__ inline Four load4(const float* row, std::int64_t column, std::int64_t classes, bool aligned, float padding) {
  Four x;
  if (aligned && column + 4 <= classes) {
    const float4 all = *reinterpret_cast<const float4*>(row + column);
    x = {{all.x, all.y, all.z, all.w}};
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) x.v[j] = column + j < classes ? row[column + j] : padding;
  }
  return x;
}
__device__ inline void store4(float* row, std::int64_t column, std::int64_t classes, bool aligned, const Four& x) {
  if (aligned && column + 4 <= classes) {
    *reinterpret_cast<float4*>(row + column) = make_float4(x.v[0], x.v[1], x.v[2], x.v[3]);
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (column + j < classes) row[column + j] = x.v[j];
    }
  }
}

// The same for rows of any type.
__device__ inline Four load4(const InputRows& m, std::int64_t row, std::int64_t column, std::int64_t classes,
                             bool aligned, float padding) {
  if (m.type == FloatType::f32) {
    return load4(static_cast<const float*>(m.data) + row * m.stride, column, classes, aligned, padding);
  }
  const std::uint16_t* from = static_cast<const std::uint16_t*>(m.data) + row * m.stride + column;
  std::uint16_t bits[4] = {0, 0, 0, 0};
  if (aligned && column + 4 <= classes) {
    const ushort4 all = *reinterpret_cast<const ushort4*>(from);
    bits[0] = all.x;
    bits[1] = all.y;
    bits[2] = all.z;
    bits[3] = all.w;
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (column + j < classes) bits[j] = from[j];
    }
  }
  Four x;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const float value = m.type == FloatType::f16 ? float_of_f16(bits[j]) : float_of_bf16(bits[j]);
    x.v[j] = column + j < classes ? value : padding;
  }
  return x;
}
__device__ inline void store4(const OutputRows& m, std::int64_t row, std::int64_t column, std::int64_t classes,
                              bool aligned, const Four& x) {
  if (m.type == FloatType::f32) {
    return store4(static_cast<float*>(m.data) + row * m.stride, column, classes, aligned, x);
  }
  std::uint16_t* to = static_cast<std::uint16_t*>(m.data) + row * m.stride + column;
  std::uint16_t bits[4];
#pragma unroll
  for (int j = 0; j < 4; ++j) bits[j] = output_value<std::uint16_t>(x.v[j], m.type);
  if (aligned && column + 4 <= classes) {
    *reinterpret_cast<ushort4*>(to) = make_ushort4(bits[0], bits[1], bits[2], bits[3]);
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (column + j < classes) to[j] = bits[j];
    }
  }
}

__device__ inline float xor_lane(float value, int offset) { return __shfl_xor_sync(kAllLanes, value, offset); }
__device__ inline int xor_lane(int value, int offset) { return __shfl_xor_sync(kAllLanes, value, offset); }
__device__ inline RowMax xor_lane(const RowMax& m, int offset) {
  return {xor_lane(m.student, offset), xor_lane(m.teacher, offset), xor_lane(m.student_at_teacher, offset)};
}

struct Add {
  __device__ float operator()(float x, float y) const { return x + y; }
  __device__ int operator()(int x, int y) const { return x + y; }
};
struct Larger {
  __device__ float operator()(float x, float y) const { return larger(x, y); }
};
struct Merge {
  __device__ RowMax operator()(const RowMax& x, const RowMax& y) const { return merge(x, y); }
};

// Shared memory for groups of several warps.
template <class T>
__device__ T* warp_results() {
  __shared__ T results[kMaxWarps];
  return results;
}

// The combination of what the warps of a group have, each the same in all of its lanes. All threads of the block call.
template <int kGroup, class T, class Combine>
__device__ T combine_warps(T value, Combine combine) {
  static_assert(kGroup > 32 && kGroup <= 32 * kMaxWarps);
  T* const results = warp_results<T>();
  const int first = static_cast<int>(threadIdx.x) / kGroup * (kGroup / 32);
  __syncthreads();  // the results of the call before have been read
  if (threadIdx.x % 32 == 0) results[threadIdx.x / 32] = value;
  __syncthreads();
  value = results[first];
#pragma unroll
  for (int warp = 1; warp < kGroup / 32; ++warp) value = combine(value, results[first + warp]);
  return value;
}

// Every lane of a group gets the combination of the group's values, in a fixed order. All threads of the block call.
template <int kGroup, class T, class Combine>
__device__ T group_reduce(T value, Combine combine) {
  constexpr int kWidth = kGroup < 32 ? kGroup : 32;
#pragma unroll
  for (int offset = kWidth / 2; offset > 0; offset /= 2) value = combine(value, xor_lane(value, offset));
  if constexpr (kGroup > 32) value = combine_warps<kGroup>(value, combine);
  return value;
}
template <int kGroup>
__device__ float group_sum(float value) {
  return group_reduce<kGroup>(value, Add{});
}

// The same for several values at once: their shuffles overlap, and one barrier serves all. Two calls with the same
// kSlot must have another barrier between them.
template <int kGroup, int kSlot, int kCount, class Combine>
__device__ void group_reduce_all(float (&values)[kCount], Combine combine) {
  constexpr int kWidth = kGroup < 32 ? kGroup : 32;
#pragma unroll
  for (int offset = kWidth / 2; offset > 0; offset /= 2) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) values[i] = combine(values[i], xor_lane(values[i], offset));
  }
  if constexpr (kGroup > 32) {
    __shared__ float results[kMaxWarps][kCount];
    const int first = static_cast<int>(threadIdx.x) / kGroup * (kGroup / 32);
    if (threadIdx.x % 32 == 0) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) results[threadIdx.x / 32][i] = values[i];
    }
    __syncthreads();
    const float* const of_warp = results[first + static_cast<int>(threadIdx.x) % (kGroup / 32)];
#pragma unroll
    for (int i = 0; i < kCount; ++i) values[i] = of_warp[i];
#pragma unroll
    for (int offset = kGroup / 64; offset > 0; offset /= 2) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) values[i] = combine(values[i], xor_lane(values[i], offset));
    }
  }
}
// Whether all lanes of a group (of one warp) say so. All lanes of the warp call.
template <int kGroup>
__device__ bool all_of_group(bool yes) {
  static_assert(kGroup <= 32);
  if constexpr (kGroup == 1) return yes;
  constexpr unsigned kLanes = kGroup == 32 ? kAllLanes : (1u << kGroup % 32) - 1u;
  const unsigned votes = __ballot_sync(kAllLanes, yes);
  return ((votes >> (threadIdx.x % 32 / kGroup * kGroup)) & kLanes) == kLanes;
}

struct Largest {
  __device__ float operator()(float x, float y) const { return fmaxf(x, y); }  // NaN counts for nothing
};

template <int kGroup>
__device__ void group_barrier() {
  if constexpr (kGroup > 32) {
    __syncthreads();
  } else {
    __syncwarp();
  }
}

}  // namespace leaven::cuda
