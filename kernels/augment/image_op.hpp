#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"

// What is done to one image, with all its parameters resolved: the common currency of single operations (one for the
// batch or one per image) and of RandAugment (drawn per image).
namespace leaven {

enum class ImageOpKind : std::int32_t {
  copy,
  // pixel operations
  brightness,         // value: factor
  brightness_offset,  // value: offset, an integer within -255..255
  contrast,           // value: factor
  color,              // value: factor
  posterize,          // value: bits, an integer 0..8
  solarize,           // value: threshold
  invert,
  // geometry
  flip_left_right,
  flip_top_bottom,
  flip_both,  // rotation by 180 degrees too
  rotate_90,  // counter-clockwise, square images only
  rotate_270,
  affine,  // m
};

struct ImageOp {
  ImageOpKind kind = ImageOpKind::copy;
  float value = 0;
  double m[6] = {1, 0, 0, 0, 1, 0};
};

LEAVEN_HD bool is_geometry(ImageOpKind kind) { return kind >= ImageOpKind::flip_left_right; }

}  // namespace leaven
