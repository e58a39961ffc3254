#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/augment/float_image.hpp"
#include "host/augment/parameters.hpp"
#include "host/augment/tall_image.hpp"
#include "host/core/check.hpp"

namespace leaven {
namespace {

using In = ImageView<const float>;
using Out = ImageView<float>;

// One operation for the whole batch that looks at single pixels: the batch is one tall image where memory allows.
template <class Source>
void run_uniform(const char* function, const Source& source, const In& in, const Out& out, Stream stream) {
  if (!rows_go_on(in) || !rows_go_on(out)) return run_float_ops(function, source, in, {}, out, stream);
  const In all_in = merged(in);
  const Out all_out = merged(out);
  if (stream.backend() == Backend::cuda) return run_float_ops(function, source, all_in, {}, all_out, stream);
  if (out.shape().size() == 0) return;
  const ImageOp op = source(0);
  parallel_for(all_in.height, 1 + 8192 / (in.width * in.channels), [&](std::int64_t begin, std::int64_t end) {
    apply_float_op(op, rows(all_in, begin, end), {}, rows(all_out, begin, end));
  });
}

template <class Source, class T>
void run_map(const char* function, const Source& source, const PerImage<T>& values, const In& in, const Out& out,
             Stream stream) {
  if (values.values == nullptr) return run_uniform(function, source, in, out, stream);
  run_float_ops(function, source, in, {}, out, stream);
}

void run_crop(const char* function, const In& in, std::int64_t padding, Colour fill, const PerImage<OffsetPx>& offset,
              const Out& out, Stream stream) {
  const CropSource source = checked_crop(function, in.shape(), padding, offset, out.shape());
  run_float_ops(function, source, in, {.fill = fill}, out, stream);
}

}  // namespace

void brightness(In in, PerImage<float> factor, Out out, Stream stream) {
  check_pixel_operation("brightness", in, out);
  check_finite_values("brightness", "factor", factor, in.count);
  run_map("brightness", FactorSource<ImageOpKind::brightness>{factor}, factor, in, out, stream);
}

void brightness_offset(In in, PerImage<float> offset, Out out, Stream stream) {
  check_pixel_operation("brightness_offset", in, out);
  check_finite_values("brightness_offset", "offset", offset, in.count);
  run_map("brightness_offset", FactorSource<ImageOpKind::brightness_offset>{offset}, offset, in, out, stream);
}

void contrast(In in, PerImage<float> factor, Out out, Stream stream) {
  check_pixel_operation("contrast", in, out);
  check_finite_values("contrast", "factor", factor, in.count);
  run_float_ops("contrast", FactorSource<ImageOpKind::contrast>{factor}, in, {}, out, stream);
}

void color(In in, PerImage<float> factor, Out out, Stream stream) {
  check_pixel_operation("color", in, out);
  check_finite_values("color", "factor", factor, in.count);
  run_map("color", FactorSource<ImageOpKind::color>{factor}, factor, in, out, stream);
}

void hue(In in, PerImage<float> factor, Out out, Stream stream) {
  check_pixel_operation("hue", in, out);
  check_hue_factor("hue", factor, in.count);
  run_map("hue", FloatHueSource{factor}, factor, in, out, stream);
}

void erase(In in, PerImage<RectPx> rectangle, Colour colour, Out out, Stream stream) {
  check_pixel_operation("erase", in, out);
  check_rectangle("erase", rectangle, in.count);
  run_float_ops("erase", EraseSource{rectangle, colour}, in, {}, out, stream);
}

void posterize(In in, PerImage<std::int32_t> bits, Out out, Stream stream) {
  check_pixel_operation("posterize", in, out);
  check_bits("posterize", bits, in.count);
  run_map("posterize", PosterizeSource{bits}, bits, in, out, stream);
}

void solarize(In in, PerImage<float> threshold, Out out, Stream stream) {
  check_pixel_operation("solarize", in, out);
  check_finite_values("solarize", "threshold", threshold, in.count);
  run_map("solarize", FactorSource<ImageOpKind::solarize>{threshold}, threshold, in, out, stream);
}

void solarize_add(In in, PerImage<std::int32_t> addend, std::int32_t threshold, Out out, Stream stream) {
  check_pixel_operation("solarize_add", in, out);
  check_addend("solarize_add", addend, threshold, in.count);
  run_map("solarize_add", SolarizeAddSource{addend, threshold}, addend, in, out, stream);
}

void grey(In in, Out out, Stream stream) {
  check_pixel_operation("grey", in, out);
  run_uniform("grey", FactorSource<ImageOpKind::color>{0.0f}, in, out, stream);
}

void autocontrast(In in, Out out, Stream stream) {
  check_pixel_operation("autocontrast", in, out);
  run_float_ops("autocontrast", PlainSource<ImageOpKind::autocontrast>{}, in, {}, out, stream);
}

void sharpness(In in, PerImage<float> factor, Out out, Stream stream) {
  check_move("sharpness", in, out);
  check_finite_values("sharpness", "factor", factor, in.count);
  run_float_ops("sharpness", FactorSource<ImageOpKind::sharpness>{factor}, in, {}, out, stream);
}

void invert(In in, Out out, Stream stream) {
  check_pixel_operation("invert", in, out);
  run_uniform("invert", PlainSource<ImageOpKind::invert>{}, in, out, stream);
}

void flip(In in, PerImage<FlipAxis> axis, Out out, Stream stream) {
  check_move("flip", in, out);
  check_axis("flip", axis, in.count);
  run_float_ops("flip", FlipSource{axis}, in, {}, out, stream);
}

void crop(In in, PerImage<OffsetPx> offset, Out out, Stream stream) {
  check_geometry("crop", in, out);
  run_crop("crop", in, 0, 0, offset, out, stream);
}

void pad_crop(In in, std::int32_t padding, Colour fill, PerImage<OffsetPx> offset, Out out, Stream stream) {
  check_geometry("pad_crop", in, out);
  check_padding("pad_crop", padding);
  run_crop("pad_crop", in, padding, fill, offset, out, stream);
}

void affine_warp(In in, PerImage<AffineMatrix> matrix, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("affine_warp", in, out);
  check_options("affine_warp", options);
  check_matrix("affine_warp", matrix, in.count);
  run_float_ops("affine_warp", AffineSource{matrix}, in, options, out, stream);
}

void perspective_warp(In in, PerImage<PerspectiveMatrix> matrix, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("perspective_warp", in, out);
  check_options("perspective_warp", options);
  check_matrix("perspective_warp", matrix, in.count);
  run_float_ops("perspective_warp", PerspectiveSource{matrix}, in, options, out, stream);
}

void rotate(In in, PerImage<double> angle_deg, const WarpOptions& options, Out out, Stream stream) {
  check_move("rotate", in, out);
  check_options("rotate", options);
  check_angle("rotate", angle_deg, in.count);
  run_float_ops("rotate", RotateSource{angle_deg, in.height, in.width}, in, options, out, stream);
}

void shear(In in, PerImage<Shear> shear, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("shear", in, out);
  check_options("shear", options);
  check_shear("shear", shear, in.count);
  run_float_ops("shear", ShearSource{shear}, in, options, out, stream);
}

void translate(In in, PerImage<TranslationPx> offset, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("translate", in, out);
  check_options("translate", options);
  check_translation("translate", offset, in.count);
  run_float_ops("translate", TranslateSource{offset}, in, options, out, stream);
}

}  // namespace leaven
