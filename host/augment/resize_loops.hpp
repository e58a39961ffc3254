#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/augment/resize.hpp"

namespace leaven {

inline constexpr std::int64_t kResizeBandRows = 16;  // rows of the first pass that are worked on side by side
inline constexpr std::int64_t kResizeRunBytes = 64;  // bytes of the second pass's; divides the pitch

struct ResizeLoops {
  // The first pass: rows `y_span` of `source`, `pitch` bytes from one to the next. `band`: kResizeBandRows bytes for
  // each value of a row of `source`.
  void (*rows)(const ImageRef& source, std::int64_t channels, ResizeSpan y_span, const ResizeTable& table,
               std::uint8_t* band, std::uint8_t* rows, std::int64_t pitch);
  // The second pass, to the first image of `out`.
  void (*columns)(const std::uint8_t* rows, std::int64_t pitch, const ResizeTable& table,
                  const ImageView<std::uint8_t>& out);
};
LEAVEN_DECLARE_ISA_TABLE(ResizeLoops, resize_loops)

}  // namespace leaven
