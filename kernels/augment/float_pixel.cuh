#pragma once

#include <cstdint>

#include "kernels/augment/block.cuh"
#include "kernels/augment/float_rgb.hpp"

// The pixel operations on f32 images, for one block on its part of one image: threads take neighbouring values, in
// vectors of 16 bytes where memory allows.
namespace leaven::cuda {

using FloatIn = ImageView<const float>;
using FloatOut = ImageView<float>;

inline constexpr int kTurnPixels = 128;               // of a warp, four a lane
inline constexpr int kTurnVectors = 3 * 128 / 4;      // of three channels
using FloatStage = float4[kMostWarps][kTurnVectors];  // in which warps put values into order

// An image as rows of values: channels that lie side by side are in one row, others are planes of their own.
struct ValueRows {
  std::int64_t planes, count, in_step, out_step;
  __device__ ValueRows(const FloatIn& in, const FloatOut& out) {
    const bool dense = is_dense(in) && is_dense(out);
    planes = dense ? 1 : in.channels;
    count = dense ? in.width * in.channels : in.width;
    in_step = dense ? 1 : in.pixel_stride;
    out_step = dense ? 1 : out.pixel_stride;
  }
  template <class View>
  __device__ static bool is_dense(const View& v) {
    return v.pixel_stride == v.channels && (v.channels == 1 || v.channel_stride == 1);
  }
};

// Any strides: warps take rows, lanes the values of a row. to = body(value)
template <class Body>
__device__ __forceinline__ void for_each_value(const FloatIn& in, const FloatOut& out, Part part, const Body& body) {
  const ValueRows rows(in, out);
  const std::int64_t warps = blockDim.x / 32;
#pragma unroll 1
  for (std::int64_t row = part.index * warps + warp_id(); row < rows.planes * in.height; row += part.count * warps) {
    const std::int64_t plane = row < in.height ? 0 : (row < 2 * in.height ? 1 : 2);
    const std::int64_t y = row - plane * in.height;
    const float* from = in.data + plane * in.channel_stride + y * in.row_stride;
    float* to = out.data + plane * out.channel_stride + y * out.row_stride;
#pragma unroll 2
    for (std::int64_t i = lane_id(); i < rows.count; i += 32) {
      to[i * rows.out_step] = body(from[i * rows.in_step]);
    }
  }
}

template <class Map>
__device__ __forceinline__ float4 map_vector(const Map& map, float4 v) {
  return make_float4(map_value(map, v.x), map_value(map, v.y), map_value(map, v.z), map_value(map, v.w));
}

// `count` values without gaps in both: single values up to the first boundary of 16 bytes, vectors (four loads in
// flight), single values.
template <FloatMap::Kind kKind>
__device__ void map_float_run(FloatMap map, const float* in, float* out, std::int64_t count, Part part) {
  map.kind = kKind;
  const std::int64_t before = align_together(in, out) ? misaligned_by(in) / 4 : count;
  const std::int64_t head = before < count ? before : count;
  const std::int64_t vectors = (count - head) / 4;
  const float4* from = reinterpret_cast<const float4*>(in + head);
  float4* to = reinterpret_cast<float4*>(out + head);
  const std::uint32_t step = blockDim.x;
  const std::int64_t stride = static_cast<std::int64_t>(part.count) * 4 * step;
#pragma unroll 1
  for (std::int64_t v = static_cast<std::int64_t>(part.index) * 4 * step + threadIdx.x; v < vectors; v += stride) {
    float4 data[4];
    const std::int64_t left = vectors - v;
#pragma unroll
    for (std::uint32_t k = 0; k < 4; ++k) {
      if (k * step < left) data[k] = from[v + k * step];
    }
#pragma unroll
    for (std::uint32_t k = 0; k < 4; ++k) {
      if (k * step < left) to[v + k * step] = map_vector(map, data[k]);
    }
  }
#pragma unroll 4
  for (std::int64_t k = thread_of(part); k < count - 4 * vectors; k += threads_of(part)) {
    const std::int64_t i = k < head ? k : k + 4 * vectors;
    out[i] = map_value(map, in[i]);
  }
}

// kKinds: of the operations that can come.
template <std::uint32_t kKinds>
__device__ void map_float_image(const FloatMap& map, const FloatIn& in, const FloatOut& out, Part part) {
  if (!one_run(in, out)) {
    return for_each_value(in, out, part, [&](float v) { return map_value(map, v); });
  }
  const std::int64_t count = in.height * in.width * in.channels;
  using Kind = FloatMap::Kind;
  if constexpr ((kKinds & (kind_bit(ImageOpKind::brightness) | kind_bit(ImageOpKind::contrast))) != 0) {
    if (map.kind == Kind::blend) map_float_run<Kind::blend>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::brightness_offset)) != 0) {
    if (map.kind == Kind::offset) map_float_run<Kind::offset>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::posterize)) != 0) {
    if (map.kind == Kind::step) map_float_run<Kind::step>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::solarize)) != 0) {
    if (map.kind == Kind::solarize) map_float_run<Kind::solarize>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::solarize_add)) != 0) {
    if (map.kind == Kind::add_below) map_float_run<Kind::add_below>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::invert)) != 0) {
    if (map.kind == Kind::invert) map_float_run<Kind::invert>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & (kind_bit(ImageOpKind::color) | kind_bit(ImageOpKind::hue))) != 0) {
    if (map.kind == Kind::copy) map_float_run<Kind::copy>(map, in.data, out.data, count, part);
  }
}

__device__ __forceinline__ FloatRgb load_float_pixel(const float* p, std::int64_t channel_stride) {
  return {p[0], p[channel_stride], p[2 * channel_stride]};
}

__device__ __forceinline__ void store_float_pixel(float* p, std::int64_t channel_stride, const FloatRgb& pixel) {
  p[0] = pixel.r;
  p[channel_stride] = pixel.g;
  p[2 * channel_stride] = pixel.b;
}

// Three vectors are four pixels.
template <class PixelMap>
__device__ __forceinline__ void map_rgb_vectors(const PixelMap& map, float4* v) {
  const FloatRgb a = map({v[0].x, v[0].y, v[0].z});
  const FloatRgb b = map({v[0].w, v[1].x, v[1].y});
  const FloatRgb c = map({v[1].z, v[1].w, v[2].x});
  const FloatRgb d = map({v[2].y, v[2].z, v[2].w});
  v[0] = make_float4(a.r, a.g, a.b, b.r);
  v[1] = make_float4(b.g, b.b, c.r, c.g);
  v[2] = make_float4(c.b, d.r, d.g, d.b);
}

__device__ __forceinline__ std::int64_t luma_units_of(const FloatRgb& p) { return luma_units(luma_of(p.r, p.g, p.b)); }

__device__ __forceinline__ std::int64_t luma_units_of_vectors(const float4* v) {
  return luma_units_of({v[0].x, v[0].y, v[0].z}) + luma_units_of({v[0].w, v[1].x, v[1].y}) +
         luma_units_of({v[1].z, v[1].w, v[2].x}) + luma_units_of({v[2].y, v[2].z, v[2].w});
}

// The 128 pixels at `from`, each lane's four in mine[3].
__device__ __forceinline__ void load_turn(const float4* from, float4* stage, float4* mine) {
#pragma unroll
  for (int k = 0; k < 3; ++k) stage[k * 32 + lane_id()] = from[k * 32 + lane_id()];
  __syncwarp();
#pragma unroll
  for (int k = 0; k < 3; ++k) mine[k] = stage[3 * lane_id() + k];
}

__device__ __forceinline__ void store_turn(float4* to, float4* stage, const float4* mine) {
#pragma unroll
  for (int k = 0; k < 3; ++k) stage[3 * lane_id() + k] = mine[k];
  __syncwarp();
#pragma unroll
  for (int k = 0; k < 3; ++k) to[k * 32 + lane_id()] = stage[k * 32 + lane_id()];
  __syncwarp();
}

// Calls turn(first pixel) for turns of 128 pixels, one a warp, and single(x, y) for the pixels that are left over.
template <class Turn, class Single>
__device__ __forceinline__ void for_each_turn(std::int64_t pixels, Part part, const Turn& turn, const Single& single) {
  const std::int64_t turns = pixels / kTurnPixels;
  const std::int64_t warps = blockDim.x / 32;
#pragma unroll 1
  for (std::int64_t t = part.index * warps + warp_id(); t < turns; t += part.count * warps) turn(t * kTurnPixels);
  if (part.index != 0) return;
#pragma unroll 1
  for (std::int64_t i = turns * kTurnPixels + threadIdx.x; i < pixels; i += blockDim.x) single(i);
}

// Calls body(x, y) for all pixels: warps take rows, lanes the pixels of a row.
template <class Body>
__device__ __forceinline__ void for_each_pixel(const FloatIn& in, Part part, const Body& body) {
  const std::int64_t warps = blockDim.x / 32;
#pragma unroll 1
  for (std::int64_t y = part.index * warps + warp_id(); y < in.height; y += part.count * warps) {
#pragma unroll 2
    for (std::int64_t x = lane_id(); x < in.width; x += 32) body(x, y);
  }
}

template <class View>
__device__ __forceinline__ auto* value_at(const View& v, std::int64_t x, std::int64_t y) {
  return v.data + y * v.row_stride + x * v.pixel_stride;
}

template <class View>
__device__ __forceinline__ bool is_vector_run(const View& v) {
  return is_pixel_run(v) && misaligned_by(v.data) == 0;
}

// color and hue, of three channels.
template <class PixelMap>
__device__ void map_rgb_image(const PixelMap& map, const FloatIn& in, const FloatOut& out, Part part,
                              FloatStage& stages) {
  if (!is_vector_run(in) || !is_vector_run(out)) {
    return for_each_pixel(in, part, [&](std::int64_t x, std::int64_t y) {
      const FloatRgb pixel = load_float_pixel(value_at(in, x, y), in.channel_stride);
      store_float_pixel(value_at(out, x, y), out.channel_stride, map(pixel));
    });
  }
  float4* stage = stages[warp_id()];
  for_each_turn(
      in.height * in.width, part,
      [&](std::int64_t first) {
        float4 mine[3];
        load_turn(reinterpret_cast<const float4*>(in.data + 3 * first), stage, mine);
        map_rgb_vectors(map, mine);
        store_turn(reinterpret_cast<float4*>(out.data + 3 * first), stage, mine);
      },
      [&](std::int64_t i) { store_float_pixel(out.data + 3 * i, 1, map(load_float_pixel(in.data + 3 * i, 1))); });
}

// This thread's share of the sum of the luma units of the whole image.
__device__ inline std::int64_t luma_share(const FloatIn& in, FloatStage& stages) {
  std::int64_t sum = 0;
  if (in.channels == 3 && is_vector_run(in)) {
    float4* stage = stages[warp_id()];
    for_each_turn(
        in.height * in.width, {0, 1},
        [&](std::int64_t first) {
          float4 mine[3];
          load_turn(reinterpret_cast<const float4*>(in.data + 3 * first), stage, mine);
          sum += luma_units_of_vectors(mine);
          __syncwarp();
        },
        [&](std::int64_t i) { sum += luma_units_of(load_float_pixel(in.data + 3 * i, 1)); });
    return sum;
  }
  for_each_pixel(in, {0, 1}, [&](std::int64_t x, std::int64_t y) {
    const float* from = value_at(in, x, y);
    sum += in.channels == 1 ? luma_units(from[0]) : luma_units_of(load_float_pixel(from, in.channel_stride));
  });
  return sum;
}

// The mean luma of the image, in every thread of the block. Contains a barrier.
__device__ inline float float_mean_luma(const FloatIn& in, double per_unit, FloatStage& stages,
                                        std::int64_t* warp_sums) {
  std::int64_t sum = luma_share(in, stages);
#pragma unroll
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (lane_id() == 0) warp_sums[warp_id()] = sum;
  __syncthreads();
  std::int64_t total = 0;
  for (std::uint32_t w = 0; w < blockDim.x / 32; ++w) total += warp_sums[w];
  return luma_mean(total, per_unit);
}

}  // namespace leaven::cuda
