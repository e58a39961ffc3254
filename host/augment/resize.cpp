#include "host/augment/resize.hpp"

#include <algorithm>
#include <cmath>

#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/augment/resize_loops.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

constexpr std::int64_t kMostSide = std::int64_t{1} << 24;  // Pillow's boxes are float32
constexpr std::int64_t kAlignment = 64;

std::int64_t aligned(std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

void check_box(const SourceBox& box) {
  for (const float edge : {box.left, box.top, box.right, box.bottom}) check_finite("resize", "an edge of box", edge);
}

void run(const ResizeJob& job, const Out& out, std::span<std::byte> workspace, Stream stream) {
  const ImageShape in{out.count, job.largest.height, job.largest.width, out.channels};
  const std::int64_t wanted = resize_workspace_bytes(in, {out.height, out.width}, job.interpolation);
  check_workspace("resize", workspace, wanted, alignof(std::int32_t));
  if (out.shape().size() > 0) run_resize(job, out, workspace.data(), stream);
}

}  // namespace

std::int32_t most_weights(std::int64_t in, std::int64_t out, Interpolation interpolation) {
  if (interpolation == Interpolation::nearest || out == 0) return 1;
  const double stretch = std::max(1.0, static_cast<double>(in) / static_cast<double>(out));
  const double support = (interpolation == Interpolation::bilinear ? 1.0 : 2.0) * stretch;
  return 2 * static_cast<std::int32_t>(std::ceil(support)) + 1;
}

void check_boxes_inside(const PerImage<SourceBox>& boxes, const ImageShape& in) {
  check_values("resize", "box", boxes, in.count, [&](const SourceBox& box) {
    check_box(box);
    if (box == SourceBox{}) return;
    check(box.left >= 0 && box.left < box.right && static_cast<double>(box.right) <= static_cast<double>(in.width) &&
              box.top >= 0 && box.top < box.bottom && static_cast<double>(box.bottom) <= static_cast<double>(in.height),
          "resize: box is ({}, {}) to ({}, {}), expected a part of the image, {} wide and {} high", box.left, box.top,
          box.right, box.bottom, in.width, in.height);
  });
}

void check_sizes(const char* function, const ImageShape& in, ImageSize out, Interpolation interpolation) {
  check_side(function, "in", {in.height, in.width});
  check_side(function, "out", out);
  check(in.count >= 0, "{}: in has {} images, expected at least 0", function, in.count);
  check(in.channels == 1 || in.channels == 3, "{}: in has {} channels, expected 1 or 3", function, in.channels);
  check_interpolation(function, interpolation);
}

void check_interpolation(const char* function, Interpolation interpolation) {
  check(interpolation >= Interpolation::nearest && interpolation <= Interpolation::bicubic,
        "{}: interpolation is {}, expected nearest (0), bilinear (1) or bicubic (2)", function,
        static_cast<std::int32_t>(interpolation));
}

void check_side(const char* function, const char* argument, ImageSize size) {
  check(size.height >= 0 && size.width >= 0 && size.height <= kMostSide && size.width <= kMostSide,
        "{}: {} is {}x{}, expected sides of 0 to 2^24", function, argument, size.height, size.width);
}

void check_workspace(const char* function, std::span<const std::byte> workspace, std::int64_t wanted,
                     std::int64_t alignment) {
  check(static_cast<std::int64_t>(workspace.size()) >= wanted && (workspace.data() != nullptr || wanted == 0),
        "{}: workspace has {} bytes{}, expected {}", function, workspace.size(), workspace.data() ? "" : " (null)",
        wanted);
  check(reinterpret_cast<std::intptr_t>(workspace.data()) % alignment == 0,
        "{}: workspace is not aligned, expected a multiple of {} bytes", function, alignment);
}

ResizeLayout resize_layout(const ImageShape& in, ImageSize out, Interpolation interpolation) {
  ResizeLayout layout{.most_x = most_weights(in.width, out.width, interpolation),
                      .most_y = most_weights(in.height, out.height, interpolation),
                      .out_width = static_cast<std::int32_t>(out.width),
                      .out_height = static_cast<std::int32_t>(out.height)};
  const std::int64_t table_values = (2 + layout.most_x) * out.width + (2 + layout.most_y) * out.height;
  layout.rows_at = aligned(table_values * static_cast<std::int64_t>(sizeof(std::int32_t)));
  layout.pitch = (out.width * in.channels + kResizeRunBytes - 1) / kResizeRunBytes * kResizeRunBytes;
  layout.band_at = layout.rows_at + in.height * layout.pitch;
  layout.size = layout.band_at + aligned(in.width * in.channels * kResizeBandRows);
  return layout;
}

ResizeJob checked_resize_job(const char* function, const In& in, Interpolation interpolation, const Out& out) {
  check_geometry(function, in, out);
  check_side(function, "in", {in.height, in.width});
  check_side(function, "out", {out.height, out.width});
  check_interpolation(function, interpolation);
  check((in.height > 0 && in.width > 0) || out.shape().size() == 0, "{}: in has no pixels, expected some for out",
        function);
  return {.interpolation = interpolation, .in = in, .largest = {in.height, in.width}};
}

ResizeJob checked_resize_job(const char* function, const RaggedImages& in, Interpolation interpolation,
                             const Out& out) {
  check_image(function, "out", out);
  check_side(function, "in.largest", in.largest);
  check_side(function, "out", {out.height, out.width});
  check_interpolation(function, interpolation);
  check_count(function, "in.images", static_cast<std::int64_t>(in.images.size()), in.images.data(), out.count);
  return {.interpolation = interpolation, .images = in.images.data(), .largest = in.largest};
}

void resize_image(const ResizeJob& job, std::int64_t image, const Out& out, std::byte* part) {
  const ImageRef source = resize_source(job, image);
  const ResizeAxes axes = resize_axes(job, source, image);
  const ResizeTable x_table = resize_table_x(job.layout, part);
  const ResizeTable y_table = resize_table_y(job.layout, part);
  for (std::int32_t x = 0; x < x_table.out_size; ++x) write_window(axes.x, job.interpolation, x, x_table);
  for (std::int32_t y = 0; y < y_table.out_size; ++y) write_window(axes.y, job.interpolation, y, y_table);
  auto* rows = reinterpret_cast<std::uint8_t*>(part + job.layout.rows_at);
  auto* band = reinterpret_cast<std::uint8_t*>(part + job.layout.band_at);
  resize_loops().rows(source, out.channels, resize_span(y_table, source.height), x_table, band, rows, job.layout.pitch);
  resize_loops().columns(rows, job.layout.pitch, y_table, out);
}

void run_resize(ResizeJob job, const Out& out, std::byte* workspace, Stream stream) {
  job.layout = resize_layout({out.count, job.largest.height, job.largest.width, out.channels}, {out.height, out.width},
                             job.interpolation);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return resize_cuda(job, out, workspace, stream.cuda_handle());
  }
  // A range of images takes turns in one image's part of the workspace, so that it stays in the cache.
  const std::int64_t ranges = ranges_for(out.count, images_per_range({1, out.height, out.width, out.channels}));
  parallel_ranges(ranges, ranges, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t range = begin; range < end; ++range) {
      std::byte* part = workspace + range * job.layout.size;
      for (std::int64_t i = out.count * range / ranges; i < out.count * (range + 1) / ranges; ++i) {
        resize_image(job, i, out.slice(i, 1), part);
      }
    }
  });
}

std::int64_t resize_workspace_bytes(const ImageShape& in, ImageSize out, Interpolation interpolation) {
  check_sizes("resize_workspace_bytes", in, out, interpolation);
  return in.count * resize_layout(in, out, interpolation).size;
}

void resize(In in, PerImage<SourceBox> box, Interpolation interpolation, Out out, std::span<std::byte> workspace,
            Stream stream) {
  ResizeJob job = checked_resize_job("resize", in, interpolation, out);
  check_boxes_inside(box, in.shape());
  job.box = box;
  run(job, out, workspace, stream);
}

void resize(RaggedImages in, PerImage<SourceBox> box, Interpolation interpolation, Out out,
            std::span<std::byte> workspace, Stream stream) {
  ResizeJob job = checked_resize_job("resize", in, interpolation, out);
  check_values("resize", "box", box, out.count, check_box);
  job.box = box;
  run(job, out, workspace, stream);
}

}  // namespace leaven
