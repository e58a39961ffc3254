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

// One window of 2: each gradient is read once and goes to one of four places.
[[gnu::always_inline]] inline void spread_to_2x2(const float* __restrict dy, const std::uint8_t* __restrict position,
                                                 std::int64_t channels, float* __restrict top,
                                                 float* __restrict bottom) {
  std::int32_t at[kBlock];
  for (std::int64_t first = 0; first < channels; first += kBlock) {
    const std::int64_t n = channels - first < kBlock ? channels - first : kBlock;
    for (std::int64_t c = 0; c < n; ++c) at[c] = position[first + c];
    const float* __restrict g = dy + first;
    float* __restrict t = top + first;
    float* __restrict b = bottom + first;
    for (std::int64_t c = 0; c < n; ++c) {
      t[c] = at[c] == 0 ? g[c] : 0;
      t[channels + c] = at[c] == 1 ? g[c] : 0;
      b[c] = at[c] == 2 ? g[c] : 0;
      b[channels + c] = at[c] == 3 ? g[c] : 0;
    }
  }
}

void spread_to_window(const float* dy, const std::uint8_t* position, std::int64_t window, std::int64_t row_values,
                      std::int64_t channels, float* dx) {
  for (std::int64_t i = 0; i < window * window; ++i) {
    float* to = dx + i / window * row_values + i % window * channels;
    for (std::int64_t c = 0; c < channels; ++c) to[c] = position[c] == i ? dy[c] : 0;
  }
}

void max_backward(const PoolShape& s, const float* dy, const std::uint8_t* position, float* dx) {
  const std::int64_t rows = s.height / s.window;
  const std::int64_t columns = s.width / s.window;
  const std::int64_t row_values = s.width * s.channels;
  const std::int64_t covered = columns * s.window * s.channels;  // of a row; the rest was dropped
  for (std::int64_t image = 0; image < s.batch; ++image, dx += s.height * row_values) {
    for (std::int64_t row = 0; row < rows; ++row) {
      float* to = dx + row * s.window * row_values;
      for (std::int64_t column = 0; column < columns; ++column) {
        if (s.window == 2) {
          spread_to_2x2(dy, position, s.channels, to, to + row_values);
        } else {
          spread_to_window(dy, position, s.window, row_values, s.channels, to);
        }
        to += s.window * s.channels;
        dy += s.channels;
        position += s.channels;
      }
    }
    for (std::int64_t row = 0; row < s.height; ++row) {
      for (std::int64_t i = row < rows * s.window ? covered : 0; i < row_values; ++i) dx[row * row_values + i] = 0;
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
