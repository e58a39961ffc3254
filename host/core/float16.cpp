#include "kernels/core/float16.hpp"
#include <leaven/float16.hpp>

namespace leaven {

Float16 to_float16(float value) { return {f16_bits(value)}; }
BFloat16 to_bfloat16(float value) { return {bf16_bits(value)}; }

float to_float(Float16 value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000) << 16;
  const std::uint32_t exponent = value.bits >> 10 & 31;
  const std::uint32_t mantissa = value.bits & 1023;
  if (exponent == 31) return float_from_bits(sign | 0x7F800000 | mantissa << 13);
  const float magnitude = exponent == 0 ? static_cast<float>(mantissa) * 0x1p-24f
                                        : float_from_bits((exponent + 112) << 23 | mantissa << 13);
  return float_from_bits(sign | float_bits(magnitude));
}

float to_float(BFloat16 value) { return float_from_bits(static_cast<std::uint32_t>(value.bits) << 16); }

}  // namespace leaven
