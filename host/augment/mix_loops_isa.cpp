#include "host/augment/mix.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

void mean(const std::uint8_t* __restrict own, const std::uint8_t* __restrict partners, float weight,
          std::uint8_t* __restrict out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<std::uint8_t>(mixed_value(own[i], partners[i], weight));
  }
}

void float_mean(const float* __restrict own, const float* __restrict partners, float weight, float* __restrict out,
                std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = mixed_value(own[i], partners[i], weight);
}

}  // namespace

extern const MixLoops mix_loops;
const MixLoops mix_loops{.mean = mean, .float_mean = float_mean};

}  // namespace leaven::LEAVEN_ISA
