#pragma once

#include <optional>

#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/core/isa.hpp"
#include "kernels/augment/mix.hpp"

namespace leaven {

// @throws InvalidArgument in the name of `function`.
void check_mix(const char* function, const Mix& options);

// The draws for a batch of this shape; without options nothing is mixed. Labels are the caller's to fill in.
MixJob mix_job(const std::optional<Mix>& options, RandomKey key, const std::int64_t* ids, const ImageShape& shape);

template <class T>
void check_span(const char* function, const char* argument, std::span<T> values, std::int64_t count) {
  check_count(function, argument, static_cast<std::int64_t>(values.size()), values.data(), count);
}

// On the CPU: what was drawn for image `image` of `in`, to the single image `out`.
void mix_image(const ImageView<const std::uint8_t>& in, std::int64_t image, const MixDraw& drawn,
               const ImageView<std::uint8_t>& out);

struct MixLoops {
  // out[i] = mixed_value(own[i], partners[i], weight)
  void (*mean)(const std::uint8_t* own, const std::uint8_t* partners, float weight, std::uint8_t* out,
               std::int64_t count);
  void (*float_mean)(const float* own, const float* partners, float weight, float* out, std::int64_t count);
};

LEAVEN_DECLARE_ISA_TABLE(MixLoops, mix_loops)

}  // namespace leaven
