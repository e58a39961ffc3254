#pragma once

#include <cstdint>

#include "kernels/augment/float_pixel.cuh"

// autocontrast, sharpness and erase of f32 images, for one block: autocontrast on a whole image, the others on its part
// of one.
namespace leaven::cuda {

struct ChannelStretches {
  float lowest_of_warp[kMostWarps][3], highest_of_warp[kMostWarps][3];
  float lowest[3], highest[3], scale[3];
};

// Calls body(index, k) for the values of a run of RGB pixels. Their channel is run_channel(k): a thread takes three
// values a turn, and a turn is a multiple of three.
template <class Body>
__device__ __forceinline__ void for_each_rgb_value(std::int64_t values, const Body& body) {
#pragma unroll 1
  for (std::int64_t first = threadIdx.x; first < values; first += 3 * blockDim.x) {
#pragma unroll
    for (std::uint32_t k = 0; k < 3; ++k) {
      const std::int64_t i = first + k * blockDim.x;
      if (i < values) body(i, k);
    }
  }
}
__device__ __forceinline__ std::uint32_t run_channel(std::uint32_t k) { return (threadIdx.x + k * blockDim.x) % 3; }

// Any strides: channel by channel.
template <class Body>
__device__ __forceinline__ void for_each_channel_value(const FloatIn& in, const Body& body) {
#pragma unroll
  for (std::uint32_t c = 0; c < 3; ++c) {
    if (c < in.channels) for_each_pixel(in, {0, 1}, [&](std::int64_t x, std::int64_t y) { body(x, y, c); });
  }
}

__device__ __forceinline__ void widen(FloatRange& range, float lowest, float highest) {
  range.lowest = lower_of(lowest, range.lowest);
  range.highest = higher_of(highest, range.highest);
}

// The extremes of the values that this thread looks at, for each channel.
__device__ inline void thread_ranges(const FloatIn& in, FloatRange* of_channel) {
  if (in.channels == 1 || !is_pixel_run(in)) {
    for_each_channel_value(in, [&](std::int64_t x, std::int64_t y, std::uint32_t c) {
      const float v = value_at(in, x, y)[c * in.channel_stride];
      widen(of_channel[c], v, v);
    });
    return;
  }
  FloatRange mine[3];
  for_each_rgb_value(in.height * in.width * 3, [&](std::int64_t i, std::uint32_t k) {
    const float v = in.data[i];
    widen(mine[k], v, v);
  });
#pragma unroll
  for (std::uint32_t k = 0; k < 3; ++k) {
#pragma unroll
    for (std::uint32_t c = 0; c < 3; ++c) {
      if (run_channel(k) == c) widen(of_channel[c], mine[k].lowest, mine[k].highest);
    }
  }
}

// Contains barriers.
__device__ inline void find_stretches(const FloatIn& in, ChannelStretches& shared) {
  FloatRange ranges[3];
  thread_ranges(in, ranges);
#pragma unroll
  for (std::uint32_t c = 0; c < 3; ++c) {
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) {
      const float lowest = __shfl_xor_sync(~0u, ranges[c].lowest, lanes);
      widen(ranges[c], lowest, __shfl_xor_sync(~0u, ranges[c].highest, lanes));
    }
    if (lane_id() == 0) {
      shared.lowest_of_warp[warp_id()][c] = ranges[c].lowest;
      shared.highest_of_warp[warp_id()][c] = ranges[c].highest;
    }
  }
  __syncthreads();
  if (threadIdx.x < 3) {
    FloatRange range;
    for (std::uint32_t w = 0; w < blockDim.x / 32; ++w) {
      widen(range, shared.lowest_of_warp[w][threadIdx.x], shared.highest_of_warp[w][threadIdx.x]);
    }
    const Stretch stretch = stretch_of(range);
    shared.lowest[threadIdx.x] = stretch.lowest;
    shared.highest[threadIdx.x] = stretch.highest;
    shared.scale[threadIdx.x] = stretch.scale;
  }
  __syncthreads();
}

__device__ __forceinline__ Stretch stretch_at(const ChannelStretches& shared, std::uint32_t c) {
  return {shared.lowest[c], shared.highest[c], shared.scale[c]};
}

__device__ inline void stretch_float_image(const FloatIn& in, const FloatOut& out, ChannelStretches& shared) {
  find_stretches(in, shared);
  if (in.channels == 1 || !is_pixel_run(in) || !is_pixel_run(out)) {
    for_each_channel_value(in, [&](std::int64_t x, std::int64_t y, std::uint32_t c) {
      const float v = value_at(in, x, y)[c * in.channel_stride];
      value_at(out, x, y)[c * out.channel_stride] = stretched(v, stretch_at(shared, c));
    });
    return;
  }
  const Stretch stretches[3] = {stretch_at(shared, run_channel(0)), stretch_at(shared, run_channel(1)),
                                stretch_at(shared, run_channel(2))};
  for_each_rgb_value(in.height * in.width * 3,
                     [&](std::int64_t i, std::uint32_t k) { out.data[i] = stretched(in.data[i], stretches[k]); });
}

// One value of each of some rows, with its neighbours at `distance` values in the row.
struct SharpColumn {
  const float* in;
  float* out;
  std::int64_t in_row, out_row, distance, height;
  bool inner;  // has neighbours in its row

  __device__ float sum(std::int64_t y) const {
    const float* p = in + y * in_row;
    return sum_of_three(p[-distance], p[0], p[distance]);
  }
  __device__ void copy(std::int64_t y) const { out[y * out_row] = in[y * in_row]; }
};

// Rows begin .. end - 1. The sums of three rows move along: each is computed once.
__device__ __forceinline__ void sharpen_column(const SharpColumn& column, std::int64_t begin, std::int64_t end,
                                               float factor) {
  const std::int64_t first = begin > 1 ? begin : 1;
  const std::int64_t behind = end < column.height - 1 ? end : column.height - 1;
  const bool sharp = column.inner && first < behind;
#pragma unroll 1
  for (std::int64_t y = begin; y < end; ++y) {
    if (!sharp || y < first || y >= behind) column.copy(y);
  }
  if (!sharp) return;
  float above = column.sum(first - 1);
  float same = column.sum(first);
#pragma unroll 2
  for (std::int64_t y = first; y < behind; ++y) {
    const float below = column.sum(y + 1);
    column.out[y * column.out_row] = sharpened(above, same, below, column.in[y * column.in_row], factor);
    above = same;
    same = below;
  }
}

// Warps take blocks of 16 rows, 32 values wide.
__device__ inline void sharpen_float_image(float factor, const FloatIn& in, const FloatOut& out, Part part) {
  constexpr std::int64_t kRows = 16;
  const ValueRows rows(in, out);
  const std::int64_t border = rows.planes == 1 ? in.channels : 1;  // values of a pixel in a row
  const auto strips = static_cast<std::uint32_t>((rows.count + 31) / 32);
  const auto bands = static_cast<std::uint32_t>((in.height + kRows - 1) / kRows);
  const std::uint32_t items = static_cast<std::uint32_t>(rows.planes) * strips * bands;
  const std::uint32_t warps = blockDim.x / 32;
#pragma unroll 1
  for (std::uint32_t item = part.index * warps + warp_id(); item < items; item += part.count * warps) {
    const std::uint32_t row_of_items = item / strips;
    const std::int64_t plane = row_of_items / bands;
    const std::int64_t begin = kRows * (row_of_items % bands);
    const std::int64_t i = std::int64_t{32} * (item % strips) + lane_id();
    if (i >= rows.count) continue;
    const SharpColumn column{in.data + plane * in.channel_stride + i * rows.in_step,
                             out.data + plane * out.channel_stride + i * rows.out_step,
                             in.row_stride,
                             out.row_stride,
                             in.pixel_stride,
                             in.height,
                             i >= border && i < rows.count - border};
    sharpen_column(column, begin, begin + kRows < in.height ? begin + kRows : in.height, factor);
  }
}

// Warps take rows; a lane takes four values of a row, 32 apart, at a time.
__device__ inline void erase_float_image(const ImageOp& op, const FloatIn& in, const FloatOut& out, Part part) {
  const ValueRows rows(in, out);
  const bool side_by_side = rows.planes == 1 && in.channels == 3;
  const std::int64_t left = clipped_edge(op.m[0], in.width) * (side_by_side ? 3 : 1);
  const std::int64_t top = clipped_edge(op.m[1], in.height);
  const std::int64_t right = clipped_edge(op.m[2], in.width) * (side_by_side ? 3 : 1);
  const std::int64_t bottom = clipped_edge(op.m[3], in.height);
  const std::int64_t warps = blockDim.x / 32;
#pragma unroll 1
  for (std::int64_t row = part.index * warps + warp_id(); row < rows.planes * in.height; row += part.count * warps) {
    const std::uint32_t plane = row < in.height ? 0 : (row < 2 * in.height ? 1 : 2);
    const std::int64_t y = row - plane * in.height;
    const float* from = in.data + plane * in.channel_stride + y * in.row_stride;
    float* to = out.data + plane * out.channel_stride + y * out.row_stride;
    const bool crossed = y >= top && y < bottom;
#pragma unroll 1
    for (std::int64_t i = lane_id(); i < rows.count; i += 4 * 32) {
      float values[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const std::int64_t at = i + 32 * k;
        const std::uint32_t channel = side_by_side ? static_cast<std::uint32_t>(at) % 3 : plane;
        const bool erased = crossed && at >= left && at < right;
        if (at < rows.count) values[k] = erased ? erase_value(op, channel) : from[at * rows.in_step];
      }
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (i + 32 * k < rows.count) to[(i + 32 * k) * rows.out_step] = values[k];
      }
    }
  }
}

}  // namespace leaven::cuda
