#pragma once

#include <cstdint>

#include <leaven/float16.hpp>
#include "kernels/loss/float_math.hpp"

namespace leaven {

// Rows of logits of one of three types; strides count elements.
struct InputRows {
  const void* data = nullptr;
  std::int64_t stride = 0;
  FloatType type = FloatType::f32;
};
struct OutputRows {
  void* data = nullptr;
  std::int64_t stride = 0;
  FloatType type = FloatType::f32;
};

// Labels as one or two per row, or one weight per row and class. Exactly one of `a` and `soft` is not null.
struct TargetParams {
  const std::int32_t* a = nullptr;
  const std::int32_t* b = nullptr;  // null: hard labels
  const float* weight_a = nullptr;
  const float* soft = nullptr;
  std::int64_t soft_stride = 0;
  const float* class_weights = nullptr;  // null: 1
  std::int32_t ignore_label = -100;
  float smoothing = 0;
};

// What one call leaves in its workspace until the end of the call. All zero between calls.
struct LossWorkspace {
  std::int32_t valid;      // rows, counted before the losses (mean over valid rows)
  std::uint32_t finished;  // blocks
  std::uint32_t unused[14];
};
struct LossPartial {
  float loss;
  std::int32_t valid;
};
inline constexpr std::int64_t kMaxLossBlocks = 4096;

// hard_weight * CE(student, targets) + soft_weight * T^2 KL(teacher || student) with everything resolved: what the CPU
// loops and the CUDA kernels are given, by value.
struct LossParams {
  std::int64_t rows = 0;
  std::int64_t classes = 0;
  InputRows student{};
  InputRows teacher{};  // no data: no soft part
  TargetParams targets{};
  const float* row_weights = nullptr;  // null: 1
  bool hard = false;                   // the hard part is wanted: targets are read
  float hard_weight = 0;
  float soft_weight = 0;
  Temperature temperature{};
  float divisor = 1;             // of the sum over rows
  bool divide_by_valid = false;  // by workspace->valid instead
  float* row_losses = nullptr;
  float* loss = nullptr;
  OutputRows gradient{};  // no data: not wanted
  std::int32_t* valid_rows = nullptr;
  std::uint32_t* status = nullptr;
  LossWorkspace* workspace = nullptr;
  LossPartial* partials = nullptr;
};

LEAVEN_HD InputRows dense_rows(const LossParams& p) { return {p.targets.soft, p.targets.soft_stride, FloatType::f32}; }

}  // namespace leaven
