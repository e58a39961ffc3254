#include "host/nn/loops.hpp"
#include "kernels/nn/pool.hpp"

namespace leaven::nn::LEAVEN_ISA {
namespace {

constexpr std::int64_t kBlock = 16;  // channels whose maxima stay in registers

// The first maximum of each window, row by row; the first NaN where there is one.
template <std::int64_t kChannels>
[[gnu::always_inline]] inline void max_of_window(const float* x, std::int64_t window, std::int64_t row_stride,
                                                 std::int64_t pixel_stride, std::int64_t channels, float* y,
                                                 std::uint8_t* position) {
  const std::int64_t n = kChannels > 0 ? kChannels : channels;
  float best[kBlock];
  std::int32_t at[kBlock];
  for (std::int64_t c = 0; c < n; ++c) best[c] = x[c], at[c] = 0;
  for (std::int64_t i = 1; i < window * window; ++i) {
    const float* from = x + i / window * row_stride + i % window * pixel_stride;
    for (std::int64_t c = 0; c < n; ++c) {
      const bool better = replaces_maximum(from[c], best[c]);
      best[c] = better ? from[c] : best[c];
      at[c] = better ? static_cast<std::int32_t>(i) : at[c];
    }
  }
  for (std::int64_t c = 0; c < n; ++c) y[c] = best[c];
  if (position == nullptr) return;
  for (std::int64_t c = 0; c < n; ++c) position[c] = static_cast<std::uint8_t>(at[c]);
}

void max_forward(const PoolShape& s, const float* x, float* y, std::uint8_t* position) {
  const std::int64_t rows = s.height / s.window;
  const std::int64_t columns = s.width / s.window;
  for (std::int64_t row = 0; row < s.batch * rows; ++row) {
    const float* from = x + (row / rows * s.height + row % rows * s.window) * s.width * s.channels;
    for (std::int64_t column = 0; column < columns; ++column, from += s.window * s.channels) {
      const std::int64_t to = (row * columns + column) * s.channels;
      std::int64_t c = 0;
      for (; c + kBlock <= s.channels; c += kBlock) {
        max_of_window<kBlock>(from + c, s.window, s.width * s.channels, s.channels, kBlock, y + to + c,
                              position == nullptr ? nullptr : position + to + c);
      }
      if (c < s.channels) {
        max_of_window<0>(from + c, s.window, s.width * s.channels, s.channels, s.channels - c, y + to + c,
                         position == nullptr ? nullptr : position + to + c);
      }
    }
  }
}

void max_backward(const PoolShape& s, const float* dy, const std::uint8_t* position, float* dx) {
  const std::int64_t rows = s.height / s.window;
  const std::int64_t columns = s.width / s.window;
  const std::int64_t row_values = s.width * s.channels;
  for (std::int64_t image = 0; image < s.batch; ++image) {
    for (std::int64_t row = 0; row < s.height; ++row, dx += row_values) {
      const std::int64_t covered = row / s.window < rows ? columns * s.window : 0;  // the rest was dropped
      for (std::int64_t column = 0; column < covered; ++column) {
        const std::int64_t from = ((image * rows + row / s.window) * columns + column / s.window) * s.channels;
        const std::int32_t here = static_cast<std::int32_t>(row % s.window * s.window + column % s.window);
        float* to = dx + column * s.channels;
        for (std::int64_t c = 0; c < s.channels; ++c) to[c] = position[from + c] == here ? dy[from + c] : 0;
      }
      for (std::int64_t i = covered * s.channels; i < row_values; ++i) dx[i] = 0;
    }
  }
}

void average_forward(std::int64_t images, std::int64_t pixels, std::int64_t channels, const float* x, float* y) {
  const float share = 1.0f / static_cast<float>(pixels);
  for (std::int64_t image = 0; image < images; ++image, y += channels) {
    for (std::int64_t c = 0; c < channels; ++c) y[c] = 0;
    for (std::int64_t p = 0; p < pixels; ++p, x += channels) {
      for (std::int64_t c = 0; c < channels; ++c) y[c] += x[c];
    }
    for (std::int64_t c = 0; c < channels; ++c) y[c] *= share;
  }
}

void average_backward(std::int64_t images, std::int64_t pixels, std::int64_t channels, const float* dy, float* dx) {
  const float share = 1.0f / static_cast<float>(pixels);
  for (std::int64_t image = 0; image < images; ++image, dy += channels) {
    for (std::int64_t p = 0; p < pixels; ++p, dx += channels) {
      for (std::int64_t c = 0; c < channels; ++c) dx[c] = dy[c] * share;
    }
  }
}

}  // namespace

const PoolTable pool_table{max_forward, max_backward, average_forward, average_backward};

}  // namespace leaven::nn::LEAVEN_ISA
