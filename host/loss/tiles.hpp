#pragma once

#include "host/loss/lanes.hpp"
#if defined(__SSE__)
// A false alarm of GCC 12 on its own AVX-512 functions (bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

// Sixteen rows of few columns, transposed on their way in and out: tile[column * 16 + row]. Blocks of four columns are
// transposed in registers; the last block may overlap its predecessor. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

// A vector of four columns of every fourth row, rows j, j + 4, ..., in the widest registers of the instruction set.
#if defined(__AVX512F__)
using Quads = __m512;
constexpr int kQuads = 4;  // rows in one of them
LEAVEN_HD Quads load_quads(const float* at, std::int64_t stride) {
  __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(at));
  x = _mm512_insertf32x4(x, _mm_loadu_ps(at + 4 * stride), 1);
  x = _mm512_insertf32x4(x, _mm_loadu_ps(at + 8 * stride), 2);
  return _mm512_insertf32x4(x, _mm_loadu_ps(at + 12 * stride), 3);
}
LEAVEN_HD void store_quads(float* at, std::int64_t stride, Quads x) {
  _mm_storeu_ps(at, _mm512_castps512_ps128(x));
  _mm_storeu_ps(at + 4 * stride, _mm512_extractf32x4_ps(x, 1));
  _mm_storeu_ps(at + 8 * stride, _mm512_extractf32x4_ps(x, 2));
  _mm_storeu_ps(at + 12 * stride, _mm512_extractf32x4_ps(x, 3));
}
LEAVEN_HD Quads load_group(const float* from) { return _mm512_loadu_ps(from); }
LEAVEN_HD void store_group(float* to, Quads x) { _mm512_storeu_ps(to, x); }
LEAVEN_HD Quads low_pairs(Quads a, Quads b) { return _mm512_unpacklo_ps(a, b); }
LEAVEN_HD Quads high_pairs(Quads a, Quads b) { return _mm512_unpackhi_ps(a, b); }
LEAVEN_HD Quads low_halves(Quads a, Quads b) { return _mm512_shuffle_ps(a, b, 0x44); }
LEAVEN_HD Quads high_halves(Quads a, Quads b) { return _mm512_shuffle_ps(a, b, 0xee); }
#elif defined(__AVX__)
using Quads = __m256;
constexpr int kQuads = 2;
LEAVEN_HD Quads load_quads(const float* at, std::int64_t stride) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(at)), _mm_loadu_ps(at + 4 * stride), 1);
}
LEAVEN_HD void store_quads(float* at, std::int64_t stride, Quads x) {
  _mm_storeu_ps(at, _mm256_castps256_ps128(x));
  _mm_storeu_ps(at + 4 * stride, _mm256_extractf128_ps(x, 1));
}
LEAVEN_HD Quads load_group(const float* from) { return _mm256_loadu_ps(from); }
LEAVEN_HD void store_group(float* to, Quads x) { _mm256_storeu_ps(to, x); }
LEAVEN_HD Quads low_pairs(Quads a, Quads b) { return _mm256_unpacklo_ps(a, b); }
LEAVEN_HD Quads high_pairs(Quads a, Quads b) { return _mm256_unpackhi_ps(a, b); }
LEAVEN_HD Quads low_halves(Quads a, Quads b) { return _mm256_shuffle_ps(a, b, 0x44); }
LEAVEN_HD Quads high_halves(Quads a, Quads b) { return _mm256_shuffle_ps(a, b, 0xee); }
#elif defined(__SSE__)
using Quads = __m128;
constexpr int kQuads = 1;
LEAVEN_HD Quads load_quads(const float* at, std::int64_t) { return _mm_loadu_ps(at); }
LEAVEN_HD void store_quads(float* at, std::int64_t, Quads x) { _mm_storeu_ps(at, x); }
LEAVEN_HD Quads load_group(const float* from) { return _mm_loadu_ps(from); }
LEAVEN_HD void store_group(float* to, Quads x) { _mm_storeu_ps(to, x); }
LEAVEN_HD Quads low_pairs(Quads a, Quads b) { return _mm_unpacklo_ps(a, b); }
LEAVEN_HD Quads high_pairs(Quads a, Quads b) { return _mm_unpackhi_ps(a, b); }
LEAVEN_HD Quads low_halves(Quads a, Quads b) { return _mm_shuffle_ps(a, b, 0x44); }
LEAVEN_HD Quads high_halves(Quads a, Quads b) { return _mm_shuffle_ps(a, b, 0xee); }
#else
constexpr int kQuads = 0;
#endif

// What 128-bit rows become columns, in each 128 bits of the registers.
#if defined(__SSE__)
LEAVEN_HD void transpose(Quads& a, Quads& b, Quads& c, Quads& d) {
  const Quads ab_low = low_pairs(a, b), ab_high = high_pairs(a, b);
  const Quads cd_low = low_pairs(c, d), cd_high = high_pairs(c, d);
  a = low_halves(ab_low, cd_low);
  b = high_halves(ab_low, cd_low);
  c = low_halves(ab_high, cd_high);
  d = high_halves(ab_high, cd_high);
}
#endif

// body(column) for blocks of four columns, at least four in all.
template <class Body>
LEAVEN_HD void for_each_four(std::int64_t columns, Body&& body) {
  std::int64_t c = 0;
  for (; c + 4 <= columns; c += 4) body(c);
  if (c < columns) body(columns - 4);
}

// One to three packed columns of sixteen rows.
template <int kColumns>
void load_narrow(float* __restrict tile, const float* __restrict from) {
  for (int c = 0; c < kColumns; ++c) {
    LEAVEN_EACH_LANE(r) tile[c * kLanes + r] = from[r * kColumns + c];
  }
}
template <int kColumns>
void store_narrow(float* __restrict to, const float* __restrict tile) {
  LEAVEN_EACH_LANE(r) {
    for (int c = 0; c < kColumns; ++c) to[r * kColumns + c] = tile[c * kLanes + r];
  }
}

// Sixteen rows.
void load_rows(float* __restrict tile, const float* __restrict from, std::int64_t stride, std::int64_t columns) {
  if (columns < 4 && stride == columns) {
    if (columns == 1) return load_narrow<1>(tile, from);
    if (columns == 2) return load_narrow<2>(tile, from);
    return load_narrow<3>(tile, from);
  }
#if defined(__SSE__)
  if (columns >= 4) {
    for (int first = 0; first < kLanes; first += 4 * kQuads) {
      const float* const rows = from + first * stride;
      for_each_four(columns, [&](std::int64_t c) {
        const float* const at = rows + c;
        Quads w = load_quads(at, stride), x = load_quads(at + stride, stride);
        Quads y = load_quads(at + 2 * stride, stride), z = load_quads(at + 3 * stride, stride);
        transpose(w, x, y, z);
        float* const to = tile + c * kLanes + first;
        store_group(to, w);
        store_group(to + kLanes, x);
        store_group(to + 2 * kLanes, y);
        store_group(to + 3 * kLanes, z);
      });
    }
    return;
  }
#endif
  for (std::int64_t c = 0; c < columns; ++c) {
    for (int r = 0; r < kLanes; ++r) tile[c * kLanes + r] = from[r * stride + c];
  }
}
void store_rows(float* __restrict to, std::int64_t stride, const float* __restrict tile, std::int64_t columns) {
  if (columns < 4 && stride == columns) {
    if (columns == 1) return store_narrow<1>(to, tile);
    if (columns == 2) return store_narrow<2>(to, tile);
    return store_narrow<3>(to, tile);
  }
#if defined(__SSE__)
  if (columns >= 4) {
    for (int first = 0; first < kLanes; first += 4 * kQuads) {
      float* const rows = to + first * stride;
      for_each_four(columns, [&](std::int64_t c) {
        const float* const at = tile + c * kLanes + first;
        Quads w = load_group(at), x = load_group(at + kLanes);
        Quads y = load_group(at + 2 * kLanes), z = load_group(at + 3 * kLanes);
        transpose(w, x, y, z);
        float* const row = rows + c;
        store_quads(row, stride, w);
        store_quads(row + stride, stride, x);
        store_quads(row + 2 * stride, stride, y);
        store_quads(row + 3 * stride, stride, z);
      });
    }
    return;
  }
#endif
  for (int r = 0; r < kLanes; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) to[r * stride + c] = tile[c * kLanes + r];
  }
}

void copy_rows(float* to, std::int64_t to_stride, const float* from, std::int64_t from_stride, int rows,
               std::int64_t columns) {
  for (int r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) to[r * to_stride + c] = from[r * from_stride + c];
  }
}

// At the end of a batch there are fewer than sixteen rows: lanes behind the last one repeat it.
void load_tile(float* tile, const float* from, std::int64_t stride, int rows, std::int64_t columns) {
  if (rows == kLanes) return load_rows(tile, from, stride, columns);
  alignas(64) float sixteen[kScratch];
  copy_rows(sixteen, columns, from, stride, rows, columns);
  copy_rows(sixteen + rows * columns, columns, from + (rows - 1) * stride, 0, kLanes - rows, columns);
  load_rows(tile, sixteen, columns, columns);
}
void store_tile(float* to, std::int64_t stride, const float* tile, int rows, std::int64_t columns) {
  if (rows == kLanes) return store_rows(to, stride, tile, columns);
  alignas(64) float sixteen[kScratch];
  store_rows(sixteen, columns, tile, columns);
  copy_rows(to, stride, sixteen, columns, rows, columns);
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
