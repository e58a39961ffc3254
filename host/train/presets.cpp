#include <array>
#include <utility>

#include <leaven/train/network.hpp>
#include "host/core/check.hpp"
#include "host/nn/nearest.hpp"

namespace leaven::train {
namespace {

using Preset = std::pair<std::string_view, std::string_view>;

constexpr std::array<Preset, 3> kPresets{{
    {"small", "conv 16; bn; relu; maxpool 2; conv 32; bn; relu; maxpool 2; conv 32; bn; relu; flatten; linear "},
    {"medium",
     "conv 32; bn; relu; maxpool 2; conv 64; bn; relu; maxpool 2; conv 128; bn; relu; flatten; dropout 0.2; linear "},
    {"cnn",
     "conv 32; relu; conv 32; bn; relu; maxpool 2; conv 64; relu; conv 64; bn; relu; maxpool 2; flatten; linear 128; "
     "relu; linear "},
}};

}  // namespace

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.first);
  return names;
}

std::string preset(std::string_view name, std::int64_t classes) {
  check(classes >= 1, "preset: classes is {}, expected 1 or more", classes);
  for (const Preset& preset : kPresets) {
    if (preset.first == name) return std::string(preset.second) + std::to_string(classes);
  }
  throw InvalidArgument(message("preset: there is no network {}; did you mean {}? Presets: small, medium, cnn", name,
                                nearest(name, preset_names())));
}

}  // namespace leaven::train
