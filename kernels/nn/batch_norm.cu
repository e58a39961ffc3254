#include "kernels/nn/aligned.hpp"
#include "kernels/nn/batch_norm_sums.cuh"
#include "kernels/nn/column_sum.cuh"

namespace leaven::nn {

namespace {

constexpr std::int64_t kMostChunks = 256;

enum class Statistics { of_batch, running };

// Which mean and inverse deviation a channel is normalised with.
template <int kWidth>
struct Scaling {
  Pack<kWidth> mean, inv_std;

  __device__ void load(const BatchNormState& state, Statistics statistics, float epsilon, std::int64_t channel) {
    const bool running = statistics == Statistics::running;
    mean = load_pack<kWidth>((running ? state.running_mean : state.saved_mean) + channel);
    inv_std = load_pack<kWidth>((running ? state.running_variance : state.saved_inv_std) + channel);
    if (!running) return;
#pragma unroll
    for (float& value : inv_std.at) value = 1.0f / sqrtf(value + epsilon);
  }
};

template <int kMapWidth>
struct Normalise {
  static constexpr int kWidth = kMapWidth, kBatch = 4;
  using Row = Pack<kWidth>;

  BatchNormState state;
  Statistics statistics;
  Relu relu;
  float epsilon;
  const float* x;
  float* y;
  std::int64_t channels;
  Scaling<kWidth> scaling;
  Pack<kWidth> gamma, beta;

  __device__ void start(std::int64_t channel) {
    scaling.load(state, statistics, epsilon, channel);
    gamma = load_pack<kWidth>(state.gamma + channel);
    beta = load_pack<kWidth>(state.beta + channel);
  }
  __device__ Row load(std::int64_t row, std::int64_t channel) const {
    return load_pack<kWidth>(x + row * channels + channel);
  }
  __device__ void store(std::int64_t row, std::int64_t channel, Row values) const {
#pragma unroll
    for (int c = 0; c < kWidth; ++c) {
      const float scale = gamma.at[c] * scaling.inv_std.at[c];
      const float result = fmaf(values.at[c] - scaling.mean.at[c], scale, beta.at[c]);
      values.at[c] = relu == Relu::yes ? relu_element(result) : result;
    }
    store_pack(y + row * channels + channel, values);
  }
};

// dx = gamma inv_std (g - mean of g - normalised x times mean of g normalised x); without the means for running
// statistics.
template <int kMapWidth>
struct NormaliseGradient {
  static constexpr int kWidth = kMapWidth, kBatch = 4;
  struct Row {
    Pack<kWidth> x, y, dy;
  };

  BatchNormState state;
  Statistics statistics;
  Relu relu;
  float epsilon;
  const float* x;
  const float* y;
  const float* dy;
  const float* dgamma;
  const float* dbeta;
  float* dx;
  std::int64_t channels;
  float per_pixel;
  Scaling<kWidth> scaling;
  Pack<kWidth> gamma, mean_gamma, mean_beta;

  __device__ void start(std::int64_t channel) {
    scaling.load(state, statistics, epsilon, channel);
    gamma = load_pack<kWidth>(state.gamma + channel);
    mean_gamma = mean_beta = Pack<kWidth>{};
    if (statistics == Statistics::running) return;
    mean_gamma = load_pack<kWidth>(dgamma + channel);
    mean_beta = load_pack<kWidth>(dbeta + channel);
#pragma unroll
    for (int c = 0; c < kWidth; ++c) mean_gamma.at[c] *= per_pixel, mean_beta.at[c] *= per_pixel;
  }
  __device__ Row load(std::int64_t row, std::int64_t channel) const {
    const std::int64_t at = row * channels + channel;
    Row loaded{{}, {}, load_pack<kWidth>(dy + at)};
    if (statistics == Statistics::of_batch) loaded.x = load_pack<kWidth>(x + at);
    if (relu == Relu::yes) loaded.y = load_pack<kWidth>(y + at);
    return loaded;
  }
  __device__ void store(std::int64_t row, std::int64_t channel, Row values) const {
#pragma unroll
    for (int c = 0; c < kWidth; ++c) {
      const float normalised = (values.x.at[c] - scaling.mean.at[c]) * scaling.inv_std.at[c];
      float gradient = masked_gradient(relu, values.y.at[c], values.dy.at[c]);
      if (statistics == Statistics::of_batch) gradient -= fmaf(normalised, mean_gamma.at[c], mean_beta.at[c]);
      values.dy.at[c] = gradient * (gamma.at[c] * scaling.inv_std.at[c]);
    }
    store_pack(dx + row * channels + channel, values.dy);
  }
};

bool aligned(const BatchNormState& s) {
  return aligned_to_16(s.gamma) && aligned_to_16(s.beta) && aligned_to_16(s.running_mean) &&
         aligned_to_16(s.running_variance) && aligned_to_16(s.saved_mean) && aligned_to_16(s.saved_inv_std);
}

void normalise(const char* function, std::int64_t pixels, std::int64_t channels, const float* x,
               const BatchNormState& state, Statistics statistics, float epsilon, Relu relu, float* y,
               CUstream_st* stream) {
  with_width(channels % 4 == 0 && aligned(state) && aligned_to_16(x) && aligned_to_16(y), [&](auto width) {
    const Normalise<width()> map{state, statistics, relu, epsilon, x, y, channels, {}, {}, {}};
    launch_columns(function, column_map_kernel<Normalise<width()>>, map, ColumnGrid::of_map(pixels, channels, width()),
                   stream);
  });
}

}  // namespace

std::int64_t batch_norm_workspace_bytes(std::int64_t pixels, std::int64_t channels) {
  const std::int64_t chunks = std::max(ColumnGrid::of_sum(pixels, channels, 1, kMostChunks).chunks(),
                                       ColumnGrid::of_sum(pixels, channels, 4, kMostChunks).chunks());
  return 2 * chunks * channels * static_cast<std::int64_t>(sizeof(float));
}

void batch_norm_forward_train_cuda(std::int64_t pixels, std::int64_t channels, const float* x,
                                   const BatchNormState& state, float momentum, float epsilon, Relu relu, float* y,
                                   std::byte* workspace, CUstream_st* stream) {
  const char* function = "batch_norm_forward_train";
  if (pixels == 0) return;
  with_width(channels % 4 == 0 && aligned_to_16(x), [&](auto width) {
    const ColumnGrid grid = ColumnGrid::of_sum(pixels, channels, width(), kMostChunks);
    float* means = reinterpret_cast<float*>(workspace);
    float* deviations = means + grid.chunks() * channels;
    launch_columns(function, column_sum_kernel<MomentsOfPixels<width()>>, {x, means, deviations, channels, {}}, grid,
                   stream);
    launch_columns(function, column_sum_kernel<MomentsOfChunks>, {x, means, deviations, grid, state, momentum, epsilon},
                   ColumnGrid::of_sum(grid.chunks(), channels, 1, 1), stream);
  });
  normalise(function, pixels, channels, x, state, Statistics::of_batch, epsilon, relu, y, stream);
}

void batch_norm_forward_eval_cuda(std::int64_t pixels, std::int64_t channels, const float* x,
                                  const BatchNormState& state, float epsilon, Relu relu, float* y,
                                  CUstream_st* stream) {
  normalise("batch_norm_forward_eval", pixels, channels, x, state, Statistics::running, epsilon, relu, y, stream);
}

void batch_norm_backward_cuda(std::int64_t pixels, std::int64_t channels, const float* x, const float* y,
                              const float* dy, const BatchNormState& state, Relu relu, float* dx, float* dgamma,
                              float* dbeta, std::byte* workspace, CUstream_st* stream) {
  const char* function = "batch_norm_backward";
  const bool by_four = channels % 4 == 0 && aligned(state) && aligned_to_16(x) && aligned_to_16(y) &&
                       aligned_to_16(dy) && aligned_to_16(dx) && aligned_to_16(dgamma) && aligned_to_16(dbeta);
  with_width(by_four, [&](auto width) {
    const ColumnGrid grid = ColumnGrid::of_sum(pixels, channels, width(), kMostChunks);
    float* beta_sums = reinterpret_cast<float*>(workspace);
    float* gamma_sums = beta_sums + grid.chunks() * channels;
    launch_columns(function, column_sum_kernel<GradientSumsOfPixels<width()>>,
                   {x, y, dy, state, relu, beta_sums, gamma_sums, channels, {}, {}}, grid, stream);
    sum_rows(function, grid.chunks(), channels, beta_sums, dbeta, stream);
    sum_rows(function, grid.chunks(), channels, gamma_sums, dgamma, stream);
    const float per_pixel = 1.0f / static_cast<float>(pixels);
    launch_columns(
        function, column_map_kernel<NormaliseGradient<width()>>,
        {state, Statistics::of_batch, relu, 0.0f, x, y, dy, dgamma, dbeta, dx, channels, per_pixel, {}, {}, {}, {}},
        ColumnGrid::of_map(pixels, channels, width()), stream);
  });
}

void batch_norm_backward_eval_cuda(std::int64_t pixels, std::int64_t channels, const float* y, const float* dy,
                                   const BatchNormState& state, float epsilon, Relu relu, float* dx,
                                   CUstream_st* stream) {
  const bool by_four =
      channels % 4 == 0 && aligned(state) && aligned_to_16(y) && aligned_to_16(dy) && aligned_to_16(dx);
  with_width(by_four, [&](auto width) {
    launch_columns("batch_norm_backward_eval", column_map_kernel<NormaliseGradient<width()>>,
                   {state,
                    Statistics::running,
                    relu,
                    epsilon,
                    nullptr,
                    y,
                    dy,
                    nullptr,
                    nullptr,
                    dx,
                    channels,
                    0.0f,
                    {},
                    {},
                    {},
                    {}},
                   ColumnGrid::of_map(pixels, channels, width()), stream);
  });
}

}  // namespace leaven::nn
