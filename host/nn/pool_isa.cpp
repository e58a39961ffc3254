#include "host/nn/loops.hpp"

namespace leaven::nn::LEAVEN_ISA {
namespace {

// The maximum so far and where it stands in its window.
struct Maximum {
  float value;
  std::int32_t at;
};

// The rule of kernels/nn/pool.hpp as two selects after one another: GCC makes vectors of these, but not of a condition
// with "and".
[[gnu::always_inline]] inline void take(Maximum& best, float value, std::int32_t at) {
  const bool is_number = best.value == best.value;
  const Maximum next{value <= best.value ? best.value : value, value <= best.value ? best.at : at};
  best.at = is_number ? next.at : best.at;
  best.value = is_number ? next.value : best.value;
}

constexpr std::int64_t kBlock = 64;  // channels

// One output pixel. The window of 2 is written out, and positions are narrowed afterwards: only so the loops become
// loops of vectors.
[[gnu::always_inline]] inline void max_of_2x2(const float* __restrict top, const float* __restrict bottom,
                                              std::int64_t channels, float* __restrict y,
                                              std::uint8_t* __restrict position) {
  std::int32_t at[kBlock];
  for (std::int64_t first = 0; first < channels; first += kBlock) {
    const std::int64_t n = channels - first < kBlock ? channels - first : kBlock;
    const float* __restrict t = top + first;
    const float* __restrict b = bottom + first;
    for (std::int64_t c = 0; c < n; ++c) {
      Maximum best{t[c], 0};
      take(best, t[channels + c], 1);
      take(best, b[c], 2);
      take(best, b[channels + c], 3);
      y[first + c] = best.value;
      at[c] = best.at;
    }
    for (std::int64_t c = 0; c < n; ++c) position[first + c] = static_cast<std::uint8_t>(at[c]);
  }
}

void max_of_window(const float* x, std::int64_t window, std::int64_t row_values, std::int64_t channels, float* y,
                   std::uint8_t* position) {
  for (std::int64_t c = 0; c < channels; ++c) {
    Maximum best{x[c], 0};
    for (std::int64_t i = 1; i < window * window; ++i) {
      take(best, x[i / window * row_values + i % window * channels + c], static_cast<std::int32_t>(i));
    }
    y[c] = best.value;
    position[c] = static_cast<std::uint8_t>(best.at);
  }
}

void max_forward(const PoolShape& s, const float* x, float* y, std::uint8_t* position) {
  const std::int64_t rows = s.height / s.window;
  const std::int64_t columns = s.width / s.window;
  const std::int64_t row_values = s.width * s.channels;
  for (std::int64_t row = 0; row < s.batch * rows; ++row) {
    const float* from = x + (row / rows * s.height + row % rows * s.window) * row_values;
    for (std::int64_t column = 0; column < columns; ++column) {
      if (s.window == 2) {
        max_of_2x2(from, from + row_values, s.channels, y, position);
      } else {
        max_of_window(from, s.window, row_values, s.channels, y, position);
      }
      from += s.window * s.channels;
      y += s.channels;
      position += s.channels;
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
