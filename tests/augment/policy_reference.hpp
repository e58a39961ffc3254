#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include <leaven/augment.hpp>
#include "kernels/core/philox.hpp"

// What docs/randomness.md says is drawn, computed once more from the words of the generator, and the magnitudes of
// torchvision from the golden file.
namespace leaven::test {

inline std::vector<std::uint8_t> noise(std::int64_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random() >> 24);
  return bytes;
}

inline std::vector<std::int64_t> ids_from(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(count));
  for (std::int64_t& id : ids) id = first++;
  return ids;
}

inline Philox4 words(RandomKey key, std::int64_t id, std::uint32_t slot) {
  return draw(key.seed, key.epoch.value, static_cast<std::uint64_t>(id), slot);
}
inline std::int64_t place(std::uint32_t word, std::int64_t positions) {
  return static_cast<std::int64_t>(word * static_cast<std::uint64_t>(positions) / 4294967296u);
}
inline double share(std::uint32_t word) { return std::floor(word / 256.0) / 16777216.0; }

// ------------------------------------------------------------------------------------------------------ RandAugment

struct DrawnOp {
  AugmentOp op;
  bool negative;
};

inline DrawnOp expected_op(RandomKey key, std::int64_t id, std::uint32_t layer, const OpList& ops) {
  const Philox4 w = words(key, id, 16 + layer);
  return {ops.begin()[place(w.x, ops.size())], w.y >= 2147483648u};
}

inline const std::map<AugmentOp, std::string>& torchvision_names() {
  static const std::map<AugmentOp, std::string> names = {
      {AugmentOp::shear_x, "ShearX"},
      {AugmentOp::shear_y, "ShearY"},
      {AugmentOp::translate_x, "TranslateX"},
      {AugmentOp::translate_y, "TranslateY"},
      {AugmentOp::rotate, "Rotate"},
      {AugmentOp::brightness, "Brightness"},
      {AugmentOp::color, "Color"},
      {AugmentOp::contrast, "Contrast"},
      {AugmentOp::sharpness, "Sharpness"},
      {AugmentOp::posterize, "Posterize"},
      {AugmentOp::solarize, "Solarize"},
  };
  return names;
}

struct GoldenTable {
  ImageSize size{};
  std::map<std::string, std::vector<double>> magnitudes{};
};

// The lines of the golden file that are no cases.
inline const std::vector<nlohmann::json>& golden_headers() {
  static const std::vector<nlohmann::json> all = [] {
    std::vector<nlohmann::json> lines;
    std::ifstream file(LEAVEN_TEST_DATA "/golden/augment.jsonl");
    for (std::string line; std::getline(file, line);) {
      lines.push_back(nlohmann::json::parse(line));
      if (!lines.back().contains("op")) continue;
      lines.pop_back();
      break;
    }
    return lines;
  }();
  return all;
}

// torchvision's tables: rand_augment and trivial_augment_wide for 31 bins, auto_augment for 10.
inline std::vector<GoldenTable> golden_tables(const std::string& kind) {
  std::vector<GoldenTable> tables;
  for (const nlohmann::json& entry : golden_headers()) {
    if (entry.value("table", "") != kind) continue;
    GoldenTable table{{entry.value("height", 0), entry.value("width", 0)}, {}};
    for (const auto& [name, values] : entry["entries"].items()) {
      table.magnitudes[name] = values["magnitudes"].get<std::vector<double>>();
    }
    tables.push_back(table);
  }
  return tables;
}

inline const std::vector<GoldenTable>& golden_tables() {
  static const std::vector<GoldenTable> all = golden_tables("rand_augment");
  return all;
}

// Translations of sizes that the file does not have: by the formula.
inline double expected_shift(AugmentOp op, ImageSize size, int bin, int bins) {
  const auto side = static_cast<double>(op == AugmentOp::translate_x ? size.width : size.height);
  return std::trunc(150.0 / 331.0 * side * bin / (bins - 1));
}

// For 31 bins.
inline double expected_magnitude(AugmentOp op, ImageSize size, int bin) {
  if (op == AugmentOp::solarize_add) return std::trunc(110.0 * bin / 30);
  if (!torchvision_names().contains(op)) return 0;
  if (op == AugmentOp::translate_x || op == AugmentOp::translate_y) {
    return expected_shift(op, size, bin, 31);
  }
  return golden_tables().at(0).magnitudes.at(torchvision_names().at(op)).at(static_cast<std::size_t>(bin));
}

// One image, by the public function of the operation.
inline void apply_single(DrawnOp drawn, double strength, const WarpOptions& warp, ImageView<const std::uint8_t> in,
                         ImageView<std::uint8_t> out) {
  const Stream s = Stream::cpu();
  const double m = drawn.negative ? -strength : strength;
  switch (drawn.op) {
    case AugmentOp::identity: return flip(in, FlipAxis::none, out, s);
    case AugmentOp::shear_x: return shear(in, Shear{.x = m}, warp, out, s);
    case AugmentOp::shear_y: return shear(in, Shear{.y = m}, warp, out, s);
    case AugmentOp::translate_x: return translate(in, TranslationPx{.x = m}, warp, out, s);
    case AugmentOp::translate_y: return translate(in, TranslationPx{.y = m}, warp, out, s);
    case AugmentOp::rotate: return rotate(in, m, warp, out, s);
    case AugmentOp::brightness: return brightness(in, static_cast<float>(1 + m), out, s);
    case AugmentOp::color: return color(in, static_cast<float>(1 + m), out, s);
    case AugmentOp::contrast: return contrast(in, static_cast<float>(1 + m), out, s);
    case AugmentOp::sharpness: return sharpness(in, static_cast<float>(1 + m), out, s);
    case AugmentOp::posterize: return posterize(in, static_cast<int>(strength), out, s);
    case AugmentOp::solarize: return solarize(in, static_cast<float>(strength), out, s);
    case AugmentOp::autocontrast: return autocontrast(in, out, s);
    case AugmentOp::equalize: return equalize(in, out, s);
    case AugmentOp::invert: return invert(in, out, s);
    case AugmentOp::solarize_add: return solarize_add(in, static_cast<int>(strength), 128, out, s);
    case AugmentOp::hue: return hue(in, static_cast<float>(m), out, s);
  }
}

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

// A strength of a table: translations in whole pixels.
inline double golden_strength(const GoldenTable& table, AugmentOp op, std::size_t bin) {
  if (!torchvision_names().contains(op)) return 0;
  const double m = table.magnitudes.at(torchvision_names().at(op)).at(bin);
  return op == AugmentOp::translate_x || op == AugmentOp::translate_y ? std::trunc(m) : m;
}

// Packed interleaved images on the host: the operation and strength that `draw(id, layer)` gives, by the public
// function of the operation, one layer after the other.
template <class Draw>
std::vector<std::uint8_t> expected_layers(std::vector<std::uint8_t> images, const ImageShape& shape,
                                          const std::vector<std::int64_t>& ids, std::uint32_t layers,
                                          const WarpOptions& warp, const Draw& draw) {
  std::vector<std::uint8_t> next(images.size());
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    const auto in = ImageView<const std::uint8_t>::nhwc(images.data(), shape);
    const auto out = ImageView<std::uint8_t>::nhwc(next.data(), shape);
    for (std::int64_t i = 0; i < shape.count; ++i) {
      const auto [drawn, strength] = draw(ids[static_cast<std::size_t>(i)], layer);
      apply_single(drawn, strength, warp, in.slice(i, 1), out.slice(i, 1));
    }
    images.swap(next);
  }
  return images;
}

inline std::vector<std::uint8_t> expected_rand_augment(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                                       const std::vector<std::int64_t>& ids,
                                                       const RandAugmentOptions& options, RandomKey key) {
  return expected_layers(images, shape, ids, static_cast<std::uint32_t>(options.num_ops), options.warp,
                         [&](std::int64_t id, std::uint32_t layer) {
                           const DrawnOp drawn = expected_op(key, id, layer, options.ops);
                           const ImageSize size{shape.height, shape.width};
                           return std::pair{drawn, expected_magnitude(drawn.op, size, options.magnitude)};
                         });
}

inline std::vector<std::uint8_t> expected_trivial_augment(const std::vector<std::uint8_t>& images,
                                                          const ImageShape& shape, const std::vector<std::int64_t>& ids,
                                                          const TrivialAugmentOptions& options, RandomKey key) {
  static const GoldenTable table = golden_tables("trivial_augment_wide").at(0);
  return expected_layers(images, shape, ids, 1, options.warp, [&](std::int64_t id, std::uint32_t layer) {
    const DrawnOp drawn = expected_op(key, id, layer, options.ops);
    const auto bin = static_cast<std::size_t>(place(words(key, id, 16 + layer).z, 31));
    return std::pair{drawn, golden_strength(table, drawn.op, bin)};
  });
}

inline AugmentOp op_named(const std::string& name) {
  if (name == "AutoContrast") return AugmentOp::autocontrast;
  if (name == "Equalize") return AugmentOp::equalize;
  if (name == "Invert") return AugmentOp::invert;
  for (const auto& [op, known] : torchvision_names()) {
    if (known == name) return op;
  }
  return AugmentOp::identity;
}

inline std::vector<std::uint8_t> expected_auto_augment(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                                       const std::vector<std::int64_t>& ids,
                                                       const AutoAugmentOptions& options, RandomKey key) {
  const char* const sets[] = {"imagenet", "cifar10", "svhn"};
  nlohmann::json policies;
  for (const nlohmann::json& entry : golden_headers()) {
    const bool wanted = entry.value("set", "") == sets[static_cast<int>(options.set)];
    if (wanted) policies = entry["policies"];
  }
  static const GoldenTable table = golden_tables("auto_augment").at(0);
  return expected_layers(images, shape, ids, 2, options.warp, [&](std::int64_t id, std::uint32_t layer) {
    const nlohmann::json step = policies.at(static_cast<std::size_t>(place(words(key, id, 7).x, 25))).at(layer);
    const Philox4 w = words(key, id, 16 + layer);
    const bool happens = share(w.w) < step[1].get<float>();
    const DrawnOp drawn{happens ? op_named(step[0]) : AugmentOp::identity, w.y >= 2147483648u};
    const int bin = step[2].is_null() ? 0 : step[2].get<int>();
    const bool shifts = drawn.op == AugmentOp::translate_x || drawn.op == AugmentOp::translate_y;
    return std::pair{drawn, shifts ? expected_shift(drawn.op, {shape.height, shape.width}, bin, 10)
                                   : golden_strength(table, drawn.op, static_cast<std::size_t>(bin))};
  });
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
  return expected_auto_augment(images, shape, ids, std::get<AutoAugmentOptions>(policy), key);
}

// --------------------------------------------------------------------------------------------------- first step

inline OffsetPx expected_offset(RandomKey key, std::int64_t id, std::int32_t padding) {
  const Philox4 w = words(key, id, 0);
  return {static_cast<std::int32_t>(place(w.x, 2 * padding + 1)),
          static_cast<std::int32_t>(place(w.y, 2 * padding + 1))};
}
inline bool expected_flip(RandomKey key, std::int64_t id, double probability) {
  return share(words(key, id, 1).x) < probability;
}

}  // namespace leaven::test
