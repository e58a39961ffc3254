#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/augment/image_op.hpp"
#include "host/augment/parameters.hpp"
#include "kernels/augment/op_source.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

void run_crop(const char* function, const In& in, std::int64_t padding, Colour fill, const PerImage<OffsetPx>& offset,
              const Out& out, Stream stream) {
  const CropSource source = checked_crop(function, in.shape(), padding, offset, out.shape());
  run_image_ops(function, source, in, {.fill = fill}, out, stream);
}

}  // namespace

void flip(In in, PerImage<FlipAxis> axis, Out out, Stream stream) {
  check_move("flip", in, out);
  check_axis("flip", axis, in.count);
  run_image_ops("flip", FlipSource{axis}, in, {}, out, stream);
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
  run_image_ops("affine_warp", AffineSource{matrix}, in, options, out, stream);
}

void perspective_warp(In in, PerImage<PerspectiveMatrix> matrix, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("perspective_warp", in, out);
  check_options("perspective_warp", options);
  check_matrix("perspective_warp", matrix, in.count);
  run_image_ops("perspective_warp", PerspectiveSource{matrix}, in, options, out, stream);
}

void rotate(In in, PerImage<double> angle_deg, const WarpOptions& options, Out out, Stream stream) {
  check_move("rotate", in, out);
  check_options("rotate", options);
  check_angle("rotate", angle_deg, in.count);
  run_image_ops("rotate", RotateSource{angle_deg, in.height, in.width}, in, options, out, stream);
}

void shear(In in, PerImage<Shear> shear, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("shear", in, out);
  check_options("shear", options);
  check_shear("shear", shear, in.count);
  run_image_ops("shear", ShearSource{shear}, in, options, out, stream);
}

void translate(In in, PerImage<TranslationPx> offset, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("translate", in, out);
  check_options("translate", options);
  check_translation("translate", offset, in.count);
  run_image_ops("translate", TranslateSource{offset}, in, options, out, stream);
}

}  // namespace leaven
