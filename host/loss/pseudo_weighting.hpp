#pragma once

#include <span>
#include <variant>

#include "host/core/check.hpp"
#include "host/loss/arguments.hpp"
#include "kernels/loss/pseudo_weight.hpp"

// What the functions of pseudo-label weighting share.
namespace leaven {

inline WeightingKind kind_of(const PseudoWeighting& weighting) { return static_cast<WeightingKind>(weighting.index()); }
static_assert(std::is_same_v<std::variant_alternative_t<0, PseudoWeighting>, FixMatch> &&
              std::is_same_v<std::variant_alternative_t<1, PseudoWeighting>, FlexMatch> &&
              std::is_same_v<std::variant_alternative_t<2, PseudoWeighting>, FreeMatch> &&
              std::is_same_v<std::variant_alternative_t<3, PseudoWeighting>, SoftMatch>);

// 0 where the weighting has none.
inline float threshold_of(const PseudoWeighting& weighting) {
  if (const auto* fix = std::get_if<FixMatch>(&weighting)) return fix->threshold;
  if (const auto* flex = std::get_if<FlexMatch>(&weighting)) return flex->threshold;
  return 0.0f;
}
inline float momentum_of(const PseudoWeighting& weighting) {
  if (const auto* free = std::get_if<FreeMatch>(&weighting)) return free->momentum;
  if (const auto* soft = std::get_if<SoftMatch>(&weighting)) return soft->momentum;
  return 0.0f;
}

inline void check_weighting(const char* function, const PseudoWeighting& weighting) {
  const float threshold = threshold_of(weighting);
  const float momentum = momentum_of(weighting);
  check(threshold >= 0.0f && threshold <= 1.0f, "{}: threshold is {}, expected 0 to 1", function, threshold);
  check(momentum >= 0.0f && momentum <= 1.0f, "{}: momentum is {}, expected 0 to 1", function, momentum);
}

}  // namespace leaven
