#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"

// What is done to one image, with all its parameters resolved: the common currency of single operations (one for the
// batch or one per image) and of RandAugment (drawn per image). Make one with the functions below: they give values
// from device memory, which nobody has checked, a defined meaning.
namespace leaven {

enum class ImageOpKind : std::int32_t {
  copy,
  // pixel operations; input and output have the same shape and, but for sharpness, may be the same memory
  brightness,         // value: factor
  brightness_offset,  // value: offset, an integer within -255..255
  contrast,           // value: factor
  color,              // value: factor
  posterize,          // value: bits, an integer 0..8
  solarize,           // value: threshold
  solarize_add,       // value: addend, an integer within 0..255; m[0]: threshold, an integer within 0..256
  invert,
  autocontrast,
  equalize,
  sharpness,  // value: factor
  // geometry; the output must not overlap the input
  flip_left_right,  // the same shape
  flip_top_bottom,
  flip_both,  // rotation by 180 degrees too
  rotate_90,  // counter-clockwise, square images only
  rotate_270,
  affine,  // m; any size of the output
};

struct ImageOp {
  ImageOpKind kind = ImageOpKind::copy;
  float value = 0;
  double m[6] = {1, 0, 0, 0, 1, 0};
};

LEAVEN_HD constexpr bool is_geometry(ImageOpKind kind) { return kind >= ImageOpKind::flip_left_right; }

// A set of kinds, known when a kernel is compiled: it holds only the code of the kinds that its source can deliver.
LEAVEN_HD constexpr std::uint32_t kind_bit(ImageOpKind kind) { return 1u << static_cast<std::uint32_t>(kind); }
inline constexpr std::uint32_t kAllKinds = ~0u;

// brightness, contrast, color, sharpness: a factor that is NaN gives black (blend() of pixel.hpp). solarize: a
// threshold that is NaN inverts every value.
LEAVEN_HD ImageOp value_op(ImageOpKind kind, float value) {
  ImageOp op;
  op.kind = kind;
  op.value = value;
  return op;
}

LEAVEN_HD ImageOp brightness_offset_op(std::int32_t offset) {
  return value_op(ImageOpKind::brightness_offset,
                  static_cast<float>(offset < -255 ? -255 : (offset > 255 ? 255 : offset)));
}

LEAVEN_HD ImageOp posterize_op(std::int32_t bits) {
  return value_op(ImageOpKind::posterize, static_cast<float>(bits < 0 ? 0 : (bits > 8 ? 8 : bits)));
}

LEAVEN_HD ImageOp solarize_add_op(std::int32_t addend, std::int32_t threshold) {
  ImageOp op = value_op(ImageOpKind::solarize_add, static_cast<float>(addend < 0 ? 0 : (addend > 255 ? 255 : addend)));
  op.m[0] = threshold < 0 ? 0 : (threshold > 256 ? 256 : threshold);
  return op;
}

// Not finite elements give the fill colour everywhere.
LEAVEN_HD ImageOp affine_op(double m0, double m1, double m2, double m3, double m4, double m5) {
  ImageOp op;
  op.kind = ImageOpKind::affine;
  op.m[0] = m0;
  op.m[1] = m1;
  op.m[2] = m2;
  op.m[3] = m3;
  op.m[4] = m4;
  op.m[5] = m5;
  return op;
}

LEAVEN_HD ImageOp shear_op(double x, double y) { return affine_op(1, x, 0, y, 1, 0); }

// Content moves right for x > 0 and down for y > 0.
LEAVEN_HD ImageOp translate_op(double x, double y) { return affine_op(1, 0, -x, 0, 1, -y); }

}  // namespace leaven
