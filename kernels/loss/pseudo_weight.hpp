#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"
#include "kernels/loss/float_math.hpp"

// How much an unlabelled row counts. The state of a weighting is one float per class and two more:
//   FlexMatch  a_c, then max a and 0
//   FreeMatch  p_c, then max p and tau
//   SoftMatch  0,   then mu and sigma^2
namespace leaven {

enum class WeightingKind : std::int32_t { fix_match, flex_match, free_match, soft_match };

struct PseudoWeight {
  WeightingKind kind = WeightingKind::fix_match;
  float threshold = 0;           // FixMatch, FlexMatch
  const float* state = nullptr;  // null: FixMatch
  std::int64_t classes = 0;
};

// What a row of class `label` has to reach; not for SoftMatch.
LEAVEN_HD float class_threshold(const PseudoWeight& w, std::int32_t label) {
  if (w.kind == WeightingKind::fix_match) return w.threshold;
  const float largest = w.state[w.classes];
  const float share = largest > 0.0f ? w.state[label] / largest : 0.0f;
  if (w.kind == WeightingKind::free_match) return w.state[w.classes + 1] * share;
  return w.threshold * (share / (2.0f - share));
}

LEAVEN_HD float soft_match_weight(float confidence, float mean, float variance) {
  const float gap = confidence - mean;
  if (gap >= 0.0f) return 1.0f;
  return exp_over({-2.0f * (gap * gap) / variance, 0.0f}, Temperature{});
}

// 0..1. Confidence 0 is that of a row without an answer: 0, as for a state that is NaN.
LEAVEN_HD float pseudo_weight(const PseudoWeight& w, std::int32_t label, float confidence) {
  if (!(confidence > 0.0f)) return 0.0f;
  if (w.kind != WeightingKind::soft_match) return confidence >= class_threshold(w, label) ? 1.0f : 0.0f;
  const float weight = soft_match_weight(confidence, w.state[w.classes], w.state[w.classes + 1]);
  return weight > 0.0f && weight <= 1.0f ? weight : 0.0f;
}

}  // namespace leaven
