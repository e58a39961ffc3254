#pragma once

#include "host/loss/tiles.hpp"
#include "kernels/loss/typed_rows.hpp"

// Units of work of the loops over rows: sixteen rows (few classes) or one row (many). Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

struct Unit {
  std::int64_t row = 0;
  int rows = 1;
  bool tile = false;
  std::int64_t next = 0;  // the first row of the unit after this one; of the last one its own

  std::int64_t row_of(int lane) const { return row + (lane < rows ? lane : rows - 1); }
};

// body(unit) for the rows begin .. end - 1.
template <class AnyUnit, class Body>
LEAVEN_HD void for_each_unit(std::int64_t begin, std::int64_t end, std::int64_t classes, AnyUnit& unit, Body&& body) {
  unit.tile = classes <= kTileClasses;
  for (unit.row = begin; unit.row < end; unit.row += unit.rows) {
    unit.rows = !unit.tile ? 1 : end - unit.row < kLanes ? static_cast<int>(end - unit.row) : kLanes;
    unit.next = unit.row + unit.rows < end ? unit.row + unit.rows : unit.row;
    body();
  }
}

// The rows of the next unit, from one of them and from a column on.
template <class Rows>
Ahead ahead(const Rows& rows, const Unit& u, int row, std::int64_t first) {
  const std::uintptr_t size = rows.type == FloatType::f32 ? 4 : 2;
  return {reinterpret_cast<std::uintptr_t>(rows.data) +
              static_cast<std::uintptr_t>((u.next + row) * rows.stride + first) * size,
          size};
}

// Which columns are in the scratch arrays: all of them, or one chunk of a very wide row.
struct Chunk {
  std::int64_t first = 0;
  std::int64_t columns = 0;
  std::int64_t groups = 0;
};
std::int64_t chunk_count(std::int64_t classes, const Unit& u) {
  return u.tile ? 1 : (classes + kScratch - 1) / kScratch;
}
Chunk chunk_at(std::int64_t classes, const Unit& u, std::int64_t index) {
  if (u.tile) return {0, classes, classes};
  const std::int64_t first = index * kScratch;
  const std::int64_t columns = classes - first < kScratch ? classes - first : kScratch;
  return {first, columns, (columns + kLanes - 1) / kLanes};
}

// How elements of 16 bits are read and written.
struct AsF16 {
  LEAVEN_HD static float read(std::uint16_t x) { return float_of_f16(x); }
  LEAVEN_HD static std::uint16_t write(float x) { return f16_bits(x); }
};
struct AsBf16 {
  LEAVEN_HD static float read(std::uint16_t x) { return float_of_bf16(x); }
  LEAVEN_HD static std::uint16_t write(float x) { return bf16_bits(x); }
};

// Not inlined: there compilers may forget that the pointers differ, and make no vectors.
[[gnu::noinline]] void to_floats(float* __restrict to, const std::uint16_t* __restrict from, std::int64_t count,
                                 FloatType type) {
  if (type == FloatType::f16) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = float_of_f16(from[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = float_of_bf16(from[i]);
  }
}
[[gnu::noinline]] void from_floats(std::uint16_t* __restrict to, const float* __restrict from, std::int64_t count,
                                   FloatType type) {
  if (type == FloatType::f16) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = f16_bits(from[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = bf16_bits(from[i]);
  }
}

// A full tile of 16-bit elements goes through the transposition in pairs, as elements of 32 bits, where all rows begin
// with one.
bool in_pairs(const Unit& u, std::int64_t columns, std::int64_t stride) {
  return kQuads > 0 && u.rows == kLanes && columns >= 8 && columns % 2 == 0 && stride % 2 == 0;
}
template <class As>
void load_pairs(float* __restrict to, const std::uint16_t* from, std::int64_t stride, std::int64_t columns) {
  alignas(64) float pairs[kScratch / 2];
  load_rows(pairs, reinterpret_cast<const float*>(from), stride / 2, columns / 2);
  for (std::int64_t i = 0; i < columns / 2 * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      const std::uint32_t both = bits_of_float(pairs[i + r]);
      to[2 * i + r] = As::read(static_cast<std::uint16_t>(both));
      to[2 * i + kLanes + r] = As::read(static_cast<std::uint16_t>(both >> 16));
    }
  }
}
template <class As>
void store_pairs(std::uint16_t* to, std::int64_t stride, const float* __restrict from, std::int64_t columns) {
  alignas(64) float pairs[kScratch / 2];
  for (std::int64_t i = 0; i < columns / 2 * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      const std::uint32_t low = As::write(from[2 * i + r]);
      const std::uint32_t high = As::write(from[2 * i + kLanes + r]);
      pairs[i + r] = float_of_bits(high << 16 | low);
    }
  }
  store_rows(reinterpret_cast<float*>(to), stride / 2, pairs, columns / 2);
}

// Rows of 16 bits become packed rows of floats first.
void load(float* to, const InputRows& from, const Unit& u, const Chunk& chunk, float padding) {
  const std::int64_t at = u.row * from.stride + chunk.first;
  if (from.type == FloatType::f32) {
    const float* row = static_cast<const float*>(from.data) + at;
    if (u.tile) return load_tile(to, row, from.stride, u.rows, chunk.columns);
    return load_chunk(to, row, chunk.columns, padding);
  }
  const std::uint16_t* row = static_cast<const std::uint16_t*>(from.data) + at;
  if (!u.tile) {
    to_floats(to, row, chunk.columns, from.type);
    return fill_groups(to, chunk.columns, padding);
  }
  if (in_pairs(u, chunk.columns, from.stride)) {
    if (from.type == FloatType::f16) return load_pairs<AsF16>(to, row, from.stride, chunk.columns);
    return load_pairs<AsBf16>(to, row, from.stride, chunk.columns);
  }
  alignas(64) float rows[kScratch];
  if (from.stride == chunk.columns) {
    to_floats(rows, row, u.rows * chunk.columns, from.type);
  } else {
    for (int r = 0; r < u.rows; ++r)
      to_floats(rows + r * chunk.columns, row + r * from.stride, chunk.columns, from.type);
  }
  load_tile(to, rows, chunk.columns, u.rows, chunk.columns);
}
void store(const OutputRows& to, const float* from, const Unit& u, const Chunk& chunk) {
  const std::int64_t at = u.row * to.stride + chunk.first;
  if (to.type == FloatType::f32) {
    float* row = static_cast<float*>(to.data) + at;
    if (u.tile) return store_tile(row, to.stride, from, u.rows, chunk.columns);
    for (std::int64_t i = 0; i < chunk.columns; ++i) row[i] = from[i];
    return;
  }
  std::uint16_t* row = static_cast<std::uint16_t*>(to.data) + at;
  if (!u.tile) return from_floats(row, from, chunk.columns, to.type);
  if (in_pairs(u, chunk.columns, to.stride)) {
    if (to.type == FloatType::f16) return store_pairs<AsF16>(row, to.stride, from, chunk.columns);
    return store_pairs<AsBf16>(row, to.stride, from, chunk.columns);
  }
  alignas(64) float rows[kScratch];
  store_tile(rows, chunk.columns, from, u.rows, chunk.columns);
  if (to.stride == chunk.columns) return from_floats(row, rows, u.rows * chunk.columns, to.type);
  for (int r = 0; r < u.rows; ++r) from_floats(row + r * to.stride, rows + r * chunk.columns, chunk.columns, to.type);
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
