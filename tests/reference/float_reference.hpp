#pragma once

#include <array>
#include <functional>

#include "tests/reference/augment_reference.hpp"
#include "tests/reference/warp_reference.hpp"

// The augmentation operations on f32 images once more, in double, pixel by pixel, from their definitions. Shares no
// code with the library.
namespace leaven::reference {

struct FloatImage {
  int height = 0, width = 0, channels = 1;
  std::vector<float> values;  // (height, width, channels)

  FloatImage() = default;
  FloatImage(int h, int w, int c) : height(h), width(w), channels(c), values(static_cast<std::size_t>(h) * w * c) {}
  float& at(int y, int x, int c) { return values[(static_cast<std::size_t>(y) * width + x) * channels + c]; }
  float at(int y, int x, int c) const { return values[(static_cast<std::size_t>(y) * width + x) * channels + c]; }
};

// out(y, x, c) = value(y, x, c)
template <class Value>
FloatImage make_float(int height, int width, int channels, const Value& value) {
  FloatImage out(height, width, channels);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) out.at(y, x, c) = static_cast<float>(value(y, x, c));
  return out;
}

template <class Value>
FloatImage map(const FloatImage& in, const Value& value) {
  return make_float(in.height, in.width, in.channels,
                    [&](int y, int x, int c) { return value(double{in.at(y, x, c)}); });
}

inline double clamped(double v) { return std::clamp(v, 0.0, 255.0); }
inline double mixed(double a, double v, double factor) { return clamped(a + factor * (v - a)); }

inline double exact_luma(const FloatImage& in, int y, int x) {
  if (in.channels == 1) return in.at(y, x, 0);
  return (19595.0 * in.at(y, x, 0) + 38470.0 * in.at(y, x, 1) + 7471.0 * in.at(y, x, 2)) / 65536.0;
}

inline FloatImage brightness(const FloatImage& in, float factor) {
  return map(in, [&](double v) { return mixed(0, v, factor); });
}
inline FloatImage brightness_offset(const FloatImage& in, float offset) {
  return map(in, [&](double v) { return clamped(v + offset); });
}

inline FloatImage contrast(const FloatImage& in, float factor) {
  double sum = 0;
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; ++x) sum += exact_luma(in, y, x);
  const double mean = sum / (static_cast<double>(in.height) * in.width);
  return map(in, [&](double v) { return mixed(mean, v, factor); });
}

inline FloatImage color(const FloatImage& in, float factor) {
  if (in.channels == 1) return in;
  return make_float(in.height, in.width, in.channels,
                    [&](int y, int x, int c) { return mixed(exact_luma(in, y, x), in.at(y, x, c), factor); });
}

inline FloatImage grey(const FloatImage& in) {
  return make_float(in.height, in.width, in.channels, [&](int y, int x, int) { return exact_luma(in, y, x); });
}

inline FloatImage posterize(const FloatImage& in, std::int32_t bits) {
  const double step = std::pow(2.0, 8 - bits);
  return map(in, [&](double v) { return std::floor(v / step) * step; });
}

inline FloatImage solarize(const FloatImage& in, float threshold) {
  return map(in, [&](double v) { return v < threshold ? v : 255 - v; });
}

inline FloatImage solarize_add(const FloatImage& in, std::int32_t addend, std::int32_t threshold) {
  return map(in, [&](double v) { return v < threshold ? std::min(v + addend, 255.0) : v; });
}

inline FloatImage autocontrast(const FloatImage& in) {
  return make_float(in.height, in.width, in.channels, [&](int y, int x, int c) -> double {
    double lowest = in.at(0, 0, c);
    double highest = lowest;
    for (int i = 0; i < in.height * in.width; ++i) {
      lowest = std::min<double>(lowest, in.at(i / in.width, i % in.width, c));
      highest = std::max<double>(highest, in.at(i / in.width, i % in.width, c));
    }
    const double v = in.at(y, x, c);
    return lowest == highest ? v : clamped((v - lowest) * 255 / (highest - lowest));
  });
}

inline FloatImage sharpness(const FloatImage& in, float factor) {
  return make_float(in.height, in.width, in.channels, [&](int y, int x, int c) -> double {
    const double v = in.at(y, x, c);
    if (y == 0 || x == 0 || y == in.height - 1 || x == in.width - 1) return v;
    double sum = 4 * v;
    for (int dy = -1; dy <= 1; ++dy)
      for (int dx = -1; dx <= 1; ++dx) sum += in.at(y + dy, x + dx, c);
    return mixed(sum / 13, v, factor);
  });
}

// To HSV and back by sectors, as Pillow does in 8 bits.
inline std::array<double, 3> exact_hue(std::array<double, 3> rgb, double factor) {
  const auto [r, g, b] = rgb;
  const double most = std::max({r, g, b});
  const double range = most - std::min({r, g, b});
  if (range == 0) return rgb;
  double turn = (r == most ? (g - b) / range : g == most ? 2 + (b - r) / range : 4 + (r - g) / range) / 6 + factor;
  turn -= std::floor(turn);
  const double f = 6 * turn - std::floor(6 * turn);
  const double p = most - range;
  const double q = most - range * f;
  const double t = most - range * (1 - f);
  switch (static_cast<int>(6 * turn) % 6) {
    case 1: return {q, most, p};
    case 2: return {p, most, t};
    case 3: return {p, q, most};
    case 4: return {t, p, most};
    case 5: return {most, p, q};
    default: return {most, t, p};
  }
}

inline FloatImage hue(const FloatImage& in, float factor) {
  if (in.channels == 1) return in;
  return make_float(in.height, in.width, 3, [&](int y, int x, int c) {
    return exact_hue({in.at(y, x, 0), in.at(y, x, 1), in.at(y, x, 2)}, factor)[static_cast<std::size_t>(c)];
  });
}

inline FloatImage erase(const FloatImage& in, std::int64_t left, std::int64_t top, std::int64_t width,
                        std::int64_t height, Fill colour) {
  return make_float(in.height, in.width, in.channels, [&](int y, int x, int c) -> float {
    const bool inside = x >= left && x < left + width && y >= top && y < top + height;
    return inside ? colour[static_cast<std::size_t>(c)] : in.at(y, x, c);
  });
}

// The means of whole windows, not in two passes; the border is mirrored.
inline FloatImage gaussian_blur(const FloatImage& in, int size, double sigma) {
  const int half = size / 2;
  const auto mirrored = [](int i, int side) { return i < 0 ? -i : (i < side ? i : 2 * side - 2 - i); };
  const auto density = [&](int d) { return std::exp(-0.5 * (d / sigma) * (d / sigma)); };
  double total = 0;
  for (int i = -half; i <= half; ++i) total += density(i);
  return make_float(in.height, in.width, in.channels, [&](int y, int x, int c) {
    double sum = 0;
    for (int i = -half; i <= half; ++i) {
      const int row = mirrored(y + i, in.height);
      for (int j = -half; j <= half; ++j)
        sum += density(i) / total * (density(j) / total) * in.at(row, mirrored(x + j, in.width), c);
    }
    return sum;
  });
}

inline FloatImage invert(const FloatImage& in) {
  return map(in, [](double v) { return 255 - v; });
}

// What the 8-bit operation `move` does to an image whose pixels say where they are, done to `in`: sides up to 255.
inline FloatImage moved(const FloatImage& in, Fill fill, const std::function<Image(const Image&)>& move) {
  const Image places = make(in.height, in.width, 3, [](int y, int x, int c) { return c == 0 ? 1 : (c == 1 ? x : y); });
  const Image from = move(places);
  return make_float(from.height, from.width, in.channels, [&](int y, int x, int c) -> float {
    if (from.at(y, x, 0) == 0) return fill[static_cast<std::size_t>(c)];
    return in.at(from.at(y, x, 2), from.at(y, x, 1), c);
  });
}

inline FloatImage float_bilinear(const FloatImage& in, const Matrix& m, Fill fill, int height, int width) {
  return make_float(height, width, in.channels, [&](int y, int x, int c) -> double {
    const double x_in = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2];
    const double y_in = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
    const bool inside = x_in >= 0 && x_in < in.width && y_in >= 0 && y_in < in.height;
    if (!inside) return fill[static_cast<std::size_t>(c)];
    double sum = 0;
    for (int row = 0; row < in.height; ++row) {  // a tent over every pixel; behind the border its own value goes on
      for (int column = 0; column < in.width; ++column) {
        const double dx = std::abs(std::clamp(x_in - 0.5, 0.0, in.width - 1.0) - column);
        const double dy = std::abs(std::clamp(y_in - 0.5, 0.0, in.height - 1.0) - row);
        if (dx < 1 && dy < 1) sum += (1 - dx) * (1 - dy) * in.at(row, column, c);
      }
    }
    return sum;
  });
}

inline FloatImage float_general(const FloatImage& in, const std::array<double, 8>& m, Sampling sampling, Edge edge,
                                Fill fill, int height, int width) {
  return make_float(height, width, in.channels, [&](int y, int x, int c) {
    const double value = warped_value(in, m, sampling, edge, fill, y, x, c);
    return sampling == Sampling::bicubic ? clamped(value) : value;
  });
}

inline FloatImage warp(const FloatImage& in, const Matrix& m, Sampling sampling, Edge edge, Fill fill, int height,
                       int width) {
  const bool finite = std::all_of(m.begin(), m.end(), [](double v) { return std::isfinite(v); });
  if (!finite || (sampling == Sampling::nearest && edge == Edge::fill)) {  // Pillow's three ways
    return moved(in, fill, [&](const Image& i) { return reference::warp(i, m, Sampling::nearest, {}, height, width); });
  }
  if (sampling == Sampling::bilinear && edge == Edge::fill) return float_bilinear(in, m, fill, height, width);
  return float_general(in, {m[0], m[1], m[2], m[3], m[4], m[5], 0, 0}, sampling, edge, fill, height, width);
}

// The exact turn, or the matrix, of the 8-bit reference; warp(matrix) warps `in`.
template <class Warp>
FloatImage rotate(const FloatImage& in, double angle_deg, const Warp& warp) {
  bool turned = true;
  Matrix matrix{};
  const FloatImage exact = moved(in, {}, [&](const Image& places) {
    return rotate(places, angle_deg, [&](const Matrix& m) {
      turned = false;
      matrix = m;
      return places;
    });
  });
  return turned ? exact : warp(matrix);
}

}  // namespace leaven::reference
