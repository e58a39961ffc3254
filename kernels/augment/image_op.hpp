#pragma once

#include <cstdint>

#include <leaven/augment/operations.hpp>
#include "kernels/augment/hue.hpp"
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
  hue,                // value: steps of H, an integer within 0..255
  posterize,          // value: bits, an integer 0..8
  solarize,           // value: threshold
  solarize_add,       // value: addend, an integer within 0..255; m[0]: threshold, an integer within 0..256
  invert,
  autocontrast,
  equalize,
  erase,      // m[0] to m[3]: left, top, right, bottom, integers; m[4]: the colour as a pixel word
  sharpness,  // value: factor
  // geometry; the output must not overlap the input
  flip_left_right,  // the same shape
  flip_top_bottom,
  flip_both,  // rotation by 180 degrees too
  rotate_90,  // counter-clockwise, square images only
  rotate_270,
  affine,       // m[0] to m[5]; any size of the output
  perspective,  // m; any size of the output
};

struct ImageOp {
  ImageOpKind kind = ImageOpKind::copy;
  float value = 0;
  double m[8] = {1, 0, 0, 0, 1, 0, 0, 0};
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

// factor: as torchvision's adjust_hue.
LEAVEN_HD ImageOp hue_op(double factor) { return value_op(ImageOpKind::hue, static_cast<float>(hue_shift(factor))); }

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

// Output-to-input, see PerspectiveMatrix.
LEAVEN_HD ImageOp perspective_op(const double* m) {
  ImageOp op;
  op.kind = ImageOpKind::perspective;
  for (int i = 0; i < 8; ++i) op.m[i] = m[i];
  return op;
}

// The colour's bytes in the lower three of a word.
LEAVEN_HD std::uint32_t pixel_word(const Colour& colour) {
  return colour.red | (static_cast<std::uint32_t>(colour.green) << 8) | (static_cast<std::uint32_t>(colour.blue) << 16);
}

// The part of the image that lies within the rectangle.
LEAVEN_HD ImageOp erase_op(std::int64_t left, std::int64_t top, std::int64_t right, std::int64_t bottom,
                           Colour colour) {
  ImageOp op;
  op.kind = ImageOpKind::erase;
  op.m[0] = static_cast<double>(left);
  op.m[1] = static_cast<double>(top);
  op.m[2] = static_cast<double>(right);
  op.m[3] = static_cast<double>(bottom);
  op.m[4] = static_cast<double>(pixel_word(colour));
  return op;
}

LEAVEN_HD ImageOp shear_op(double x, double y) { return affine_op(1, x, 0, y, 1, 0); }

// Content moves right for x > 0 and down for y > 0.
LEAVEN_HD ImageOp translate_op(double x, double y) { return affine_op(1, 0, -x, 0, 1, -y); }

}  // namespace leaven
