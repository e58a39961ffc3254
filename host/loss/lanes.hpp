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

// to_i[j] = from.row[j][at + i]
struct FourRows {
  const float* row[4];
};
#if defined(__SSE__)
LEAVEN_HD void transpose_4x4(const FourRows& from, std::int64_t at, float* to0, float* to1, float* to2, float* to3) {
  __m128 a = _mm_loadu_ps(from.row[0] + at);
  __m128 b = _mm_loadu_ps(from.row[1] + at);
  __m128 c = _mm_loadu_ps(from.row[2] + at);
  __m128 d = _mm_loadu_ps(from.row[3] + at);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to0, a);
  _mm_storeu_ps(to1, b);
  _mm_storeu_ps(to2, c);
  _mm_storeu_ps(to3, d);
}
#else
LEAVEN_HD void transpose_4x4(const FourRows& from, std::int64_t at, float* to0, float* to1, float* to2, float* to3) {
  float* const to[4] = {to0, to1, to2, to3};
  float values[4][4];
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) values[j][i] = from.row[i][at + j];
  }
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) to[i][j] = values[i][j];
  }
}
#endif

// body(c) for blocks of four columns; the last one may overlap its predecessor.
template <class Body>
LEAVEN_HD void for_each_four(std::int64_t columns, Body&& body) {
  std::int64_t c = 0;
  for (; c + 4 <= columns; c += 4) body(c);
  if (c < columns) body(columns - 4);
}

// tile[c * 16 + r] = from[r * stride + c]. Rows behind the last one repeat it.
LEAVEN_HD void load_tile(float* tile, const float* from, std::int64_t stride, int rows, std::int64_t columns) {
  const float* next = from;
  const float* const last = from + (rows - 1) * stride;
  for (int r = 0; r < kLanes; r += 4) {
    FourRows source;
    for (int i = 0; i < 4; ++i) {
      source.row[i] = next;
      next += next < last ? stride : 0;
    }
    if (columns < 4) {
      for (std::int64_t c = 0; c < columns; ++c) {
        for (int i = 0; i < 4; ++i) tile[c * kLanes + r + i] = source.row[i][c];
      }
      continue;
    }
    for_each_four(columns, [&](std::int64_t c) {
      float* to = tile + c * kLanes + r;
      transpose_4x4(source, c, to, to + kLanes, to + 2 * kLanes, to + 3 * kLanes);
    });
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
    float* const row0 = to + r * stride;
    float* const row1 = row0 + stride;
    float* const row2 = row1 + stride;
    float* const row3 = row2 + stride;
    for_each_four(columns, [&](std::int64_t c) {
      const float* from = tile + c * kLanes + r;
      transpose_4x4({{from, from + kLanes, from + 2 * kLanes, from + 3 * kLanes}}, 0, row0 + c, row1 + c, row2 + c,
                    row3 + c);
    });
  }
}

// chunk[i] = from[i], filled up with `padding` to whole groups of lanes.
LEAVEN_HD void fill_groups(float* chunk, std::int64_t columns, float padding) {
  const std::int64_t end = (columns + kLanes - 1) / kLanes * kLanes;
  for (std::int64_t i = columns; i < end; ++i) chunk[i] = padding;
}
LEAVEN_HD void load_chunk(float* chunk, const float* from, std::int64_t columns, float padding) {
  for (std::int64_t i = 0; i < columns; ++i) chunk[i] = from[i];
  fill_groups(chunk, columns, padding);
}

}  // namespace leaven
