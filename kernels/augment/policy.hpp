#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/epoch.hpp"
#include "kernels/augment/image_op.hpp"
#include "kernels/augment/rotation.hpp"
#include "kernels/core/annotate.hpp"
#include "kernels/core/philox.hpp"

// Policies: what is drawn for an image, layer by layer, the same on host and device.
namespace leaven {

inline constexpr std::int32_t kMostLayers =
    static_cast<std::int32_t>(DrawSlot::dropout) - static_cast<std::int32_t>(DrawSlot::policy_layer);

struct PolicyChoice {
  AugmentOp op = AugmentOp::identity;
  float probability = 1;  // that it happens
};

// What to draw from. Strengths are those of the positive sign. Goes to a kernel by value.
struct PolicyPlan {
  static constexpr std::int32_t kMostChoices = 50;
  static constexpr std::int32_t kMostStrengths = 512;

  std::int32_t layers = 0;
  std::int32_t size = 0;    // choices of each layer
  std::int32_t groups = 0;  // not 0: each image draws one of so many groups, layer k is choice k of the group
  std::int32_t bins = 1;    // strengths of a choice, one of which is drawn
  std::int32_t height = 0;  // of the images
  std::int32_t width = 0;
  PolicyChoice choices[kMostChoices];
  float strengths[kMostStrengths];  // [choice][bin]
};

LEAVEN_HD bool has_sign(AugmentOp op) { return op >= AugmentOp::shear_x && op <= AugmentOp::sharpness; }

// torchvision's _apply_op: how a strength becomes the parameter of an operation.
LEAVEN_HD ImageOp resolve_op(AugmentOp op, float strength, bool negative, std::int64_t height, std::int64_t width) {
  const double m = negative && has_sign(op) ? -static_cast<double>(strength) : static_cast<double>(strength);
  const auto factor = static_cast<float>(1.0 + m);
  switch (op) {
    case AugmentOp::identity: break;
    case AugmentOp::shear_x: return shear_op(m, 0);
    case AugmentOp::shear_y: return shear_op(0, m);
    case AugmentOp::translate_x: return translate_op(m, 0);
    case AugmentOp::translate_y: return translate_op(0, m);
    case AugmentOp::rotate: return rotate_op(m, height, width);
    case AugmentOp::brightness: return value_op(ImageOpKind::brightness, factor);
    case AugmentOp::color: return value_op(ImageOpKind::color, factor);
    case AugmentOp::contrast: return value_op(ImageOpKind::contrast, factor);
    case AugmentOp::sharpness: return value_op(ImageOpKind::sharpness, factor);
    case AugmentOp::posterize: return posterize_op(static_cast<std::int32_t>(strength));
    case AugmentOp::solarize: return value_op(ImageOpKind::solarize, strength);
    case AugmentOp::autocontrast: return value_op(ImageOpKind::autocontrast, 0);
    case AugmentOp::equalize: return value_op(ImageOpKind::equalize, 0);
    case AugmentOp::invert: return value_op(ImageOpKind::invert, 0);
  }
  return {};
}

// The source (op_source.hpp) of one layer: image i is sample ids[i]. Words of a layer's draw: operation, sign,
// strength, whether it happens.
struct PolicySource {
  static constexpr std::uint32_t kKinds =
      kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::brightness) | kind_bit(ImageOpKind::contrast) |
      kind_bit(ImageOpKind::color) | kind_bit(ImageOpKind::posterize) | kind_bit(ImageOpKind::solarize) |
      kind_bit(ImageOpKind::invert) | kind_bit(ImageOpKind::autocontrast) | kind_bit(ImageOpKind::equalize) |
      kind_bit(ImageOpKind::sharpness) | kind_bit(ImageOpKind::affine) | kind_bit(ImageOpKind::flip_both) |
      kind_bit(ImageOpKind::rotate_90) | kind_bit(ImageOpKind::rotate_270);
  PolicyPlan plan;
  std::uint64_t seed;
  Epoch epoch;
  std::int32_t layer;
  const std::int64_t* ids;

  LEAVEN_HD ImageOp operator()(std::int64_t image) const { return of_layer(image, layer); }

  LEAVEN_HD ImageOp of_layer(std::int64_t image, std::int32_t which) const {
    const auto id = static_cast<std::uint64_t>(ids[image]);
    const auto slot = static_cast<std::uint32_t>(DrawSlot::policy_layer) + static_cast<std::uint32_t>(which);
    const Philox4 words = draw(seed, epoch, id, slot);
    std::int32_t choice = 0;
    if (plan.groups > 0) {
      choice = uniform_index(draw(seed, epoch, id, DrawSlot::policy_group).x, plan.groups) * plan.layers + which;
    } else {
      choice = uniform_index(words.x, plan.size);
    }
    const PolicyChoice& chosen = plan.choices[choice];
    if (!(uniform01(words.w) < chosen.probability)) return {};
    const std::int32_t bin = plan.bins > 1 ? uniform_index(words.z, plan.bins) : 0;
    return resolve_op(chosen.op, plan.strengths[choice * plan.bins + bin], (words.y >> 31) != 0, plan.height,
                      plan.width);
  }
};
static_assert(sizeof(PolicySource) <= 3072, "kernel parameters have 4 KiB");

}  // namespace leaven
