#pragma once

#include <cstdint>
#include <span>
#include <variant>

#include <leaven/loss/views.hpp>

namespace leaven {

/// One label per row.
struct HardTargets {
  std::span<const std::int32_t> labels;
};

/// weight_a CE(a) + (1 - weight_a) CE(b), as CutMix and MixUp give them. Where one of the two is the ignore label, the
/// other counts alone with its own weight.
struct MixedTargets {
  std::span<const std::int32_t> a;
  std::span<const std::int32_t> b;
  std::span<const float> weight_a;
};

/// One weight per row and class; rows need not sum to 1; a row of zeros is ignored.
struct SoftTargets {
  MatrixView<const float> weights;
};

using Targets = std::variant<HardTargets, MixedTargets, SoftTargets>;

/// Weights of classes and rows. Empty: 1. They must be finite and at least 0 (else kWeightOutOfRange).
struct LossWeights {
  /// Of the cross-entropy: the target's share of class c is multiplied by classes[c], label smoothing's too (as
  /// PyTorch's `weight`; but a mean is always divided by a count of rows, never by a sum of weights).
  std::span<const float> classes{};
  /// Of the whole row: loss and gradient are multiplied; a row of weight 0 is ignored, its logits not looked at.
  std::span<const float> rows{};
};

}  // namespace leaven
