#pragma once

#include <cstdint>

#include "kernels/augment/pixel.cuh"
#include "kernels/augment/warp.hpp"

// The geometric operations of one block on its part of one image.
namespace leaven::cuda {

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

// Calls body(x, y) for the pixels of this block's rows.
template <class Body>
__device__ __forceinline__ void for_each_pixel(const OutView& out, Part part, const Body& body) {
  const std::int32_t end = static_cast<std::int32_t>(part.end(out.height));
  const std::int32_t width = static_cast<std::int32_t>(out.width);
  const std::int32_t thread = static_cast<std::int32_t>(threadIdx.x);
  const std::int32_t threads = static_cast<std::int32_t>(blockDim.x);
  const std::int32_t step_y = threads / width;
  const std::int32_t step_x = threads - step_y * width;
  std::int32_t y = static_cast<std::int32_t>(part.begin(out.height)) + thread / width;
  std::int32_t x = thread % width;
  while (y < end) {
    body(x, y);
    x += step_x;
    y += step_y;
    if (x >= width) {
      x -= width;
      ++y;
    }
  }
}

// The colour's channels in the bytes of a word.
__device__ __forceinline__ std::uint32_t fill_word(const Colour& colour) {
  return colour.red | (static_cast<std::uint32_t>(colour.green) << 8) | (static_cast<std::uint32_t>(colour.blue) << 16);
}

__device__ __forceinline__ std::uint8_t channel_of(std::uint32_t colour, int c) {
  return static_cast<std::uint8_t>(colour >> (8 * c));
}

template <int kChannels, class Map>
__device__ void pick_pixels(const Map& map, const InView& in, const OutView& out, std::uint32_t fill, Part part) {
  const std::uint32_t width = static_cast<std::uint32_t>(in.width);
  const std::uint32_t height = static_cast<std::uint32_t>(in.height);
  for_each_pixel(out, part, [&](std::int32_t x, std::int32_t y) {
    const SourcePixel from = map(x, y);
    std::uint8_t* to = out.data + y * out.row_stride + x * out.pixel_stride;
    const bool inside = static_cast<std::uint32_t>(from.x) < width && static_cast<std::uint32_t>(from.y) < height;
    const std::uint8_t* source = in.data + from.y * in.row_stride + from.x * in.pixel_stride;
    std::uint8_t value[kChannels];
    for (int c = 0; c < kChannels; ++c) value[c] = inside ? source[c * in.channel_stride] : channel_of(fill, c);
    for (int c = 0; c < kChannels; ++c) to[c * out.channel_stride] = value[c];
  });
}

template <int kChannels>
__device__ void bilinear_pixels(const Warp& warp, const InView& in, const OutView& out, std::uint32_t fill, Part part) {
  const double width = static_cast<double>(in.width);
  const double height = static_cast<double>(in.height);
  for_each_pixel(out, part, [&](std::int32_t x, std::int32_t y) {
    const double xc = x + 0.5;
    const double yc = y + 0.5;
    const double x_in = warp.m[0] * xc + warp.m[1] * yc + warp.m[2];
    const double y_in = warp.m[3] * xc + warp.m[4] * yc + warp.m[5];
    std::uint8_t* to = out.data + y * out.row_stride + x * out.pixel_stride;
    if (!(x_in >= 0.0 && x_in < width && y_in >= 0.0 && y_in < height)) {
      for (int c = 0; c < kChannels; ++c) to[c * out.channel_stride] = channel_of(fill, c);
      return;
    }
    const Neighbours nx = neighbours(x_in, static_cast<std::int32_t>(in.width));
    const Neighbours ny = neighbours(y_in, static_cast<std::int32_t>(in.height));
    const std::uint8_t* upper = in.data + ny.first * in.row_stride;
    const std::uint8_t* lower = in.data + ny.second * in.row_stride;
    const std::int64_t left = nx.first * in.pixel_stride;
    const std::int64_t right = nx.second * in.pixel_stride;
    for (int c = 0; c < kChannels; ++c) {
      const std::int64_t at = c * in.channel_stride;
      const double top = between(upper[left + at], upper[right + at], nx.weight);
      const double bottom = between(lower[left + at], lower[right + at], nx.weight);
      to[c * out.channel_stride] =
          static_cast<std::uint8_t>(static_cast<std::int32_t>(between(top, bottom, ny.weight)));
    }
  });
}

template <int kChannels>
__device__ void warp_image(const Warp& warp, const InView& in, const OutView& out, std::uint32_t fill, Part part) {
  const std::int32_t width = static_cast<std::int32_t>(in.width);
  const std::int32_t height = static_cast<std::int32_t>(in.height);
  switch (warp.path) {
    case WarpPath::outside: return pick_pixels<kChannels>(OutsideMap{}, in, out, fill, part);
    case WarpPath::shift: return pick_pixels<kChannels>(ShiftMap{warp.dx, warp.dy, width, height}, in, out, fill, part);
    case WarpPath::fixed:
      return pick_pixels<kChannels>(FixedMap{warp.a0, warp.a1, warp.a3, warp.a4, warp.a2, warp.a5}, in, out, fill,
                                    part);
    case WarpPath::serial: return pick_pixels<kChannels>(SerialMap{&warp, width, height}, in, out, fill, part);
    case WarpPath::bilinear: return bilinear_pixels<kChannels>(warp, in, out, fill, part);
  }
}

template <int kChannels>
__device__ void turn_image(ImageOpKind kind, const InView& in, const OutView& out, Part part) {
  const std::int32_t last_x = static_cast<std::int32_t>(in.width) - 1;
  const std::int32_t last_y = static_cast<std::int32_t>(in.height) - 1;
  if (kind == ImageOpKind::rotate_90 || kind == ImageOpKind::rotate_270) {
    return pick_pixels<kChannels>(QuarterMap{last_x, kind == ImageOpKind::rotate_90}, in, out, 0, part);
  }
  const FlipMap flip{kind == ImageOpKind::flip_top_bottom ? -1 : last_x,
                     kind == ImageOpKind::flip_left_right ? -1 : last_y};
  pick_pixels<kChannels>(flip, in, out, 0, part);
}

}  // namespace leaven::cuda
