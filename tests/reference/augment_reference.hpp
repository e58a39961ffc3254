#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <vector>

// The augmentation operations once more, image by image and pixel by pixel, from their definitions. Shares no code with
// the library. tests/golden says that these definitions are Pillow's.
namespace leaven::reference {

struct Image {
  int height = 0, width = 0, channels = 1;
  std::vector<std::uint8_t> values;  // (height, width, channels)

  Image() = default;
  Image(int h, int w, int c, std::uint8_t value = 0)
      : height(h), width(w), channels(c), values(static_cast<std::size_t>(h) * w * c, value) {}
  std::uint8_t& at(int y, int x, int c) { return values[(static_cast<std::size_t>(y) * width + x) * channels + c]; }
  std::uint8_t at(int y, int x, int c) const {
    return values[(static_cast<std::size_t>(y) * width + x) * channels + c];
  }
  bool operator==(const Image&) const = default;
};

// out(y, x, c) = value(y, x, c)
template <class Value>
Image make(int height, int width, int channels, const Value& value) {
  Image out(height, width, channels);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) out.at(y, x, c) = static_cast<std::uint8_t>(value(y, x, c));
  return out;
}

template <class Value>
Image map(const Image& in, const Value& value) {
  return make(in.height, in.width, in.channels, [&](int y, int x, int c) { return value(in.at(y, x, c)); });
}

inline int blend(int a, int b, float factor) {
  const volatile float product = factor * static_cast<float>(b - a);  // volatile: no fused multiply-add
  const float t = static_cast<float>(a) + product;
  if (!(t > 0)) return 0;  // NaN too
  return t >= 255 ? 255 : static_cast<int>(t);
}

inline int luma(const Image& in, int y, int x) {
  if (in.channels == 1) return in.at(y, x, 0);
  return (19595 * in.at(y, x, 0) + 38470 * in.at(y, x, 1) + 7471 * in.at(y, x, 2) + 32768) >> 16;
}

inline Image brightness(const Image& in, float factor) {
  return map(in, [&](int v) { return blend(0, v, factor); });
}

inline Image brightness_offset(const Image& in, std::int64_t offset) {
  return map(in, [&](int v) { return std::clamp<std::int64_t>(v + offset, 0, 255); });
}

inline Image contrast(const Image& in, float factor) {
  double sum = 0;
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; ++x) sum += luma(in, y, x);
  const int mean = static_cast<int>(std::floor(sum / (static_cast<double>(in.height) * in.width) + 0.5));
  return map(in, [&](int v) { return blend(mean, v, factor); });
}

inline Image color(const Image& in, float factor) {
  if (in.channels == 1) return in;
  return make(in.height, in.width, 3,
              [&](int y, int x, int c) { return blend(luma(in, y, x), in.at(y, x, c), factor); });
}

inline Image posterize(const Image& in, int bits) {
  const int kept = std::clamp(bits, 0, 8);
  return map(in, [&](int v) { return v >> (8 - kept) << (8 - kept); });
}

inline Image solarize(const Image& in, double threshold) {
  return map(in, [&](int v) { return v < threshold ? v : 255 - v; });
}

inline Image solarize_add(const Image& in, int addend, int threshold) {
  return map(in, [&](int v) { return v < threshold ? std::min(v + addend, 255) : v; });
}

inline Image grey(const Image& in) {
  return make(in.height, in.width, in.channels, [&](int y, int x, int) { return luma(in, y, x); });
}

// How many values of a channel are below v, and how many are v.
inline std::array<std::int64_t, 2> below_and_at(const Image& in, int channel, int v) {
  std::array<std::int64_t, 2> counts{};
  for (int y = 0; y < in.height; ++y) {
    for (int x = 0; x < in.width; ++x) {
      counts[0] += in.at(y, x, channel) < v;
      counts[1] += in.at(y, x, channel) == v;
    }
  }
  return counts;
}

struct Range {
  int lowest = 255, highest = 0;
};
inline Range range_of(const Image& in, int channel) {
  Range range;
  for (int y = 0; y < in.height; ++y) {
    for (int x = 0; x < in.width; ++x) {
      range.lowest = std::min<int>(range.lowest, in.at(y, x, channel));
      range.highest = std::max<int>(range.highest, in.at(y, x, channel));
    }
  }
  return range;
}

inline Image autocontrast(const Image& in) {
  std::array<Range, 3> ranges;
  for (int c = 0; c < in.channels; ++c) ranges[static_cast<std::size_t>(c)] = range_of(in, c);
  return make(in.height, in.width, in.channels, [&](int y, int x, int c) -> int {
    const auto [lowest, highest] = ranges[static_cast<std::size_t>(c)];
    if (highest <= lowest) return in.at(y, x, c);
    const double scale = 255.0 / (highest - lowest);
    const double offset = -lowest * scale;
    const volatile double product = in.at(y, x, c) * scale;  // volatile: no fused multiply-add
    return std::clamp(static_cast<int>(product + offset), 0, 255);
  });
}

inline Image equalize(const Image& in) {
  return make(in.height, in.width, in.channels, [&](int y, int x, int c) -> int {
    const Range range = range_of(in, c);
    const auto [below_last, last] = below_and_at(in, c, range.highest);
    const std::int64_t step = below_last / 255;  // all values but the largest ones
    static_cast<void>(last);
    if (range.highest <= range.lowest || step == 0) return in.at(y, x, c);
    return static_cast<int>(std::min<std::int64_t>((step / 2 + below_and_at(in, c, in.at(y, x, c))[0]) / step, 255));
  });
}

inline Image sharpness(const Image& in, float factor) {
  return make(in.height, in.width, in.channels, [&](int y, int x, int c) -> int {
    const int v = in.at(y, x, c);
    if (y == 0 || x == 0 || y == in.height - 1 || x == in.width - 1) return v;
    int sum = 4 * v;
    for (int dy = -1; dy <= 1; ++dy) {
      for (int dx = -1; dx <= 1; ++dx) sum += in.at(y + dy, x + dx, c);
    }
    return blend(static_cast<int>(std::floor(sum / 13.0 + 0.5)), v, factor);
  });
}

// Pillow's RGB to HSV and back, H moved by int(255 factor).
inline std::array<int, 3> turned_hue(std::array<int, 3> rgb, double factor) {
  const auto [r, g, b] = rgb;
  const int most = std::max({r, g, b});
  const int least = std::min({r, g, b});
  const int steps = static_cast<int>(std::trunc(factor * 255.0));
  if (most == least) return rgb;
  const auto part = [&](int v) { return double{static_cast<float>(most - v) / static_cast<float>(most - least)}; };
  const double raw = r == most   ? static_cast<float>(part(b)) - static_cast<float>(part(g))
                     : g == most ? static_cast<float>(2.0 + part(r) - part(b))
                                 : static_cast<float>(4.0 + part(g) - part(r));
  const float turn = static_cast<float>(std::fmod(raw / 6.0 + 1.0, 1.0));
  const int h = (static_cast<int>(turn * 255.0) + steps + 256) % 256;
  const int s = static_cast<int>((static_cast<float>(most - least) / static_cast<float>(most)) * 255.0);
  if (s == 0) return {most, most, most};
  const double share = s / 255.0;
  const double sixths = h * 6.0 / 255.0;
  const double f = sixths - std::floor(sixths);
  const int p = static_cast<int>(std::round(most * (1.0 - share)));
  const int q = static_cast<int>(std::round(most * (1.0 - share * f)));
  const int t = static_cast<int>(std::round(most * (1.0 - share * (1.0 - f))));
  const std::array<std::array<int, 3>, 6> sectors{
      {{most, t, p}, {q, most, p}, {p, most, t}, {p, q, most}, {t, p, most}, {most, p, q}}};
  return sectors[static_cast<std::size_t>(sixths) % 6];
}

inline Image hue(const Image& in, double factor) {
  if (in.channels == 1) return in;
  return make(in.height, in.width, 3, [&](int y, int x, int c) {
    return turned_hue({in.at(y, x, 0), in.at(y, x, 1), in.at(y, x, 2)}, factor)[static_cast<std::size_t>(c)];
  });
}

inline Image erase(const Image& in, std::int64_t left, std::int64_t top, std::int64_t width, std::int64_t height,
                   std::array<std::uint8_t, 3> colour) {
  return make(in.height, in.width, in.channels, [&](int y, int x, int c) {
    const bool inside = x >= left && x < left + width && y >= top && y < top + height;
    return inside ? colour[static_cast<std::size_t>(c)] : in.at(y, x, c);
  });
}

inline Image invert(const Image& in) {
  return map(in, [](int v) { return 255 - v; });
}

inline Image flip(const Image& in, bool left_right, bool top_bottom) {
  return make(in.height, in.width, in.channels, [&](int y, int x, int c) {
    return in.at(top_bottom ? in.height - 1 - y : y, left_right ? in.width - 1 - x : x, c);
  });
}

using Fill = std::array<std::uint8_t, 3>;

// The part of size (height, width) at (x, y) of the input with `padding` pixels of fill on all sides.
inline Image pad_crop(const Image& in, int padding, Fill fill, int offset_x, int offset_y, int height, int width) {
  return make(height, width, in.channels, [&](int y, int x, int c) -> int {
    const int row = y + offset_y - padding;
    const int column = x + offset_x - padding;
    const bool inside = row >= 0 && row < in.height && column >= 0 && column < in.width;
    return inside ? in.at(row, column, c) : fill[static_cast<std::size_t>(c)];
  });
}

using Matrix = std::array<double, 6>;

// Source coordinates of all output pixels, row by row; -1: outside.
struct Coordinates {
  std::vector<std::int64_t> x, y;
};

inline std::int64_t inside_or_minus_one(double v, int size) {
  return v >= 0 && v < size ? static_cast<std::int64_t>(v) : -1;
}

inline Coordinates running_sums(const Matrix& m, int in_height, int in_width, int height, int width) {
  Coordinates all;
  double row_x = m[2] + m[1] * 0.5 + m[0] * 0.5;
  double row_y = m[5] + m[4] * 0.5 + m[3] * 0.5;
  for (int y = 0; y < height; ++y) {
    double xx = row_x;
    double yy = row_y;
    for (int x = 0; x < width; ++x) {
      all.x.push_back(inside_or_minus_one(xx, in_width));
      all.y.push_back(inside_or_minus_one(yy, in_height));
      xx += m[0];
      yy += m[3];
    }
    row_x += m[1];
    row_y += m[4];
  }
  return all;
}

inline Coordinates fixed_point(const Matrix& m, int height, int width) {
  const auto fix = [](double v) { return static_cast<std::int64_t>(std::floor(v * 65536.0 + 0.5)); };
  const std::int64_t a0 = fix(m[0]), a1 = fix(m[1]), a3 = fix(m[3]), a4 = fix(m[4]);
  const std::int64_t a2 = fix(m[2] + m[0] * 0.5 + m[1] * 0.5);
  const std::int64_t a5 = fix(m[5] + m[3] * 0.5 + m[4] * 0.5);
  Coordinates all;
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      all.x.push_back((a2 + a0 * x + a1 * y) >> 16);
      all.y.push_back((a5 + a3 * x + a4 * y) >> 16);
    }
  }
  return all;
}

inline Image warp_nearest(const Image& in, const Matrix& m, Fill fill, int height, int width) {
  const auto fits = [&](double x, double y) {
    return std::abs(x * m[0] + y * m[1] + m[2]) < 32768.0 && std::abs(x * m[3] + y * m[4] + m[5]) < 32768.0;
  };
  const bool no_shear = m[1] == 0 && m[3] == 0;
  const bool fixed = !no_shear && fits(0, 0) && fits(width, 0) && fits(0, height) && fits(width, height);
  const Coordinates from = fixed ? fixed_point(m, height, width) : running_sums(m, in.height, in.width, height, width);
  return make(height, width, in.channels, [&](int y, int x, int c) -> int {
    const std::size_t i = static_cast<std::size_t>(y) * width + x;
    const bool inside = from.x[i] >= 0 && from.x[i] < in.width && from.y[i] >= 0 && from.y[i] < in.height;
    return inside ? in.at(static_cast<int>(from.y[i]), static_cast<int>(from.x[i]), c)
                  : fill[static_cast<std::size_t>(c)];
  });
}

inline Image warp_bilinear(const Image& in, const Matrix& m, Fill fill, int height, int width) {
  return make(height, width, in.channels, [&](int y, int x, int c) -> int {
    const double x_in = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2];
    const double y_in = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
    const bool inside = x_in >= 0 && x_in < in.width && y_in >= 0 && y_in < in.height;
    if (!inside) return fill[static_cast<std::size_t>(c)];
    const double left = std::floor(x_in - 0.5);
    const double top = std::floor(y_in - 0.5);
    const double dx = x_in - 0.5 - left;
    const double dy = y_in - 0.5 - top;
    const auto value = [&](double row, double column) -> double {
      return in.at(static_cast<int>(std::clamp(row, 0.0, in.height - 1.0)),
                   static_cast<int>(std::clamp(column, 0.0, in.width - 1.0)), c);
    };
    const auto mix = [](double a, double b, double weight) { return a + (b - a) * weight; };
    const double upper = mix(value(top, left), value(top, left + 1), dx);
    const double lower = mix(value(top + 1, left), value(top + 1, left + 1), dx);
    return static_cast<int>(mix(upper, lower, dy));
  });
}

enum class Sampling { nearest, bilinear, bicubic };

inline Image warp(const Image& in, const Matrix& m, Sampling sampling, Fill fill, int height, int width) {
  for (const double element : m) {
    if (!std::isfinite(element)) {
      return make(height, width, in.channels, [&](int, int, int c) { return fill[static_cast<std::size_t>(c)]; });
    }
  }
  return sampling == Sampling::nearest ? warp_nearest(in, m, fill, height, width)
                                       : warp_bilinear(in, m, fill, height, width);
}

inline double fifteen_decimals(double v) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.15f", v);
  return std::strtod(text, nullptr);
}

// As Pillow's Image.rotate; warp(matrix) warps `in`.
template <class Warp>
Image rotate(const Image& in, double angle_deg, const Warp& warp) {
  const int h = in.height;
  const int w = in.width;
  if (!std::isfinite(angle_deg)) return warp({NAN, 0, 0, 0, 1, 0});
  double angle = std::fmod(angle_deg, 360.0);
  if (angle < 0) angle += 360.0;
  if (angle == 0) return in;
  if (angle == 180) return flip(in, true, true);
  if (h == w && angle == 90) {
    return make(h, w, in.channels, [&](int y, int x, int c) { return in.at(x, w - 1 - y, c); });
  }
  if (h == w && angle == 270) {
    return make(h, w, in.channels, [&](int y, int x, int c) { return in.at(h - 1 - x, y, c); });
  }
  const double rad = -(angle * (std::numbers::pi / 180.0));
  const double cosine = fifteen_decimals(std::cos(rad));
  const double sine = fifteen_decimals(std::sin(rad));
  const double cx = w / 2.0;
  const double cy = h / 2.0;
  return warp({cosine, sine, cosine * -cx + sine * -cy + cx, -sine, cosine, -sine * -cx + cosine * -cy + cy});
}

}  // namespace leaven::reference
