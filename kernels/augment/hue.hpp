#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"

// Hue as Pillow turns it: RGB to 8-bit HSV, H + shift modulo 256, back to RGB. Compiled without contraction.
namespace leaven {

struct Rgb {
  std::int32_t r, g, b;
};

LEAVEN_HD std::int32_t rounded_positive(double v) { return static_cast<std::int32_t>(v + 0.5); }

// `shift`: 0 to 255.
LEAVEN_HD Rgb hue_shifted(Rgb in, std::int32_t shift) {
  const std::int32_t most = in.r > in.g ? (in.r > in.b ? in.r : in.b) : (in.g > in.b ? in.g : in.b);
  const std::int32_t least = in.r < in.g ? (in.r < in.b ? in.r : in.b) : (in.g < in.b ? in.g : in.b);
  std::int32_t hue = 0;
  std::int32_t saturation = 0;
  if (most != least) {
    const auto range = static_cast<float>(most - least);
    const float rc = static_cast<float>(most - in.r) / range;
    const float gc = static_cast<float>(most - in.g) / range;
    const float bc = static_cast<float>(most - in.b) / range;
    float sixths = 0;
    if (in.r == most) {
      sixths = bc - gc;
    } else if (in.g == most) {
      sixths = static_cast<float>(2.0 + static_cast<double>(rc) - static_cast<double>(bc));
    } else {
      sixths = static_cast<float>(4.0 + static_cast<double>(gc) - static_cast<double>(rc));
    }
    const double turns = static_cast<double>(sixths) / 6.0 + 1.0;  // 5/6 to 11/6
    const auto turn = static_cast<float>(turns < 1.0 ? turns : turns - 1.0);
    hue = static_cast<std::int32_t>(static_cast<double>(turn) * 255.0);
    saturation = static_cast<std::int32_t>(static_cast<double>(range / static_cast<float>(most)) * 255.0);
  }
  hue = (hue + shift) & 255;
  if (saturation == 0) return {most, most, most};
  const double value = most;
  const double sixths = hue * 6.0 / 255.0;
  const double share = saturation / 255.0;
  const auto sector = static_cast<std::int32_t>(sixths);
  const double f = sixths - sector;
  const std::int32_t p = rounded_positive(value * (1.0 - share));
  const std::int32_t q = rounded_positive(value * (1.0 - share * f));
  const std::int32_t t = rounded_positive(value * (1.0 - share * (1.0 - f)));
  switch (sector) {
    case 1: return {q, most, p};
    case 2: return {p, most, t};
    case 3: return {p, q, most};
    case 4: return {t, p, most};
    case 5: return {most, p, q};
    default: return {most, t, p};
  }
}

// int(255 factor) modulo 256, as torchvision adds it to H in 8 bits. NaN and what is beyond 32 bits: 0.
LEAVEN_HD std::int32_t hue_shift(double factor) {
  const double steps = factor * 255.0;
  if (!(steps > -2147483648.0 && steps < 2147483647.0)) return 0;
  return static_cast<std::int32_t>(steps) & 255;
}

}  // namespace leaven
