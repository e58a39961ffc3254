#include "kernels/nn/aligned.hpp"
#include "kernels/nn/column_sum.cuh"
#include "kernels/nn/divider.hpp"
#include "kernels/nn/layers.hpp"

namespace leaven::nn {

namespace {

// The sum of an image's pixels, one chunk of rows per image, times 1 / pixels.
template <int kSumWidth>
struct PixelMean : PlainSum<kSumWidth> {
  float scale;

  __device__ void finish(std::int64_t image, std::int64_t column, Pack<kSumWidth> sum) const {
#pragma unroll
    for (float& value : sum.at) value *= scale;
    PlainSum<kSumWidth>::finish(image, column, sum);
  }
};

template <int kMapWidth>
struct SpreadMean {
  static constexpr int kWidth = kMapWidth, kBatch = 4;
  using Row = Pack<kWidth>;

  const float* dy;
  float* dx;
  std::int64_t channels;
  Divider per_image;
  float scale;

  __device__ void start(std::int64_t) {}
  __device__ Row load(std::int64_t row, std::int64_t channel) const {
    return load_pack<kWidth>(dy + per_image.divide_wide(row) * channels + channel);
  }
  __device__ void store(std::int64_t row, std::int64_t channel, Row gradient) const {
#pragma unroll
    for (float& value : gradient.at) value *= scale;
    store_pack(dx + row * channels + channel, gradient);
  }
};

}  // namespace

void global_average_pool_forward_cuda(std::int64_t batch, std::int64_t pixels, std::int64_t channels, const float* x,
                                      float* y, CUstream_st* stream) {
  if (batch == 0 || pixels == 0) return;
  with_width(channels % 4 == 0 && aligned_to_16(x) && aligned_to_16(y), [&](auto width) {
    ColumnGrid grid = ColumnGrid::of_map(batch * pixels, channels, width());
    grid.chunk_rows = pixels;
    launch_columns("global_average_pool_forward", column_sum_kernel<PixelMean<width()>>,
                   {{x, y, channels}, 1.0f / static_cast<float>(pixels)}, grid, stream);
  });
}

void global_average_pool_backward_cuda(std::int64_t batch, std::int64_t pixels, std::int64_t channels, const float* dy,
                                       float* dx, CUstream_st* stream) {
  if (batch == 0 || pixels == 0) return;
  with_width(channels % 4 == 0 && aligned_to_16(dy) && aligned_to_16(dx), [&](auto width) {
    launch_columns("global_average_pool_backward", column_map_kernel<SpreadMean<width()>>,
                   {dy, dx, channels, Divider(pixels), 1.0f / static_cast<float>(pixels)},
                   ColumnGrid::of_map(batch * pixels, channels, width()), stream);
  });
}

}  // namespace leaven::nn
