#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/core/launch.cuh"
#include "kernels/nn/pack.cuh"

// Kernels over the columns (channels) of a packed matrix [rows][columns]: sums over rows, and maps with constants per
// column. A thread owns kWidth neighbouring columns; `lanes` threads lie side by side on a row, the rest of the block's
// 256 threads on the next rows, so that a warp reads whole sectors whatever the number of columns.
namespace leaven::nn {

inline constexpr int kColumnThreads = 256;

struct ColumnGrid {
  std::int64_t rows, columns;
  std::int64_t chunk_rows;  // rows of one block
  int lanes;                // a power of two

  // At least one: the sum of no rows is 0.
  std::int64_t chunks() const { return std::max<std::int64_t>(1, (rows + chunk_rows - 1) / chunk_rows); }

  // For maps: `thread_rows` rows per thread, which pay for the loading of its columns' constants.
  static ColumnGrid of_map(std::int64_t rows, std::int64_t columns, int width, int thread_rows = 8) {
    int lanes = 1;
    while (lanes < 32 && lanes * width < columns) lanes *= 2;
    return {rows, columns, kColumnThreads / lanes * thread_rows, lanes};
  }
  // For sums: at most `most_chunks` of them besides. A function of the sizes alone, so that sums have the same order on
  // every GPU.
  static ColumnGrid of_sum(std::int64_t rows, std::int64_t columns, int width, std::int64_t most_chunks) {
    ColumnGrid grid = of_map(rows, columns, width);
    grid.chunk_rows = std::max(grid.chunk_rows, (rows + most_chunks - 1) / most_chunks);
    return grid;
  }
};

struct ColumnPlace {
  std::int64_t chunk, first, end, step;  // rows first, first + step, ... below end
  std::int64_t column;

  __device__ ColumnPlace(const ColumnGrid& grid, int width)
      : chunk(blockIdx.x),
        first(chunk * grid.chunk_rows + threadIdx.x / grid.lanes),
        end(min(grid.rows, (chunk + 1) * grid.chunk_rows)),
        step(kColumnThreads / grid.lanes),
        column((std::int64_t{blockIdx.y} * grid.lanes + threadIdx.x % grid.lanes) * width) {}
};

// What: reduces the rows of each chunk, column by column, with the monoid of `Sum`.
// Who: a thread takes every step-th row of its chunk, four loads in flight; then a tree over the block's rows.
// Traffic: reads each element of the operands once; writes one state per chunk and column.
// Limits: the order of merging depends on rows, columns and kWidth only.
//
// Sum has: kWidth, State (a trivial struct, default = identity), Row (what load returns), start(column),
// load(row, column), add(state, rows[n]), merge(state, other), finish(chunk, column, state).
template <class Sum>
__global__ void __launch_bounds__(kColumnThreads) column_sum_kernel(Sum sum, const ColumnGrid grid) {
  constexpr int kBatch = 4;
  __shared__ typename Sum::State states[kColumnThreads];
  const ColumnPlace place(grid, Sum::kWidth);
  const bool active = place.column < grid.columns;
  typename Sum::State state{};
  if (active) {
    sum.start(place.column);
    std::int64_t row = place.first;
    for (; row + (kBatch - 1) * place.step < place.end; row += kBatch * place.step) {
      typename Sum::Row rows[kBatch];
#pragma unroll
      for (int i = 0; i < kBatch; ++i) rows[i] = sum.load(row + i * place.step, place.column);
      sum.add(state, rows);
    }
    for (; row < place.end; row += place.step) {
      const typename Sum::Row rows[1] = {sum.load(row, place.column)};
      sum.add(state, rows);
    }
  }
  states[threadIdx.x] = state;
  for (unsigned half = kColumnThreads / 2; half >= static_cast<unsigned>(grid.lanes); half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      sum.merge(state, states[threadIdx.x + half]);
      states[threadIdx.x] = state;
    }
  }
  if (active && threadIdx.x < static_cast<unsigned>(grid.lanes)) sum.finish(place.chunk, place.column, state);
}

// What: a map over a matrix with constants per column, loaded once per thread.
// Who, traffic: as above; each element read once and written once. Limits: none.
//
// Map has: kWidth, kBatch (rows in flight), Row, start(column), load(row, column), store(row, column, loaded).
template <class Map>
__global__ void __launch_bounds__(kColumnThreads) column_map_kernel(Map map, const ColumnGrid grid) {
  constexpr int kBatch = Map::kBatch;
  const ColumnPlace place(grid, Map::kWidth);
  if (place.column >= grid.columns) return;
  map.start(place.column);
  std::int64_t row = place.first;
  for (; row + (kBatch - 1) * place.step < place.end; row += kBatch * place.step) {
    typename Map::Row rows[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) rows[i] = map.load(row + i * place.step, place.column);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) map.store(row + i * place.step, place.column, rows[i]);
  }
  for (; row < place.end; row += place.step) map.store(row, place.column, map.load(row, place.column));
}

template <class Operation>
void launch_columns(const char* function, void (*kernel)(Operation, ColumnGrid), const Operation& operation,
                    const ColumnGrid& grid, CUstream_st* stream) {
  if (grid.columns == 0) return;
  const dim3 blocks(static_cast<unsigned>(grid.chunks()),
                    cuda::grid_for(grid.columns, std::int64_t{grid.lanes} * Operation::kWidth));
  cuda::launch(function, kernel, blocks, dim3(kColumnThreads), 0, stream, operation, grid);
}

// Calls action(std::integral_constant<int, kWidth>{}).
template <class Action>
void with_width(bool by_four, Action&& action) {
  if (by_four) {
    action(std::integral_constant<int, 4>{});
  } else {
    action(std::integral_constant<int, 1>{});
  }
}

}  // namespace leaven::nn
