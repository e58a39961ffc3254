#include "host/nn/loops.hpp"
#include "kernels/nn/activation.hpp"

namespace leaven::nn::LEAVEN_ISA {
namespace {

// Pixels of a chunk: its values stay in the first-level cache between the two passes, and float sums stay short.
constexpr std::int64_t kChunkValues = 2048;
constexpr std::int64_t kBlock = 256;  // channels at a time

std::int64_t chunk_pixels(std::int64_t channels) {
  const std::int64_t pixels = kChunkValues / (channels < kBlock ? channels : kBlock);
  return pixels < 8 ? 8 : pixels;
}

// sums[c] = sum over `pixels` rows of value(p, c); `channels` is at most kBlock.
template <class Value>
[[gnu::always_inline]] inline void sum_columns(std::int64_t pixels, std::int64_t channels, float* __restrict sums,
                                               Value value) {
  for (std::int64_t c = 0; c < channels; ++c) sums[c] = 0;
  std::int64_t p = 0;
  for (; p + 4 <= pixels; p += 4) {
    for (std::int64_t c = 0; c < channels; ++c) {
      sums[c] += (value(p, c) + value(p + 1, c)) + (value(p + 2, c) + value(p + 3, c));
    }
  }
  for (; p < pixels; ++p) {
    for (std::int64_t c = 0; c < channels; ++c) sums[c] += value(p, c);
  }
}

// Chunks are merged as Chan, Golub and LeVeque do (1979).
void statistics(const float* x, std::int64_t pixels, std::int64_t channels, double* mean, double* m2) {
  for (std::int64_t c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  const std::int64_t most = chunk_pixels(channels);
  float sums[kBlock];
  float means[kBlock];
  for (std::int64_t p = 0; p < pixels; p += most) {
    const std::int64_t n = pixels - p < most ? pixels - p : most;
    const double share = static_cast<double>(n) / static_cast<double>(p + n);
    const float inverse = 1.0f / static_cast<float>(n);
    for (std::int64_t first = 0; first < channels; first += kBlock) {
      const std::int64_t block = channels - first < kBlock ? channels - first : kBlock;
      const float* from = x + p * channels + first;
      sum_columns(n, block, sums, [=](std::int64_t q, std::int64_t c) { return from[q * channels + c]; });
      for (std::int64_t c = 0; c < block; ++c) means[c] = sums[c] * inverse;
      sum_columns(n, block, sums, [=, &means](std::int64_t q, std::int64_t c) {
        const float d = from[q * channels + c] - means[c];
        return d * d;
      });
      for (std::int64_t c = 0; c < block; ++c) {
        const double delta = static_cast<double>(means[c]) - mean[first + c];
        mean[first + c] += delta * share;
        m2[first + c] += static_cast<double>(sums[c]) + delta * delta * share * static_cast<double>(p);
      }
    }
  }
}

template <bool kRelu>
void apply_rows(const float* __restrict x, std::int64_t pixels, std::int64_t channels, const float* __restrict scale,
                const float* __restrict shift, float* __restrict y) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float v = x[c] * scale[c] + shift[c];
      y[c] = kRelu ? relu_element(v) : v;
    }
  }
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
             const float* mean, double* sum_g, double* sum_gx) {
  for (std::int64_t c = 0; c < channels; ++c) sum_g[c] = sum_gx[c] = 0;
  const std::int64_t most = chunk_pixels(channels);
  float sums[kBlock];
  for (std::int64_t p = 0; p < pixels; p += most) {
    const std::int64_t n = pixels - p < most ? pixels - p : most;
    for (std::int64_t first = 0; first < channels; first += kBlock) {
      const std::int64_t block = channels - first < kBlock ? channels - first : kBlock;
      const std::int64_t start = p * channels + first;
      sum_columns(n, block, sums,
                  [=](std::int64_t q, std::int64_t c) { return gradient_at<kRelu>(y, dy, start + q * channels + c); });
      for (std::int64_t c = 0; c < block; ++c) sum_g[first + c] += static_cast<double>(sums[c]);
      sum_columns(n, block, sums, [=](std::int64_t q, std::int64_t c) {
        const std::int64_t i = start + q * channels + c;
        return gradient_at<kRelu>(y, dy, i) * (x[i] - mean[first + c]);
      });
      for (std::int64_t c = 0; c < block; ++c) sum_gx[first + c] += static_cast<double>(sums[c]);
    }
  }
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
                   std::int64_t pixels, std::int64_t channels, const float* __restrict mean,
                   const float* __restrict scale, const float* __restrict slope, const float* __restrict offset,
                   float* __restrict dx) {
  for (std::int64_t p = 0; p < pixels; ++p) {
    for (std::int64_t c = 0; c < channels; ++c) {
      dx[c] = scale[c] * gradient_at<kRelu>(y, dy, c) + (slope[c] * (x[c] - mean[c]) + offset[c]);
    }
    x += channels;
    if (kRelu) y += channels;
    dy += channels;
    dx += channels;
  }
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
                 const float* __restrict scale, float* __restrict dx) {
  for (std::int64_t p = 0; p < pixels; ++p, dy += channels, dx += channels) {
    for (std::int64_t c = 0; c < channels; ++c) dx[c] = scale[c] * gradient_at<kRelu>(y, dy, c);
    if (kRelu) y += channels;
  }
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
