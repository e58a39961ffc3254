// Input images of the golden cases, byte for byte those of scripts/golden_images.py, which defines every kind.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace leaven::golden {

// Number k of the splitmix64 stream of `seed`.
inline std::uint64_t stream_value(std::uint64_t seed, std::uint64_t k) {
  std::uint64_t z = seed + (k + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// Calls value(y, x, channel, flat index) for every byte of the image.
template <class Value>
void fill_image(std::vector<std::uint8_t>& image, int height, int width, int channels, Value value) {
  std::uint64_t i = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c, ++i) image[i] = static_cast<std::uint8_t>(value(y, x, c, i));
}

inline void fill_blocks(std::vector<std::uint8_t>& image, std::uint64_t seed, int height, int width, int channels) {
  std::uint64_t next = 0;
  const auto draw = [&] { return stream_value(seed, next++); };
  const auto below = [&](int n) { return static_cast<int>(draw() % static_cast<std::uint64_t>(n)); };
  const auto paint = [&](int left, int top, int right, int bottom) {
    for (int c = 0; c < channels; ++c) {
      const auto colour = static_cast<std::uint8_t>(draw() >> 56);
      for (int y = top; y < bottom; ++y)
        for (int x = left; x < right; ++x)
          image[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) *
                    static_cast<std::size_t>(channels) +
                static_cast<std::size_t>(c)] = colour;
    }
  };
  paint(0, 0, width, height);
  for (int rectangle = 0; rectangle < 8; ++rectangle) {
    const int left = below(width);
    const int top = below(height);
    const int right = std::min(left + 1 + below(width), width);
    const int bottom = std::min(top + 1 + below(height), height);
    paint(left, top, right, bottom);
  }
}

inline int gradient_value(std::uint64_t r, int y, int x, int height, int width) {
  const int t = r % 3 == 0 ? x : r % 3 == 1 ? y : x + y;
  const int n = r % 3 == 0 ? width - 1 : r % 3 == 1 ? height - 1 : width + height - 2;
  const int ramp = t * 255 / std::max(n, 1);
  return r % 6 >= 3 ? 255 - ramp : ramp;
}

inline std::vector<std::uint8_t> make_image(std::string_view kind, std::uint64_t seed, int height, int width,
                                            int channels) {
  std::vector<std::uint8_t> image(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
                                  static_cast<std::size_t>(channels));
  const auto byte = [&](std::uint64_t k) { return stream_value(seed, k) >> 56; };
  const auto fill = [&](auto value) { fill_image(image, height, width, channels, value); };
  if (kind == "noise") {
    fill([&](int, int, int, std::uint64_t i) { return byte(i); });
  } else if (kind == "flat") {
    fill([&](int, int, int c, std::uint64_t) { return byte(static_cast<std::uint64_t>(c)); });
  } else if (kind == "low_contrast") {
    const std::uint64_t base = stream_value(seed, 0) % 247;
    fill([&](int, int, int, std::uint64_t i) { return base + stream_value(seed, 1 + i) % 10; });
  } else if (kind == "gradient") {
    fill([&](int y, int x, int c, std::uint64_t) {
      return gradient_value(stream_value(seed, static_cast<std::uint64_t>(c)), y, x, height, width);
    });
  } else if (kind == "blocks") {
    fill_blocks(image, seed, height, width, channels);
  } else if (kind == "smooth") {
    const auto w = static_cast<std::uint64_t>(std::max(width - 1, 1)),
               h = static_cast<std::uint64_t>(std::max(height - 1, 1));
    fill([&](int row, int column, int c, std::uint64_t) {
      const auto y = static_cast<std::uint64_t>(row), x = static_cast<std::uint64_t>(column),
                 k = 4 * static_cast<std::uint64_t>(c);
      return (byte(k) * (w - x) * (h - y) + byte(k + 1) * x * (h - y) + byte(k + 2) * (w - x) * y +
              byte(k + 3) * x * y) /
             (w * h);
    });
  } else {
    throw std::invalid_argument("make_image: unknown kind");
  }
  return image;
}

}  // namespace leaven::golden
