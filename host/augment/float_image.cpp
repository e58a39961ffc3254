#include "host/augment/float_image.hpp"

#include <algorithm>

#include "host/augment/float_loops.hpp"
#include "host/augment/tall_image.hpp"
#include "kernels/augment/sampler.hpp"

namespace leaven {
namespace {

using In = ImageView<const float>;
using Out = ImageView<float>;

template <class T>
bool pixels_are_dense(const ImageView<T>& v) {
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
  const std::int64_t rows = one_run ? 1 : in.height;
  for (std::int64_t c = 0; c < planes; ++c) {
    for (std::int64_t y = 0; y < rows; ++y) {
      body(in.data + c * in.channel_stride + y * in.row_stride, out.data + c * out.channel_stride + y * out.row_stride,
           in_step, out_step, one_run ? count * in.height : count);
    }
  }
}

void apply_map(const FloatMap& map, const In& in, const Out& out) {
  for_each_run(in, out,
               [&](const float* from, float* to, std::int64_t in_step, std::int64_t out_step, std::int64_t count) {
                 float_loops().map(map, from, in_step, to, out_step, count);
               });
}

void copy_image(const In& in, const Out& out) {
  const bool side_by_side = in.channels == 3 && in.channel_stride == 1 && out.channel_stride == 1;
  if (!side_by_side || (pixels_are_dense(in) && pixels_are_dense(out))) return apply_map(FloatMap{}, in, out);
  for (std::int64_t y = 0; y < in.height; ++y) {
    float_loops().copy_rgb(in.data + y * in.row_stride, in.pixel_stride, out.data + y * out.row_stride,
                           out.pixel_stride, in.width);
  }
}

// Rows of pixels, or all of them as one row where nothing lies between.
struct PixelRows {
  std::int64_t rows, pixels;
  template <class View>
  PixelRows(const In& in, const View& out) : rows(in.height), pixels(in.width) {
    if (in.row_stride != in.width * in.pixel_stride || out.row_stride != in.width * out.pixel_stride) return;
    rows = 1;
    pixels *= in.height;
  }
};

template <class T>
RgbValues<T> rgb_row(const ImageView<T>& v, std::int64_t y) {
  T* row = v.data + y * v.row_stride;
  return {row, row + v.channel_stride, row + 2 * v.channel_stride, v.pixel_stride};
}

// color and hue.
void apply_to_rgb(const ImageOp& op, const In& in, const Out& out) {
  if (in.channels == 1) return copy_image(in, out);
  const auto loop = op.kind == ImageOpKind::color ? float_loops().color : float_loops().hue;
  const PixelRows all(in, out);
  for (std::int64_t y = 0; y < all.rows; ++y) loop(op.value, rgb_row(in, y), rgb_row(out, y), all.pixels);
}

float mean_luma(const In& in) {
  const FloatLoops& loops = float_loops();
  const PixelRows all(in, in);
  std::int64_t sum = 0;
  for (std::int64_t y = 0; y < all.rows; ++y) {
    sum += in.channels == 1 ? loops.sum(in.data + y * in.row_stride, in.pixel_stride, all.pixels)
                            : loops.luma_sum(rgb_row(in, y), all.pixels);
  }
  return luma_mean(sum, per_luma_unit(in.height, in.width));
}

void apply_stretch(const In& in, const Out& out) {
  const FloatLoops& loops = float_loops();
  FloatRange ranges[3];
  const bool dense = in.channels == 3 && pixels_are_dense(in) && pixels_are_dense(out);
  const std::int64_t planes = dense ? 1 : in.channels;
  const std::int64_t side_by_side = dense ? 3 : 1;
  const PixelRows all(in, out);
  for (std::int64_t c = 0; c < planes; ++c) {
    const float* from = in.data + c * in.channel_stride;
    for (std::int64_t y = 0; y < all.rows; ++y) {
      loops.range(from + y * in.row_stride, in.pixel_stride, side_by_side, side_by_side * all.pixels, ranges + c);
    }
  }
  const Stretch stretches[3] = {stretch_of(ranges[0]), stretch_of(ranges[1]), stretch_of(ranges[2])};
  for (std::int64_t c = 0; c < planes; ++c) {
    for (std::int64_t y = 0; y < all.rows; ++y) {
      loops.stretch(stretches + c, side_by_side, in.data + c * in.channel_stride + y * in.row_stride, in.pixel_stride,
                    out.data + c * out.channel_stride + y * out.row_stride, out.pixel_stride,
                    side_by_side * all.pixels);
    }
  }
}

// Columns begin .. end - 1.
template <class T>
ImageView<T> columns(ImageView<T> view, std::int64_t begin, std::int64_t end) {
  view.data += begin * view.pixel_stride;
  view.width = end - begin;
  return view;
}

void apply_sharpness(float factor, const In& in, const Out& out) {
  if (in.height < 3 || in.width < 3) return copy_image(in, out);
  const In inner = columns(rows(in, 1, in.height - 1), 1, in.width - 1);
  const Out to = columns(rows(out, 1, in.height - 1), 1, in.width - 1);
  const bool dense = pixels_are_dense(in) && pixels_are_dense(out);
  const std::int64_t planes = dense ? 1 : in.channels;
  for (std::int64_t y = 0; y < inner.height; ++y) {
    for (std::int64_t c = 0; c < planes; ++c) {
      const float* row = inner.data + y * in.row_stride + c * in.channel_stride;
      const float* const three[3] = {row - in.row_stride, row, row + in.row_stride};
      float_loops().sharpen(factor, three, in.pixel_stride, dense ? 1 : in.pixel_stride,
                            to.data + y * out.row_stride + c * out.channel_stride, dense ? 1 : out.pixel_stride,
                            dense ? inner.width * in.channels : inner.width);
    }
  }
  copy_image(rows(in, 0, 1), rows(out, 0, 1));
  copy_image(rows(in, in.height - 1, in.height), rows(out, in.height - 1, in.height));
  copy_image(columns(in, 0, 1), columns(out, 0, 1));
  copy_image(columns(in, in.width - 1, in.width), columns(out, in.width - 1, in.width));
}

In upside_down(In view) {
  view.data += (view.height - 1) * view.row_stride;
  view.row_stride = -view.row_stride;
  return view;
}

In mirrored(In view) {
  view.data += (view.width - 1) * view.pixel_stride;
  view.pixel_stride = -view.pixel_stride;
  return view;
}

// Of square images.
In transposed(In view) {
  std::swap(view.row_stride, view.pixel_stride);
  return view;
}

void fill_image(const float* fill, const Out& out) {
  for (std::int64_t y = 0; y < out.height; ++y) {
    for (std::int64_t x = 0; x < out.width; ++x) {
      float* to = out.data + y * out.row_stride + x * out.pixel_stride;
      for (std::int64_t c = 0; c < out.channels; ++c) to[c * out.channel_stride] = fill[c];
    }
  }
}

void apply_erase(const ImageOp& op, const In& in, const Out& out) {
  copy_image(in, out);
  const float colour[3] = {erase_value(op, 0), erase_value(op, 1), erase_value(op, 2)};
  const Out part = rows(out, clipped_edge(op.m[1], in.height), clipped_edge(op.m[3], in.height));
  fill_image(colour, columns(part, clipped_edge(op.m[0], in.width), clipped_edge(op.m[2], in.width)));
}

// out(y, x) = in(y + dy, x + dx)
void apply_shift(std::int64_t dx, std::int64_t dy, const In& in, const float* fill, const Out& out) {
  const std::int64_t left = std::clamp<std::int64_t>(-dx, 0, out.width);
  const std::int64_t right = std::clamp<std::int64_t>(in.width - dx, left, out.width);
  const std::int64_t top = std::clamp<std::int64_t>(-dy, 0, out.height);
  const std::int64_t bottom = std::clamp<std::int64_t>(in.height - dy, top, out.height);
  fill_image(fill, rows(out, 0, top));
  fill_image(fill, rows(out, bottom, out.height));
  const Out middle = rows(out, top, bottom);
  fill_image(fill, columns(middle, 0, left));
  fill_image(fill, columns(middle, right, out.width));
  if (left == right || top == bottom) return;
  copy_image(columns(rows(in, top + dy, bottom + dy), left + dx, right + dx), columns(middle, left, right));
}

void sample_image(const Warp& warp, const In& in, const float* fill, const Out& out) {
  for (std::int32_t y = 0; y < out.height; ++y) {
    for (std::int32_t x = 0; x < out.width; ++x) {
      const Sample sample =
          Sample::at(warp, x, y, static_cast<std::int32_t>(in.height), static_cast<std::int32_t>(in.width));
      float* to = out.data + y * out.row_stride + x * out.pixel_stride;
      for (std::int64_t c = 0; c < in.channels; ++c) {
        const float* plane = in.data + c * in.channel_stride;
        const auto value = [&](std::int64_t i, std::int64_t j) -> double {
          return plane[j * in.row_stride + i * in.pixel_stride];
        };
        to[c * out.channel_stride] = sample.outside ? fill[c] : sample_to_f32(sample.of(value), warp.interpolation);
      }
    }
  }
}

void apply_warp(const Warp& warp, const In& in, const Colour& colour, const Out& out) {
  const float fill[3] = {static_cast<float>(colour.red), static_cast<float>(colour.green),
                         static_cast<float>(colour.blue)};
  if (warp.path == WarpPath::outside) return fill_image(fill, out);
  if (warp.path == WarpPath::sampled) return sample_image(warp, in, fill, out);
  if (warp.path == WarpPath::shift) return apply_shift(warp.dx, warp.dy, in, fill, out);
  float_loops().warp(warp, in, fill, out);
}

}  // namespace

void apply_float_op(const ImageOp& op, In in, const WarpOptions& options, Out out) {
  switch (op.kind) {
    case ImageOpKind::color:
    case ImageOpKind::hue: return apply_to_rgb(op, in, out);
    case ImageOpKind::erase: return apply_erase(op, in, out);
    case ImageOpKind::contrast: return apply_map(float_map(op, mean_luma(in)), in, out);
    case ImageOpKind::autocontrast: return apply_stretch(in, out);
    case ImageOpKind::sharpness: return apply_sharpness(op.value, in, out);
    case ImageOpKind::flip_left_right: return copy_image(mirrored(in), out);
    case ImageOpKind::flip_top_bottom: return copy_image(upside_down(in), out);
    case ImageOpKind::flip_both: return copy_image(mirrored(upside_down(in)), out);
    case ImageOpKind::rotate_90: return copy_image(transposed(mirrored(in)), out);
    case ImageOpKind::rotate_270: return copy_image(transposed(upside_down(in)), out);
    case ImageOpKind::affine:
    case ImageOpKind::perspective:
      return apply_warp(make_warp(op, options.interpolation, options.border, out.height, out.width), in, options.fill,
                        out);
    default: return apply_map(float_map(op, 0), in, out);
  }
}

}  // namespace leaven
