#pragma once

#include <cstdint>

#include <leaven/view.hpp>
#include "kernels/augment/warp.hpp"

// Warps by the general way (WarpPath::sampled): perspective, bicubic, and borders that go on with the image. Place and
// interpolation are in double; compiled without contraction. Where Pillow has the warp the bytes are its Geometry.c's.
namespace leaven {

// The pixel that stands for position `i` of an axis.
LEAVEN_HD std::int32_t position_within(std::int32_t i, std::int32_t size, Border border) {
  if (i >= 0 && i < size) return i;
  if (border == Border::reflect) {
    if (size == 1) return 0;
    const std::int32_t period = 2 * (size - 1);
    std::int32_t r = i % period;
    r = r < 0 ? r + period : r;
    return r < size ? r : period - r;
  }
  if (border == Border::wrap) {
    const std::int32_t r = i % size;
    return r < 0 ? r + size : r;
  }
  return i < 0 ? 0 : size - 1;
}

// Positions beyond 2^30 count as 2^30.
LEAVEN_HD double bounded_place(double v) {
  constexpr double kMost = 1073741824.0;
  return v < kMost ? (v > -kMost ? v : -kMost) : kMost;
}

// The pixels of an axis that a place is interpolated between: one, two or four.
struct Taps {
  std::int32_t count = 1;
  std::int32_t index[4] = {};
  double weight = 0;  // of the way from the middle pair's first to its second
};

LEAVEN_HD Taps make_taps(double place, std::int32_t size, const Warp& warp) {
  Taps taps;
  if (warp.interpolation == Interpolation::nearest) {
    taps.index[0] = position_within(static_cast<std::int32_t>(floor_to_int(bounded_place(place))), size, warp.border);
    return taps;
  }
  const double centred = bounded_place(place - 0.5);
  const auto floor = static_cast<std::int32_t>(floor_to_int(centred));
  taps.weight = centred - floor;
  taps.count = warp.interpolation == Interpolation::bilinear ? 2 : 4;
  const std::int32_t first = floor - (taps.count == 4 ? 1 : 0);
  const auto within = [&](std::int32_t k) {
    return position_within(first + (k < taps.count ? k : 0), size, warp.border);
  };
  // One by one: a loop would index the array, which then lies in memory on a GPU.
  taps.index[0] = within(0);
  taps.index[1] = within(1);
  taps.index[2] = within(2);
  taps.index[3] = within(3);
  return taps;
}

LEAVEN_HD double cubic_between(double v1, double v2, double v3, double v4, double d) {
  const double p2 = -v1 + v3;
  const double p3 = 2 * (v1 - v2) + v3 - v4;
  const double p4 = -v1 + v2 - v3 + v4;
  return v2 + d * (p2 + d * (p3 + d * p4));
}

// Of value(0), value(1), ...
template <class Value>
LEAVEN_HD double interpolated(const Taps& taps, const Value& value) {
  if (taps.count == 1) return value(0);
  if (taps.count == 2) return between(value(0), value(1), taps.weight);
  return cubic_between(value(0), value(1), value(2), value(3), taps.weight);
}

// Where output pixel (x, y) comes from, with the pixels round it.
struct Sample {
  bool outside = true;
  Taps x, y;

  // `height`, `width`: of the input. One without pixels is all outside, whatever the border.
  LEAVEN_HD static Sample at(const Warp& warp, std::int32_t x, std::int32_t y, std::int32_t height,
                             std::int32_t width) {
    Sample sample;
    if (warp.path == WarpPath::outside || height < 1 || width < 1) return sample;
    const double xc = x + 0.5;
    const double yc = y + 0.5;
    double x_in = warp.m[0] * xc + warp.m[1] * yc + warp.m[2];
    double y_in = warp.m[3] * xc + warp.m[4] * yc + warp.m[5];
    if (warp.projective) {
      const double divisor = warp.m[6] * xc + warp.m[7] * yc + 1.0;
      x_in /= divisor;
      y_in /= divisor;
    }
    if (!(x_in == x_in && y_in == y_in)) return sample;
    if (warp.border == Border::fill && !(x_in >= 0.0 && x_in < width && y_in >= 0.0 && y_in < height)) return sample;
    sample.outside = false;
    sample.x = make_taps(x_in, width, warp);
    sample.y = make_taps(y_in, height, warp);
    return sample;
  }

  // Of one channel of the image: value(data, x, y).
  template <class Value>
  LEAVEN_HD double of(const Value& value) const {
    return interpolated(y,
                        [&](int i) { return interpolated(x, [&](int k) { return value(x.index[k], y.index[i]); }); });
  }
};

// Bicubic interpolation overshoots.
LEAVEN_HD std::int32_t sample_to_u8(double v) {
  return v <= 0.0 ? 0 : (v >= 255.0 ? 255 : static_cast<std::int32_t>(v));
}

// NaN stays.
LEAVEN_HD float sample_to_f32(double v, Interpolation interpolation) {
  if (interpolation == Interpolation::bicubic) v = v < 0.0 ? 0.0 : (v > 255.0 ? 255.0 : v);
  return static_cast<float>(v);
}

}  // namespace leaven
