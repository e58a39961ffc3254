#include "kernels/augment/resize.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kTableThreads = 128;
constexpr unsigned kColumns = 32;  // of a block of 256 threads
constexpr unsigned kRows = 8;
constexpr std::int64_t kRowsPerThread = 4;
constexpr std::int64_t kMostBlocks = 65535;

// What: the windows and weights of all output columns and rows.
// Who: a thread works on one column or row of one image.
// Traffic: writes the tables, about 40 bytes a window where the size is kept.
// Limits: none.
__global__ void __launch_bounds__(kTableThreads)
    resize_tables_kernel(ResizeJob job, std::int64_t count, std::byte* workspace) {
  const std::int32_t windows = job.layout.out_width + job.layout.out_height;
  const auto step = static_cast<std::int32_t>(gridDim.x * blockDim.x);
  for (std::int64_t image = blockIdx.y; image < count; image += gridDim.y) {
    std::byte* part = workspace + image * job.layout.size;
    const ResizeAxes axes = resize_axes(job, resize_source(job, image), image);
    for (auto i = static_cast<std::int32_t>(blockIdx.x * blockDim.x + threadIdx.x); i < windows; i += step) {
      if (i < job.layout.out_width) {
        write_window(axes.x, job.interpolation, i, resize_table_x(job.layout, part));
      } else {
        write_window(axes.y, job.interpolation, i - job.layout.out_width, resize_table_y(job.layout, part));
      }
    }
  }
}

// What: the first pass, along the rows that the second one wants.
// Who: a thread works on one output column of some rows; neighbouring threads on neighbouring columns.
// Traffic: each input pixel read once per window that holds it (the cache has it by then); intermediate rows written
// once. Limits: none.
template <int kChannels>
__global__ void __launch_bounds__(kColumns* kRows)
    resize_rows_kernel(ResizeJob job, std::int64_t count, std::byte* workspace) {
  for (std::int64_t image = blockIdx.z; image < count; image += gridDim.z) {
    std::byte* part = workspace + image * job.layout.size;
    const ImageRef source = resize_source(job, image);
    const ResizeTable table = resize_table_x(job.layout, part);
    const ResizeSpan span = resize_span(resize_table_y(job.layout, part), source.height);
    auto* rows = reinterpret_cast<std::uint8_t*>(part + job.layout.rows_at);
    const auto x = static_cast<std::int32_t>(blockIdx.x * kColumns + threadIdx.x);
    if (x >= job.layout.out_width) continue;
    const std::int32_t taps = table.count[x];
    const std::int32_t first = table.first[x];
    for (auto y = static_cast<std::int32_t>(blockIdx.y * kRows + threadIdx.y); y < span.end - span.first;
         y += static_cast<std::int32_t>(gridDim.y * kRows)) {
      const std::uint8_t* pixel = source.data + (span.first + y) * source.row_stride + first * source.pixel_stride;
      std::int32_t sum[kChannels];
#pragma unroll
      for (int c = 0; c < kChannels; ++c) sum[c] = kResizeOne / 2;
      for (std::int32_t t = 0; t < taps; ++t, pixel += source.pixel_stride) {
        const std::int32_t weight = table.weights[std::int64_t{t} * table.out_size + x];
#pragma unroll
        for (int c = 0; c < kChannels; ++c) sum[c] += weight * pixel[c * source.channel_stride];
      }
#pragma unroll
      for (int c = 0; c < kChannels; ++c) rows[y * job.layout.pitch + x * kChannels + c] = resize_clip(sum[c]);
    }
  }
}

// What: the second pass, down the columns.
// Who: a thread works on four neighbouring bytes of some output rows.
// Traffic: intermediate rows read four bytes at a time, once per window that holds them; each output byte written once,
// four at a time where the output is packed and aligned.
// Limits: none.
template <int kChannels>
__global__ void __launch_bounds__(kColumns* kRows)
    resize_columns_kernel(ResizeJob job, ImageView<std::uint8_t> out, bool whole_words, const std::byte* workspace) {
  const std::int32_t row_bytes = job.layout.out_width * kChannels;
  const auto byte = static_cast<std::int32_t>(4 * (blockIdx.x * kColumns + threadIdx.x));
  if (byte >= row_bytes) return;
  for (std::int64_t image = blockIdx.z; image < out.count; image += gridDim.z) {
    const std::byte* part = workspace + image * job.layout.size;
    const ResizeTable table = resize_table_y(job.layout, const_cast<std::byte*>(part));
    const std::byte* rows = part + job.layout.rows_at + byte;
    std::uint8_t* target = out.data + image * out.image_stride;
    for (auto y = static_cast<std::int32_t>(blockIdx.y * kRows + threadIdx.y); y < table.out_size;
         y += static_cast<std::int32_t>(gridDim.y * kRows)) {
      const std::byte* from = rows + (table.first[y] - table.first[0]) * job.layout.pitch;
      std::int32_t sum[4] = {kResizeOne / 2, kResizeOne / 2, kResizeOne / 2, kResizeOne / 2};
      for (std::int32_t t = 0; t < table.count[y]; ++t, from += job.layout.pitch) {
        const std::int32_t weight = table.weights[std::int64_t{t} * table.out_size + y];
        const std::uint32_t word = *reinterpret_cast<const std::uint32_t*>(from);
#pragma unroll
        for (int k = 0; k < 4; ++k) sum[k] += weight * static_cast<std::int32_t>((word >> (8 * k)) & 255u);
      }
      std::uint8_t* row = target + y * out.row_stride;
      if (whole_words) {
        *reinterpret_cast<uchar4*>(row + byte) = {resize_clip(sum[0]), resize_clip(sum[1]), resize_clip(sum[2]),
                                                  resize_clip(sum[3])};
        continue;
      }
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const std::int32_t x = (byte + k) / kChannels;
        const std::int32_t c = byte + k - x * kChannels;
        if (byte + k < row_bytes) row[x * out.pixel_stride + c * out.channel_stride] = resize_clip(sum[k]);
      }
    }
  }
}

unsigned blocks(std::int64_t items, std::int64_t per_block) { return grid_for(items, per_block, kMostBlocks); }

template <int kChannels>
void launch_passes(const ResizeJob& job, const ImageView<std::uint8_t>& out, std::byte* workspace,
                   cudaStream_t stream) {
  const dim3 block(kColumns, kRows);
  const unsigned images = blocks(out.count, 1);
  const dim3 row_grid(grid_for(out.width, kColumns), blocks(job.largest.height, kRows * kRowsPerThread), images);
  launch("resize", resize_rows_kernel<kChannels>, row_grid, block, 0, stream, job, out.count, workspace);
  const bool packed = out.pixel_stride == kChannels && (kChannels == 1 || out.channel_stride == 1);
  const bool aligned = reinterpret_cast<std::uintptr_t>(out.data) % 4 == 0 && out.row_stride % 4 == 0 &&
                       out.image_stride % 4 == 0 && out.width * kChannels % 4 == 0;
  const dim3 column_grid(grid_for(out.width * kChannels, 4 * kColumns), blocks(out.height, kRows * kRowsPerThread),
                         images);
  launch("resize", resize_columns_kernel<kChannels>, column_grid, block, 0, stream, job, out, packed && aligned,
         workspace);
}

}  // namespace
}  // namespace cuda

void resize_cuda(const ResizeJob& job, ImageView<std::uint8_t> out, std::byte* workspace, CUstream_st* stream) {
  const dim3 grid(cuda::grid_for(out.width + out.height, cuda::kTableThreads), cuda::blocks(out.count, 1));
  cuda::launch("resize", cuda::resize_tables_kernel, grid, dim3(cuda::kTableThreads), 0, stream, job, out.count,
               workspace);
  if (out.channels == 1) return cuda::launch_passes<1>(job, out, workspace, stream);
  cuda::launch_passes<3>(job, out, workspace, stream);
}

}  // namespace leaven
