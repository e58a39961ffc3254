#pragma once

#include <cstdint>

namespace leaven {

/// What floating-point outputs may be made of.
enum class FloatType : std::int32_t { f32, f16, bf16 };

/// IEEE 754 binary16, as it lies in memory; the same bits as CUDA's __half.
struct Float16 {
  std::uint16_t bits = 0;
};

/// The upper half of a float, as it lies in memory; the same bits as CUDA's __nv_bfloat16.
struct BFloat16 {
  std::uint16_t bits = 0;
};

/// Rounded to nearest, ties to even; too large values become infinite.
Float16 to_float16(float value);
BFloat16 to_bfloat16(float value);
/// Exact.
float to_float(Float16 value);
float to_float(BFloat16 value);

}  // namespace leaven
