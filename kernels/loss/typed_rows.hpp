#pragma once

#include "kernels/core/float16.hpp"
#include "kernels/loss/loss_params.hpp"

// Single elements of rows of any type; whole tiles and vectors are loaded by the loops of each backend.
namespace leaven {

LEAVEN_HD std::int64_t size_of(FloatType type) { return type == FloatType::f32 ? 4 : 2; }

LEAVEN_HD float load_logit(const InputRows& rows, std::int64_t row, std::int64_t column) {
  const std::int64_t at = row * rows.stride + column;
  if (rows.type == FloatType::f32) return static_cast<const float*>(rows.data)[at];
  const std::uint16_t bits = static_cast<const std::uint16_t*>(rows.data)[at];
  return rows.type == FloatType::f16 ? float_of_f16(bits) : float_of_bf16(bits);
}

LEAVEN_HD void store_value(const OutputRows& rows, std::int64_t row, std::int64_t column, float value) {
  const std::int64_t at = row * rows.stride + column;
  if (rows.type == FloatType::f32) {
    static_cast<float*>(rows.data)[at] = value;
  } else {
    static_cast<std::uint16_t*>(rows.data)[at] = output_value<std::uint16_t>(value, rows.type);
  }
}

}  // namespace leaven
