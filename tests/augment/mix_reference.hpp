#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/augment/policy_reference.hpp"

// CutMix, MixUp and erasing once more, from docs/randomness.md and the definitions.
namespace leaven::test {

struct MixSettings {
  double cutmix_alpha = 1, mixup_alpha = 1;
  float cutmix_share = 1, probability = 0;
  MixPartner partner = MixPartner::previous;
  MixDraws draws = MixDraws::per_sample;
};

inline MixSettings settings_of(const Mix& mix) {
  if (const auto* o = std::get_if<CutMixOptions>(&mix)) return {o->alpha, 1, 1, o->probability, o->partner, o->draws};
  if (const auto* o = std::get_if<MixUpOptions>(&mix)) return {1, o->alpha, 0, o->probability, o->partner, o->draws};
  const auto& o = std::get<CutMixOrMixUpOptions>(mix);
  return {o.cutmix_alpha, o.mixup_alpha, o.cutmix_probability, o.probability, o.partner, o.draws};
}

struct ExpectedMix {
  std::size_t partner = 0;
  std::int64_t left = 0, top = 0, right = 0, bottom = 0;
  bool mean = false;
  float weight = 1;
};

inline double expected_lambda(double alpha, std::uint32_t word_u, std::uint32_t word_v) {
  const double u = (word_u + 0.5) / 4294967296.0;
  if (alpha == 1) return u;
  const double q = std::pow(u, 1 / alpha);
  const double angle = (word_v % 2147483648u + 0.5) / 2147483648.0 * std::acos(0.0);
  const double ratio = std::sqrt((1 - q) / (q + (1 - q) * std::cos(angle) * std::cos(angle))) * std::cos(angle);
  return word_v >= 2147483648u ? 0.5 - ratio / 2 : 0.5 + ratio / 2;
}

// Six rounds of a Feistel network on the smallest power of 4 that holds `count`, again until the place is inside.
inline std::size_t expected_permuted(RandomKey key, std::int64_t first_id, std::size_t image, std::size_t count) {
  std::uint64_t side = 2;
  while (side * side < count) side *= 2;
  std::uint64_t place = image;
  do {
    std::uint64_t left = place / side;
    std::uint64_t right = place % side;
    for (std::uint32_t round = 0; round < 6; ++round) {
      RandomKey round_key = key;
      round_key.seed ^= right;
      const std::uint64_t next = left ^ (words(round_key, first_id, 1056 + round).x % side);
      left = right;
      right = next;
    }
    place = left * side + right;
  } while (place >= count);
  return static_cast<std::size_t>(place);
}

inline ExpectedMix expected_mix(RandomKey key, const std::vector<std::int64_t>& ids, std::size_t i, const Mix& options,
                                ImageSize size) {
  const MixSettings s = settings_of(options);
  const std::size_t mirrored = ids.size() - 1 - i;
  std::size_t drawn_for = i;
  if (s.draws == MixDraws::per_batch) drawn_for = 0;
  if (s.draws == MixDraws::per_pair) drawn_for = std::min(i, mirrored);
  const Philox4 w = words(key, ids[drawn_for], 2);
  ExpectedMix mix{.partner = i};
  if (!(share(w.x) < s.probability)) return mix;
  mix.partner = s.partner == MixPartner::previous   ? (i + ids.size() - 1) % ids.size()
                : s.partner == MixPartner::mirrored ? mirrored
                                                    : expected_permuted(key, ids[0], i, ids.size());
  if (!(share(w.w) < s.cutmix_share)) {
    mix.weight = static_cast<float>(expected_lambda(s.mixup_alpha, w.y, w.z));
    mix.mean = true;
    return mix;
  }
  const double half = std::sqrt(1 - expected_lambda(s.cutmix_alpha, w.y, w.z)) / 2;
  const auto half_width = static_cast<std::int64_t>(half * static_cast<double>(size.width));
  const auto half_height = static_cast<std::int64_t>(half * static_cast<double>(size.height));
  const Philox4 centre = words(key, ids[drawn_for], 3);
  const std::int64_t x = place(centre.x, size.width);
  const std::int64_t y = place(centre.y, size.height);
  mix.left = std::max<std::int64_t>(x - half_width, 0);
  mix.top = std::max<std::int64_t>(y - half_height, 0);
  mix.right = std::min(x + half_width, size.width);
  mix.bottom = std::min(y + half_height, size.height);
  const double area = static_cast<double>((mix.right - mix.left) * (mix.bottom - mix.top));
  mix.weight = static_cast<float>(1 - area / static_cast<double>(size.width * size.height));
  return mix;
}

// lambda own + (1 - lambda) partner's in float32, rounded.
inline std::uint8_t expected_mean(std::uint8_t own, std::uint8_t partners, float weight) {
  const volatile float product = weight * static_cast<float>(own - partners);  // volatile: no fused multiply-add
  const volatile float mean = static_cast<float>(partners) + product;
  return static_cast<std::uint8_t>(std::floor(mean + 0.5f));
}

// Packed interleaved images on the host, pixel by pixel.
inline std::vector<std::uint8_t> expected_mixed(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                                const std::vector<std::int64_t>& ids, const Mix& options,
                                                RandomKey key) {
  std::vector<std::uint8_t> mixed = images;
  const std::int64_t row = shape.width * shape.channels;
  for (std::int64_t i = 0; i < shape.count; ++i) {
    const auto index = static_cast<std::size_t>(i);
    const ExpectedMix mix = expected_mix(key, ids, index, options, {shape.height, shape.width});
    for (std::int64_t y = 0; y < shape.height; ++y) {
      for (std::int64_t k = 0; k < row; ++k) {
        const std::int64_t x = k / shape.channels;
        const bool inside = y >= mix.top && y < mix.bottom && x >= mix.left && x < mix.right;
        const auto own = static_cast<std::size_t>((i * shape.height + y) * row + k);
        const auto other =
            static_cast<std::size_t>((static_cast<std::int64_t>(mix.partner) * shape.height + y) * row + k);
        if (mix.mean) mixed[own] = expected_mean(images[own], images[other], mix.weight);
        if (inside) mixed[own] = images[other];
      }
    }
  }
  return mixed;
}

// torchvision's RandomErasing.get_params; width 0 where nothing is erased.
inline RectPx expected_erase(const RandomEraseOptions& o, int width, int height, RandomKey key, std::int64_t id) {
  if (!(share(words(key, id, 8).x) < o.probability)) return {};
  for (std::uint32_t attempt = 0; attempt < 10; ++attempt) {
    const Philox4 w = words(key, id, 1040 + attempt);
    const auto uniform = [](std::uint32_t word, double low, double high) {
      return low + (high - low) * ((word + 0.5) / 4294967296.0);
    };
    const double area = width * static_cast<double>(height) * uniform(w.x, o.scale.least, o.scale.most);
    const double ratio = std::exp(uniform(w.y, std::log(o.ratio.least), std::log(o.ratio.most)));
    const auto h = static_cast<std::int32_t>(std::lround(std::sqrt(area * ratio)));
    const auto wide = static_cast<std::int32_t>(std::lround(std::sqrt(area / ratio)));
    if (h >= height || wide >= width) continue;
    return {static_cast<std::int32_t>(place(w.w, width - wide + 1)),
            static_cast<std::int32_t>(place(w.z, height - h + 1)), wide, h};
  }
  return {};
}

}  // namespace leaven::test
