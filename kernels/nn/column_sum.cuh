#pragma once

#include "kernels/nn/column_grid.cuh"

namespace leaven::nn {

// sums[chunk][column] = sum of the chunk's rows of data.
template <int kSumWidth>
struct PlainSum {
  static constexpr int kWidth = kSumWidth;
  using State = Pack<kWidth>;
  using Row = Pack<kWidth>;

  const float* data;
  float* sums;
  std::int64_t columns;

  __device__ void start(std::int64_t) {}
  __device__ Row load(std::int64_t row, std::int64_t column) const {
    return load_pack<kWidth>(data + row * columns + column);
  }
  template <int kRows>
  __device__ void add(State& state, const Row (&rows)[kRows]) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i) merge(state, rows[i]);
  }
  __device__ void merge(State& state, const State& other) const {
#pragma unroll
    for (int c = 0; c < kWidth; ++c) state.at[c] += other.at[c];
  }
  __device__ void finish(std::int64_t chunk, std::int64_t column, const State& state) const {
    store_pack(sums + chunk * columns + column, state);
  }
};

// sums[columns] = sum of the rows of data in one launch: for matrices of few rows. Defined in column_sum.cu.
void sum_rows(const char* function, std::int64_t rows, std::int64_t columns, const float* data, float* sums,
              CUstream_st* stream);

// The same by way of `chunk_sums` (sum_rows_workspace_floats), for many rows.
std::int64_t sum_rows_workspace_floats(std::int64_t rows, std::int64_t columns);
void sum_many_rows(const char* function, std::int64_t rows, std::int64_t columns, const float* data, float* chunk_sums,
                   float* sums, CUstream_st* stream);

}  // namespace leaven::nn
