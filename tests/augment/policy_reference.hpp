#pragma once

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
  ImageSize size;
  std::map<std::string, std::vector<double>> magnitudes;
};

// torchvision's RandAugment tables for 31 bins.
inline const std::vector<GoldenTable>& golden_tables() {
  static const std::vector<GoldenTable> all = [] {
    std::vector<GoldenTable> tables;
    std::ifstream file(LEAVEN_TEST_DATA "/golden/augment.jsonl");
    for (std::string line; std::getline(file, line);) {
      const nlohmann::json entry = nlohmann::json::parse(line);
      if (entry.contains("op")) break;
      if (!entry.contains("table") || entry["table"] != "rand_augment") continue;
      GoldenTable table{{entry["height"], entry["width"]}, {}};
      for (const auto& [name, values] : entry["entries"].items())
        table.magnitudes[name] = values["magnitudes"].get<std::vector<double>>();
      tables.push_back(table);
    }
    return tables;
  }();
  return all;
}

// For 31 bins. Translations of sizes that the file does not have: by the formula.
inline double expected_magnitude(AugmentOp op, ImageSize size, int bin) {
  if (!torchvision_names().contains(op)) return 0;
  if (op == AugmentOp::translate_x || op == AugmentOp::translate_y) {
    const auto side = static_cast<double>(op == AugmentOp::translate_x ? size.width : size.height);
    return std::trunc(150.0 / 331.0 * side * bin / 30.0);
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
  }
}

// Packed interleaved images on the host, one operation of the public interface after the other.
inline std::vector<std::uint8_t> expected_rand_augment(std::vector<std::uint8_t> images, const ImageShape& shape,
                                                       const std::vector<std::int64_t>& ids,
                                                       const RandAugmentOptions& options, RandomKey key) {
  std::vector<std::uint8_t> next(images.size());
  for (std::int32_t layer = 0; layer < options.num_ops; ++layer) {
    const auto in = ImageView<const std::uint8_t>::nhwc(images.data(), shape);
    const auto out = ImageView<std::uint8_t>::nhwc(next.data(), shape);
    for (std::int64_t i = 0; i < shape.count; ++i) {
      const DrawnOp drawn =
          expected_op(key, ids[static_cast<std::size_t>(i)], static_cast<std::uint32_t>(layer), options.ops);
      const double strength = expected_magnitude(drawn.op, {shape.height, shape.width}, options.magnitude);
      apply_single(drawn, strength, options.warp, in.slice(i, 1), out.slice(i, 1));
    }
    images.swap(next);
  }
  return images;
}

// ----------------------------------------------------------------------------------------------------------- CutMix

struct ExpectedMix {
  bool mixed = false;
  std::int64_t left = 0, top = 0, right = 0, bottom = 0;
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

inline ExpectedMix expected_mix(RandomKey key, std::int64_t id, const CutMixOptions& options, ImageSize size) {
  const Philox4 w = words(key, id, 2);
  if (!(share(w.x) < options.probability)) return {};
  const double half = std::sqrt(1 - expected_lambda(options.alpha, w.y, w.z)) / 2;
  const auto half_width = static_cast<std::int64_t>(half * static_cast<double>(size.width));
  const auto half_height = static_cast<std::int64_t>(half * static_cast<double>(size.height));
  const Philox4 centre = words(key, id, 3);
  const std::int64_t x = place(centre.x, size.width);
  const std::int64_t y = place(centre.y, size.height);
  ExpectedMix mix{true, std::max<std::int64_t>(x - half_width, 0), std::max<std::int64_t>(y - half_height, 0),
                  std::min(x + half_width, size.width), std::min(y + half_height, size.height)};
  const double area = static_cast<double>((mix.right - mix.left) * (mix.bottom - mix.top));
  mix.weight = static_cast<float>(1 - area / static_cast<double>(size.width * size.height));
  return mix;
}

// Packed interleaved images on the host, pixel by pixel.
inline std::vector<std::uint8_t> expected_cutmix(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                                 const std::vector<std::int64_t>& ids, const CutMixOptions& options,
                                                 RandomKey key) {
  std::vector<std::uint8_t> mixed = images;
  const std::int64_t row = shape.width * shape.channels;
  for (std::int64_t i = 0; i < shape.count; ++i) {
    const ExpectedMix mix = expected_mix(key, ids[static_cast<std::size_t>(i)], options, {shape.height, shape.width});
    const std::int64_t partner = (i + shape.count - 1) % shape.count;
    for (std::int64_t y = mix.top; y < mix.bottom; ++y) {
      for (std::int64_t k = mix.left * shape.channels; k < mix.right * shape.channels; ++k) {
        mixed[static_cast<std::size_t>((i * shape.height + y) * row + k)] =
            images[static_cast<std::size_t>((partner * shape.height + y) * row + k)];
      }
    }
  }
  return mixed;
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
