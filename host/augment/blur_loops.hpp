#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/augment/blur.hpp"

namespace leaven {

struct BlurWeights {
  std::int32_t half = 0;
  float weights[kMostBlurHalf + 1] = {1.0f};  // of the middle, of both neighbours, ...
};

struct BlurLoops {
  // The first image of each view.
  void (*image)(const ImageView<const std::uint8_t>& in, const BlurWeights& weights,
                const ImageView<std::uint8_t>& out);
  void (*float_image)(const ImageView<const float>& in, const BlurWeights& weights, const ImageView<float>& out);
};
LEAVEN_DECLARE_ISA_TABLE(BlurLoops, blur_loops)

}  // namespace leaven
