#pragma once

#include "kernels/core/philox.hpp"
#include "kernels/nn/layers.hpp"

// Which elements dropout keeps, the same on both backends: word i % 4 of draw(seed, step, i / 4, dropout + layer).
namespace leaven::nn {

// The four draws that decide on the elements 4 * quad .. 4 * quad + 3.
LEAVEN_HD Philox4 dropout_words(const DropoutDraw& draw, std::int64_t quad) {
  return leaven::draw(draw.seed, draw.step, static_cast<std::uint64_t>(quad),
                      static_cast<std::uint32_t>(DrawSlot::dropout) + draw.layer);
}

// What a kept element is multiplied by. Compute it once, not per element.
LEAVEN_HD float dropout_scale(float probability) { return 1.0f / (1.0f - probability); }

// A select, not a product with 0 or scale: a dropped infinity or NaN is 0, and probability 1 (infinite scale) drops
// all.
LEAVEN_HD float dropout_element(std::uint32_t word, float probability, float scale, float x) {
  return uniform01(word) >= probability ? x * scale : 0.0f;
}

}  // namespace leaven::nn
