#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/augment/image_op.hpp"
#include "host/core/check.hpp"
#include "kernels/augment/op_source.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

void run_crop(const char* function, const In& in, std::int64_t padding, Colour fill, const PerImage<OffsetPx>& offset,
              const Out& out, Stream stream) {
  const std::int64_t most_x = in.width + 2 * padding - out.width;
  const std::int64_t most_y = in.height + 2 * padding - out.height;
  check(most_x >= 0 && most_y >= 0, "{}: out is {}x{}, expected at most {}x{} (height x width of the input{})",
        function, out.height, out.width, in.height + 2 * padding, in.width + 2 * padding,
        padding > 0 ? " with its padding" : "");
  check_values(function, "offset", offset, in.count, [&](const OffsetPx& o) {
    check(o.x >= 0 && o.x <= most_x, "{}: offset.x is {}, expected 0 to {}", function, o.x, most_x);
    check(o.y >= 0 && o.y <= most_y, "{}: offset.y is {}, expected 0 to {}", function, o.y, most_y);
  });
  run_image_ops(function, CropSource{offset, most_x, most_y, padding}, in, {.fill = fill}, out, stream);
}

}  // namespace

void flip(In in, PerImage<FlipAxis> axis, Out out, Stream stream) {
  check_move("flip", in, out);
  check_values("flip", "axis", axis, in.count, [](FlipAxis value) {
    check(value >= FlipAxis::none && value <= FlipAxis::both, "flip: axis is {}, expected none (0) to both (3)",
          static_cast<std::int32_t>(value));
  });
  run_image_ops("flip", FlipSource{axis}, in, {}, out, stream);
}

void crop(In in, PerImage<OffsetPx> offset, Out out, Stream stream) {
  check_geometry("crop", in, out);
  run_crop("crop", in, 0, 0, offset, out, stream);
}

void pad_crop(In in, std::int32_t padding, Colour fill, PerImage<OffsetPx> offset, Out out, Stream stream) {
  check_geometry("pad_crop", in, out);
  check(padding >= 0 && padding < (1 << 30), "pad_crop: padding is {}, expected at least 0 and below 2^30", padding);
  run_crop("pad_crop", in, padding, fill, offset, out, stream);
}

void affine_warp(In in, PerImage<AffineMatrix> matrix, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("affine_warp", in, out);
  check_options("affine_warp", options);
  check_values("affine_warp", "matrix", matrix, in.count, [](const AffineMatrix& value) {
    for (const double element : value.m) check_finite("affine_warp", "an element of matrix", element);
  });
  run_image_ops("affine_warp", AffineSource{matrix}, in, options, out, stream);
}

void perspective_warp(In in, PerImage<PerspectiveMatrix> matrix, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("perspective_warp", in, out);
  check_options("perspective_warp", options);
  check_values("perspective_warp", "matrix", matrix, in.count, [](const PerspectiveMatrix& value) {
    for (const double element : value.m) check_finite("perspective_warp", "an element of matrix", element);
  });
  run_image_ops("perspective_warp", PerspectiveSource{matrix}, in, options, out, stream);
}

void rotate(In in, PerImage<double> angle_deg, const WarpOptions& options, Out out, Stream stream) {
  check_move("rotate", in, out);
  check_options("rotate", options);
  check_values("rotate", "angle_deg", angle_deg, in.count,
               [](double value) { check_finite("rotate", "angle_deg", value); });
  run_image_ops("rotate", RotateSource{angle_deg, in.height, in.width}, in, options, out, stream);
}

void shear(In in, PerImage<Shear> shear, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("shear", in, out);
  check_options("shear", options);
  check_values("shear", "shear", shear, in.count, [](const Shear& value) {
    check_finite("shear", "shear.x", value.x);
    check_finite("shear", "shear.y", value.y);
  });
  run_image_ops("shear", ShearSource{shear}, in, options, out, stream);
}

void translate(In in, PerImage<TranslationPx> offset, const WarpOptions& options, Out out, Stream stream) {
  check_geometry("translate", in, out);
  check_options("translate", options);
  check_values("translate", "offset", offset, in.count, [](const TranslationPx& value) {
    check_finite("translate", "offset.x", value.x);
    check_finite("translate", "offset.y", value.y);
  });
  run_image_ops("translate", TranslateSource{offset}, in, options, out, stream);
}

}  // namespace leaven
