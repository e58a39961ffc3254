#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <leaven/train.hpp>
#include "kernels/core/philox.hpp"
#include "tests/nn/network_fixture.hpp"

namespace leaven::test {

// Pictures of 12x12 pixels with a bright bar whose place and direction tell the class, on noise: learned in a few
// steps.
inline train::DataSet bars(std::int64_t count, std::int32_t classes, std::uint64_t seed, Stream stream) {
  const ImageShape shape{count, 12, 12, 1};
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(shape.size()));
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(i % classes);
    labels.push_back(label);
    for (std::int64_t p = 0; p < 144; ++p) {
      const Philox4 r = draw(seed, 0, static_cast<std::uint64_t>(i * 144 + p), 1000);
      const std::int64_t across = label % 2 == 0 ? p / 12 : p % 12;
      const bool bright = across / 2 == 1 + label / 2 * 2;
      pixels[static_cast<std::size_t>(i * 144 + p)] = static_cast<std::uint8_t>((r.x % 90) + (bright ? 140 : 0));
    }
  }
  std::vector<std::string> names;
  for (std::int32_t c = 0; c < classes; ++c) names.push_back("bar " + std::to_string(c));
  return train::make_data_set(pixels, shape, labels, names, stream);
}

inline train::Network tiny_network(Stream stream, std::uint64_t seed = 1, std::int64_t classes = 4) {
  return train::Network(
      {.description = "conv 4; bn; relu; maxpool 2; conv 6; bn; relu; maxpool 2; flatten; dropout 0.1; "
                      "linear 8; relu; linear " +
                      std::to_string(classes),
       .input = {1, 12, 12, 1},
       .seed = seed,
       .normalisation = {{0.4f, 0.4f, 0.4f}, {0.3f, 0.3f, 0.3f}}},
      stream);
}

}  // namespace leaven::test
