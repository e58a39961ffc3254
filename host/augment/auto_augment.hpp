#pragma once

#include <cstdint>
#include <span>

#include <leaven/augment.hpp>

namespace leaven {

struct AutoAugmentStep {
  AugmentOp op;
  float probability;
  std::int32_t bin;  // of 10
};

// Sub-policies one after the other, two steps each: what Cubuk et al. 2018 (arXiv:1805.09501) found, as torchvision
// lists it.
std::span<const AutoAugmentStep> auto_augment_steps(AutoAugmentSet set);

}  // namespace leaven
