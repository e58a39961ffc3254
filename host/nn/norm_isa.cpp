#include "host/nn/loops.hpp"
#include "kernels/nn/activation.hpp"

namespace leaven::nn::LEAVEN_ISA {
namespace {

constexpr std::int64_t kWide = 64;           // values of a row, at least, where pixels are joined
constexpr std::int64_t kBlock = 256;         // channels at a time
constexpr std::int64_t kChunkValues = 4096;  // stay in the first-level cache between two passes; float sums stay short

// Few channels make short loops: `pixels` neighbours are treated as one row, with the constants of the channels
// repeated.
struct Row {
  std::int64_t pixels, width;
};
Row row_of(std::int64_t channels) {
  const std::int64_t pixels = channels < kWide ? kWide / channels : 1;
  return {pixels, pixels * channels};
}

// The constants of one row: those of the channels where these are many, otherwise a copy, repeated.
class Repeated {
 public:
  Repeated(const float* values, std::int64_t channels) : values_(values) {
    const Row row = row_of(channels);
    if (row.pixels == 1) return;
    for (std::int64_t i = 0; i < row.width; ++i) copy_[i] = values[i % channels];
    values_ = copy_;
  }
  Repeated(const Repeated&) = delete;
  Repeated& operator=(const Repeated&) = delete;
  const float* values() const { return values_; }

 private:
  float copy_[kWide];
  const float* values_;
};

// sums[i] = sum over rows of value(first value of the row + i); `width` is at most kBlock.
template <class Value>
[[gnu::always_inline]] inline void sum_rows(std::int64_t rows, std::int64_t stride, std::int64_t width,
                                            float* __restrict sums, Value value) {
  for (std::int64_t i = 0; i < width; ++i) sums[i] = 0;
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const std::int64_t at = r * stride;
    for (std::int64_t i = 0; i < width; ++i) {
      sums[i] += (value(at + i, i) + value(at + stride + i, i)) +
                 (value(at + 2 * stride + i, i) + value(at + 3 * stride + i, i));
    }
  }
  for (; r < rows; ++r) {
    for (std::int64_t i = 0; i < width; ++i) sums[i] += value(r * stride + i, i);
  }
}

// totals[c] = sum over `pixels` of value(index, channel) for `block` channels from `first` on.
template <class Value>
[[gnu::always_inline]] inline void sum_channels(std::int64_t pixels, std::int64_t channels, std::int64_t block,
                                                float* totals, Value value) {
  const Row row = row_of(channels);
  float sums[kBlock];
  if (row.pixels == 1) {
    sum_rows(pixels, channels, block, totals, value);
    return;
  }
  const std::int64_t rows = pixels / row.pixels;
  sum_rows(rows, row.width, row.width, sums, value);
  for (std::int64_t c = 0; c < channels; ++c) {
    float total = 0;
    for (std::int64_t p = 0; p < row.pixels; ++p) total += sums[p * channels + c];
    for (std::int64_t p = rows * row.pixels; p < pixels; ++p) total += value(p * channels + c, c);
    totals[c] = total;
  }
}

std::int64_t chunk_pixels(std::int64_t channels) {
  const std::int64_t pixels = kChunkValues / (channels < kBlock ? channels : kBlock);
  return pixels < 8 ? 8 : pixels;
}

// Calls body(first pixel, pixels, first channel, channels) for parts that stay in the first-level cache.
template <class Body>
[[gnu::always_inline]] inline void for_each_chunk(std::int64_t pixels, std::int64_t channels, Body body) {
  const std::int64_t most = chunk_pixels(channels);
  for (std::int64_t p = 0; p < pixels; p += most) {
    for (std::int64_t first = 0; first < channels; first += kBlock) {
      body(p, pixels - p < most ? pixels - p : most, first, channels - first < kBlock ? channels - first : kBlock);
    }
  }
}

// Chunks are merged as Chan, Golub and LeVeque do (1979).
void statistics(const float* x, std::int64_t pixels, std::int64_t channels, double* mean, double* m2) {
  for (std::int64_t c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  for_each_chunk(pixels, channels, [=](std::int64_t p, std::int64_t n, std::int64_t first, std::int64_t block) {
    const double share = static_cast<double>(n) / static_cast<double>(p + n);
    const float inverse = 1.0f / static_cast<float>(n);
    const float* from = x + p * channels + first;
    float sums[kBlock];
    float means[kBlock];
    sum_channels(n, channels, block, sums, [=](std::int64_t i, std::int64_t) { return from[i]; });
    for (std::int64_t c = 0; c < block; ++c) means[c] = sums[c] * inverse;
    const Repeated repeated(means, channels);
    const float* center = repeated.values();
    sum_channels(n, channels, block, sums, [=](std::int64_t i, std::int64_t c) {
      const float d = from[i] - center[c];
      return d * d;
    });
    for (std::int64_t c = 0; c < block; ++c) {
      const double delta = static_cast<double>(means[c]) - mean[first + c];
      mean[first + c] += delta * share;
      m2[first + c] += static_cast<double>(sums[c]) + delta * delta * share * static_cast<double>(p);
    }
  });
}

// Calls body(first value, width) for each row, then for the pixels that are left.
template <class Body>
[[gnu::always_inline]] inline void for_each_row(std::int64_t pixels, std::int64_t channels, Body body) {
  const Row row = row_of(channels);
  const std::int64_t rows = pixels / row.pixels;
  for (std::int64_t r = 0; r < rows; ++r) body(r * row.width, row.width);
  const std::int64_t left = pixels * channels - rows * row.width;
  if (left > 0) body(rows * row.width, left);
}

template <bool kRelu>
void apply_rows(const float* __restrict x, std::int64_t pixels, std::int64_t channels, const float* channel_scale,
                const float* channel_shift, float* __restrict y) {
  const Repeated scales(channel_scale, channels);
  const Repeated shifts(channel_shift, channels);
  const float* __restrict scale = scales.values();
  const float* __restrict shift = shifts.values();
  for_each_row(pixels, channels, [=](std::int64_t at, std::int64_t width) {
    for (std::int64_t i = 0; i < width; ++i) {
      const float v = x[at + i] * scale[i] + shift[i];
      y[at + i] = kRelu ? relu_element(v) : v;
    }
  });
}

void apply(const float* x, std::int64_t pixels, std::int64_t channels, const float* scale, const float* shift,
           bool relu, float* y) {
  if (relu) {
    apply_rows<true>(x, pixels, channels, scale, shift, y);
  } else {
    apply_rows<false>(x, pixels, channels, scale, shift, y);
  }
}

template <bool kRelu>
[[gnu::always_inline]] inline float gradient_at(const float* y, const float* dy, std::int64_t i) {
  return kRelu ? relu_gradient_element(y[i], dy[i]) : dy[i];
}

template <bool kRelu>
void sums_of(const float* x, const float* y, const float* dy, std::int64_t pixels, std::int64_t channels,
             const float* channel_mean, double* sum_g, double* sum_gx) {
  for (std::int64_t c = 0; c < channels; ++c) sum_g[c] = sum_gx[c] = 0;
  const Repeated means(channel_mean, channels);
  const float* mean = means.values();
  for_each_chunk(pixels, channels, [=](std::int64_t p, std::int64_t n, std::int64_t first, std::int64_t block) {
    const std::int64_t start = p * channels + first;
    float sums[kBlock];
    sum_channels(n, channels, block, sums,
                 [=](std::int64_t i, std::int64_t) { return gradient_at<kRelu>(y, dy, start + i); });
    for (std::int64_t c = 0; c < block; ++c) sum_g[first + c] += static_cast<double>(sums[c]);
    sum_channels(n, channels, block, sums, [=](std::int64_t i, std::int64_t c) {
      return gradient_at<kRelu>(y, dy, start + i) * (x[start + i] - mean[first + c]);
    });
    for (std::int64_t c = 0; c < block; ++c) sum_gx[first + c] += static_cast<double>(sums[c]);
  });
}

void backward_sums(const float* x, const float* y, const float* dy, std::int64_t pixels, std::int64_t channels,
                   const float* mean, double* sum_g, double* sum_gx) {
  if (y != nullptr) {
    sums_of<true>(x, y, dy, pixels, channels, mean, sum_g, sum_gx);
  } else {
    sums_of<false>(x, y, dy, pixels, channels, mean, sum_g, sum_gx);
  }
}

template <bool kRelu>
void backward_rows(const float* __restrict x, const float* __restrict y, const float* __restrict dy,
                   std::int64_t pixels, std::int64_t channels, const float* channel_mean, const float* channel_scale,
                   const float* channel_slope, const float* channel_offset, float* __restrict dx) {
  const Repeated means(channel_mean, channels);
  const Repeated scales(channel_scale, channels);
  const Repeated slopes(channel_slope, channels);
  const Repeated offsets(channel_offset, channels);
  const float* __restrict mean = means.values();
  const float* __restrict scale = scales.values();
  const float* __restrict slope = slopes.values();
  const float* __restrict offset = offsets.values();
  for_each_row(pixels, channels, [=](std::int64_t at, std::int64_t width) {
    for (std::int64_t i = 0; i < width; ++i) {
      const float g = gradient_at<kRelu>(y, dy, at + i);
      dx[at + i] = scale[i] * g + (slope[i] * (x[at + i] - mean[i]) + offset[i]);
    }
  });
}

void backward(const float* x, const float* y, const float* dy, std::int64_t pixels, std::int64_t channels,
              const float* mean, const float* scale, const float* slope, const float* offset, float* dx) {
  if (y != nullptr) {
    backward_rows<true>(x, y, dy, pixels, channels, mean, scale, slope, offset, dx);
  } else {
    backward_rows<false>(x, y, dy, pixels, channels, mean, scale, slope, offset, dx);
  }
}

template <bool kRelu>
void frozen_rows(const float* __restrict y, const float* __restrict dy, std::int64_t pixels, std::int64_t channels,
                 const float* channel_scale, float* __restrict dx) {
  const Repeated scales(channel_scale, channels);
  const float* __restrict scale = scales.values();
  for_each_row(pixels, channels, [=](std::int64_t at, std::int64_t width) {
    for (std::int64_t i = 0; i < width; ++i) dx[at + i] = scale[i] * gradient_at<kRelu>(y, dy, at + i);
  });
}

void backward_frozen(const float* y, const float* dy, std::int64_t pixels, std::int64_t channels, const float* scale,
                     float* dx) {
  if (y != nullptr) {
    frozen_rows<true>(y, dy, pixels, channels, scale, dx);
  } else {
    frozen_rows<false>(y, dy, pixels, channels, scale, dx);
  }
}

}  // namespace

const NormTable norm_table{statistics, apply, backward_sums, backward, backward_frozen};

}  // namespace leaven::nn::LEAVEN_ISA
