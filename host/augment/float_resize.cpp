#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/augment/float_resize_loops.hpp"
#include "host/augment/resize.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"

namespace leaven {
namespace {

using In = ImageView<const float>;
using Out = ImageView<float>;

constexpr std::int64_t kAlignment = 64;

std::int64_t rounded_up(std::int64_t v, std::int64_t to) { return (v + to - 1) / to * to; }

FloatResizeLayout layout_of(const ImageShape& in, ImageSize out, Interpolation interpolation) {
  constexpr auto kDouble = static_cast<std::int64_t>(sizeof(double));
  constexpr auto kFloat = static_cast<std::int64_t>(sizeof(float));
  constexpr auto kWindow = static_cast<std::int64_t>(2 * sizeof(std::int32_t));
  FloatResizeLayout layout{.out_width = static_cast<std::int32_t>(out.width),
                           .out_height = static_cast<std::int32_t>(out.height)};
  layout.y_weights_at = most_weights(in.width, out.width, interpolation) * out.width * kDouble;
  layout.windows_at = layout.y_weights_at + most_weights(in.height, out.height, interpolation) * out.height * kDouble;
  layout.rows_at = rounded_up(layout.windows_at + (out.width + out.height) * kWindow, kAlignment);
  layout.pitch = rounded_up(out.width * in.channels, kFloatRun);
  layout.band_at = layout.rows_at + in.height * layout.pitch * kFloat;
  layout.size = layout.band_at + in.width * kFloatBandRows * kFloat;
  return layout;
}

void resize_image(const FloatResizeJob& job, std::int64_t image, const Out& out, std::byte* part) {
  const FloatResizeTables tables = float_resize_tables(job.layout, part);
  const ResizeAxes axes = boxed_axes(job.box, image, job.in.height, job.in.width);
  for (std::int32_t x = 0; x < tables.x.out_size; ++x) write_window(axes.x, job.interpolation, x, tables.x);
  for (std::int32_t y = 0; y < tables.y.out_size; ++y) write_window(axes.y, job.interpolation, y, tables.y);
  auto* rows = reinterpret_cast<float*>(part + job.layout.rows_at);
  auto* band = reinterpret_cast<float*>(part + job.layout.band_at);
  const FloatResizeLoops& loops = float_resize_loops();
  loops.rows(job.in.slice(image, 1), resize_span(tables.y, job.in.height), tables.x, band, rows, job.layout.pitch);
  loops.columns(rows, job.layout.pitch, tables.y, out);
}

}  // namespace

std::int64_t float_resize_workspace_bytes(const ImageShape& in, ImageSize out, Interpolation interpolation) {
  check_sizes("float_resize_workspace_bytes", in, out, interpolation);
  return in.count * layout_of(in, out, interpolation).size;
}

void resize(In in, PerImage<SourceBox> box, Interpolation interpolation, Out out, std::span<std::byte> workspace,
            Stream stream) {
  check_geometry("resize", in, out);
  check_sizes("resize", in.shape(), {out.height, out.width}, interpolation);
  check((in.height > 0 && in.width > 0) || out.shape().size() == 0, "resize: in has no pixels, expected some for out");
  check_boxes_inside(box, in.shape());
  FloatResizeJob job{.interpolation = interpolation, .in = in, .box = box};
  job.layout = layout_of(in.shape(), {out.height, out.width}, interpolation);
  check_workspace("resize", workspace, in.count * job.layout.size, alignof(double));
  if (out.shape().size() == 0) return;
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return float_resize_cuda(job, out, workspace.data(), stream.cuda_handle());
  }
  // A range of images takes turns in one image's part of the workspace, so that it stays in the cache.
  const std::int64_t ranges = ranges_for(out.count, images_per_range({1, out.height, out.width, out.channels}));
  parallel_ranges(ranges, ranges, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t range = begin; range < end; ++range) {
      std::byte* part = workspace.data() + range * job.layout.size;
      for (std::int64_t i = out.count * range / ranges; i < out.count * (range + 1) / ranges; ++i) {
        resize_image(job, i, out.slice(i, 1), part);
      }
    }
  });
}

}  // namespace leaven
