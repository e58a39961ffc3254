#include <leaven/float16.hpp>

#include "kernels/core/float16.hpp"

namespace leaven {

Float16 to_float16(float value) { return {f16_bits(value)}; }
BFloat16 to_bfloat16(float value) { return {bf16_bits(value)}; }

float to_float(Float16 value) { return float_of_f16(value.bits); }
float to_float(BFloat16 value) { return float_of_bf16(value.bits); }

}  // namespace leaven
