#include "host/augment/image_op.hpp"

#include <algorithm>
#include <cstring>

#include "host/augment/pixel_loops.hpp"
#include "host/augment/warp_loops.hpp"
#include "kernels/augment/pixel.hpp"
#include "kernels/augment/sampler.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

bool pixels_are_dense(const In& v) {
  return v.pixel_stride == v.channels && (v.channels == 1 || v.channel_stride == 1);
}

// Calls body(in, out, in_step, out_step, count) for runs of values that cover the image.
template <class Body>
void for_each_run(const In& in, const Out& out, const Body& body) {
  const bool dense = pixels_are_dense(in) && pixels_are_dense(out);
  const std::int64_t planes = dense ? 1 : in.channels;
  const std::int64_t in_step = dense ? 1 : in.pixel_stride;
  const std::int64_t out_step = dense ? 1 : out.pixel_stride;
  const std::int64_t count = dense ? in.width * in.channels : in.width;
  const bool one_run = in.row_stride == in_step * count && out.row_stride == out_step * count;
  for (std::int64_t c = 0; c < planes; ++c) {
    const std::uint8_t* from = in.data + c * in.channel_stride;
    std::uint8_t* to = out.data + c * out.channel_stride;
    if (one_run) {
      body(from, to, in_step, out_step, count * in.height);
      continue;
    }
    for (std::int64_t y = 0; y < in.height; ++y) {
      body(from + y * in.row_stride, to + y * out.row_stride, in_step, out_step, count);
    }
  }
}

RgbRun rgb_row(const In& in, std::int64_t y) {
  const std::uint8_t* row = in.data + y * in.row_stride;
  return {row, row + in.channel_stride, row + 2 * in.channel_stride, in.pixel_stride};
}

void apply_color(float factor, const In& in, const Out& out) {
  const bool one_run = in.row_stride == in.width * in.pixel_stride && out.row_stride == out.width * out.pixel_stride;
  const std::int64_t rows = one_run ? 1 : in.height;
  const std::int64_t count = one_run ? in.height * in.width : in.width;
  for (std::int64_t y = 0; y < rows; ++y) {
    std::uint8_t* to = out.data + y * out.row_stride;
    const RgbOutput row{to, to + out.channel_stride, to + 2 * out.channel_stride, out.pixel_stride};
    pixel_loops().color(factor, rgb_row(in, y), row, count);
  }
}

void apply_hue(std::int32_t shift, const In& in, const Out& out) {
  for (std::int64_t y = 0; y < in.height; ++y) {
    for (std::int64_t x = 0; x < in.width; ++x) {
      const std::uint8_t* from = in.data + y * in.row_stride + x * in.pixel_stride;
      std::uint8_t* to = out.data + y * out.row_stride + x * out.pixel_stride;
      const Rgb turned = hue_shifted({from[0], from[in.channel_stride], from[2 * in.channel_stride]}, shift);
      to[0] = static_cast<std::uint8_t>(turned.r);
      to[out.channel_stride] = static_cast<std::uint8_t>(turned.g);
      to[2 * out.channel_stride] = static_cast<std::uint8_t>(turned.b);
    }
  }
}

std::int32_t mean_luma(const In& in) {
  const PixelLoops& loops = pixel_loops();
  const bool one_run = in.row_stride == in.width * in.pixel_stride;
  const std::int64_t rows = one_run ? 1 : in.height;
  const std::int64_t count = one_run ? in.height * in.width : in.width;
  std::uint64_t sum = 0;
  for (std::int64_t y = 0; y < rows; ++y) {
    sum += in.channels == 1 ? loops.sum(in.data + y * in.row_stride, in.pixel_stride, count)
                            : loops.luma_sum(rgb_row(in, y), count);
  }
  return rounded_mean(sum, static_cast<std::uint64_t>(in.height * in.width));
}

void apply_map(const PixelMap& map, const In& in, const Out& out) {
  const PixelLoops& loops = pixel_loops();
  for_each_run(
      in, out,
      [&](const std::uint8_t* from, std::uint8_t* to, std::int64_t in_step, std::int64_t out_step, std::int64_t count) {
        if (in_step == 1 && out_step == 1) return loops.map(map, from, to, count);
        loops.map_strided(map, from, in_step, to, out_step, count);
      });
}

void find_table(ImageOpKind kind, const In& in, std::int64_t channel, std::int64_t rows, std::int64_t pixels,
                std::uint8_t* table) {
  const PixelLoops& loops = pixel_loops();
  const std::uint8_t* from = in.data + channel * in.channel_stride;
  if (kind == ImageOpKind::autocontrast) {
    ValueRange range;
    for (std::int64_t y = 0; y < rows; ++y) loops.range(from + y * in.row_stride, in.pixel_stride, pixels, range);
    return loops.autocontrast_table(range, table);
  }
  std::uint32_t counts[256] = {};
  for (std::int64_t y = 0; y < rows; ++y) loops.count(from + y * in.row_stride, in.pixel_stride, pixels, counts);
  loops.equalize_table(counts, table);
}

void apply_tables(ImageOpKind kind, const In& in, const Out& out) {
  const PixelLoops& loops = pixel_loops();
  const bool one_run = in.row_stride == in.width * in.pixel_stride && out.row_stride == out.width * out.pixel_stride;
  const std::int64_t rows = one_run ? 1 : in.height;
  const std::int64_t pixels = one_run ? in.height * in.width : in.width;
  for (std::int64_t c = 0; c < in.channels; ++c) {
    std::uint8_t table[256];
    find_table(kind, in, c, rows, pixels, table);
    for (std::int64_t y = 0; y < rows; ++y) {
      loops.look_up(table, in.data + c * in.channel_stride + y * in.row_stride, in.pixel_stride,
                    out.data + c * out.channel_stride + y * out.row_stride, out.pixel_stride, pixels);
    }
  }
}

In upside_down(In view) {
  view.data += (view.height - 1) * view.row_stride;
  view.row_stride = -view.row_stride;
  return view;
}

void copy_image(const In& in, const Out& out) {
  const PixelLoops& loops = pixel_loops();
  for_each_run(
      in, out,
      [&](const std::uint8_t* from, std::uint8_t* to, std::int64_t in_step, std::int64_t out_step, std::int64_t count) {
        if (in_step != 1 || out_step != 1) return loops.map_strided(PixelMap{}, from, in_step, to, out_step, count);
        if (from != to) std::memcpy(to, from, static_cast<std::size_t>(count));
      });
}

void apply_erase(const ImageOp& op, const In& in, const Out& out) {
  copy_image(in, out);
  const auto clipped = [](double v, std::int64_t most) {
    return static_cast<std::int64_t>(std::clamp(v, 0.0, static_cast<double>(most)));
  };
  const std::int64_t left = clipped(op.m[0], in.width);
  const std::int64_t right = clipped(op.m[2], in.width);
  const std::int64_t bottom = clipped(op.m[3], in.height);
  const auto colour = static_cast<std::uint32_t>(op.m[4]);
  for (std::int64_t y = clipped(op.m[1], in.height); y < bottom; ++y) {
    for (std::int64_t x = left; x < right; ++x) {
      std::uint8_t* to = out.data + y * out.row_stride + x * out.pixel_stride;
      for (std::int64_t c = 0; c < in.channels; ++c) {
        to[c * out.channel_stride] = static_cast<std::uint8_t>(colour >> (8 * c));
      }
    }
  }
}

void copy_row(const In& in, const Out& out, std::int64_t y) {
  In from = in;
  Out to = out;
  from.data += y * in.row_stride;
  to.data += y * out.row_stride;
  from.height = to.height = 1;
  copy_image(from, to);
}

void copy_pixel(const In& in, const Out& out, std::int64_t x, std::int64_t y) {
  const std::uint8_t* from = in.data + y * in.row_stride + x * in.pixel_stride;
  std::uint8_t* to = out.data + y * out.row_stride + x * out.pixel_stride;
  for (std::int64_t c = 0; c < in.channels; ++c) to[c * out.channel_stride] = from[c * in.channel_stride];
}

// Where nothing lies between the rows, they are one run; it goes over the border pixels, which are put right then.
void apply_sharpness(float factor, const In& in, const Out& out) {
  if (in.height < 3 || in.width < 3) return copy_image(in, out);
  const bool dense = pixels_are_dense(in) && pixels_are_dense(out);
  const std::int64_t runs = dense ? 1 : in.channels;
  const std::int64_t values = dense ? in.channels : 1;  // of a pixel of a run
  const bool one_run = in.row_stride == in.width * in.pixel_stride && out.row_stride == out.width * out.pixel_stride;
  const std::int64_t rows_at_once = one_run ? in.height - 2 : 1;
  const std::int64_t count = ((rows_at_once - 1) * in.width + in.width - 2) * values;
  for (std::int64_t y = 1; y + 1 < in.height; y += rows_at_once) {
    for (std::int64_t c = 0; c < runs; ++c) {
      const std::uint8_t* row = in.data + y * in.row_stride + in.pixel_stride + c * in.channel_stride;
      const std::uint8_t* const rows[3] = {row - in.row_stride, row, row + in.row_stride};
      pixel_loops().sharpen(factor, rows, in.pixel_stride, dense ? 1 : in.pixel_stride,
                            out.data + y * out.row_stride + out.pixel_stride + c * out.channel_stride,
                            dense ? 1 : out.pixel_stride, count);
    }
  }
  copy_row(in, out, 0);
  copy_row(in, out, in.height - 1);
  for (std::int64_t y = 1; y + 1 < in.height; ++y) {
    copy_pixel(in, out, 0, y);
    copy_pixel(in, out, in.width - 1, y);
  }
}

// Calls body(job) for the planes of the image: one where the channels of a pixel lie side by side, else one per
// channel.
template <class Body>
void for_each_plane(const In& in, const Out& out, Colour fill, const Body& body) {
  WarpJob job{{in.data, in.row_stride, in.pixel_stride, static_cast<std::int32_t>(in.height),
               static_cast<std::int32_t>(in.width)},
              {out.data, out.row_stride, out.pixel_stride, static_cast<std::int32_t>(out.height),
               static_cast<std::int32_t>(out.width)},
              static_cast<std::int32_t>(in.channels),
              {fill.red, fill.green, fill.blue},
              1,
              in.image_stride,
              out.image_stride};
  if (in.channels == 1 || (in.channel_stride == 1 && out.channel_stride == 1)) return body(job);
  const std::uint8_t colour[3] = {fill.red, fill.green, fill.blue};
  job.channels = 1;
  for (std::int64_t c = 0; c < in.channels; ++c) {
    job.in.data = in.data + c * in.channel_stride;
    job.out.data = out.data + c * out.channel_stride;
    job.fill[0] = colour[c];
    body(job);
  }
}

void sample_image(const Warp& warp, const In& in, Colour fill, const Out& out) {
  const std::uint8_t colour[3] = {fill.red, fill.green, fill.blue};
  for (std::int32_t y = 0; y < out.height; ++y) {
    for (std::int32_t x = 0; x < out.width; ++x) {
      const Sample sample =
          Sample::at(warp, x, y, static_cast<std::int32_t>(in.height), static_cast<std::int32_t>(in.width));
      std::uint8_t* to = out.data + y * out.row_stride + x * out.pixel_stride;
      for (std::int64_t c = 0; c < in.channels; ++c) {
        const std::uint8_t* plane = in.data + c * in.channel_stride;
        const auto value = [&](std::int64_t i, std::int64_t j) -> double {
          return plane[j * in.row_stride + i * in.pixel_stride];
        };
        to[c * out.channel_stride] =
            sample.outside ? colour[c] : static_cast<std::uint8_t>(sample_to_u8(sample.of(value)));
      }
    }
  }
}

void apply_warp(const Warp& warp, const In& in, Colour fill, const Out& out) {
  if (warp.path == WarpPath::sampled) return sample_image(warp, in, fill, out);
  for_each_plane(in, out, fill, [&](const WarpJob& job) {
    if (warp.path == WarpPath::bilinear) return bilinear_loops().bilinear(warp, job);
    warp_loops().nearest(warp, job);
  });
}

void reverse_rows(const In& in, const Out& out) {
  for_each_plane(in, out, Colour{}, [&](const WarpJob& job) { warp_loops().reverse_rows(job); });
}

void turn(const In& in, const Out& out, QuarterTurn direction) {
  for_each_plane(in, out, Colour{}, [&](const WarpJob& job) { warp_loops().turn(job, direction); });
}

}  // namespace

void apply_image_op(const ImageOp& op, ImageView<const std::uint8_t> in, const WarpOptions& options,
                    ImageView<std::uint8_t> out) {
  switch (op.kind) {
    case ImageOpKind::copy: return copy_image(in, out);
    case ImageOpKind::color:
      if (in.channels == 1) return copy_image(in, out);
      return apply_color(op.value, in, out);
    case ImageOpKind::autocontrast:
    case ImageOpKind::equalize: return apply_tables(op.kind, in, out);
    case ImageOpKind::sharpness: return apply_sharpness(op.value, in, out);
    case ImageOpKind::contrast: return apply_map(pixel_map(op, mean_luma(in)), in, out);
    case ImageOpKind::flip_left_right: return reverse_rows(in, out);
    case ImageOpKind::flip_top_bottom: return copy_image(upside_down(in), out);
    case ImageOpKind::flip_both: return reverse_rows(upside_down(in), out);
    case ImageOpKind::rotate_90: return turn(in, out, QuarterTurn::counter_clockwise);
    case ImageOpKind::rotate_270: return turn(in, out, QuarterTurn::clockwise);
    case ImageOpKind::affine:
    case ImageOpKind::perspective:
      return apply_warp(make_warp(op, options.interpolation, options.border, out.height, out.width), in, options.fill,
                        out);
    case ImageOpKind::hue:
      if (in.channels == 1) return copy_image(in, out);
      return apply_hue(static_cast<std::int32_t>(op.value), in, out);
    case ImageOpKind::erase: return apply_erase(op, in, out);
    default: return apply_map(pixel_map(op, 0), in, out);
  }
}

void apply_alike(const ImageOp& op, ImageView<const std::uint8_t> in, const WarpOptions& options,
                 ImageView<std::uint8_t> out) {
  if (op.kind == ImageOpKind::affine) {
    const Warp warp = make_warp(op, options.interpolation, options.border, out.height, out.width);
    if (warp.path == WarpPath::bilinear) {
      return for_each_plane(in, out, options.fill, [&](WarpJob job) {
        job.images = in.count;
        bilinear_loops().bilinear(warp, job);
      });
    }
  }
  for (std::int64_t i = 0; i < in.count; ++i) apply_image_op(op, in.slice(i, 1), options, out.slice(i, 1));
}

}  // namespace leaven
