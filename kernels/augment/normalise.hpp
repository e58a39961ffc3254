#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/core/annotate.hpp"

namespace leaven {

struct ScaleShift {
  float scale[3];
  float shift[3];
};

inline ScaleShift scale_shift(const Normalisation& n) {
  ScaleShift result;
  for (std::size_t c = 0; c < 3; ++c) {
    result.scale[c] = 1.0f / (255.0f * n.std[c]);
    result.shift[c] = -n.mean[c] / n.std[c];
  }
  return result;
}

// One rounded multiply, one rounded add.
LEAVEN_HD float normalise_value(std::uint8_t value, float scale, float shift) {
  return static_cast<float>(value) * scale + shift;
}

}  // namespace leaven
