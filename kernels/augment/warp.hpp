#pragma once

#include <cstdint>

#include <leaven/augment/operations.hpp>
#include "kernels/augment/image_op.hpp"

// Where the pixels of a warp come from, as Pillow's Geometry.c finds it: three ways for nearest affine warps, which
// differ where a pixel centre meets a pixel edge, one for bilinear ones, one for all others (sampler.hpp). Contraction
// would change bits: compiled without it.
namespace leaven {

enum class WarpPath : std::int32_t {
  outside,   // every output pixel is the fill colour
  shift,     // nearest: x_in = x + dx, y_in = y + dy. A case of `serial`, told apart because rows can be copied
  serial,    // nearest: running sums in double
  fixed,     // nearest: 16.16 fixed point
  bilinear,  // coordinates and interpolation in double
  sampled,   // any interpolation, any border, perspective
};

struct Warp {
  WarpPath path = WarpPath::outside;
  std::int64_t dx = 0, dy = 0;                  // shift
  std::int32_t a0 = 0, a1 = 0, a3 = 0, a4 = 0;  // fixed
  std::int64_t a2 = 0, a5 = 0;
  double m[8] = {1, 0, 0, 0, 1, 0, 0, 0};                // serial, bilinear, sampled
  double start_x = 0, start_y = 0;                       // serial: of output pixel (0, 0)
  double relative_error = 0;                             // serial: of one addition; 0 where all sums are exact
  Interpolation interpolation = Interpolation::nearest;  // sampled
  Border border = Border::fill;
  bool projective = false;
};

LEAVEN_HD double absolute(double v) { return v < 0 ? -v : v; }

LEAVEN_HD std::int64_t floor_to_int(double v) {
  const std::int64_t truncated = static_cast<std::int64_t>(v);
  return truncated - (static_cast<double>(truncated) > v ? 1 : 0);
}

// Pillow's FIX().
LEAVEN_HD std::int64_t fixed_16_16(double v) { return floor_to_int(v * 65536.0 + 0.5); }

LEAVEN_HD std::int32_t clamp_to_int32(std::int64_t v) {
  return static_cast<std::int32_t>(v < -2147483647 ? -2147483647 : (v > 2147483647 ? 2147483647 : v));
}

// Pillow's COORD() with the test against the image: -1 is outside.
LEAVEN_HD std::int32_t truncate_inside(double v, std::int64_t size) {
  return v >= 0.0 && v < static_cast<double>(size) ? static_cast<std::int32_t>(v) : -1;
}

// Sums of multiples of 2^-16 below 2^36 are exact.
LEAVEN_HD bool sums_are_exact(double start, double step, double count) {
  if (!(absolute(start) + absolute(step) * count < 68719476736.0)) return false;
  const double s = start * 65536.0;
  const double t = step * 65536.0;
  return s == static_cast<double>(static_cast<std::int64_t>(s)) &&
         t == static_cast<double>(static_cast<std::int64_t>(t));
}

// True where the sum start + 1 + 1 + ... has the floor of its exact value all along: rounding cannot carry it over an
// integer. (Below 2^17 an addition errs by at most 2^-37, `count` < 2^17 of them by less than 2^-19.)
LEAVEN_HD bool unit_steps_keep_floor(double start, double count) {
  if (sums_are_exact(start, 1.0, count)) return true;
  if (!(absolute(start) + count < 131072.0)) return false;
  const double fraction = start - static_cast<double>(floor_to_int(start));
  return fraction > 0x1p-18 && fraction < 1 - 0x1p-18;
}

LEAVEN_HD bool corner_fits_fixed(const double* m, double x, double y) {
  return absolute(x * m[0] + y * m[1] + m[2]) < 32768.0 && absolute(x * m[3] + y * m[4] + m[5]) < 32768.0;
}

LEAVEN_HD Warp nearest_warp(const double* m, double height, double width) {
  Warp warp;
  for (int i = 0; i < 6; ++i) warp.m[i] = m[i];
  warp.start_x = m[2] + m[1] * 0.5 + m[0] * 0.5;
  warp.start_y = m[5] + m[4] * 0.5 + m[3] * 0.5;
  if (m[1] == 0 && m[3] == 0) {
    if (m[0] == 1 && m[4] == 1 && unit_steps_keep_floor(warp.start_x, width) &&
        unit_steps_keep_floor(warp.start_y, height)) {
      warp.path = WarpPath::shift;
      warp.dx = floor_to_int(warp.start_x);
      warp.dy = floor_to_int(warp.start_y);
      return warp;
    }
  } else if (corner_fits_fixed(m, 0, 0) && corner_fits_fixed(m, width, 0) && corner_fits_fixed(m, 0, height) &&
             corner_fits_fixed(m, width, height)) {
    warp.path = WarpPath::fixed;
    warp.a0 = clamp_to_int32(fixed_16_16(m[0]));
    warp.a1 = clamp_to_int32(fixed_16_16(m[1]));
    warp.a2 = fixed_16_16(m[2] + m[0] * 0.5 + m[1] * 0.5);
    warp.a3 = clamp_to_int32(fixed_16_16(m[3]));
    warp.a4 = clamp_to_int32(fixed_16_16(m[4]));
    warp.a5 = fixed_16_16(m[5] + m[3] * 0.5 + m[4] * 0.5);
    return warp;
  }
  warp.path = WarpPath::serial;
  const bool exact = sums_are_exact(warp.start_x, m[0], width) && sums_are_exact(warp.start_x, m[1], height) &&
                     sums_are_exact(warp.start_y, m[3], width) && sums_are_exact(warp.start_y, m[4], height);
  warp.relative_error = exact ? 0.0 : 0x1p-52;
  return warp;
}

LEAVEN_HD bool is_small_integer(double v) {
  return absolute(v) < 1073741824.0 && static_cast<double>(static_cast<std::int32_t>(v)) == v;
}

LEAVEN_HD bool is_whole_shift(const double* m) {
  return m[0] == 1 && m[1] == 0 && m[3] == 0 && m[4] == 1 && is_small_integer(m[2]) && is_small_integer(m[5]);
}

// height and width: of the output.
LEAVEN_HD Warp make_warp(const ImageOp& op, Interpolation interpolation, Border border, std::int64_t height,
                         std::int64_t width) {
  double sum = 0;
  for (int i = 0; i < 8; ++i) sum += op.m[i] - op.m[i];
  Warp warp;
  if (!(sum == 0)) return warp;
  if (op.kind == ImageOpKind::affine && border == Border::fill) {
    // Without fractions every weight is 0.
    if (interpolation == Interpolation::nearest || is_whole_shift(op.m)) {
      return nearest_warp(op.m, static_cast<double>(height), static_cast<double>(width));
    }
    warp.path = interpolation == Interpolation::bilinear ? WarpPath::bilinear : WarpPath::sampled;
  } else {
    warp.path = WarpPath::sampled;
  }
  for (int i = 0; i < 8; ++i) warp.m[i] = op.m[i];
  warp.interpolation = interpolation;
  warp.border = border;
  warp.projective = op.kind == ImageOpKind::perspective;
  return warp;
}

// The running sum start + row_step (y times) + column_step (x times), truncated. Its closed form has a known distance
// to the sum; only where an integer lies within it is the sum itself taken.
LEAVEN_HD std::int32_t serial_coordinate(double start, double row_step, std::int32_t y, double column_step,
                                         std::int32_t x, double relative_error, std::int64_t size) {
  const double from_rows = row_step * y;
  const double from_columns = column_step * x;
  const double closed = start + from_rows + from_columns;
  const double magnitude = absolute(start) + absolute(from_rows) + absolute(from_columns);
  const double error = (static_cast<double>(y) + static_cast<double>(x) + 4.0) * (relative_error * magnitude);
  const double low = closed - error;
  const double high = closed + error;
  if (high < 0.0 || low >= static_cast<double>(size)) return -1;
  const std::int32_t coordinate = truncate_inside(low, size);
  if (coordinate >= 0 && coordinate == truncate_inside(high, size)) return coordinate;
  double sum = start;
  for (std::int32_t i = 0; i < y; ++i) sum += row_step;
  for (std::int32_t i = 0; i < x; ++i) sum += column_step;
  return truncate_inside(sum, size);
}

// Two pixels of an axis that lie side by side, and the weight of the second. Pillow clamps neighbours to the image:
// before the centre of the first pixel the weight is 0.
struct Neighbours {
  std::int32_t first;
  double weight;
};

// `position` inside [0, size); `first` up to size - 1.
LEAVEN_HD Neighbours row_neighbours(double position) {
  const double centred = position - 0.5;
  if (!(centred > 0)) return {0, 0.0};
  const std::int32_t first = static_cast<std::int32_t>(centred);
  return {first, centred - first};
}

// Columns hold whole numbers, so that behind the centre of the last one the weight 1 of the last is as exact: `first`
// up to size - 2, and the second pixel exists (unless there is only one).
LEAVEN_HD Neighbours column_neighbours(double position, std::int32_t size) {
  const double last = size - 1;
  double x = position - 0.5;
  x = x > 0 ? x : 0.0;
  x = x < last ? x : last;
  const std::int32_t floor = static_cast<std::int32_t>(x);
  const std::int32_t first = floor < size - 2 ? floor : (size > 1 ? size - 2 : 0);
  return {first, x - first};
}

LEAVEN_HD double between(double a, double b, double weight) {
  const double step = (b - a) * weight;
  return a + step;
}

}  // namespace leaven
