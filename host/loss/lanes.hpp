#pragma once

#include <cstdint>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "kernels/core/annotate.hpp"

// Sixteen lanes side by side for the CPU loops over rows of logits. Few classes: a lane is a row, a tile holds sixteen
// rows transposed. Many classes: a lane is every sixteenth column of one row. Either way a loop over [column][lane] has
// no tail and no alignment, and what a lane computes does not depend on its neighbours.
namespace leaven {

inline constexpr int kLanes = 16;
inline constexpr std::int64_t kTileClasses = 128;                // more: lanes along the row
inline constexpr std::int64_t kScratch = kTileClasses * kLanes;  // values of one scratch array
inline constexpr std::int64_t kChunkColumns = kScratch;          // of a row, at a time

// for r = 0 .. 15, kept as a loop until the compiler has made vectors of it.
#define LEAVEN_EACH_LANE(r) _Pragma("GCC unroll 1") for (int r = 0; r < kLanes; ++r)

struct alignas(64) Lanes {
  float v[kLanes];
};

LEAVEN_HD void fill(Lanes& lanes, float value) { LEAVEN_EACH_LANE(r) lanes.v[r] = value; }

// In a fixed order.
LEAVEN_HD float lane_sum(const Lanes& values) {
  Lanes lanes = values;
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int r = 0; r < half; ++r) lanes.v[r] += lanes.v[r + half];
  }
  return lanes.v[0];
}
// All lanes become their sum.
LEAVEN_HD void sum_across(Lanes& lanes) { fill(lanes, lane_sum(lanes)); }

// body(begin, end) for blocks of eight groups: sums are formed in two levels, which keeps their rounding errors small.
template <class Body>
LEAVEN_HD void for_each_block(std::int64_t groups, Body&& body) {
  constexpr std::int64_t kBlock = 8 * kLanes;
  const std::int64_t size = groups * kLanes;
  for (std::int64_t begin = 0; begin < size; begin += kBlock) {
    body(begin, begin + kBlock < size ? begin + kBlock : size);
  }
}
LEAVEN_HD void add(Lanes& sum, const Lanes& part) { LEAVEN_EACH_LANE(r) sum.v[r] += part.v[r]; }

#if defined(__SSE__)
LEAVEN_HD void transpose_4x4(const float* const from[4], float* const to[4]) {
  __m128 a = _mm_loadu_ps(from[0]), b = _mm_loadu_ps(from[1]), c = _mm_loadu_ps(from[2]), d = _mm_loadu_ps(from[3]);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to[0], a);
  _mm_storeu_ps(to[1], b);
  _mm_storeu_ps(to[2], c);
  _mm_storeu_ps(to[3], d);
}
#else
LEAVEN_HD void transpose_4x4(const float* const from[4], float* const to[4]) {
  float values[4][4];
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) values[j][i] = from[i][j];
  }
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) to[i][j] = values[i][j];
  }
}
#endif

// tile[c * 16 + r] = from[r * stride + c]. Rows behind the last one repeat it.
LEAVEN_HD void load_tile(float* tile, const float* from, std::int64_t stride, int rows, std::int64_t columns) {
  for (int r = 0; r < kLanes; r += 4) {
    const float* row[4];
    for (int i = 0; i < 4; ++i) row[i] = from + (r + i < rows ? r + i : rows - 1) * stride;
    if (columns < 4) {
      for (std::int64_t c = 0; c < columns; ++c) {
        for (int i = 0; i < 4; ++i) tile[c * kLanes + r + i] = row[i][c];
      }
      continue;
    }
    for (std::int64_t step = 0; step < columns; step += 4) {
      const std::int64_t c = step + 4 <= columns ? step : columns - 4;  // the last block may overlap its predecessor
      const float* const source[4] = {row[0] + c, row[1] + c, row[2] + c, row[3] + c};
      float* const target[4] = {tile + c * kLanes + r, tile + (c + 1) * kLanes + r, tile + (c + 2) * kLanes + r,
                                tile + (c + 3) * kLanes + r};
      transpose_4x4(source, target);
    }
  }
}

// The way back, for the rows that exist.
LEAVEN_HD void store_tile(float* to, std::int64_t stride, const float* tile, int rows, std::int64_t columns) {
  for (int r = 0; r < rows; r += 4) {
    if (columns < 4 || r + 4 > rows) {
      for (int i = r; i < rows && i < r + 4; ++i) {
        for (std::int64_t c = 0; c < columns; ++c) to[i * stride + c] = tile[c * kLanes + i];
      }
      continue;
    }
    for (std::int64_t step = 0; step < columns; step += 4) {
      const std::int64_t c = step + 4 <= columns ? step : columns - 4;
      const float* const source[4] = {tile + c * kLanes + r, tile + (c + 1) * kLanes + r, tile + (c + 2) * kLanes + r,
                                      tile + (c + 3) * kLanes + r};
      float* const target[4] = {to + r * stride + c, to + (r + 1) * stride + c, to + (r + 2) * stride + c,
                                to + (r + 3) * stride + c};
      transpose_4x4(source, target);
    }
  }
}

// chunk[i] = from[i], filled up with `padding` to whole groups of lanes. Returns the number of groups.
LEAVEN_HD std::int64_t load_chunk(float* chunk, const float* from, std::int64_t columns, float padding) {
  const std::int64_t groups = (columns + kLanes - 1) / kLanes;
  for (std::int64_t i = 0; i < columns; ++i) chunk[i] = from[i];
  for (std::int64_t i = columns; i < groups * kLanes; ++i) chunk[i] = padding;
  return groups;
}

}  // namespace leaven
