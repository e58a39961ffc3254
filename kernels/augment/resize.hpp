#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/warp.hpp"

struct CUstream_st;

// Resizing as Pillow's Resample.c does it: each output row and column has a window of input pixels and their weights in
// 22-bit fixed point. Nearest is the case of windows of one pixel. Contraction would change bits: compiled without it.
namespace leaven {

inline constexpr std::int32_t kResizeOne = 1 << 22;

LEAVEN_HD std::uint8_t resize_clip(std::int32_t sum) {
  const std::int32_t v = sum >> 22;
  return static_cast<std::uint8_t>(v < 0 ? 0 : (v > 255 ? 255 : v));
}

// Rows or columns of one image: its pixels, and the part of them that is asked for.
struct ResizeAxis {
  std::int64_t size = 0;
  float low = 0, high = 0;
};

// The windows along one axis. Weight t of output i is weights[t * out_size + i].
struct ResizeTable {
  std::int32_t out_size = 0;
  std::int32_t most = 0;  // weights of an output, at most
  std::int32_t* first = nullptr;
  std::int32_t* count = nullptr;
  std::int32_t* weights = nullptr;
};

// One image's part of the workspace, in bytes: the tables, the rows between the two passes, a band of input columns.
struct ResizeLayout {
  std::int32_t most_x = 0, most_y = 0;
  std::int32_t out_width = 0, out_height = 0;
  std::int64_t rows_at = 0, pitch = 0, band_at = 0;
  std::int64_t size = 0;
};

struct ResizeJob {
  Interpolation interpolation = Interpolation::nearest;
  ImageView<const std::uint8_t> in{};  // where `images` is null
  const ImageRef* images = nullptr;
  ImageSize largest{};
  PerImage<SourceBox> box{SourceBox{}};
  ResizeLayout layout{};
};

LEAVEN_HD ImageRef resize_source(const ResizeJob& job, std::int64_t image) {
  const ImageView<const std::uint8_t>& in = job.in;
  if (job.images == nullptr) {
    return {in.data + image * in.image_stride, in.height, in.width, in.row_stride, in.pixel_stride, in.channel_stride};
  }
  ImageRef source = job.images[image];
  const bool fits = source.data != nullptr && source.height > 0 && source.width > 0 &&
                    source.height <= job.largest.height && source.width <= job.largest.width;
  if (!fits) source.height = source.width = 0;
  return source;
}

LEAVEN_HD ResizeAxis clipped_axis(float low, float high, std::int64_t size) {
  const float end = static_cast<float>(size);
  return {size, low > 0 ? low : 0.0f, high < end ? high : end};
}

struct ResizeAxes {
  ResizeAxis x, y;
};

LEAVEN_HD ResizeAxes boxed_axes(const PerImage<SourceBox>& boxes, std::int64_t image, std::int64_t height,
                                std::int64_t width) {
  const SourceBox box = boxes.values != nullptr ? boxes.values[image] : boxes.value;
  const ResizeAxes axes{clipped_axis(box.left, box.right, width), clipped_axis(box.top, box.bottom, height)};
  if (axes.x.low < axes.x.high && axes.y.low < axes.y.high) return axes;
  return {{width, 0, static_cast<float>(width)}, {height, 0, static_cast<float>(height)}};
}

LEAVEN_HD ResizeAxes resize_axes(const ResizeJob& job, const ImageRef& source, std::int64_t image) {
  return boxed_axes(job.box, image, source.height, source.width);
}

LEAVEN_HD ResizeTable resize_table_x(const ResizeLayout& layout, std::byte* part) {
  auto* first = reinterpret_cast<std::int32_t*>(part);
  return {layout.out_width, layout.most_x, first, first + layout.out_width, first + std::int64_t{2} * layout.out_width};
}

LEAVEN_HD ResizeTable resize_table_y(const ResizeLayout& layout, std::byte* part) {
  auto* first = reinterpret_cast<std::int32_t*>(part) + (std::int64_t{2} + layout.most_x) * layout.out_width;
  return {layout.out_height, layout.most_y, first, first + layout.out_height,
          first + std::int64_t{2} * layout.out_height};
}

// The input pixels that any window holds: from the first one's first to the last one's last.
struct ResizeSpan {
  std::int32_t first, end;
};

template <class Table>
LEAVEN_HD ResizeSpan resize_span(const Table& table, std::int64_t size) {
  const std::int32_t last = table.out_size - 1;
  const std::int32_t end = table.first[last] + (table.count[last] > 0 ? table.count[last] : 1);
  return {table.first[0], end < size ? end : static_cast<std::int32_t>(size)};
}

LEAVEN_HD double resize_weight(Interpolation interpolation, double distance) {
  const double x = absolute(distance);
  if (interpolation == Interpolation::bilinear) return x < 1.0 ? 1.0 - x : 0.0;
  constexpr double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

// The pixel that is nearest to output `i`, or -1: it lies outside.
LEAVEN_HD std::int32_t nearest_source(const ResizeAxis& axis, double scale, std::int32_t i, std::int32_t out_size) {
  const double start = axis.low + scale * 0.5;
  const double error = sums_are_exact(start, scale, out_size) ? 0.0 : 0x1p-52;
  return serial_coordinate(start, 0, 0, scale, i, error, axis.size);
}

// The input pixels of an output. Weight t, not normalised, is resize_weight((t + first - centre + 0.5) * inverse).
struct ResizeWindow {
  std::int32_t first, count;
  double centre, inverse;

  LEAVEN_HD double weight(Interpolation interpolation, std::int32_t t) const {
    return resize_weight(interpolation, (t + first - centre + 0.5) * inverse);
  }
};

LEAVEN_HD ResizeWindow resize_window(const ResizeAxis& axis, Interpolation interpolation, double scale,
                                     std::int32_t i) {
  const double stretch = scale < 1.0 ? 1.0 : scale;
  const double support = (interpolation == Interpolation::bilinear ? 1.0 : 2.0) * stretch;
  const double centre = axis.low + (i + 0.5) * scale;
  const auto low = static_cast<std::int32_t>(centre - support + 0.5);
  const auto high = static_cast<std::int32_t>(centre + support + 0.5);
  const std::int32_t first = low < 0 ? 0 : low;
  return {first, (high > axis.size ? static_cast<std::int32_t>(axis.size) : high) - first, centre, 1.0 / stretch};
}

LEAVEN_HD void write_nearest_window(const ResizeAxis& axis, double scale, std::int32_t i, const ResizeTable& table) {
  const std::int32_t from = nearest_source(axis, scale, i, table.out_size);
  table.first[i] = from >= 0 ? from : static_cast<std::int32_t>(axis.size) - 1;
  table.count[i] = from >= 0 ? 1 : 0;
  table.weights[i] = kResizeOne;
}

// The window of output `i`.
LEAVEN_HD void write_window(const ResizeAxis& axis, Interpolation interpolation, std::int32_t i,
                            const ResizeTable& table) {
  if (axis.size == 0) {
    table.first[i] = table.count[i] = 0;
    return;
  }
  const double scale = static_cast<double>(axis.high - axis.low) / table.out_size;
  if (interpolation == Interpolation::nearest) return write_nearest_window(axis, scale, i, table);
  const ResizeWindow window = resize_window(axis, interpolation, scale, i);
  table.first[i] = window.first;
  table.count[i] = window.count;
  double sum = 0;
  for (std::int32_t t = 0; t < window.count; ++t) sum += window.weight(interpolation, t);
  for (std::int32_t t = 0; t < window.count; ++t) {
    double weight = window.weight(interpolation, t);
    if (sum != 0.0) weight /= sum;
    const double fixed = weight * kResizeOne;
    table.weights[std::int64_t{t} * table.out_size + i] =
        static_cast<std::int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
  }
}

// `workspace`: job.layout.size bytes for each image.
void resize_cuda(const ResizeJob& job, ImageView<std::uint8_t> out, std::byte* workspace, CUstream_st* stream);

}  // namespace leaven
