#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/loss/row_group.cuh"

// One row of a matrix of any type, in global or shared memory, and accesses to some of its columns.
namespace leaven::cuda {

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

__device__ inline RowRef row_of(const InputRows& m, std::int64_t row, bool vectors = false) {
  return {static_cast<const unsigned char*>(m.data) + row * m.stride * size_of(m.type), m.type, vectors};
}
__device__ inline MutableRowRef row_of(const OutputRows& m, std::int64_t row, bool vectors = false) {
  return {static_cast<unsigned char*>(m.data) + row * m.stride * size_of(m.type), m.type, vectors};
}

__device__ inline float read_one(const float* from) { return *from; }
__device__ inline float read_one(const BFloat16* from) {
  return __uint_as_float(static_cast<std::uint32_t>(from->bits) << 16);
}
__device__ inline float read_one(const Float16* from) { return __half2float(__ushort_as_half(from->bits)); }

// Four elements of 16 bits in two words.
__device__ inline float4 unpack(uint2 x, BFloat16) {
  return make_float4(__uint_as_float(x.x << 16), __uint_as_float(x.x & 0xffff0000u), __uint_as_float(x.y << 16),
                     __uint_as_float(x.y & 0xffff0000u));
}
__device__ inline float4 unpack(uint2 x, Float16) {
  const float2 a = __half22float2(*reinterpret_cast<const __half2*>(&x.x));
  const float2 b = __half22float2(*reinterpret_cast<const __half2*>(&x.y));
  return make_float4(a.x, a.y, b.x, b.y);
}
__device__ inline uint2 pack(const float4& x, BFloat16) {
  const __nv_bfloat162 a = __floats2bfloat162_rn(x.x, x.y);
  const __nv_bfloat162 b = __floats2bfloat162_rn(x.z, x.w);
  return make_uint2(*reinterpret_cast<const unsigned*>(&a), *reinterpret_cast<const unsigned*>(&b));
}
__device__ inline uint2 pack(const float4& x, Float16) {
  const __half2 a = __floats2half2_rn(x.x, x.y);
  const __half2 b = __floats2half2_rn(x.z, x.w);
  return make_uint2(*reinterpret_cast<const unsigned*>(&a), *reinterpret_cast<const unsigned*>(&b));
}

__device__ inline Four read_four(const float* from) {
  const float4 x = *reinterpret_cast<const float4*>(from);
  return {{x.x, x.y, x.z, x.w}};
}
template <class T>
__device__ Four read_four(const T* from) {
  const float4 x = unpack(*reinterpret_cast<const uint2*>(from), T{});
  return {{x.x, x.y, x.z, x.w}};
}

__device__ inline void write_one(float* to, float value) { *to = value; }
__device__ inline void write_one(BFloat16* to, float value) {
  to->bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
}
__device__ inline void write_one(Float16* to, float value) { to->bits = __half_as_ushort(__float2half_rn(value)); }

__device__ inline void write_four(float* to, const Four& x) {
  *reinterpret_cast<float4*>(to) = make_float4(x.v[0], x.v[1], x.v[2], x.v[3]);
}
template <class T>
__device__ void write_four(T* to, const Four& x) {
  *reinterpret_cast<uint2*>(to) = pack(make_float4(x.v[0], x.v[1], x.v[2], x.v[3]), T{});
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

__device__ inline float read_at(const RowRef& row, int column) {
  float x = 0;
  typed(row, [&](const auto* data) { x = read_one(data + column); });
  return x;
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

}  // namespace leaven::cuda
