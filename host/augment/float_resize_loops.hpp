#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/augment/float_resize.hpp"

namespace leaven {

inline constexpr std::int64_t kFloatBandRows = 16;  // rows of the first pass that are worked on side by side
inline constexpr std::int64_t kFloatRun = 16;       // values of the second pass's; divides the pitch

struct FloatResizeLoops {
  // The first pass: rows `y_span` of the first image of `in`, `pitch` values from one to the next, channels as planes
  // within a row. `band`: kFloatBandRows values for each pixel of a row of `in`.
  void (*rows)(const ImageView<const float>& in, ResizeSpan y_span, const FloatResizeTable& table, float* band,
               float* rows, std::int64_t pitch);
  // The second pass, to the first image of `out`.
  void (*columns)(const float* rows, std::int64_t pitch, const FloatResizeTable& table, const ImageView<float>& out);
};
LEAVEN_DECLARE_ISA_TABLE(FloatResizeLoops, float_resize_loops)

}  // namespace leaven
