#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"

// Sixteen lanes side by side for the CPU loops over rows of logits. Few classes: a lane is a row, a tile holds sixteen
// rows transposed. Many classes: a lane is every sixteenth column of one row. Either way a loop over [group][lane] has
// no tail and no alignment, and what a lane computes does not depend on its neighbours.
//
// Loops are plain ones in functions with __restrict pointers, over local copies of what all iterations share: so
// compilers keep those in registers and check nothing.
namespace leaven {

inline constexpr int kLanes = 16;
inline constexpr std::int64_t kTileClasses = 128;                // more: lanes along the row
inline constexpr std::int64_t kScratch = kTileClasses * kLanes;  // values of one scratch array
inline constexpr std::int64_t kChunkColumns = kScratch;          // of a row, at a time

// Of lambdas that are called in several places.
#define LEAVEN_INLINE __attribute__((always_inline))

// for r = 0 .. 15, kept as a loop until the compiler has made vectors of it.
#define LEAVEN_EACH_LANE(r) _Pragma("GCC unroll 1") for (int r = 0; r < kLanes; ++r)

struct alignas(64) Lanes {
  float v[kLanes];
};

LEAVEN_HD void fill(Lanes& lanes, float value) { LEAVEN_EACH_LANE(r) lanes.v[r] = value; }
LEAVEN_HD void add(Lanes& sum, const Lanes& part) { LEAVEN_EACH_LANE(r) sum.v[r] += part.v[r]; }

// All lanes into one, in a fixed order: the upper half into the lower one, again and again.
template <int kHalf, class Combine>
LEAVEN_HD void fold(float* lanes, Combine combine) {
  for (int r = 0; r < kHalf; ++r) lanes[r] = combine(lanes[r], lanes[r + kHalf]);
  if constexpr (kHalf > 1) fold<kHalf / 2>(lanes, combine);
}
struct LaneAdd {
  LEAVEN_HD float operator()(float x, float y) const { return x + y; }
};
LEAVEN_HD float lane_sum(const Lanes& values) {
  Lanes lanes = values;
  fold<kLanes / 2>(lanes.v, LaneAdd{});
  return lanes.v[0];
}
// All lanes become their sum.
LEAVEN_HD void sum_across(Lanes& lanes) { fill(lanes, lane_sum(lanes)); }

// Sums are formed in two levels, of blocks of eight groups, which keeps their rounding errors small. In the loop
// `begin` and `end` are the elements of a block.
inline constexpr std::int64_t kBlockGroups = 8;
LEAVEN_HD std::int64_t block_end(std::int64_t groups, std::int64_t begin) {
  const std::int64_t end = begin + kBlockGroups * kLanes;
  return end < groups * kLanes ? end : groups * kLanes;
}
#define LEAVEN_EACH_BLOCK(groups, begin, end)                                       \
  for (std::int64_t begin = 0, end = block_end(groups, 0); begin < (groups)*kLanes; \
       begin = end, end = block_end(groups, begin))

// Elements that will be worked on soon. Loops over the present ones ask for the line of each group of lanes: it has
// come when its turn does. The processor foresees loops, but not that the next rows begin where these end.
struct Ahead {
  std::uintptr_t at;    // a number: the last line may lie behind the array
  std::uintptr_t size;  // bytes of an element

  LEAVEN_HD void fetch(std::int64_t element) const {
    __builtin_prefetch(reinterpret_cast<const void*>(at + static_cast<std::uintptr_t>(element) * size), 0, 2);
  }
};

// chunk[i] = from[i], filled up with `padding` to whole groups of lanes.
LEAVEN_HD void fill_groups(float* chunk, std::int64_t columns, float padding) {
  const std::int64_t end = (columns + kLanes - 1) / kLanes * kLanes;
  for (std::int64_t i = columns; i < end; ++i) chunk[i] = padding;
}
LEAVEN_HD void load_chunk(float* __restrict chunk, const float* __restrict from, std::int64_t columns, float padding) {
  for (std::int64_t i = 0; i < columns; ++i) chunk[i] = from[i];
  fill_groups(chunk, columns, padding);
}

}  // namespace leaven
