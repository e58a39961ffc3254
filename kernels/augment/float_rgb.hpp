#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/augment/float_ops.hpp"

// The operations on f32 pixels of three channels, as functors: color and hue.
namespace leaven {

struct FloatRgb {
  float r, g, b;
};

struct ColouredPixel {
  float factor;
  LEAVEN_HD FloatRgb operator()(const FloatRgb& p) const {
    const float grey = luma_of(p.r, p.g, p.b);
    return {blended(grey, p.r, factor), blended(grey, p.g, factor), blended(grey, p.b, factor)};
  }
};

// What `factor` turns of the circle add to H in sixths of it: -3 to 3, and 0 of infinities and NaN.
LEAVEN_HD float hue_sixths(float factor) {
  const float turn = factor - floorf(factor + 0.5f);
  return turn == turn ? 6.0f * turn : 0.0f;
}

// A channel of HSV: `hue` up to 6, `channel` 5 for red, 3 for green, 1 for blue.
LEAVEN_HD float channel_of_hue(float hue, float channel, float most, float range) {
  const float sum = channel + hue;
  const float k = sum >= 6.0f ? sum - 6.0f : sum;
  const float slope = k < 4.0f - k ? k : 4.0f - k;
  const float share = slope < 0.0f ? 0.0f : (slope > 1.0f ? 1.0f : slope);
  return most - range * share;
}

// Grey pixels, those with infinities or NaN, and all where nothing is turned stay.
struct HuePixel {
  float sixths;
  LEAVEN_HD FloatRgb operator()(const FloatRgb& p) const {
    const float more = p.r > p.g ? p.r : p.g;
    const float most = more > p.b ? more : p.b;
    const float less = p.r < p.g ? p.r : p.g;
    const float least = less < p.b ? less : p.b;
    const float range = most - least;
    const float sum = p.r + p.g + p.b;  // NaN if one is
    const bool turns = sixths != 0.0f && sum == sum && range > 0.0f && range < INFINITY;
    const float difference = p.r == most ? p.g - p.b : (p.g == most ? p.b - p.r : p.r - p.g);
    const float sector = p.r == most ? 0.0f : (p.g == most ? 2.0f : 4.0f);
    const float turned = (sector + difference / (turns ? range : 1.0f)) + sixths;  // -4 to 8
    const float hue = turned < 0.0f ? turned + 6.0f : (turned >= 6.0f ? turned - 6.0f : turned);
    const float r = channel_of_hue(hue, 5.0f, most, range);
    const float g = channel_of_hue(hue, 3.0f, most, range);
    const float b = channel_of_hue(hue, 1.0f, most, range);
    return {turns ? r : p.r, turns ? g : p.g, turns ? b : p.b};
  }
};

// A source, see op_source.hpp. value: sixths of the circle.
struct FloatHueSource {
  static constexpr std::uint32_t kKinds = kind_bit(ImageOpKind::hue);
  PerImage<float> factors;
  LEAVEN_HD ImageOp operator()(std::int64_t image) const {
    const float factor = factors.values != nullptr ? factors.values[image] : factors.value;
    return value_op(ImageOpKind::hue, hue_sixths(factor));
  }
};

// erase: an edge of the rectangle within the image, and the colour.
LEAVEN_HD std::int64_t clipped_edge(double edge, std::int64_t most) {
  if (!(edge > 0.0)) return 0;
  return edge < static_cast<double>(most) ? static_cast<std::int64_t>(edge) : most;
}
LEAVEN_HD float erase_value(const ImageOp& op, std::uint32_t channel) {
  return static_cast<float>(static_cast<std::uint32_t>(op.m[4]) >> (8 * channel) & 255u);
}

}  // namespace leaven
