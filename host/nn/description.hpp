#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <leaven/train/network.hpp>

namespace leaven::nn {

enum class LayerKind { conv, batch_norm, relu, max_pool, global_average_pool, flatten, dropout, linear };

// One layer of a description with everything resolved. Fields that a kind does not have keep their defaults.
struct LayerSpec {
  LayerKind kind{};
  std::string name{};  // "conv1"
  std::string text{};  // its line, blanks normalised
  train::Part part = train::Part::body;
  ImageShape in{};   // count 1
  ImageShape out{};  // count 1
  std::int64_t kernel = 0;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t window = 0;
  float probability = 0;
  float momentum = 0.1f;
  float epsilon = 1e-5f;
  bool has_bias = false;
};

// @throws InvalidArgument, its text beginning with `function`, naming the layer.
std::vector<LayerSpec> parse_description(std::string_view function, std::string_view description,
                                         const ImageShape& input);

// The lines of `layers`, joined by newlines.
std::string to_text(const std::vector<LayerSpec>& layers);

}  // namespace leaven::nn
