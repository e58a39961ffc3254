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
  // Images that are warped alike, in bilinear(): planes so far apart.
  std::int64_t images = 1;
  std::int64_t in_stride = 0;
  std::int64_t out_stride = 0;
};

enum class QuarterTurn { counter_clockwise, clockwise };

struct WarpLoops {
  // Every path but bilinear.
  void (*nearest)(const Warp& warp, const WarpJob& job);
  // Each row from right to left; row y of the output is row y of the input.
  void (*reverse_rows)(const WarpJob& job);
  // Of square images.
  void (*turn)(const WarpJob& job, QuarterTurn direction);
};

struct BilinearLoops {
  void (*bilinear)(const Warp& warp, const WarpJob& job);
};

LEAVEN_DECLARE_ISA_TABLE(WarpLoops, warp_loops)
LEAVEN_DECLARE_ISA_TABLE(BilinearLoops, bilinear_loops)

}  // namespace leaven
