#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/augment/policy_reference.hpp"

// timm's RandAugment, colour jitter and AugMix once more, from docs/randomness.md and the definitions; and any policy.
namespace leaven::test {

// The level function of timm that belongs to an operation, by the public function of the operation.
inline void apply_level(AugmentOp op, double level, bool negative, bool increasing, const WarpOptions& warp,
                        ImageView<const std::uint8_t> in, ImageView<std::uint8_t> out) {
  const Stream s = Stream::cpu();
  const double sign = negative ? -1 : 1;
  const double part = level / 10;
  const auto factor = static_cast<float>(increasing ? std::max(0.1, 1.0 + sign * (part * 0.9)) : part * 1.8 + 0.1);
  const int threshold = std::min(256, static_cast<int>(part * 256));
  const int bits = static_cast<int>(part * 4);
  switch (op) {
    case AugmentOp::shear_x: return shear(in, Shear{.x = sign * (part * 0.3)}, warp, out, s);
    case AugmentOp::shear_y: return shear(in, Shear{.y = sign * (part * 0.3)}, warp, out, s);
    case AugmentOp::translate_x: {
      const double pixels = sign * (part * 0.45) * static_cast<double>(in.width);
      return affine_warp(in, AffineMatrix{{1, 0, pixels, 0, 1, 0}}, warp, out, s);
    }
    case AugmentOp::translate_y: {
      const double pixels = sign * (part * 0.45) * static_cast<double>(in.height);
      return affine_warp(in, AffineMatrix{{1, 0, 0, 0, 1, pixels}}, warp, out, s);
    }
    case AugmentOp::rotate: return rotate(in, sign * (part * 30), warp, out, s);
    case AugmentOp::brightness: return brightness(in, factor, out, s);
    case AugmentOp::color: return color(in, factor, out, s);
    case AugmentOp::contrast: return contrast(in, factor, out, s);
    case AugmentOp::sharpness: return sharpness(in, factor, out, s);
    case AugmentOp::posterize: return posterize(in, std::clamp(increasing ? 4 - bits : bits, 0, 8), out, s);
    case AugmentOp::solarize: return solarize(in, static_cast<float>(increasing ? 256 - threshold : threshold), out, s);
    case AugmentOp::solarize_add: return solarize_add(in, std::min(128, static_cast<int>(part * 110)), 128, out, s);
    default: return apply_single({op, false}, 0, warp, in, out);
  }
}

// A standard normal by Box and Muller; the angle within a quarter turn and the sign are bits of the second word.
inline double expected_normal(std::uint32_t u, std::uint32_t v) {
  const double radius = std::sqrt(-2 * std::log((u + 0.5) / 4294967296.0));
  const double cosine = std::cos((v % 1073741824u + 0.5) / 1073741824.0 * std::acos(0.0));
  return (v / 1073741824u) % 2 == 1 ? -radius * cosine : radius * cosine;
}

inline double expected_level(const Philox4& w, double mean, double deviation, double most) {
  if (std::isinf(deviation)) return std::min(mean * ((w.z + 0.5) / 4294967296.0), most);
  return std::clamp(deviation > 0 ? mean + deviation * expected_normal(w.z, w.y) : mean, 0.0, most);
}

// apply(image, layer, in, out) for every layer of every image, back and forth.
template <class Apply>
std::vector<std::uint8_t> layer_by_layer(std::vector<std::uint8_t> images, const ImageShape& shape,
                                         std::uint32_t layers, const Apply& apply) {
  std::vector<std::uint8_t> next(images.size());
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    const auto in = ImageView<const std::uint8_t>::nhwc(images.data(), shape);
    const auto out = ImageView<std::uint8_t>::nhwc(next.data(), shape);
    for (std::int64_t i = 0; i < shape.count; ++i) apply(i, layer, in.slice(i, 1), out.slice(i, 1));
    images.swap(next);
  }
  return images;
}

inline std::vector<std::uint8_t> expected_timm(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                               const std::vector<std::int64_t>& ids,
                                               const TimmRandAugmentOptions& options, RandomKey key) {
  return layer_by_layer(images, shape, static_cast<std::uint32_t>(options.num_ops),
                        [&](std::int64_t i, std::uint32_t layer, auto in, auto out) {
                          const Philox4 w = words(key, ids[static_cast<std::size_t>(i)], 16 + layer);
                          if (!(share(w.w) < options.probability)) return flip(in, FlipAxis::none, out, Stream::cpu());
                          const double level =
                              expected_level(w, options.magnitude, options.magnitude_std, options.magnitude_max);
                          apply_level(options.ops.begin()[place(w.x, options.ops.size())], level, w.y >= 2147483648u,
                                      options.increasing, options.warp, in, out);
                        });
}

inline std::vector<std::uint8_t> expected_jitter(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                                 const std::vector<std::int64_t>& ids,
                                                 const ColourJitterOptions& options, RandomKey key) {
  struct Adjustment {
    int op;
    double least, most;
  };
  std::vector<Adjustment> wanted;
  const float amounts[] = {options.brightness, options.contrast, options.saturation};
  for (int op = 0; op < 3; ++op) {
    if (amounts[op] > 0) wanted.push_back({op, std::max(0.0f, 1 - amounts[op]), 1 + amounts[op]});
  }
  if (options.hue > 0) wanted.push_back({3, -options.hue, options.hue});
  std::int64_t orders = 1;
  for (std::size_t k = 2; k <= wanted.size(); ++k) orders *= static_cast<std::int64_t>(k);
  return layer_by_layer(images, shape, static_cast<std::uint32_t>(wanted.size()),
                        [&](std::int64_t i, std::uint32_t layer, auto in, auto out) {
                          const std::int64_t id = ids[static_cast<std::size_t>(i)];
                          std::int64_t order = place(words(key, id, 7).x, orders);
                          std::vector<Adjustment> left = wanted;
                          for (std::uint32_t k = 0; k < layer; ++k) {
                            const auto pick = order % static_cast<std::int64_t>(left.size());
                            order /= static_cast<std::int64_t>(left.size());
                            left.erase(left.begin() + pick);
                          }
                          const Adjustment a = left[static_cast<std::size_t>(order) % left.size()];
                          const float range = static_cast<float>(a.most) - static_cast<float>(a.least);
                          const double u = (words(key, id, 16 + layer).z + 0.5) / 4294967296.0;
                          const auto factor = static_cast<float>(a.least + double{range} * u);
                          const Stream s = Stream::cpu();
                          if (a.op == 0) return brightness(in, factor, out, s);
                          if (a.op == 1) return contrast(in, factor, out, s);
                          if (a.op == 2) return color(in, factor, out, s);
                          hue(in, factor, out, s);
                        });
}

// For alpha 1, where gamma draws are -log(u).
inline std::vector<std::uint8_t> expected_aug_mix(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                                  const std::vector<std::int64_t>& ids, const AugMixOptions& options,
                                                  RandomKey key) {
  static const GoldenTable table = golden_tables("aug_mix").at(0);
  const int depth = options.depth == 0 ? 3 : options.depth;
  std::vector<std::vector<std::uint8_t>> chains;
  for (int chain = 0; chain < options.width; ++chain) {
    chains.push_back(layer_by_layer(
        images, shape, static_cast<std::uint32_t>(depth), [&](std::int64_t i, std::uint32_t k, auto in, auto out) {
          const std::int64_t id = ids[static_cast<std::size_t>(i)];
          const auto first = static_cast<std::uint32_t>(chain);
          const std::int64_t drawn_depth = place(words(key, id, 1073 + first).x, 3) + 1;
          const Philox4 w = words(key, id, 16 + first * static_cast<std::uint32_t>(depth) + k);
          if (options.depth == 0 && k >= drawn_depth) return flip(in, FlipAxis::none, out, Stream::cpu());
          const DrawnOp drawn{options.ops.begin()[place(w.x, options.ops.size())], w.y >= 2147483648u};
          if (options.strengths == AugMixStrengths::timm) {
            const double level = expected_level(w, options.severity, INFINITY, 10);
            return apply_level(drawn.op, level, drawn.negative, true, options.warp, in, out);
          }
          const auto bin = static_cast<int>(place(w.z, options.severity));
          double strength = golden_strength(table, drawn.op, static_cast<std::size_t>(bin));
          if (drawn.op == AugmentOp::translate_x) strength = std::trunc(static_cast<double>(shape.width) / 3 * bin / 9);
          if (drawn.op == AugmentOp::translate_y)
            strength = std::trunc(static_cast<double>(shape.height) / 3 * bin / 9);
          apply_single(drawn, strength, options.warp, in, out);
        }));
  }
  std::vector<std::uint8_t> mixed(images.size());
  if (ids.empty()) return mixed;
  const std::size_t bytes = images.size() / ids.size();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double own = (words(key, ids[i], 1072).x + 0.5) / 4294967296.0;
    std::vector<double> gammas;
    double sum = 0;
    for (int chain = 0; chain < options.width; ++chain) {
      const Philox4 w = words(key, ids[i], 1088 + 16 * static_cast<std::uint32_t>(chain));
      gammas.push_back(-std::log((w.x + 0.5) / 4294967296.0));
      sum += gammas.back();
    }
    for (std::size_t k = i * bytes; k < (i + 1) * bytes; ++k) {
      volatile float total = static_cast<float>(own) * static_cast<float>(images[k]);
      for (std::size_t chain = 0; chain < chains.size(); ++chain) {
        const auto weight = static_cast<float>((1 - own) * (gammas[chain] / sum));
        const volatile float product = weight * static_cast<float>(chains[chain][k]);
        total = total + product;
      }
      mixed[k] = static_cast<std::uint8_t>(std::min(255.0f, std::max(0.0f, static_cast<float>(total))));
    }
  }
  return mixed;
}

// The drawn parameters through the public affine_matrix().
inline AffineMatrix expected_affine(const RandomAffineOptions& o, ImageSize size, RandomKey key, std::int64_t id) {
  const Philox4 first = words(key, id, 16);
  const Philox4 second = words(key, id, 7);
  const auto uniform = [](double least, double most, std::uint32_t word) {
    const double range = static_cast<float>(most - least);
    return static_cast<float>(least) + range * ((word + 0.5) / 4294967296.0);
  };
  const double shift_x = double{o.translate_x} * static_cast<double>(size.width);
  const double shift_y = double{o.translate_y} * static_cast<double>(size.height);
  return affine_matrix({.angle_deg = uniform(o.angle_deg.least, o.angle_deg.most, first.x),
                        .translate = {.x = std::floor(uniform(-shift_x, shift_x, first.y) + 0.5),
                                      .y = std::floor(uniform(-shift_y, shift_y, first.z) + 0.5)},
                        .scale = uniform(o.scale.least, o.scale.most, first.w),
                        .shear_x_deg = uniform(o.shear_x_deg.least, o.shear_x_deg.most, second.x),
                        .shear_y_deg = uniform(o.shear_y_deg.least, o.shear_y_deg.most, second.y)},
                       size);
}

inline std::vector<std::uint8_t> expected_random_affine(const std::vector<std::uint8_t>& images,
                                                        const ImageShape& shape, const std::vector<std::int64_t>& ids,
                                                        const RandomAffineOptions& options, RandomKey key) {
  return layer_by_layer(images, shape, 1, [&](std::int64_t i, std::uint32_t, auto in, auto out) {
    const AffineMatrix m = expected_affine(options, {shape.height, shape.width}, key, ids[static_cast<std::size_t>(i)]);
    affine_warp(in, m, options.warp, out, Stream::cpu());
  });
}

inline std::vector<std::uint8_t> expected_policy(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                                 const std::vector<std::int64_t>& ids, const Policy& policy,
                                                 RandomKey key) {
  if (const auto* rand = std::get_if<RandAugmentOptions>(&policy)) {
    return expected_rand_augment(images, shape, ids, *rand, key);
  }
  if (const auto* trivial = std::get_if<TrivialAugmentOptions>(&policy)) {
    return expected_trivial_augment(images, shape, ids, *trivial, key);
  }
  if (const auto* timm = std::get_if<TimmRandAugmentOptions>(&policy)) {
    return expected_timm(images, shape, ids, *timm, key);
  }
  if (const auto* mix = std::get_if<AugMixOptions>(&policy)) return expected_aug_mix(images, shape, ids, *mix, key);
  if (const auto* jitter = std::get_if<ColourJitterOptions>(&policy)) {
    return expected_jitter(images, shape, ids, *jitter, key);
  }
  if (const auto* affine = std::get_if<RandomAffineOptions>(&policy)) {
    return expected_random_affine(images, shape, ids, *affine, key);
  }
  return expected_auto_augment(images, shape, ids, std::get<AutoAugmentOptions>(policy), key);
}

}  // namespace leaven::test
