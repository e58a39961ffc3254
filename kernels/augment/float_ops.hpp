#pragma once

#include <cmath>
#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/image_op.hpp"
#include "kernels/augment/warp.hpp"

struct CUstream_st;

// The element functions of the operations on f32 images, values 0 to 255: those of pixel.hpp without rounding to
// integers. Every sum has one order and contraction is off: both backends give the same bits.
namespace leaven {

// NaN gives 0.
LEAVEN_HD float clamp_to_255(float v) {
  v = v > 0.0f ? v : 0.0f;
  return v < 255.0f ? v : 255.0f;
}

// 1 gives the value itself, which base + (v - base) does only up to rounding.
LEAVEN_HD float blended(float base, float v, float factor) {
  const float product = factor * (v - base);
  return clamp_to_255(factor == 1.0f ? v : base + product);
}

// Exact for whole numbers: the weights have 15 and 16 bits.
LEAVEN_HD float luma_of(float r, float g, float b) {
  return (0.2989959716796875f * r + 0.58700561523437500f * g) + 0.1139984130859375f * b;
}

// Luma values are summed as integers, multiples of 2^-20: the sum is the same in any order, and 2^36 of them fit.
LEAVEN_HD std::int32_t luma_units(float luma) {
  const float scaled = clamp_to_255(luma) * 1048576.0f;
  return static_cast<std::int32_t>(scaled);
}

// What luma_mean takes: computed once on the host, a division of doubles is a function call in CUDA.
inline double per_luma_unit(std::int64_t height, std::int64_t width) {
  return 1.0 / (1048576.0 * static_cast<double>(height) * static_cast<double>(width));
}
LEAVEN_HD float luma_mean(std::int64_t sum, double per_unit) {
  return static_cast<float>(static_cast<double>(sum) * per_unit);
}

struct FloatMap {
  enum class Kind : std::int32_t { copy, blend, offset, step, solarize, add_below, invert };
  Kind kind = Kind::copy;
  float base = 0;       // blend(base, v, amount)
  float amount = 0;     // blend: factor; offset, add_below: addend; step: its size, a power of two
  float per_step = 1;   // step: 1 / amount
  float threshold = 0;  // solarize, add_below
};

LEAVEN_HD float map_value(const FloatMap& map, float v) {
  switch (map.kind) {
    case FloatMap::Kind::blend: return blended(map.base, v, map.amount);
    case FloatMap::Kind::offset: return clamp_to_255(v + map.amount);
    case FloatMap::Kind::step: return floorf(v * map.per_step) * map.amount;
    case FloatMap::Kind::solarize: return v < map.threshold ? v : 255.0f - v;
    case FloatMap::Kind::add_below: {
      const float sum = v + map.amount;
      return v < map.threshold ? (sum > 255.0f ? 255.0f : sum) : v;
    }
    case FloatMap::Kind::invert: return 255.0f - v;
    case FloatMap::Kind::copy: break;
  }
  return v;
}

// `mean`: of the image's luma, used by contrast only. color with one channel is a copy.
LEAVEN_HD FloatMap float_map(const ImageOp& op, float mean) {
  FloatMap map;
  map.amount = op.value;
  switch (op.kind) {
    case ImageOpKind::brightness: map.kind = FloatMap::Kind::blend; break;
    case ImageOpKind::contrast:
      map.kind = FloatMap::Kind::blend;
      map.base = mean;
      break;
    case ImageOpKind::brightness_offset: map.kind = FloatMap::Kind::offset; break;
    case ImageOpKind::posterize: {
      const std::int32_t bits = static_cast<std::int32_t>(op.value);
      map.kind = FloatMap::Kind::step;
      map.amount = static_cast<float>(1 << (8 - bits));
      map.per_step = static_cast<float>(1 << bits) * (1.0f / 256);
      break;
    }
    case ImageOpKind::solarize:
      map.kind = FloatMap::Kind::solarize;
      map.threshold = op.value;
      break;
    case ImageOpKind::solarize_add:
      map.kind = FloatMap::Kind::add_below;
      map.threshold = static_cast<float>(op.m[0]);
      break;
    case ImageOpKind::invert: map.kind = FloatMap::Kind::invert; break;
    default: break;
  }
  return map;
}

// The extremes of a channel; NaN is neither.
struct FloatRange {
  float lowest = INFINITY;
  float highest = -INFINITY;
};

LEAVEN_HD float lower_of(float v, float lowest) { return v < lowest ? v : lowest; }
LEAVEN_HD float higher_of(float v, float highest) { return v > highest ? v : highest; }

// autocontrast of one channel. scale 0: values stay.
struct Stretch {
  float lowest = 0;
  float highest = 0;
  float scale = 0;
};

LEAVEN_HD Stretch stretch_of(const FloatRange& range) {
  Stretch stretch{range.lowest, range.highest, 0.0f};
  if (range.highest > range.lowest) stretch.scale = 255.0f / (range.highest - range.lowest);
  return stretch;
}

// The highest value gives 255 whatever the rounding of the scale.
LEAVEN_HD float stretched(float v, const Stretch& s) {
  const float product = (v - s.lowest) * s.scale;
  const float result = v >= s.highest ? 255.0f : clamp_to_255(product);
  return s.scale > 0.0f ? result : v;
}

// sharpness: the sums of three pixels of the rows above, of the pixel, and below.
LEAVEN_HD float sum_of_three(float left, float middle, float right) { return (left + middle) + right; }

LEAVEN_HD float sharpened(float above, float same, float below, float v, float factor) {
  const float sum = ((above + same) + below) + 4.0f * v;
  return blended(sum * (1.0f / 13), v, factor);
}

// Where a bilinear warp's pixel comes from: four pixels, `right` and `below` the distances between them in values.
struct BilinearPlace {
  std::int64_t first, right, below;
  double x_weight, y_weight;
  bool inside;
};

LEAVEN_HD BilinearPlace bilinear_place(const Warp& warp, const ImageView<const float>& in, std::int32_t x,
                                       std::int32_t y) {
  const double xc = x + 0.5;
  const double yc = y + 0.5;
  const double x_in = warp.m[0] * xc + warp.m[1] * yc + warp.m[2];
  const double y_in = warp.m[3] * xc + warp.m[4] * yc + warp.m[5];
  if (!(x_in >= 0.0 && x_in < static_cast<double>(in.width) && y_in >= 0.0 && y_in < static_cast<double>(in.height))) {
    return {0, 0, 0, 0.0, 0.0, false};
  }
  const Neighbours nx = row_neighbours(x_in);
  const Neighbours ny = row_neighbours(y_in);
  return {std::int64_t{ny.first} * static_cast<std::int32_t>(in.row_stride) +
              std::int64_t{nx.first} * static_cast<std::int32_t>(in.pixel_stride),
          nx.first + 1 < in.width ? in.pixel_stride : 0,
          ny.first + 1 < in.height ? in.row_stride : 0,
          nx.weight,
          ny.weight,
          true};
}

// `data`: of the channel.
LEAVEN_HD float bilinear_value(const BilinearPlace& place, const float* data) {
  const float* upper = data + place.first;
  const float* lower = upper + place.below;
  const double top = between(upper[0], upper[place.right], place.x_weight);
  const double bottom = between(lower[0], lower[place.right], place.x_weight);
  return static_cast<float>(between(top, bottom, place.y_weight));
}

namespace cuda {

// Applies source(i), an ImageOp, to image i for all images, in one launch (see op_source.hpp for what a source is).
// Shapes are the caller's to check. Defined in float_ops.cuh; .cu files instantiate it for their sources.
template <class Source>
void float_ops_cuda(const char* function, const Source& source, const ImageView<const float>& in,
                    const WarpOptions& options, const ImageView<float>& out, CUstream_st* stream);

}  // namespace cuda
}  // namespace leaven
