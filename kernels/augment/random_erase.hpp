#pragma once

#include <cstdint>

#include "kernels/augment/epoch.hpp"
#include "kernels/augment/image_op.hpp"
#include "kernels/augment/rectangle.hpp"

// Random erasing: the rectangle that is drawn for an image, the same on host and device.
namespace leaven {

// The source (op_source.hpp) of one call: image i is sample ids[i].
struct RandomEraseSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::erase);
  std::uint64_t seed = 0;
  Epoch epoch = 0;
  float probability = 0;
  RectangleRange range;
  Colour colour = 0;
  std::int32_t height = 0;
  std::int32_t width = 0;
  const std::int64_t* ids = nullptr;

  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    constexpr std::uint32_t kTries = 10;
    constexpr auto kSlot = static_cast<std::uint32_t>(DrawSlot::random_erase);
    if (!(probability > 0)) return {};
    const auto id = static_cast<std::uint64_t>(ids[image]);
    if (!(uniform01(draw(seed, epoch, id, DrawSlot::erase).x) < probability)) return {};
    const double image_area = static_cast<double>(width) * height;
    for (std::uint32_t attempt = 0; attempt < kTries; ++attempt) {
      const Philox4 words = draw(seed, epoch, id, kSlot + attempt);
      const RectangleRange::Sides sides = range.draw(image_area, words.x, words.y);
      if (!(sides.first + 0.5 < height && sides.second + 0.5 < width)) continue;
      const auto h = static_cast<std::int32_t>(sides.first + 0.5);
      const auto w = static_cast<std::int32_t>(sides.second + 0.5);
      const std::int32_t top = uniform_index(words.z, height - h + 1);
      const std::int32_t left = uniform_index(words.w, width - w + 1);
      return erase_op(left, top, left + w, top + h, colour);
    }
    return {};
  }
};

}  // namespace leaven
