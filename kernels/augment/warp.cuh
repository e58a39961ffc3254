#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/augment/op_source.hpp"
#include "kernels/augment/pixel.cuh"
#include "kernels/augment/sampler.hpp"
#include "kernels/augment/warp.hpp"

// The geometric operations of one block on its part of one image.
namespace leaven::cuda {

// Kernels of their own for the warps of WarpPath::sampled, which want more registers.
enum class WarpKernel { usual, sampled };

// Crops are never sampled, perspective always is, other warps with some options.
template <class Source>
constexpr bool always_sampled() {
  return (Source::kKinds & kind_bit(ImageOpKind::perspective)) != 0;
}
template <class Source>
constexpr bool can_be_sampled() {
  return (Source::kKinds & kind_bit(ImageOpKind::affine)) != 0 && !std::is_same_v<Source, CropSource>;
}
template <class Source>
bool is_sampled(const WarpOptions& options) {
  return always_sampled<Source>() || (can_be_sampled<Source>() && (options.interpolation == Interpolation::bicubic ||
                                                                   options.border != Border::fill));
}

// Where output pixel (x, y) comes from; outside the input where a coordinate is negative or too large.
struct SourcePixel {
  std::int32_t x, y;
};

struct FlipMap {
  std::int32_t last_x, last_y;  // negative: this axis is not mirrored
  __device__ SourcePixel operator()(std::int32_t x, std::int32_t y) const {
    return {last_x < 0 ? x : last_x - x, last_y < 0 ? y : last_y - y};
  }
};

struct QuarterMap {
  std::int32_t last;
  bool counter_clockwise;
  __device__ SourcePixel operator()(std::int32_t x, std::int32_t y) const {
    return counter_clockwise ? SourcePixel{last - y, x} : SourcePixel{y, last - x};
  }
};

struct ShiftMap {
  std::int64_t dx, dy;
  std::int32_t width, height;  // of the input
  __device__ SourcePixel operator()(std::int32_t x, std::int32_t y) const {
    const std::int64_t x_in = x + dx;
    const std::int64_t y_in = y + dy;
    const bool inside = x_in >= 0 && x_in < width && y_in >= 0 && y_in < height;
    return inside ? SourcePixel{static_cast<std::int32_t>(x_in), static_cast<std::int32_t>(y_in)} : SourcePixel{-1, -1};
  }
};

struct FixedMap {
  std::int32_t a0, a1, a3, a4;
  std::int64_t a2, a5;
  __device__ SourcePixel operator()(std::int32_t x, std::int32_t y) const {
    const std::int64_t xx = a2 + std::int64_t{a0} * x + std::int64_t{a1} * y;
    const std::int64_t yy = a5 + std::int64_t{a3} * x + std::int64_t{a4} * y;
    return {static_cast<std::int32_t>(xx >> 16), static_cast<std::int32_t>(yy >> 16)};
  }
};

struct SerialMap {
  const Warp* warp;
  std::int32_t width, height;  // of the input
  __device__ SourcePixel operator()(std::int32_t x, std::int32_t y) const {
    const Warp& w = *warp;
    return {serial_coordinate(w.start_x, w.m[1], y, w.m[0], x, w.relative_error, width),
            serial_coordinate(w.start_y, w.m[4], y, w.m[3], x, w.relative_error, height)};
  }
};

struct OutsideMap {
  __device__ SourcePixel operator()(std::int32_t, std::int32_t) const { return {-1, -1}; }
};

// A pixel of the output that moves on by a fixed number of pixels, without divisions.
struct Cursor {
  std::uint32_t x, y, width;
  struct Step {
    std::uint32_t x, y;
  };
  __device__ Cursor(std::uint32_t pixel, std::uint32_t width_) : y(pixel / width_), width(width_) {
    x = pixel - y * width;
  }
  __device__ Step step_of(std::uint32_t pixels) const { return {pixels % width, pixels / width}; }
  __device__ void advance(Step step) {
    x += step.x;
    y += step.y;
    if (x >= width) {
      x -= width;
      ++y;
    }
  }
};

inline constexpr std::uint32_t kWarpPixels = 128;  // a warp's turn in write_pixels

// The `count` pixels of a warp's turn, in order in its stage, to aligned memory.
template <int kChannels>
__device__ __forceinline__ void flush_stage(const uint4* stage, std::uint8_t* out, std::uint32_t count) {
  const std::uint32_t bytes = count * kChannels;
  const std::uint32_t vectors = bytes / 16;
  if (lane_id() < vectors) reinterpret_cast<uint4*>(out)[lane_id()] = stage[lane_id()];
  const std::uint32_t rest = 16 * vectors + lane_id();
  if (rest < bytes) out[rest] = reinterpret_cast<const std::uint8_t*>(stage)[rest];
}

// out(y, x) = evaluate(x, y), a pixel word, for this block's share of the pixels. Where the pixels lie one after the
// other they are put into order in shared memory and written in 16-byte vectors.
template <int kChannels, class Evaluate>
__device__ __forceinline__ void write_pixels(const OutView& out, Part part, uint4* stages, const Evaluate& evaluate) {
  const std::uint32_t pixels = static_cast<std::uint32_t>(out.height * out.width);
  const std::uint32_t width = static_cast<std::uint32_t>(out.width);
  if (!is_pixel_run(out)) {
    Cursor at(static_cast<std::uint32_t>(thread_of(part)), width);
    const Cursor::Step step = at.step_of(static_cast<std::uint32_t>(threads_of(part)));
#pragma unroll 1
    for (; at.y < out.height; at.advance(step)) {
      store_pixel<kChannels>(
          out.data + pixel_offset(out, static_cast<std::int32_t>(at.x), static_cast<std::int32_t>(at.y)),
          out.channel_stride, evaluate(static_cast<std::int32_t>(at.x), static_cast<std::int32_t>(at.y)));
    }
    return;
  }
  const std::uint32_t wanted = pixels_to_alignment<kChannels>(out.data);
  const std::uint32_t head = wanted < pixels ? wanted : pixels;
  if (part.index == 0 && threadIdx.x < head) {
    const Cursor at(threadIdx.x, width);
    store_pixel<kChannels>(out.data + kChannels * threadIdx.x, 1,
                           evaluate(static_cast<std::int32_t>(at.x), static_cast<std::int32_t>(at.y)));
  }
  uint4* stage = stages + warp_id() * (kWarpPixels * kChannels / 16);
  std::uint8_t* staged = reinterpret_cast<std::uint8_t*>(stage);
  const std::uint32_t warps = blockDim.x / 32;
  const std::uint32_t stride = part.count * warps * kWarpPixels;
  std::uint32_t first = head + (part.index * warps + warp_id()) * kWarpPixels;
  Cursor at(first + lane_id(), width);
  const Cursor::Step by_32 = at.step_of(32);
  const Cursor::Step to_next_turn = at.step_of(stride - kWarpPixels);
#pragma unroll 1
  for (; first < pixels; first += stride) {
    const std::uint32_t left = pixels - first;
    const std::uint32_t count = left < kWarpPixels ? left : kWarpPixels;
#pragma unroll 4
    for (std::uint32_t k = lane_id(); k < kWarpPixels; k += 32) {
      if (k < count) {
        store_pixel<kChannels>(staged + kChannels * k, 1,
                               evaluate(static_cast<std::int32_t>(at.x), static_cast<std::int32_t>(at.y)));
      }
      at.advance(by_32);
    }
    __syncwarp();
    flush_stage<kChannels>(stage, out.data + static_cast<std::int64_t>(first) * kChannels, count);
    __syncwarp();
    at.advance(to_next_turn);
  }
}

template <int kChannels, class Map>
__device__ __forceinline__ std::uint32_t picked_pixel(const Map& map, const InView& in, std::int32_t x, std::int32_t y,
                                                      std::uint32_t fill) {
  const SourcePixel from = map(x, y);
  const bool inside = static_cast<std::uint32_t>(from.x) < static_cast<std::uint32_t>(in.width) &&
                      static_cast<std::uint32_t>(from.y) < static_cast<std::uint32_t>(in.height);
  return inside ? pixel_at<kChannels>(in, from.x, from.y) : fill;
}

template <int kChannels, class Map>
__device__ void pick_pixels(const Map& map, const InView& in, const OutView& out, std::uint32_t fill, Part part,
                            uint4* stages) {
  write_pixels<kChannels>(out, part, stages,
                          [&](std::int32_t x, std::int32_t y) { return picked_pixel<kChannels>(map, in, x, y, fill); });
}

template <int kChannels>
__device__ __forceinline__ std::uint32_t bilinear_pixel(const Warp& warp, const InView& in, std::int32_t x,
                                                        std::int32_t y, std::uint32_t fill) {
  const double xc = x + 0.5;
  const double yc = y + 0.5;
  const double x_in = warp.m[0] * xc + warp.m[1] * yc + warp.m[2];
  const double y_in = warp.m[3] * xc + warp.m[4] * yc + warp.m[5];
  if (!(x_in >= 0.0 && x_in < static_cast<double>(in.width) && y_in >= 0.0 && y_in < static_cast<double>(in.height))) {
    return fill;
  }
  const Neighbours nx = column_neighbours(x_in, static_cast<std::int32_t>(in.width));
  const Neighbours ny = row_neighbours(y_in);
  const std::uint8_t* upper = in.data + pixel_offset(in, nx.first, ny.first);
  const std::int64_t right = in.width > 1 ? in.pixel_stride : 0;
  const std::int64_t below = ny.first + 1 < in.height ? in.row_stride : 0;
  std::uint32_t pixel = 0;
  for (int c = 0; c < kChannels; ++c, upper += in.channel_stride) {
    const double top = between(upper[0], upper[right], nx.weight);
    const double bottom = between(upper[below], upper[below + right], nx.weight);
    pixel |= static_cast<std::uint32_t>(between(top, bottom, ny.weight)) << (8 * c);
  }
  return pixel;
}

template <int kChannels>
__device__ __forceinline__ std::uint32_t sampled_pixel(const Warp& warp, const InView& in, std::int32_t x,
                                                       std::int32_t y, std::uint32_t fill) {
  const Sample sample =
      Sample::at(warp, x, y, static_cast<std::int32_t>(in.height), static_cast<std::int32_t>(in.width));
  if (sample.outside) return fill;
  std::uint32_t pixel = 0;
#pragma unroll
  for (int c = 0; c < kChannels; ++c) {
    const std::uint8_t* plane = in.data + c * in.channel_stride;
    const double v = sample.of([&](std::int32_t i, std::int32_t j) -> double { return plane[pixel_offset(in, i, j)]; });
    pixel |= static_cast<std::uint32_t>(sample_to_u8(v)) << (8 * c);
  }
  return pixel;
}

template <int kChannels>
__device__ void warp_image(const Warp& warp, const InView& in, const OutView& out, std::uint32_t fill, Part part,
                           uint4* stages) {
  const std::int32_t width = static_cast<std::int32_t>(in.width);
  const std::int32_t height = static_cast<std::int32_t>(in.height);
  switch (warp.path) {
    case WarpPath::outside: return pick_pixels<kChannels>(OutsideMap{}, in, out, fill, part, stages);
    case WarpPath::shift:
      return pick_pixels<kChannels>(ShiftMap{warp.dx, warp.dy, width, height}, in, out, fill, part, stages);
    case WarpPath::fixed:
      return pick_pixels<kChannels>(FixedMap{warp.a0, warp.a1, warp.a3, warp.a4, warp.a2, warp.a5}, in, out, fill, part,
                                    stages);
    case WarpPath::serial: return pick_pixels<kChannels>(SerialMap{&warp, width, height}, in, out, fill, part, stages);
    case WarpPath::bilinear:
      return write_pixels<kChannels>(out, part, stages, [&](std::int32_t x, std::int32_t y) {
        return bilinear_pixel<kChannels>(warp, in, x, y, fill);
      });
    case WarpPath::sampled: return;  // see sample_image
  }
}

// Any path: one of Pillow's two fast ways is taken only where it picks the same pixels.
template <int kChannels>
__device__ __forceinline__ void sample_image(const Warp& warp, const InView& in, const OutView& out, std::uint32_t fill,
                                             Part part, uint4* stages) {
  write_pixels<kChannels>(out, part, stages, [&](std::int32_t x, std::int32_t y) {
    return sampled_pixel<kChannels>(warp, in, x, y, fill);
  });
}

template <int kChannels>
__device__ void turn_image(ImageOpKind kind, const InView& in, const OutView& out, Part part, uint4* stages) {
  const std::int32_t last_x = static_cast<std::int32_t>(in.width) - 1;
  const std::int32_t last_y = static_cast<std::int32_t>(in.height) - 1;
  if (kind == ImageOpKind::rotate_90 || kind == ImageOpKind::rotate_270) {
    return pick_pixels<kChannels>(QuarterMap{last_x, kind == ImageOpKind::rotate_90}, in, out, 0, part, stages);
  }
  const FlipMap flip{kind == ImageOpKind::flip_top_bottom ? -1 : last_x,
                     kind == ImageOpKind::flip_left_right ? -1 : last_y};
  pick_pixels<kChannels>(flip, in, out, 0, part, stages);
}

}  // namespace leaven::cuda
