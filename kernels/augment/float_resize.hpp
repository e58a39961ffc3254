#pragma once

#include <cstdint>

#include "kernels/augment/resize.hpp"

// Resizing f32 images as Pillow's Resample.c does images of mode F: the windows of resize.hpp, weights in double, sums
// in double from the first pixel on, float32 between the passes. A pass that changes nothing has windows of one pixel.
// Contraction would change bits: compiled without it.
namespace leaven {

// The windows along one axis. Weight t of output i is weights[t * out_size + i].
struct FloatResizeTable {
  std::int32_t out_size = 0;
  std::int32_t* first = nullptr;
  std::int32_t* count = nullptr;
  double* weights = nullptr;
};

// One image's part of the workspace: places in bytes, pitch in values. The weights, the windows, the rows between the
// passes, a band of input columns.
struct FloatResizeLayout {
  std::int32_t out_width = 0, out_height = 0;
  std::int64_t y_weights_at = 0, windows_at = 0, rows_at = 0, band_at = 0;
  std::int64_t pitch = 0;
  std::int64_t size = 0;
};

struct FloatResizeJob {
  Interpolation interpolation = Interpolation::nearest;
  ImageView<const float> in{};
  PerImage<SourceBox> box{SourceBox{}};
  FloatResizeLayout layout{};
};

struct FloatResizeTables {
  FloatResizeTable x, y;
};

LEAVEN_HD FloatResizeTables float_resize_tables(const FloatResizeLayout& layout, std::byte* part) {
  auto* windows = reinterpret_cast<std::int32_t*>(part + layout.windows_at);
  auto* y_windows = windows + std::int64_t{2} * layout.out_width;
  return {{layout.out_width, windows, windows + layout.out_width, reinterpret_cast<double*>(part)},
          {layout.out_height, y_windows, y_windows + layout.out_height,
           reinterpret_cast<double*>(part + layout.y_weights_at)}};
}

LEAVEN_HD void write_one_pixel_window(std::int32_t first, std::int32_t i, const FloatResizeTable& table) {
  table.first[i] = first;
  table.count[i] = 1;
  table.weights[i] = 1.0;
}

// The window of output `i`.
LEAVEN_HD void write_window(const ResizeAxis& axis, Interpolation interpolation, std::int32_t i,
                            const FloatResizeTable& table) {
  const double scale = static_cast<double>(axis.high - axis.low) / table.out_size;
  if (interpolation == Interpolation::nearest) {
    const std::int32_t from = nearest_source(axis, scale, i, table.out_size);
    write_one_pixel_window(from >= 0 ? from : static_cast<std::int32_t>(axis.size) - 1, i, table);
    if (from < 0) table.count[i] = 0;
    return;
  }
  if (table.out_size == axis.size && axis.low == 0.0f && axis.high == static_cast<float>(axis.size)) {
    return write_one_pixel_window(i, i, table);
  }
  const ResizeWindow window = resize_window(axis, interpolation, scale, i);
  table.first[i] = window.first;
  table.count[i] = window.count;
  double sum = 0;
  for (std::int32_t t = 0; t < window.count; ++t) sum += window.weight(interpolation, t);
  for (std::int32_t t = 0; t < window.count; ++t) {
    const double weight = window.weight(interpolation, t);
    table.weights[std::int64_t{t} * table.out_size + i] = sum != 0.0 ? weight / sum : weight;
  }
}

// `workspace`: job.layout.size bytes for each image.
void float_resize_cuda(const FloatResizeJob& job, ImageView<float> out, std::byte* workspace, CUstream_st* stream);

}  // namespace leaven
