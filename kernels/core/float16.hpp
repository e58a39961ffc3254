#pragma once

#include <cstdint>
#include <cstring>

#include <leaven/float16.hpp>
#include "kernels/core/annotate.hpp"

// Floats to 16 bits, rounded to nearest, ties to even. Without branches, so that loops vectorise; the same bits on host
// and device.
namespace leaven {

LEAVEN_HD std::uint32_t float_bits(float v) {
  std::uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}

LEAVEN_HD float float_from_bits(std::uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

LEAVEN_HD std::uint16_t bf16_bits(float v) {
  const std::uint32_t bits = float_bits(v);
  const std::uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  const std::uint32_t quiet = bits >> 16 | 0x40;
  return static_cast<std::uint16_t>((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded);
}

LEAVEN_HD std::uint16_t f16_bits(float v) {
  const std::uint32_t bits = float_bits(v);
  const std::uint32_t sign = bits >> 16 & 0x8000;
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  // Normal: the exponent moves by 15 - 127. Below 2^-14: a sum with 0.5 rounds at 2^-24.
  const std::uint32_t normal = (magnitude + 0xC8000FFF + (magnitude >> 13 & 1)) >> 13;
  const std::uint32_t subnormal = float_bits(float_from_bits(magnitude) + 0.5f) - 0x3F000000;
  const std::uint32_t special = magnitude > 0x7F800000 ? 0x7E00 : 0x7C00;
  const std::uint32_t finite = magnitude < 0x38800000 ? subnormal : normal;
  return static_cast<std::uint16_t>(sign | (magnitude >= 0x47800000 ? special : finite));
}

LEAVEN_HD float float_of_bf16(std::uint16_t bits) { return float_from_bits(static_cast<std::uint32_t>(bits) << 16); }

LEAVEN_HD float float_of_f16(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7FFF) << 13;
  // The exponent moves by 127 - 15 in a product, which also normalises the small ones.
  const std::uint32_t finite = float_bits(float_from_bits(magnitude) * 0x1p112f);
  const std::uint32_t special = magnitude | 0x7F800000;
  return float_from_bits(sign | (magnitude >= 0x0F800000 ? special : finite));
}

// What a value becomes in an output of type T: itself, or 16 bits.
template <class T>
LEAVEN_HD T output_value(float v, FloatType type);
template <>
LEAVEN_HD float output_value<float>(float v, FloatType) {
  return v;
}
template <>
LEAVEN_HD std::uint16_t output_value<std::uint16_t>(float v, FloatType type) {
  return type == FloatType::bf16 ? bf16_bits(v) : f16_bits(v);
}

}  // namespace leaven
