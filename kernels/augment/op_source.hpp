#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/image_op.hpp"
#include "kernels/augment/rotation.hpp"

// Sources: what a kernel or a CPU loop asks for the operation of image i. A source is a small value with
//   ImageOp operator()(std::int64_t image) const    LEAVEN_HD
//   static constexpr std::uint32_t kKinds           the kinds that it can deliver
// and, where a loop gains by it,
//   bool is_uniform() const                         whether all images get the same
// Here are those of the single operations: one value for the batch or one per image in the backend's memory.
namespace leaven {

template <class T>
LEAVEN_HD T value_of(const PerImage<T>& values, std::int64_t image) {
  return values.values != nullptr ? values.values[image] : values.value;
}

template <ImageOpKind kKind>
struct FactorSource {  // brightness, contrast, color, sharpness, solarize
  static constexpr std::uint32_t kKinds = kind_bit(kKind);
  PerImage<float> values;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const { return value_op(kKind, value_of(values, image)); }
};

struct OffsetSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::brightness_offset);
  PerImage<std::int32_t> values;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const { return brightness_offset_op(value_of(values, image)); }
};

struct PosterizeSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::posterize);
  PerImage<std::int32_t> bits;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const { return posterize_op(value_of(bits, image)); }
};

struct SolarizeAddSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::solarize_add);
  PerImage<std::int32_t> addends;
  std::int32_t threshold;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    return solarize_add_op(value_of(addends, image), threshold);
  }
};

struct HueSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::hue);
  PerImage<float> factors;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const { return hue_op(value_of(factors, image)); }
};

struct EraseSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::erase);
  PerImage<RectPx> rectangles;
  Colour colour;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    const RectPx r = value_of(rectangles, image);
    return erase_op(r.left, r.top, std::int64_t{r.left} + r.width, std::int64_t{r.top} + r.height, colour);
  }
};

template <ImageOpKind kKind>
struct PlainSource {  // invert, autocontrast, equalize
  static constexpr std::uint32_t kKinds = kind_bit(kKind);
  LEAVEN_HD ImageOp operator()(std::int64_t) const { return value_op(kKind, 0); }
};

// Values in device memory that are no FlipAxis: none.
struct FlipSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::flip_left_right) |
                                          kind_bit(ImageOpKind::flip_top_bottom) | kind_bit(ImageOpKind::flip_both);
  PerImage<FlipAxis> axes;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    switch (value_of(axes, image)) {
      case FlipAxis::left_right: return value_op(ImageOpKind::flip_left_right, 0);
      case FlipAxis::top_bottom: return value_op(ImageOpKind::flip_top_bottom, 0);
      case FlipAxis::both: return value_op(ImageOpKind::flip_both, 0);
      default: return value_op(ImageOpKind::copy, 0);
    }
  }
};

inline constexpr std::uint32_t kAffineKinds = kind_bit(ImageOpKind::affine);

// crop (padding 0) and pad_crop. Offsets are clamped to 0 .. most.
struct CropSource {
  static constexpr std::uint32_t kKinds = kAffineKinds;
  PerImage<OffsetPx> offsets;
  std::int64_t most_x, most_y;
  std::int64_t padding;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    const OffsetPx offset = value_of(offsets, image);
    const std::int64_t x = offset.x < 0 ? 0 : (offset.x > most_x ? most_x : offset.x);
    const std::int64_t y = offset.y < 0 ? 0 : (offset.y > most_y ? most_y : offset.y);
    return translate_op(static_cast<double>(padding - x), static_cast<double>(padding - y));
  }
};

struct AffineSource {
  static constexpr std::uint32_t kKinds = kAffineKinds;
  PerImage<AffineMatrix> matrices;
  bool is_uniform() const { return matrices.values == nullptr; }
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    static_assert(sizeof(AffineMatrix) == 6 * sizeof(double));
    // Two copies of the call: one pointer to both would need the parameter in memory. (std::array has no device
    // functions.)
    if (matrices.values != nullptr) return op_of(reinterpret_cast<const double*>(matrices.values + image));
    return op_of(reinterpret_cast<const double*>(&matrices.value));
  }
  LEAVEN_HD static ImageOp op_of(const double* m) { return affine_op(m[0], m[1], m[2], m[3], m[4], m[5]); }
};

struct PerspectiveSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::perspective);
  PerImage<PerspectiveMatrix> matrices;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    static_assert(sizeof(PerspectiveMatrix) == 8 * sizeof(double));
    if (matrices.values != nullptr) return perspective_op(reinterpret_cast<const double*>(matrices.values + image));
    return perspective_op(reinterpret_cast<const double*>(&matrices.value));
  }
};

struct RotateSource {
  static constexpr std::uint32_t kKinds = kAffineKinds | kind_bit(ImageOpKind::copy) |
                                          kind_bit(ImageOpKind::flip_both) | kind_bit(ImageOpKind::rotate_90) |
                                          kind_bit(ImageOpKind::rotate_270);
  PerImage<double> angles_deg;
  std::int64_t height, width;
  bool is_uniform() const { return angles_deg.values == nullptr; }
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    return rotate_op(value_of(angles_deg, image), height, width);
  }
};

struct ShearSource {
  static constexpr std::uint32_t kKinds = kAffineKinds;
  PerImage<Shear> shears;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    const Shear shear = value_of(shears, image);
    return shear_op(shear.x, shear.y);
  }
};

struct TranslateSource {
  static constexpr std::uint32_t kKinds = kAffineKinds;
  PerImage<TranslationPx> offsets;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    const TranslationPx offset = value_of(offsets, image);
    return translate_op(offset.x, offset.y);
  }
};

}  // namespace leaven
