#pragma once

#include <cstdint>

#include "kernels/augment/image_op.hpp"

// The element functions of the pixel operations. An operation with its parameters is resolved to a PixelMap once per
// image; the loops then only know five kinds of maps. "color" mixes channels, "sharpness" pixels, and "autocontrast"
// and "equalize" have a table for each channel: these are no maps.
namespace leaven {

struct PixelMap {
  enum class Kind : std::int32_t { mask, solarize, add_below, offset, blend };
  Kind kind = Kind::mask;
  std::int32_t integer = 255;  // mask: and-ed; solarize, add_below: threshold 0..256; offset: -255..255
  std::int32_t flipped = 0;    // mask: bits turned round after it; add_below: the addend 0..255
  float base = 0;              // blend(base, v, factor)
  float factor = 1;
};

LEAVEN_HD std::int32_t luma(std::int32_t r, std::int32_t g, std::int32_t b) {
  return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}

// Clipped to 0..255 and truncated; NaN gives 0.
LEAVEN_HD std::int32_t clip_to_u8(float t) {
  t = t > 0.0f ? t : 0.0f;
  t = t < 255.0f ? t : 255.0f;
  return static_cast<std::int32_t>(t);
}

// Pillow's Image.blend: one rounded multiply, one rounded add. difference = v - base, which is exact.
LEAVEN_HD std::int32_t blend(float base, float difference, float factor) {
  const float product = factor * difference;
  return clip_to_u8(base + product);
}

LEAVEN_HD std::int32_t map_value(const PixelMap& map, std::int32_t v) {
  switch (map.kind) {
    case PixelMap::Kind::mask: return (v & map.integer) ^ map.flipped;
    case PixelMap::Kind::solarize: return v < map.integer ? v : 255 - v;
    case PixelMap::Kind::add_below: {
      const std::int32_t sum = v + map.flipped;
      return v < map.integer ? (sum > 255 ? 255 : sum) : v;
    }
    case PixelMap::Kind::offset: {
      const std::int32_t sum = v + map.integer;
      return sum < 0 ? 0 : (sum > 255 ? 255 : sum);
    }
    case PixelMap::Kind::blend: break;
  }
  return blend(map.base, static_cast<float>(v) - map.base, map.factor);
}

// floor(sum / count + 0.5), at most 255, of the luma values of `count` pixels. Bit by bit: a 64-bit division is a
// function call in CUDA.
LEAVEN_HD std::int32_t rounded_mean(std::uint64_t sum, std::uint64_t count) {
  std::uint32_t mean = 0;
  for (std::uint32_t bit = 128; bit > 0 && count > 0; bit /= 2) {
    if (2 * count * (mean + bit) <= 2 * sum + count) mean += bit;
  }
  return static_cast<std::int32_t>(mean);
}

// Weights 1 1 1 / 1 5 1 / 1 1 1 over 13, rounded: Pillow's SMOOTH. `sum`: of the nine weighted values. The product is
// exact for all that can come: (2 * 13 * 255 + 13) * 40330 < 2^32, and errs by less than 1/26.
LEAVEN_HD std::int32_t smoothed(std::int32_t sum) {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(2 * sum + 13) * 40330u) >> 20);
}

// Entry i of autocontrast's table; scale = 255.0 / (highest - lowest).
LEAVEN_HD std::int32_t autocontrast_entry(std::int32_t i, std::int32_t lowest, double scale) {
  const double offset = -static_cast<double>(lowest) * scale;
  const double product = i * scale;
  const double value = product + offset;
  return value < 0.0 ? 0 : (value >= 255.0 ? 255 : static_cast<std::int32_t>(value));
}

// Entry of equalize's table; `below`: the number of smaller values, step = (all - those of the largest value) / 255.
LEAVEN_HD std::int32_t equalize_entry(std::uint32_t below, std::uint32_t step) {
  const std::uint32_t value = (step / 2 + below) / step;
  return static_cast<std::int32_t>(value < 255 ? value : 255);
}

// The smallest integer threshold with the same effect on integers 0..255.
LEAVEN_HD std::int32_t integer_threshold(float threshold) {
  if (!(threshold > 0.0f)) return 0;
  if (threshold > 255.0f) return 256;
  const std::int32_t floor = static_cast<std::int32_t>(threshold);
  return static_cast<float>(floor) < threshold ? floor + 1 : floor;
}

// `mean`: rounded_mean of the image, used by contrast only. color with one channel is a copy, as in Pillow.
LEAVEN_HD PixelMap pixel_map(const ImageOp& op, std::int32_t mean) {
  PixelMap map;
  switch (op.kind) {
    case ImageOpKind::brightness:
      map.kind = PixelMap::Kind::blend;
      map.factor = op.value;
      break;
    case ImageOpKind::contrast:
      map.kind = PixelMap::Kind::blend;
      map.base = static_cast<float>(mean);
      map.factor = op.value;
      break;
    case ImageOpKind::brightness_offset:
      map.kind = PixelMap::Kind::offset;
      map.integer = static_cast<std::int32_t>(op.value);
      break;
    case ImageOpKind::posterize: map.integer = 255 & ~((1 << (8 - static_cast<std::int32_t>(op.value))) - 1); break;
    case ImageOpKind::solarize:
      map.kind = PixelMap::Kind::solarize;
      map.integer = integer_threshold(op.value);
      break;
    case ImageOpKind::solarize_add:
      map.kind = PixelMap::Kind::add_below;
      map.integer = static_cast<std::int32_t>(op.m[0]);
      map.flipped = static_cast<std::int32_t>(op.value);
      break;
    case ImageOpKind::invert: map.flipped = 255; break;
    default: break;
  }
  return map;
}

}  // namespace leaven
