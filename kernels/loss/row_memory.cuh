#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/loss/row_group.cuh"

// One row of a matrix of any type, in global memory or in a block's tile of shared memory, and accesses to one or four
// of its columns.
namespace leaven::cuda {

// How the columns of a matrix are reached.
enum class Access : std::int32_t {
  vectors,  // four at a time, from global memory
  tile,     // rows side by side but not aligned: through shared memory, 16 bytes at a time
  single,   // one at a time
};

struct RowRef {
  const void* data;  // column 0
  FloatType type;
  bool vectors;
};
struct MutableRowRef {
  void* data;
  FloatType type;
  bool vectors;
};

__device__ inline float read_one(const float* from) { return *from; }
__device__ inline float read_one(const BFloat16* from) {
  return __uint_as_float(static_cast<std::uint32_t>(from->bits) << 16);
}
__device__ inline float read_one(const Float16* from) { return __half2float(__ushort_as_half(from->bits)); }

__device__ inline Four read_four(const float* from) {
  const float4 x = *reinterpret_cast<const float4*>(from);
  return {{x.x, x.y, x.z, x.w}};
}
__device__ inline Four read_four(const BFloat16* from) {
  const uint2 x = *reinterpret_cast<const uint2*>(from);
  return {{__uint_as_float(x.x << 16), __uint_as_float(x.x & 0xffff0000u), __uint_as_float(x.y << 16),
           __uint_as_float(x.y & 0xffff0000u)}};
}
__device__ inline Four read_four(const Float16* from) {
  const uint2 x = *reinterpret_cast<const uint2*>(from);
  const float2 a = __half22float2(*reinterpret_cast<const __half2*>(&x.x));
  const float2 b = __half22float2(*reinterpret_cast<const __half2*>(&x.y));
  return {{a.x, a.y, b.x, b.y}};
}

__device__ inline void write_one(float* to, float value) { *to = value; }
__device__ inline void write_one(BFloat16* to, float value) {
  to->bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
}
__device__ inline void write_one(Float16* to, float value) { to->bits = __half_as_ushort(__float2half_rn(value)); }

__device__ inline void write_four(float* to, const Four& x) {
  *reinterpret_cast<float4*>(to) = make_float4(x.v[0], x.v[1], x.v[2], x.v[3]);
}
__device__ inline void write_four(BFloat16* to, const Four& x) {
  const __nv_bfloat162 a = __floats2bfloat162_rn(x.v[0], x.v[1]);
  const __nv_bfloat162 b = __floats2bfloat162_rn(x.v[2], x.v[3]);
  *reinterpret_cast<uint2*>(to) =
      make_uint2(*reinterpret_cast<const unsigned*>(&a), *reinterpret_cast<const unsigned*>(&b));
}
__device__ inline void write_four(Float16* to, const Four& x) {
  const __half2 a = __floats2half2_rn(x.v[0], x.v[1]);
  const __half2 b = __floats2half2_rn(x.v[2], x.v[3]);
  *reinterpret_cast<uint2*>(to) =
      make_uint2(*reinterpret_cast<const unsigned*>(&a), *reinterpret_cast<const unsigned*>(&b));
}

// body(pointer to the row's elements)
template <class Body>
__device__ void typed(const RowRef& row, Body&& body) {
  if (row.type == FloatType::f32) return body(static_cast<const float*>(row.data));
  if (row.type == FloatType::bf16) return body(static_cast<const BFloat16*>(row.data));
  body(static_cast<const Float16*>(row.data));
}
template <class Body>
__device__ void typed(const MutableRowRef& row, Body&& body) {
  if (row.type == FloatType::f32) return body(static_cast<float*>(row.data));
  if (row.type == FloatType::bf16) return body(static_cast<BFloat16*>(row.data));
  body(static_cast<Float16*>(row.data));
}

// Columns column .. column + kVector - 1 (1 or 4 of them); `padding` behind the row's end.
template <int kVector, class T>
__device__ void read_columns(float (&x)[kVector], const T* row, bool vectors, int column, int classes, float padding) {
  if (kVector == 4 && vectors && classes - column >= 4) {
    const Four all = read_four(row + column);
#pragma unroll
    for (int j = 0; j < kVector; ++j) x[j] = all.v[j];
  } else {
#pragma unroll
    for (int j = 0; j < kVector; ++j) x[j] = j < classes - column ? read_one(row + column + j) : padding;
  }
}
template <int kVector, class T>
__device__ void write_columns(T* row, bool vectors, int column, int classes, const float (&x)[kVector]) {
  if (kVector == 4 && vectors && classes - column >= 4) {
    Four all;
#pragma unroll
    for (int j = 0; j < kVector; ++j) all.v[j] = x[j];
    write_four(row + column, all);
  } else {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      if (j < classes - column) write_one(row + column + j, x[j]);
    }
  }
}

// Where the first byte lies in its tile: tiles and memory have the same 16-byte boundaries.
__device__ inline int tile_shift(const void* global) {
  return static_cast<int>(reinterpret_cast<std::uintptr_t>(global) % 16);
}

// Copies `bytes` bytes between global memory and a tile, where they begin at tile_shift: whole 16-byte pieces but for
// the ends, which belong to other blocks too.
template <class Copy>
__device__ void for_tile(const void* global, int bytes, Copy&& copy) {
  const int begin = tile_shift(global);
  const int end = begin + bytes;
  for (int at = static_cast<int>(threadIdx.x) * 16; at < end; at += kBlockThreads * 16) {
    if (at >= begin && at + 16 <= end) {
      copy(at, uint4{});
    } else {
      for (int i = at; i < at + 16; i += 2) {
        if (i >= begin && i < end) copy(i, std::uint16_t{});
      }
    }
  }
}
__device__ inline void copy_to_tile(unsigned char* tile, const void* global, int bytes) {
  const auto* from = static_cast<const unsigned char*>(global) - tile_shift(global);
  for_tile(global, bytes, [&](int at, auto piece) {
    using Piece = decltype(piece);
    *reinterpret_cast<Piece*>(tile + at) = *reinterpret_cast<const Piece*>(from + at);
  });
}
__device__ inline void copy_from_tile(const unsigned char* tile, void* global, int bytes) {
  auto* to = static_cast<unsigned char*>(global) - tile_shift(global);
  for_tile(global, bytes, [&](int at, auto piece) {
    using Piece = decltype(piece);
    *reinterpret_cast<Piece*>(to + at) = *reinterpret_cast<const Piece*>(tile + at);
  });
}

}  // namespace leaven::cuda
