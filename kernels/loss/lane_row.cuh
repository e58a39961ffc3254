#pragma once

#include "kernels/loss/row_group.cuh"

// The columns of one lane of a row in registers, of any type of logits. Types and alignment are looked at once per row,
// not once per access: all loads of a lane are under way before the first is waited for.
namespace leaven::cuda {

// Four neighbours of 16 bits each, as they lie in memory; `padding` behind the end of the row.
__device__ __forceinline__ uint2 load4_bits(const std::uint16_t* row, std::int64_t column, std::int64_t classes,
                                            bool aligned, std::uint16_t padding) {
  if (aligned && column + 4 <= classes) return *reinterpret_cast<const uint2*>(row + column);
  std::uint32_t bits[4];
#pragma unroll
  for (int j = 0; j < 4; ++j) bits[j] = column + j < classes ? row[column + j] : padding;
  return make_uint2(bits[0] | bits[1] << 16, bits[2] | bits[3] << 16);
}
__device__ __forceinline__ void store4_bits(std::uint16_t* row, std::int64_t column, std::int64_t classes, bool aligned,
                                            const std::uint16_t (&bits)[4]) {
  if (aligned && column + 4 <= classes) {
    *reinterpret_cast<ushort4*>(row + column) = make_ushort4(bits[0], bits[1], bits[2], bits[3]);
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (column + j < classes) row[column + j] = bits[j];
  }
}

__device__ __forceinline__ float float_of_low(std::uint32_t two, FloatType type) {
  const auto bits = static_cast<std::uint16_t>(two);
  return type == FloatType::f16 ? float_of_f16(bits) : float_of_bf16(bits);
}

// x[4 v + j] = column first + (v * kGroup + lane) * 4 + j of the row; -inf behind the end.
template <int kGroup, int kVectors>
__device__ __forceinline__ void load_lane(const InputRows& m, std::int64_t row, std::int64_t first,
                                          std::int64_t classes, bool aligned, float (&x)[4 * kVectors]) {
  const std::int64_t begin = first + threadIdx.x % kGroup * 4;
  const std::int64_t at = row * m.stride + begin;
  const std::int64_t left = classes - begin;
  if (m.type == FloatType::f32) {
    const float* const from = static_cast<const float*>(m.data) + at;
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const Four four = load4(from, v * kGroup * 4, left, aligned, -kInfinity);
#pragma unroll
      for (int j = 0; j < 4; ++j) x[4 * v + j] = four.v[j];
    }
    return;
  }
  const std::uint16_t* const from = static_cast<const std::uint16_t*>(m.data) + at;
  const std::uint16_t minus_infinity = m.type == FloatType::f16 ? 0xFC00 : 0xFF80;
  uint2 bits[kVectors];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) bits[v] = load4_bits(from, v * kGroup * 4, left, aligned, minus_infinity);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    x[4 * v] = float_of_low(bits[v].x, m.type);
    x[4 * v + 1] = float_of_low(bits[v].x >> 16, m.type);
    x[4 * v + 2] = float_of_low(bits[v].y, m.type);
    x[4 * v + 3] = float_of_low(bits[v].y >> 16, m.type);
  }
}

template <int kGroup, int kVectors>
__device__ __forceinline__ void store_lane(const OutputRows& m, std::int64_t row, std::int64_t first,
                                           std::int64_t classes, bool aligned, const float (&x)[4 * kVectors]) {
  const std::int64_t begin = first + threadIdx.x % kGroup * 4;
  const std::int64_t at = row * m.stride + begin;
  const std::int64_t left = classes - begin;
  if (m.type == FloatType::f32) {
    float* const to = static_cast<float*>(m.data) + at;
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const Four four{{x[4 * v], x[4 * v + 1], x[4 * v + 2], x[4 * v + 3]}};
      store4(to, v * kGroup * 4, left, aligned, four);
    }
    return;
  }
  std::uint16_t* const to = static_cast<std::uint16_t*>(m.data) + at;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    std::uint16_t bits[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) bits[j] = output_value<std::uint16_t>(x[4 * v + j], m.type);
    store4_bits(to, v * kGroup * 4, left, aligned, bits);
  }
}

template <int kGroup, int kVectors>
struct LaneShape {
  static constexpr int group = kGroup;
  static constexpr int vectors = kVectors;
};
inline constexpr std::int64_t kMaxLaneClasses = 8192;  // of rows that fit into registers

// launch(LaneShape) with the lanes per row and the vectors per lane that hold rows of up to kMaxLaneClasses.
template <class Launch>
void for_lane_shape(std::int64_t classes, Launch&& launch) {
  if (classes <= 64) return launch(LaneShape<16, 1>{});
  if (classes <= 128) return launch(LaneShape<32, 1>{});
  if (classes <= 256) return launch(LaneShape<32, 2>{});
  if (classes <= 512) return launch(LaneShape<32, 4>{});
  if (classes <= 1024) return launch(LaneShape<32, 8>{});
  if (classes <= 2048) return launch(LaneShape<kBlockThreads, 2>{});
  if (classes <= 4096) return launch(LaneShape<kBlockThreads, 4>{});
  launch(LaneShape<kBlockThreads, 8>{});
}

}  // namespace leaven::cuda
