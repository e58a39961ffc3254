#include "kernels/nn/aligned.hpp"
#include "kernels/nn/column_grid.cuh"
#include "kernels/nn/layers.hpp"
#include "kernels/nn/patch.hpp"
#include "kernels/nn/pool.hpp"

namespace leaven::nn {

namespace {

// The positions of kWidth neighbouring channels, one per byte of a register.
template <int kWidth>
__device__ unsigned load_positions(const std::uint8_t* address) {
  return kWidth == 4 ? *reinterpret_cast<const unsigned*>(address) : *address;
}
template <int kWidth>
__device__ void store_positions(std::uint8_t* address, unsigned positions) {
  if constexpr (kWidth == 4) {
    *reinterpret_cast<unsigned*>(address) = positions;
  } else {
    *address = static_cast<std::uint8_t>(positions);
  }
}

// A grid of windows over images; kWindow 0 takes the size from `size`.
template <int kWindow>
struct Windows {
  PixelGrid grid;
  std::int64_t height, width, channels;
  int size;

  __device__ int window() const { return kWindow > 0 ? kWindow : size; }
  // Of the window's first element, channel 0; its element (row, column) lies `step(row, column)` further.
  __device__ std::int64_t offset(const Pixel& place) const {
    const std::int64_t image_row = place.image * height + std::int64_t{place.row} * window();
    return (image_row * width + std::int64_t{place.column} * window()) * channels;
  }
  __device__ std::int64_t step(int row, int column) const { return (row * width + column) * channels; }
};

// As a map over columns: rows are the windows (of the output), columns the channels.
template <int kWindow, int kMapWidth>
struct MaxPool {
  static constexpr int kWidth = kMapWidth, kBatch = 2, kUnroll = kWindow > 0 ? kWindow : 1;
  struct Row {
    Pack<kWidth> best;
    unsigned positions;
  };

  Windows<kWindow> windows;
  const float* x;
  float* y;
  std::uint8_t* position;

  __device__ void start(std::int64_t) {}
  __device__ Row load(std::int64_t index, std::int64_t channel) const {
    const float* first = x + windows.offset(windows.grid.locate(index)) + channel;
    Pack<kWidth> best;
    unsigned where[kWidth] = {};
#pragma unroll
    for (float& value : best.at) value = -INFINITY;
#pragma unroll kUnroll
    for (int row = 0; row < windows.window(); ++row)
#pragma unroll kUnroll
      for (int column = 0; column < windows.window(); ++column) {
        const unsigned own = row * windows.window() + column;
        const Pack<kWidth> values = load_pack<kWidth>(first + windows.step(row, column));
#pragma unroll
        for (int c = 0; c < kWidth; ++c) {
          const bool replaces = replaces_maximum(values.at[c], best.at[c]);
          best.at[c] = replaces ? values.at[c] : best.at[c];
          where[c] = replaces ? own : where[c];
        }
      }
    Row result{best, 0};
#pragma unroll
    for (int c = 0; c < kWidth; ++c) result.positions |= where[c] << (8 * c);
    return result;
  }
  __device__ void store(std::int64_t index, std::int64_t channel, const Row& row) const {
    store_pack(y + index * windows.channels + channel, row.best);
    store_positions<kWidth>(position + index * windows.channels + channel, row.positions);
  }
};

// Rows are the windows that cover the input, those cut off by its edge as well: there the gradient is 0.
template <int kWindow, int kMapWidth>
struct MaxPoolGradient {
  static constexpr int kWidth = kMapWidth, kBatch = 2, kUnroll = kWindow > 0 ? kWindow : 1;
  struct Row {
    Pack<kWidth> gradient;
    unsigned positions;
  };

  Windows<kWindow> windows;
  std::int64_t out_height, out_width;
  const float* dy;
  const std::uint8_t* position;
  float* dx;

  __device__ void start(std::int64_t) {}
  __device__ Row load(std::int64_t index, std::int64_t channel) const {
    const Pixel place = windows.grid.locate(index);
    if (place.row >= out_height || place.column >= out_width) return {};
    const std::int64_t out_pixel = (place.image * out_height + place.row) * out_width + place.column;
    const std::int64_t from = out_pixel * windows.channels + channel;
    return {load_pack<kWidth>(dy + from), load_positions<kWidth>(position + from)};
  }
  __device__ void store(std::int64_t index, std::int64_t channel, const Row& loaded) const {
    const Pixel place = windows.grid.locate(index);
    float* first = dx + windows.offset(place) + channel;
    const std::int64_t rows = windows.height - std::int64_t{place.row} * windows.window();
    const std::int64_t columns = windows.width - std::int64_t{place.column} * windows.window();
#pragma unroll kUnroll
    for (int row = 0; row < windows.window(); ++row)
#pragma unroll kUnroll
      for (int column = 0; column < windows.window(); ++column) {
        if (row >= rows || column >= columns) continue;
        const unsigned own = row * windows.window() + column;
        Pack<kWidth> values;
#pragma unroll
        for (int c = 0; c < kWidth; ++c)
          values.at[c] = (loaded.positions >> (8 * c) & 0xffu) == own ? loaded.gradient.at[c] : 0.0f;
        store_pack(first + windows.step(row, column), values);
      }
  }
};

// Calls action(window constant, width constant): windows of 2 have their own kernel.
template <class Action>
void with_window(const PoolShape& shape, bool aligned, Action&& action) {
  with_width(shape.channels % 4 == 0 && aligned, [&](auto width) {
    if (shape.window == 2) {
      action(std::integral_constant<int, 2>{}, width);
    } else {
      action(std::integral_constant<int, 0>{}, width);
    }
  });
}

bool aligned_to_4(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 4 == 0; }

}  // namespace

void max_pool_forward_cuda(const PoolShape& shape, const float* x, float* y, std::uint8_t* position,
                           CUstream_st* stream) {
  const PixelGrid pixels(shape.batch, shape.height / shape.window, shape.width / shape.window);
  if (pixels.count == 0) return;
  with_window(shape, aligned_to_16(x) && aligned_to_16(y) && aligned_to_4(position), [&](auto window, auto width) {
    const Windows<window()> windows{pixels, shape.height, shape.width, shape.channels, static_cast<int>(shape.window)};
    launch_columns("max_pool_forward", column_map_kernel<MaxPool<window(), width()>>, {windows, x, y, position},
                   ColumnGrid::of_map(pixels.count, shape.channels, width(), 2), stream);
  });
}

void max_pool_backward_cuda(const PoolShape& shape, const float* dy, const std::uint8_t* position, float* dx,
                            CUstream_st* stream) {
  const std::int64_t window_rows = (shape.height + shape.window - 1) / shape.window;
  const PixelGrid pixels(shape.batch, window_rows, (shape.width + shape.window - 1) / shape.window);
  if (pixels.count == 0) return;
  with_window(shape, aligned_to_16(dy) && aligned_to_16(dx) && aligned_to_4(position), [&](auto window, auto width) {
    const Windows<window()> windows{pixels, shape.height, shape.width, shape.channels, static_cast<int>(shape.window)};
    launch_columns("max_pool_backward", column_map_kernel<MaxPoolGradient<window(), width()>>,
                   {windows, shape.height / shape.window, shape.width / shape.window, dy, position, dx},
                   ColumnGrid::of_map(pixels.count, shape.channels, width(), 2), stream);
  });
}

}  // namespace leaven::nn
