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
