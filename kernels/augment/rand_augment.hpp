#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/epoch.hpp"
#include "kernels/augment/image_op.hpp"
#include "kernels/core/annotate.hpp"

// RandAugment: the drawn operations, the same on host and device.
namespace leaven {

inline constexpr std::int32_t kMostLayers =
    static_cast<std::int32_t>(DrawSlot::dropout) - static_cast<std::int32_t>(DrawSlot::rand_augment);

// Every operation that can be drawn, resolved on the host: both backends use the same numbers. Goes to a kernel by
// value.
struct RandAugmentPlan {
  ImageOp ops[OpList::kMost]
             [2];  // [place in the list][0: positive, 1: negative]; twice the same where nothing is signed
  std::int32_t size = 0;
};

struct RandAugmentDraw {
  std::int32_t op;        // place in the list
  std::int32_t negative;  // 0 or 1
};

LEAVEN_HD RandAugmentDraw draw_rand_augment(std::uint64_t seed, const Epoch& epoch, std::int64_t id, std::int32_t layer,
                                            std::int32_t list_size) {
  const auto slot = static_cast<std::uint32_t>(DrawSlot::rand_augment) + static_cast<std::uint32_t>(layer);
  const Philox4 words = draw(seed, epoch, static_cast<std::uint64_t>(id), slot);
  return {uniform_index(words.x, list_size), static_cast<std::int32_t>(words.y >> 31)};
}

// The source (op_source.hpp) of one layer: image i is sample ids[i].
struct RandAugmentSource {
  static constexpr std::uint32_t kKinds =
      kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::brightness) | kind_bit(ImageOpKind::contrast) |
      kind_bit(ImageOpKind::color) | kind_bit(ImageOpKind::posterize) | kind_bit(ImageOpKind::solarize) |
      kind_bit(ImageOpKind::invert) | kind_bit(ImageOpKind::autocontrast) | kind_bit(ImageOpKind::equalize) |
      kind_bit(ImageOpKind::sharpness) | kind_bit(ImageOpKind::affine);  // angles are at most 30 degrees
  RandAugmentPlan plan;
  std::uint64_t seed;
  Epoch epoch;
  std::int32_t layer;
  const std::int64_t* ids;

  LEAVEN_HD const ImageOp& operator()(std::int64_t image) const { return of_layer(image, layer); }

  LEAVEN_HD const ImageOp& of_layer(std::int64_t image, std::int32_t which) const {
    const RandAugmentDraw drawn = draw_rand_augment(seed, epoch, ids[image], which, plan.size);
    return plan.ops[drawn.op][drawn.negative];
  }
};
static_assert(sizeof(RandAugmentSource) <= 2048, "kernel parameters have 4 KiB");

}  // namespace leaven
