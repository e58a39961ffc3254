#include "kernels/augment/float_resize.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kTableThreads = 128;
constexpr unsigned kColumns = 32;  // of a block of 256 threads
constexpr unsigned kRows = 8;
constexpr std::int64_t kRowsPerThread = 4;
constexpr unsigned kBlocks = 4;  // of a multiprocessor: with the 40 registers that ptxas likes it spills
constexpr std::int64_t kMostBlocks = 65535;

// What: the windows and weights of all output columns and rows.
// Who: a thread works on one column or row of one image.
// Traffic: writes the tables, about 48 bytes a window where the size is kept.
// Limits: none.
__global__ void __launch_bounds__(kTableThreads)
    float_resize_tables_kernel(FloatResizeJob job, std::int64_t count, std::byte* workspace) {
  const std::int32_t windows = job.layout.out_width + job.layout.out_height;
  const auto step = static_cast<std::int32_t>(gridDim.x * blockDim.x);
  for (std::int64_t image = blockIdx.y; image < count; image += gridDim.y) {
    const FloatResizeTables tables = float_resize_tables(job.layout, workspace + image * job.layout.size);
    const ResizeAxes axes = boxed_axes(job.box, image, job.in.height, job.in.width);
    for (auto i = static_cast<std::int32_t>(blockIdx.x * blockDim.x + threadIdx.x); i < windows; i += step) {
      if (i < job.layout.out_width) {
        write_window(axes.x, job.interpolation, i, tables.x);
      } else {
        write_window(axes.y, job.interpolation, i - job.layout.out_width, tables.y);
      }
    }
  }
}

// What: the first pass, along the rows that the second one wants.
// Who: a thread works on one output column of some rows; neighbouring threads on neighbouring columns.
// Traffic: each input pixel read once per window that holds it (the cache has it by then); intermediate rows written
// once, a plane of each channel after the other, so that neighbouring threads write neighbouring values.
// Limits: none.
template <int kChannels>
__global__ void __launch_bounds__(kColumns* kRows, kBlocks)
    float_resize_rows_kernel(FloatResizeJob job, std::int64_t count, std::byte* workspace) {
  const auto x = static_cast<std::int32_t>(blockIdx.x * kColumns + threadIdx.x);
  if (x >= job.layout.out_width) return;
  for (std::int64_t image = blockIdx.z; image < count; image += gridDim.z) {
    std::byte* part = workspace + image * job.layout.size;
    const FloatResizeTables tables = float_resize_tables(job.layout, part);
    const ResizeSpan span = resize_span(tables.y, job.in.height);
    auto* rows = reinterpret_cast<float*>(part + job.layout.rows_at);
    const std::int32_t taps = tables.x.count[x];
    const float* column =
        job.in.data + image * job.in.image_stride + std::int64_t{tables.x.first[x]} * job.in.pixel_stride;
    for (auto y = static_cast<std::int32_t>(blockIdx.y * kRows + threadIdx.y); y < span.end - span.first;
         y += static_cast<std::int32_t>(gridDim.y * kRows)) {
      const float* pixel = column + (span.first + y) * job.in.row_stride;
      double sum[kChannels] = {};
      for (std::int32_t t = 0; t < taps; ++t, pixel += job.in.pixel_stride) {
        const double weight = tables.x.weights[std::int64_t{t} * job.layout.out_width + x];
#pragma unroll
        for (int c = 0; c < kChannels; ++c) sum[c] += weight * pixel[c * job.in.channel_stride];
      }
      float* to = rows + y * job.layout.pitch + x;
#pragma unroll
      for (int c = 0; c < kChannels; ++c) to[c * job.layout.out_width] = static_cast<float>(sum[c]);
    }
  }
}

// Which value of a row a thread works on, in the order of the output's memory.
struct RowValue {
  std::int32_t x, channel;
};
__device__ RowValue row_value(std::int32_t i, std::int32_t width, std::int32_t channels, bool interleaved) {
  if (channels == 1) return {i, 0};
  if (interleaved) return {i / 3, i % 3};
  return {i % width, i / width};
}

// What: the second pass, down the columns.
// Who: a thread works on one value of some output rows, neighbouring threads on neighbouring ones.
// Traffic: intermediate rows read once per window that holds them; each output value written once.
// Limits: none.
__global__ void __launch_bounds__(kColumns* kRows, kBlocks)
    float_resize_columns_kernel(FloatResizeJob job, ImageView<float> out, std::byte* workspace) {
  const std::int32_t width = job.layout.out_width;
  const auto channels = static_cast<std::int32_t>(out.channels);
  const auto i = static_cast<std::int32_t>(blockIdx.x * kColumns + threadIdx.x);
  if (i >= width * channels) return;
  const RowValue value = row_value(i, width, channels, out.pixel_stride != 1);
  for (std::int64_t image = blockIdx.z; image < out.count; image += gridDim.z) {
    std::byte* part = workspace + image * job.layout.size;
    const FloatResizeTable table = float_resize_tables(job.layout, part).y;
    const float* rows = reinterpret_cast<const float*>(part + job.layout.rows_at) + value.channel * width + value.x;
    float* target =
        out.data + image * out.image_stride + value.x * out.pixel_stride + value.channel * out.channel_stride;
    for (auto y = static_cast<std::int32_t>(blockIdx.y * kRows + threadIdx.y); y < table.out_size;
         y += static_cast<std::int32_t>(gridDim.y * kRows)) {
      const float* from = rows + (table.first[y] - table.first[0]) * job.layout.pitch;
      double sum = 0;
      for (std::int32_t t = 0; t < table.count[y]; ++t, from += job.layout.pitch) {
        sum += table.weights[std::int64_t{t} * table.out_size + y] * *from;
      }
      target[y * out.row_stride] = static_cast<float>(sum);
    }
  }
}

unsigned blocks(std::int64_t items, std::int64_t per_block) { return grid_for(items, per_block, kMostBlocks); }

}  // namespace
}  // namespace cuda

void float_resize_cuda(const FloatResizeJob& job, ImageView<float> out, std::byte* workspace, CUstream_st* stream) {
  using namespace cuda;
  const unsigned images = blocks(out.count, 1);
  const dim3 grid(grid_for(out.width + out.height, kTableThreads), images);
  launch("resize", float_resize_tables_kernel, grid, dim3(kTableThreads), 0, stream, job, out.count, workspace);
  const dim3 block(kColumns, kRows);
  const dim3 row_grid(grid_for(out.width, kColumns), blocks(job.in.height, kRows * kRowsPerThread), images);
  const auto rows = out.channels == 1 ? float_resize_rows_kernel<1> : float_resize_rows_kernel<3>;
  launch("resize", rows, row_grid, block, 0, stream, job, out.count, workspace);
  const dim3 column_grid(grid_for(out.width * out.channels, kColumns), blocks(out.height, kRows * kRowsPerThread),
                         images);
  launch("resize", float_resize_columns_kernel, column_grid, block, 0, stream, job, out, workspace);
}

}  // namespace leaven
