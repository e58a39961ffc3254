#pragma once

#include <cstdint>

#include "kernels/augment/float_pixel.cuh"
#include "kernels/augment/warp.cuh"

// The geometric operations on f32 images, for one block on its part of one image. The places come from warp.cuh.
namespace leaven::cuda {

// Where a pixel's values go.
struct PixelPlace {
  float* first;
  std::int64_t step;
  template <int kChannels>
  __device__ __forceinline__ void store(const float (&values)[kChannels]) const {
#pragma unroll
    for (int c = 0; c < kChannels; ++c) first[c * step] = values[c];
  }
};

// evaluate(x, y, place) for this block's share of the pixels. RGB pixels that lie one after the other are put into
// order in shared memory, so that neighbouring threads write neighbouring values.
template <int kChannels, class Evaluate>
__device__ __forceinline__ void write_float_pixels(const FloatOut& out, Part part, FloatStage& stages,
                                                   const Evaluate& evaluate) {
  const auto pixels = static_cast<std::uint32_t>(out.height * out.width);
  const auto width = static_cast<std::uint32_t>(out.width);
  if (kChannels == 1 || !is_pixel_run(out)) {
    Cursor at(static_cast<std::uint32_t>(thread_of(part)), width);
    const Cursor::Step step = at.step_of(static_cast<std::uint32_t>(threads_of(part)));
#pragma unroll 1
    for (; at.y < out.height; at.advance(step)) {
      const auto x = static_cast<std::int32_t>(at.x);
      const auto y = static_cast<std::int32_t>(at.y);
      evaluate(x, y, PixelPlace{out.data + pixel_offset(out, x, y), out.channel_stride});
    }
    return;
  }
  float* stage = reinterpret_cast<float*>(stages[warp_id()]);
  const std::uint32_t warps = blockDim.x / 32;
  const std::uint32_t stride = part.count * warps * 32;
  std::uint32_t first = (part.index * warps + warp_id()) * 32;
  Cursor at(first + lane_id(), width);
  const Cursor::Step step = at.step_of(stride);
#pragma unroll 1
  for (; first < pixels; first += stride, at.advance(step)) {
    if (at.y < out.height) {
      evaluate(static_cast<std::int32_t>(at.x), static_cast<std::int32_t>(at.y),
               PixelPlace{stage + kChannels * lane_id(), 1});
    }
    __syncwarp();
    const std::uint32_t left = kChannels * (pixels - first);
    float* to = out.data + std::int64_t{kChannels} * first;
#pragma unroll
    for (std::uint32_t i = lane_id(); i < 32 * kChannels; i += 32) {
      if (i < left) to[i] = stage[i];
    }
    __syncwarp();
  }
}

struct FloatFill {
  float of_channel[3];
};
__device__ __forceinline__ FloatFill float_fill(const Colour& c) {
  return {{static_cast<float>(c.red), static_cast<float>(c.green), static_cast<float>(c.blue)}};
}

template <int kChannels, class Map>
__device__ void pick_float_pixels(const Map& map, const FloatIn& in, const FloatOut& out, const FloatFill& fill,
                                  Part part, FloatStage& stages) {
  const auto width = static_cast<std::uint32_t>(in.width);
  const auto height = static_cast<std::uint32_t>(in.height);
  write_float_pixels<kChannels>(out, part, stages, [&](std::int32_t x, std::int32_t y, const PixelPlace& to) {
    const SourcePixel from = map(x, y);
    const bool inside = static_cast<std::uint32_t>(from.x) < width && static_cast<std::uint32_t>(from.y) < height;
    const float* source = in.data + (inside ? pixel_offset(in, from.x, from.y) : 0);
    float pixel[kChannels];
#pragma unroll
    for (int c = 0; c < kChannels; ++c) pixel[c] = inside ? source[c * in.channel_stride] : fill.of_channel[c];
    to.store(pixel);
  });
}

template <int kChannels>
__device__ void bilinear_float_pixels(const Warp& warp, const FloatIn& in, const FloatOut& out, const FloatFill& fill,
                                      Part part, FloatStage& stages) {
  write_float_pixels<kChannels>(out, part, stages, [&](std::int32_t x, std::int32_t y, const PixelPlace& to) {
    const BilinearPlace place = bilinear_place(warp, in, x, y);
    float pixel[kChannels];
#pragma unroll
    for (int c = 0; c < kChannels; ++c) {
      pixel[c] = place.inside ? bilinear_value(place, in.data + c * in.channel_stride) : fill.of_channel[c];
    }
    to.store(pixel);
  });
}

template <int kChannels>
__device__ void sampled_float_pixels(const Warp& warp, const FloatIn& in, const FloatOut& out, const FloatFill& fill,
                                     Part part, FloatStage& stages) {
  const auto width = static_cast<std::int32_t>(in.width);
  const auto height = static_cast<std::int32_t>(in.height);
  write_float_pixels<kChannels>(out, part, stages, [&](std::int32_t x, std::int32_t y, const PixelPlace& to) {
    const Sample sample = Sample::at(warp, x, y, height, width);
#pragma unroll 1
    for (int c = 0; c < kChannels; ++c) {
      const float* plane = in.data + c * in.channel_stride;
      const auto value = [&](std::int32_t i, std::int32_t j) -> double { return plane[pixel_offset(in, i, j)]; };
      const float colour = c == 0 ? fill.of_channel[0] : (c == 1 ? fill.of_channel[1] : fill.of_channel[2]);
      to.first[c * to.step] = sample.outside ? colour : sample_to_f32(sample.of(value), warp.interpolation);
    }
  });
}

// Every path but `sampled`.
template <int kChannels>
__device__ void warp_float_image(const Warp& warp, const FloatIn& in, const FloatOut& out, const FloatFill& fill,
                                 Part part, FloatStage& stages) {
  const auto width = static_cast<std::int32_t>(in.width);
  const auto height = static_cast<std::int32_t>(in.height);
  switch (warp.path) {
    case WarpPath::shift:
      return pick_float_pixels<kChannels>(ShiftMap{warp.dx, warp.dy, width, height}, in, out, fill, part, stages);
    case WarpPath::fixed:
      return pick_float_pixels<kChannels>(FixedMap{warp.a0, warp.a1, warp.a3, warp.a4, warp.a2, warp.a5}, in, out, fill,
                                          part, stages);
    case WarpPath::serial:
      return pick_float_pixels<kChannels>(SerialMap{&warp, width, height}, in, out, fill, part, stages);
    case WarpPath::bilinear: return bilinear_float_pixels<kChannels>(warp, in, out, fill, part, stages);
    default: return pick_float_pixels<kChannels>(OutsideMap{}, in, out, fill, part, stages);
  }
}

// The paths that bicubic warps, borders that go on with the image, and perspective can have.
template <int kChannels>
__device__ void sample_float_image(const Warp& warp, const FloatIn& in, const FloatOut& out, const FloatFill& fill,
                                   Part part, FloatStage& stages) {
  if (warp.path == WarpPath::sampled) return sampled_float_pixels<kChannels>(warp, in, out, fill, part, stages);
  const auto width = static_cast<std::int32_t>(in.width);
  const auto height = static_cast<std::int32_t>(in.height);
  const bool shifts = warp.path == WarpPath::shift;  // otherwise everything is outside
  const ShiftMap map{shifts ? warp.dx : width, shifts ? warp.dy : height, width, height};
  pick_float_pixels<kChannels>(map, in, out, fill, part, stages);
}

// copy, the mirrored and the turned kinds.
template <int kChannels>
__device__ void turn_float_image(ImageOpKind kind, const FloatIn& in, const FloatOut& out, Part part,
                                 FloatStage& stages) {
  const auto last_x = static_cast<std::int32_t>(in.width) - 1;
  const auto last_y = static_cast<std::int32_t>(in.height) - 1;
  const FloatFill fill{};
  if (kind == ImageOpKind::rotate_90 || kind == ImageOpKind::rotate_270) {
    const QuarterMap quarter{last_x, kind == ImageOpKind::rotate_90};
    return pick_float_pixels<kChannels>(quarter, in, out, fill, part, stages);
  }
  const bool mirrors_x = kind == ImageOpKind::flip_left_right || kind == ImageOpKind::flip_both;
  const bool mirrors_y = kind == ImageOpKind::flip_top_bottom || kind == ImageOpKind::flip_both;
  const FlipMap flip{mirrors_x ? last_x : -1, mirrors_y ? last_y : -1};
  pick_float_pixels<kChannels>(flip, in, out, fill, part, stages);
}

}  // namespace leaven::cuda
