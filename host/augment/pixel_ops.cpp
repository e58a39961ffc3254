#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/augment/image_op.hpp"
#include "host/augment/parameters.hpp"
#include "host/augment/tall_image.hpp"
#include "host/core/check.hpp"
#include "kernels/augment/op_source.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

// One operation for the whole batch that looks at single pixels: the batch is one tall image where memory allows.
template <class Source>
void run_uniform(const char* function, const Source& source, const In& in, const Out& out, Stream stream) {
  if (!rows_go_on(in) || !rows_go_on(out)) return run_image_ops(function, source, in, {}, out, stream);
  const In all_in = merged(in);
  const Out all_out = merged(out);
  if (stream.backend() == Backend::cuda) return run_image_ops(function, source, all_in, {}, all_out, stream);
  if (out.shape().size() == 0) return;
  const ImageOp op = source(0);
  const std::int64_t grain = 1 + 32768 / (in.width * in.channels);
  parallel_for(all_in.height, grain, [&](std::int64_t begin, std::int64_t end) {
    apply_image_op(op, rows(all_in, begin, end), {}, rows(all_out, begin, end));
  });
}

template <class Source, class T>
void run_map(const char* function, const Source& source, const PerImage<T>& values, const In& in, const Out& out,
             Stream stream) {
  if (values.values == nullptr) return run_uniform(function, source, in, out, stream);
  run_image_ops(function, source, in, {}, out, stream);
}

void check_factor(const char* function, const PerImage<float>& factor, std::int64_t count) {
  check_finite_values(function, "factor", factor, count);
}

}  // namespace

void brightness(In in, PerImage<float> factor, Out out, Stream stream) {
  check_pixel_operation("brightness", in, out);
  check_factor("brightness", factor, in.count);
  run_map("brightness", FactorSource<ImageOpKind::brightness>{factor}, factor, in, out, stream);
}

void brightness_offset(In in, PerImage<std::int32_t> offset, Out out, Stream stream) {
  check_pixel_operation("brightness_offset", in, out);
  check_values("brightness_offset", "offset", offset, in.count, [](std::int32_t) {});
  run_map("brightness_offset", OffsetSource{offset}, offset, in, out, stream);
}

void contrast(In in, PerImage<float> factor, Out out, Stream stream) {
  check_pixel_operation("contrast", in, out);
  check_factor("contrast", factor, in.count);
  run_image_ops("contrast", FactorSource<ImageOpKind::contrast>{factor}, in, {}, out, stream);
}

void color(In in, PerImage<float> factor, Out out, Stream stream) {
  check_pixel_operation("color", in, out);
  check_factor("color", factor, in.count);
  run_map("color", FactorSource<ImageOpKind::color>{factor}, factor, in, out, stream);
}

void hue(In in, PerImage<float> factor, Out out, Stream stream) {
  check_pixel_operation("hue", in, out);
  check_hue_factor("hue", factor, in.count);
  run_map("hue", HueSource{factor}, factor, in, out, stream);
}

void erase(In in, PerImage<RectPx> rectangle, Colour colour, Out out, Stream stream) {
  check_pixel_operation("erase", in, out);
  check_rectangle("erase", rectangle, in.count);
  run_image_ops("erase", EraseSource{rectangle, colour}, in, {}, out, stream);
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
  run_image_ops("autocontrast", PlainSource<ImageOpKind::autocontrast>{}, in, {}, out, stream);
}

void equalize(In in, Out out, Stream stream) {
  check_pixel_operation("equalize", in, out);
  run_image_ops("equalize", PlainSource<ImageOpKind::equalize>{}, in, {}, out, stream);
}

void sharpness(In in, PerImage<float> factor, Out out, Stream stream) {
  check_move("sharpness", in, out);
  check_factor("sharpness", factor, in.count);
  run_image_ops("sharpness", FactorSource<ImageOpKind::sharpness>{factor}, in, {}, out, stream);
}

void invert(In in, Out out, Stream stream) {
  check_pixel_operation("invert", in, out);
  run_uniform("invert", PlainSource<ImageOpKind::invert>{}, in, out, stream);
}

}  // namespace leaven
