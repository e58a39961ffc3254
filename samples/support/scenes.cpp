#include "samples/support/scenes.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace leaven::samples {
namespace {

constexpr int kSamples = 4;  // a side: each pixel is the mean of 16 places

struct Paint {
  float red = 0, green = 0, blue = 0;
};

// x runs from 0 at the left to 1, y from 0 at the top to 1.
using Scene = Paint (*)(float x, float y);

Paint blend(Paint a, Paint b, float share) {
  const float s = std::clamp(share, 0.0f, 1.0f);
  return {a.red + s * (b.red - a.red), a.green + s * (b.green - a.green), a.blue + s * (b.blue - a.blue)};
}

// 0 below `low`, 1 above `high`, smooth between.
float step(float low, float high, float value) {
  const float t = std::clamp((value - low) / (high - low), 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

float distance(float x, float y, float to_x, float to_y) { return std::hypot(x - to_x, y - to_y); }

float edge_of_mountains(float x) {
  return 0.44f - 0.17f * std::exp(-30 * (x - 0.66f) * (x - 0.66f)) - 0.07f * std::exp(-60 * (x - 0.36f) * (x - 0.36f)) -
         0.05f * std::exp(-70 * (x - 0.95f) * (x - 0.95f)) - 0.012f * std::sin(31 * x) - 0.008f * std::sin(67 * x + 1);
}

float edge_of_hills(float x) { return 0.485f - 0.05f * std::sin(5.2f * x + 0.5f) - 0.012f * std::sin(17 * x); }

// Everything over the water: the lake shows it once more.
Paint shore(float x, float y) {
  Paint colour = blend({74, 120, 190}, {250, 196, 142}, step(-0.1f, 0.52f, y));
  const float sun = distance(x, y, 0.2f, 0.2f);
  colour = blend(colour, {255, 226, 160}, 0.75f * std::exp(-9 * sun));
  colour = blend(colour, {255, 247, 214}, step(0.085f, 0.075f, sun));
  const float above_mountains = y - edge_of_mountains(x);
  if (above_mountains > 0) {
    const float light = 0.5f + 0.5f * std::sin(23 * x + 9 * y);
    const Paint rock = blend({98, 92, 134}, {136, 118, 148}, light);
    const float snow = step(0.085f, 0.06f, above_mountains + 0.02f * std::sin(60 * x)) * step(0.385f, 0.37f, y);
    colour = blend(rock, {244, 240, 246}, snow);
  }
  if (y > edge_of_hills(x)) colour = blend({58, 104, 92}, {38, 74, 66}, (y - edge_of_hills(x)) * 9);
  return colour;
}

Paint boat(float x, float y, Paint behind) {
  const float mast = 0.63f, deck = 0.735f, top = 0.47f;
  const float down = (y - top) / (deck - 0.03f - top);  // 0 at the top of the sails, 1 at their foot
  if (down > 0 && down < 1) {
    if (x > mast + 0.008f && x < mast + 0.008f + 0.16f * down) return blend({252, 250, 244}, {214, 214, 226}, down);
    if (x < mast - 0.008f && x > mast - 0.008f - 0.11f * down) return blend({226, 70, 52}, {196, 44, 44}, down);
  }
  if (std::abs(x - mast) < 0.006f && y > top - 0.02f && y < deck) return {84, 58, 44};
  const float depth = (y - deck + 0.012f) / 0.05f;
  if (depth > 0 && depth < 1 && x > mast - 0.15f + 0.05f * depth && x < mast + 0.19f - 0.07f * depth) {
    return blend({168, 92, 50}, {104, 52, 34}, depth);
  }
  return behind;
}

Paint lake(float x, float y) {
  constexpr float kWater = 0.52f;
  Paint colour = shore(x, y);
  if (y > kWater) {
    const float wave = 0.012f * std::sin(120 * (y - kWater) / (0.4f + y - kWater) + 5 * x);
    const Paint mirrored = shore(x + wave, std::max(0.0f, 2 * kWater - y + wave));
    colour = blend(mirrored, {36, 92, 120}, 0.35f + 0.5f * (y - kWater));
    colour =
        blend(colour, {255, 236, 190}, 0.55f * step(0.05f, 0, std::abs(x - 0.2f + 2 * wave)) * step(0.9f, 0.5f, y));
  }
  colour = boat(x, y, colour);
  const float meadow =
      0.9f - 0.07f * std::cos(4 * x + 0.4f) + 0.012f * std::abs(std::sin(70 * x + 3 * std::sin(20 * x)));
  if (y > meadow) {
    const float blades = 0.5f + 0.5f * std::sin(90 * x + 25 * y) * std::sin(41 * x - 60 * y);
    colour = blend({56, 112, 44}, {126, 168, 62}, blades);
    const float column = x * 9 - std::floor(x * 9) - 0.5f;
    const float row = (y - 0.93f - 0.02f * std::sin(40 * std::floor(x * 9))) * 9;
    if (std::hypot(column, row) < 0.17f) colour = {250, 208, 60};
  }
  return colour;
}

Paint balloon(float x, float y) {
  Paint colour = blend({52, 148, 206}, {186, 228, 238}, step(-0.1f, 0.9f, y));
  for (const auto& [cx, cy, size] :
       {std::array{0.14f, 0.3f, 0.1f}, {0.26f, 0.33f, 0.07f}, {0.86f, 0.52f, 0.09f}, {0.96f, 0.5f, 0.07f}}) {
    colour = blend(colour, {252, 253, 254}, step(size, 0.6f * size, std::hypot((x - cx) * 0.8f, (y - cy) * 1.5f)));
  }
  const float far_hills = 0.76f - 0.05f * std::sin(6 * x + 2);
  if (y > far_hills) colour = blend({112, 166, 110}, {84, 140, 84}, (y - far_hills) * 6);
  const float hills = 0.86f - 0.06f * std::sin(4.4f * x - 0.6f);
  if (y > hills) {
    const float furrows = 0.5f + 0.5f * std::sin(60 * (x + 0.8f * y) / (0.6f + y));
    colour = blend({206, 178, 76}, {170, 140, 52}, furrows);
  }
  const float dx = (x - 0.52f) / 0.3f, dy = (y - 0.36f) / 0.3f;
  const float narrow = dy > 0 ? 1 - 0.55f * dy * dy : 1;
  const float round = std::hypot(dx / narrow, dy);
  if (round < 1 && dy < 0.93f) {
    const float around =
        std::asin(std::clamp(dx / (narrow * std::sqrt(std::max(1 - dy * dy * 0.9f, 0.02f))), -1.0f, 1.0f));
    const int gore = static_cast<int>(std::floor(around * 2.6f + 20.5f)) % 3;
    const Paint stripes[] = {{222, 62, 54}, {250, 188, 50}, {246, 238, 222}};
    colour = blend(stripes[gore], {60, 24, 70}, 0.45f * step(-0.1f, 1.1f, dx + 0.35f * dy));
    colour = blend(colour, {255, 255, 255}, 0.35f * step(0.5f, 0, std::hypot(dx + 0.45f, dy + 0.4f)));
  }
  const bool rope = y > 0.62f && y < 0.75f && std::min(std::abs(x - 0.465f), std::abs(x - 0.575f)) < 0.005f;
  if (rope) colour = {70, 50, 40};
  if (std::abs(x - 0.52f) < 0.06f && y > 0.74f && y < 0.82f) {
    const float weave = 0.5f + 0.5f * std::sin(130 * x) * std::sin(150 * y);
    colour = blend({134, 84, 44}, {180, 122, 68}, weave);
  }
  return colour;
}

io::HostImage painted(Scene scene, std::int64_t side_px) {
  io::HostImage image{side_px, side_px, 3, {}};
  const float spacing = 1.0f / static_cast<float>(side_px * kSamples);
  for (std::int64_t y = 0; y < side_px; ++y) {
    for (std::int64_t x = 0; x < side_px; ++x) {
      Paint sum;
      for (int place = 0; place < kSamples * kSamples; ++place) {
        const Paint one = scene((static_cast<float>(x * kSamples + place % kSamples) + 0.5f) * spacing,
                                (static_cast<float>(y * kSamples + place / kSamples) + 0.5f) * spacing);
        sum = {sum.red + one.red, sum.green + one.green, sum.blue + one.blue};
      }
      for (const float value : {sum.red, sum.green, sum.blue}) {
        image.pixels.push_back(static_cast<std::uint8_t>(value / (kSamples * kSamples)));
      }
    }
  }
  return image;
}

}  // namespace

io::HostImage lake_scene(std::int64_t side_px) { return painted(lake, side_px); }

io::HostImage balloon_scene(std::int64_t side_px) { return painted(balloon, side_px); }

}  // namespace leaven::samples
