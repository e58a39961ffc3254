#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/augment/warp.hpp"

// The loops of the geometric operations, once per instruction set.
namespace leaven {

// One image of one channel, or of three that lie side by side.
template <class T>
struct Plane {
  T* data;
  std::int64_t row_stride;
  std::int64_t pixel_stride;
  std::int32_t height;
  std::int32_t width;
};

struct WarpJob {
  Plane<const std::uint8_t> in;
  Plane<std::uint8_t> out;
  std::int32_t channels;  // 1 or 3
  std::uint8_t fill[3];
};

struct WarpLoops {
  void (*affine)(const Warp& warp, const WarpJob& job);
  // out(y, x) = in(y, width - 1 - x) for one row.
  void (*reverse_row)(const WarpJob& job, std::int32_t in_row, std::int32_t out_row);
  // out(y, x) = in(x, width - 1 - y), counter-clockwise, or in(height - 1 - x, y), of square images.
  void (*rotate_quarter)(const WarpJob& job, bool counter_clockwise);
};

LEAVEN_DECLARE_ISA_TABLE(WarpLoops, warp_loops)

}  // namespace leaven
