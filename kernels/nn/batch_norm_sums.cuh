#pragma once

#include "kernels/nn/activation.hpp"
#include "kernels/nn/column_grid.cuh"
#include "kernels/nn/layers.hpp"

// The sums over pixels that batch norm needs, as monoids for column_sum_kernel. Each comes twice: over the tensor, one
// partial per chunk in the workspace (two planes [chunk][channel]), and over the chunks, with the result.
namespace leaven::nn {

// Count, mean and sum of squared deviations: merged after Chan, Golub and LeVeque, "Updating formulae and a pairwise
// algorithm for computing sample variances", 1979. Means are relative to the channel's first pixel: near it no digits
// are lost to a distant mean, and where it is an outlier the merging still cancels nothing.
template <int kWidth>
struct Moments {
  float count;
  float mean[kWidth], deviation[kWidth];

  __device__ void merge(float other_count, const float (&other_mean)[kWidth], const float (&other_deviation)[kWidth]) {
    if (other_count == 0.0f) return;
    const float total = count + other_count;
    const float weight = other_count / total;
#pragma unroll
    for (int c = 0; c < kWidth; ++c) {
      const float delta = other_mean[c] - mean[c];
      mean[c] = fmaf(delta, weight, mean[c]);
      deviation[c] += fmaf(delta * delta, count * weight, other_deviation[c]);
    }
    count = total;
  }
};

template <int kSumWidth>
struct MomentsOfPixels {
  static constexpr int kWidth = kSumWidth;
  using State = Moments<kWidth>;
  using Row = Pack<kWidth>;

  const float* x;
  float* means;
  float* deviations;
  std::int64_t channels;
  Pack<kWidth> origin;

  __device__ void start(std::int64_t channel) { origin = load_pack<kWidth>(x + channel); }
  __device__ Row load(std::int64_t row, std::int64_t channel) const {
    return load_pack<kWidth>(x + row * channels + channel);
  }
  // A few rows at once: their own mean first, then the deviations from it.
  template <int kRows>
  __device__ void add(State& state, const Row (&rows)[kRows]) const {
    float mean[kWidth] = {}, deviation[kWidth] = {};
#pragma unroll
    for (int c = 0; c < kWidth; ++c) {
#pragma unroll
      for (int i = 0; i < kRows; ++i) mean[c] += (rows[i].at[c] - origin.at[c]) * (1.0f / kRows);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const float delta = rows[i].at[c] - origin.at[c] - mean[c];
        deviation[c] = fmaf(delta, delta, deviation[c]);
      }
    }
    state.merge(kRows, mean, deviation);
  }
  __device__ void merge(State& state, const State& other) const {
    state.merge(other.count, other.mean, other.deviation);
  }
  __device__ void finish(std::int64_t chunk, std::int64_t channel, const State& state) const {
#pragma unroll
    for (int c = 0; c < kWidth; ++c) {
      means[chunk * channels + channel + c] = state.mean[c];
      deviations[chunk * channels + channel + c] = state.deviation[c];
    }
  }
};

struct MomentsOfChunks {
  static constexpr int kWidth = 1;
  using State = Moments<1>;
  using Row = Moments<1>;

  const float* x;
  const float* means;
  const float* deviations;
  ColumnGrid pixels;
  BatchNormState batch_norm;
  float momentum, epsilon;

  __device__ void start(std::int64_t) {}
  __device__ Row load(std::int64_t chunk, std::int64_t channel) const {
    const std::int64_t rows = min(pixels.chunk_rows, pixels.rows - chunk * pixels.chunk_rows);
    const std::int64_t at = chunk * pixels.columns + channel;
    return {static_cast<float>(rows), {means[at]}, {deviations[at]}};
  }
  template <int kRows>
  __device__ void add(State& state, const Row (&rows)[kRows]) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i) merge(state, rows[i]);
  }
  __device__ void merge(State& state, const State& other) const {
    state.merge(other.count, other.mean, other.deviation);
  }
  __device__ void finish(std::int64_t, std::int64_t channel, const State& state) const {
    const float variance = state.deviation[0] / state.count;
    const float unbiased = state.deviation[0] / fmaxf(state.count - 1.0f, 1.0f);
    const float mean = x[channel] + state.mean[0];
    batch_norm.saved_mean[channel] = mean;
    batch_norm.saved_inv_std[channel] = 1.0f / sqrtf(variance + epsilon);
    float& running_mean = batch_norm.running_mean[channel];
    float& running_variance = batch_norm.running_variance[channel];
    running_mean = fmaf(momentum, mean - running_mean, running_mean);
    running_variance = fmaf(momentum, unbiased - running_variance, running_variance);
  }
};

__device__ inline float masked_gradient(Relu relu, float y, float dy) {
  return relu == Relu::yes ? relu_gradient_element(y, dy) : dy;
}

// Sum of the gradient (dbeta) and of gradient times normalised x (dgamma).
template <int kWidth>
struct GradientSums {
  float beta[kWidth], gamma[kWidth];
  float unused;  // an odd number of words: neighbours lie in different banks
};

template <int kSumWidth>
struct GradientSumsOfPixels {
  static constexpr int kWidth = kSumWidth;
  using State = GradientSums<kWidth>;
  struct Row {
    Pack<kWidth> x, y, dy;
  };

  const float* x;
  const float* y;
  const float* dy;
  BatchNormState batch_norm;
  Relu relu;
  float* beta_sums;
  float* gamma_sums;
  std::int64_t channels;
  Pack<kWidth> mean, inv_std;

  __device__ void start(std::int64_t channel) {
    mean = load_pack<kWidth>(batch_norm.saved_mean + channel);
    inv_std = load_pack<kWidth>(batch_norm.saved_inv_std + channel);
  }
  __device__ Row load(std::int64_t row, std::int64_t channel) const {
    const std::int64_t at = row * channels + channel;
    Row loaded{load_pack<kWidth>(x + at), {}, load_pack<kWidth>(dy + at)};
    if (relu == Relu::yes) loaded.y = load_pack<kWidth>(y + at);
    return loaded;
  }
  template <int kRows>
  __device__ void add(State& state, const Row (&rows)[kRows]) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int c = 0; c < kWidth; ++c) {
        const float gradient = masked_gradient(relu, rows[i].y.at[c], rows[i].dy.at[c]);
        state.beta[c] += gradient;
        state.gamma[c] = fmaf(gradient, (rows[i].x.at[c] - mean.at[c]) * inv_std.at[c], state.gamma[c]);
      }
  }
  __device__ void merge(State& state, const State& other) const {
#pragma unroll
    for (int c = 0; c < kWidth; ++c) {
      state.beta[c] += other.beta[c];
      state.gamma[c] += other.gamma[c];
    }
  }
  __device__ void finish(std::int64_t chunk, std::int64_t channel, const State& state) const {
#pragma unroll
    for (int c = 0; c < kWidth; ++c) {
      beta_sums[chunk * channels + channel + c] = state.beta[c];
      gamma_sums[chunk * channels + channel + c] = state.gamma[c];
    }
  }
};

}  // namespace leaven::nn
