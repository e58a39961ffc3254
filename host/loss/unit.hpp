#pragma once

#include "host/loss/lanes.hpp"

// Units of work of the loops over rows: sixteen rows (few classes) or one row (many). Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

struct Unit {
  std::int64_t row = 0;
  int rows = 1;
  bool tile = false;

  std::int64_t row_of(int lane) const { return row + (lane < rows ? lane : rows - 1); }
};

// body(unit) for the rows begin .. end - 1.
template <class AnyUnit, class Body>
LEAVEN_HD void for_each_unit(std::int64_t begin, std::int64_t end, std::int64_t classes, AnyUnit& unit, Body&& body) {
  unit.tile = classes <= kTileClasses;
  for (unit.row = begin; unit.row < end; unit.row += unit.rows) {
    unit.rows = !unit.tile ? 1 : end - unit.row < kLanes ? static_cast<int>(end - unit.row) : kLanes;
    body();
  }
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

void load(float* to, const float* from, std::int64_t stride, const Unit& u, const Chunk& chunk, float padding) {
  const float* row = from + u.row * stride + chunk.first;
  if (u.tile) return load_tile(to, row, stride, u.rows, chunk.columns);
  load_chunk(to, row, chunk.columns, padding);
}
void store(float* to, std::int64_t stride, const float* from, const Unit& u, const Chunk& chunk) {
  float* row = to + u.row * stride + chunk.first;
  if (u.tile) return store_tile(row, stride, from, u.rows, chunk.columns);
  for (std::int64_t i = 0; i < chunk.columns; ++i) row[i] = from[i];
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
