#pragma once

#include <leaven/loss.hpp>
#include "kernels/loss/loss_params.hpp"

namespace leaven {

enum class DivergenceKind : std::int32_t { forward, reverse, jensen_shannon, decoupled };

struct DivergenceParams {
  DivergenceKind kind = DivergenceKind::forward;
  float beta = 0.5f;  // jensen_shannon: the teacher's share of the mixture
  float one_minus_beta = 0.5f;
  float target_weight = 1;  // decoupled
  float other_weight = 1;
};

struct TeacherParams {
  InputRows logits{};
  float weight = 1;
};

inline constexpr std::int64_t kMaxListed = 64;

// A compact cache: k classes per row. k = 0: none.
struct TopKParams {
  std::int64_t k = 0;
  const std::int32_t* classes = nullptr;
  const std::uint16_t* log_probabilities = nullptr;  // f16
  const float* rest = nullptr;
};

// The same to write.
struct TopKRows {
  std::int64_t k = 0;
  std::int32_t* classes = nullptr;
  std::uint16_t* log_probabilities = nullptr;
  float* rest = nullptr;
};

// What distillation_loss needs where the fast kernels (LossParams alone) do not serve. loss.teacher is not used.
struct GeneralParams {
  LossParams loss{};
  DivergenceParams divergence{};
  TeacherParams teachers[kMaxTeachers]{};  // weights above 0
  std::int32_t teacher_count = 0;          // 0 with a compact cache
  TopKParams top_k{};
  bool standardise = false;
};

}  // namespace leaven
