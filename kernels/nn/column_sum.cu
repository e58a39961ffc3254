#include "kernels/nn/column_sum.cuh"

#include "kernels/nn/aligned.hpp"

namespace leaven::nn {

namespace {

constexpr std::int64_t kMostChunks = 256;

std::int64_t chunk_count(std::int64_t rows, std::int64_t columns) {
  return std::max(ColumnGrid::of_sum(rows, columns, 1, kMostChunks).chunks(),
                  ColumnGrid::of_sum(rows, columns, 4, kMostChunks).chunks());
}

// Sums of chunks of rows; `most_chunks` 1 gives the sum of all. Returns the number of chunks.
std::int64_t sum_chunks(const char* function, std::int64_t rows, std::int64_t columns, const float* data, float* sums,
                        std::int64_t most_chunks, CUstream_st* stream) {
  const bool by_four = columns % 4 == 0 && aligned_to_16(data) && aligned_to_16(sums);
  const ColumnGrid grid = ColumnGrid::of_sum(rows, columns, by_four ? 4 : 1, most_chunks);
  with_width(by_four, [&](auto width) {
    launch_columns(function, column_sum_kernel<PlainSum<width()>>, {data, sums, columns}, grid, stream);
  });
  return grid.chunks();
}

}  // namespace

void sum_rows(const char* function, std::int64_t rows, std::int64_t columns, const float* data, float* sums,
              CUstream_st* stream) {
  sum_chunks(function, rows, columns, data, sums, 1, stream);
}

std::int64_t sum_rows_workspace_floats(std::int64_t rows, std::int64_t columns) {
  return chunk_count(rows, columns) * columns;
}

void sum_many_rows(const char* function, std::int64_t rows, std::int64_t columns, const float* data, float* chunk_sums,
                   float* sums, CUstream_st* stream) {
  const std::int64_t chunks = sum_chunks(function, rows, columns, data, chunk_sums, kMostChunks, stream);
  sum_rows(function, chunks, columns, chunk_sums, sums, stream);
}

}  // namespace leaven::nn
