#pragma once

#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "kernels/augment/cutmix.hpp"

namespace leaven {

// @throws InvalidArgument in the name of `function`.
void check_cutmix(const char* function, const CutMixOptions& options);

template <class T>
void check_span(const char* function, const char* argument, std::span<T> values, std::int64_t count) {
  check_count(function, argument, static_cast<std::int64_t>(values.size()), values.data(), count);
}

// On the CPU: image `image` of packed or strided `in` with its partner's box, to the single image `out`.
void mix_image(const ImageView<const std::uint8_t>& in, std::int64_t image, const BoxPx& box,
               const ImageView<std::uint8_t>& out);

}  // namespace leaven
