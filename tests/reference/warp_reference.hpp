#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "tests/reference/augment_reference.hpp"

// Warps with any interpolation, any border, and perspective, from the definition. Shares no code with the library.
namespace leaven::reference {

enum class Edge { fill, nearest, mirror, periodic };

// The value at whole-numbered position (x, y), which may lie outside. AnyImage: Image or one of floats.
template <class AnyImage>
double value_at(const AnyImage& in, double x, double y, int c, Edge edge) {
  const auto inside = [&](double v, int size) -> int {
    v = std::fmax(-1073741824.0 - 1, std::fmin(1073741824.0 + 2, v));
    const auto last = static_cast<double>(size - 1);
    if (edge == Edge::periodic) return static_cast<int>(v - size * std::floor(v / size));
    if (edge == Edge::mirror) {
      if (size == 1) return 0;
      const double folded = v - 2 * last * std::floor(v / (2 * last));
      return static_cast<int>(folded <= last ? folded : 2 * last - folded);
    }
    return static_cast<int>(std::fmax(0.0, std::fmin(last, v)));
  };
  return in.at(inside(y, in.height), inside(x, in.width), c);
}

// Pillow's cubic through four values, at `d` between the middle two.
inline double cubic(const std::array<double, 4>& v, double d) {
  const double first = -v[0] + v[2];
  const double second = 2 * (v[0] - v[1]) + v[2] - v[3];
  const double third = -v[0] + v[1] - v[2] + v[3];
  return v[1] + d * (first + d * (second + d * third));
}

inline double bounded(double v) { return std::fmax(-1073741824.0, std::fmin(1073741824.0, v)); }

template <class AnyImage>
double sampled(const AnyImage& in, double x_in, double y_in, int c, Sampling sampling, Edge edge) {
  if (sampling == Sampling::nearest) {
    return value_at(in, std::floor(bounded(x_in)), std::floor(bounded(y_in)), c, edge);
  }
  const double left = std::floor(bounded(x_in - 0.5));
  const double top = std::floor(bounded(y_in - 0.5));
  const double dx = bounded(x_in - 0.5) - left;
  const double dy = bounded(y_in - 0.5) - top;
  if (sampling == Sampling::bilinear) {
    const auto mix = [](double a, double b, double weight) { return a + (b - a) * weight; };
    const auto row = [&](double y) {
      return mix(value_at(in, left, y, c, edge), value_at(in, left + 1, y, c, edge), dx);
    };
    return mix(row(top), row(top + 1), dy);
  }
  std::array<double, 4> rows;
  for (int i = 0; i < 4; ++i) {
    std::array<double, 4> row;
    for (int k = 0; k < 4; ++k) {
      row[static_cast<std::size_t>(k)] = value_at(in, left - 1 + k, top - 1 + i, c, edge);
    }
    rows[static_cast<std::size_t>(i)] = cubic(row, dx);
  }
  return cubic(rows, dy);
}

// Of output pixel (x, y), neither clamped nor rounded.
template <class AnyImage>
double warped_value(const AnyImage& in, const std::array<double, 8>& m, Sampling sampling, Edge edge, Fill fill, int y,
                    int x, int c) {
  bool finite = in.height > 0 && in.width > 0;  // an input without pixels is all outside
  for (const double element : m) finite = finite && std::isfinite(element);
  const bool projective = m[6] != 0 || m[7] != 0;
  const double d = projective ? m[6] * (x + 0.5) + m[7] * (y + 0.5) + 1 : 1;
  const double x_in = (m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2]) / d;
  const double y_in = (m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5]) / d;
  const bool inside = x_in >= 0 && x_in < in.width && y_in >= 0 && y_in < in.height;
  if (!finite || std::isnan(x_in) || std::isnan(y_in) || (edge == Edge::fill && !inside)) {
    return fill[static_cast<std::size_t>(c)];
  }
  return sampled(in, x_in, y_in, c, sampling, edge);
}

inline Image warp_general(const Image& in, const std::array<double, 8>& m, Sampling sampling, Edge edge, Fill fill,
                          int height, int width) {
  return make(height, width, in.channels, [&](int y, int x, int c) {
    return static_cast<int>(std::fmax(0.0, std::fmin(255.0, warped_value(in, m, sampling, edge, fill, y, x, c))));
  });
}

}  // namespace leaven::reference
