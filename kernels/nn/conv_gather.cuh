#pragma once

#include "kernels/core/launch.cuh"
#include "kernels/nn/aligned.hpp"
#include "kernels/nn/gemm_tile.cuh"
#include "kernels/nn/patch.hpp"

// The kernel of forward and of the data's gradient: out[pixel][column] = sum over a patch of patch times weight.
namespace leaven::nn {

struct OutputMap {
  TileOutput tile;
  int height, width;
  int step, origin_row, origin_column;  // grid pixel (r, c) is written to (origin_row + step r, ...)

  LEAVEN_HD std::int64_t image_size() const { return std::int64_t{height} * width * tile.columns; }
  LEAVEN_HD float* image(std::int64_t index) const { return tile.data + index * image_size(); }
  // Relative to image(first_image).
  LEAVEN_HD int offset(const Pixel& pixel, std::int64_t first_image) const {
    const int row = static_cast<int>(pixel.image - first_image) * height + origin_row + step * pixel.row;
    return (row * width + origin_column + step * pixel.column) * tile.columns;
  }
};

struct ConvGather {
  PixelGrid grid;
  PatchSource source;
  const float* weights;
  int weight_column_stride;
  OutputMap out;
};

struct PatchRows {
  static constexpr Contiguous kContiguous = Contiguous::along_k;
  const float* data;
  const PatchSource& source;
  const PatchOrigin* origins;  // of the tile's rows, in shared memory

  __device__ PatchOrigin across(unsigned row) const { return read_16_bytes(origins + row); }
  __device__ Place place(const PatchOrigin& origin, unsigned, const PatchElement& element) const {
    return {origin.offset + element.offset, source.inside(origin, element)};
  }
};

template <Contiguous kWeights>
struct WeightColumns {
  static constexpr Contiguous kContiguous = kWeights;
  const float* data;
  int column_stride, first_column, columns;

  __device__ Place across(unsigned column) const {
    const int own = first_column + static_cast<int>(column);
    return {own * column_stride, own < columns};
  }
  __device__ Place place(const Place& column, unsigned, const PatchElement& element) const {
    return {column.offset + element.weight, column.exists && element.row != kNowhere};
  }
};

struct PatchEntries {
  const PatchSource& source;
  __device__ PatchElement entry(int k) const { return source.element(k); }
};

// What: one tile of pixels times one tile of output channels of an implicit matrix product.
// Who: a thread sums kThreadM x kThreadN outputs; all threads of a slice stage both operands.
// Traffic: per 2 kM kN FLOP and step of k reads kM + kN floats; writes each output once, 16 bytes at a time.
// Limits: kWidth 4 needs 16-byte aligned operands whose contiguous index is a multiple of 4; 1 takes everything.
template <class T, Contiguous kWeights, int kWidth>
__global__ void __launch_bounds__(T::kThreads, 512 / T::kThreads) conv_gather_kernel(const ConvGather conv) {
  using Product = TileProduct<T, PatchRows, WeightColumns<kWeights>, kWidth>;
  __shared__ __align__(16) float shared[Product::kSharedFloats];
  __shared__ PatchOrigin origins[T::kM];
  __shared__ PatchElement entries[2 * T::kEntries];
  __shared__ int rows[T::kM];

  const std::int64_t first_row = std::int64_t{blockIdx.x} * T::kM;
  const std::int64_t first_image = conv.grid.locate(first_row).image;
  for (int row = static_cast<int>(threadIdx.x); row < T::kM; row += T::kThreads) {
    const std::int64_t index = first_row + row;
    const bool exists = index < conv.grid.count;
    const Pixel pixel = conv.grid.locate(exists ? index : first_row);
    write_16_bytes(origins + row, exists ? conv.source.origin(pixel, first_image) : PatchOrigin{0, kNowhere, 0});
    rows[row] = exists ? conv.out.offset(pixel, first_image) : -1;
  }
  const int first_column = static_cast<int>(blockIdx.y) * T::kN;
  float sum[T::kThreadM][T::kThreadN] = {};
  Product::run({conv.source.image(first_image), conv.source, origins},
               {conv.weights, conv.weight_column_stride, first_column, conv.out.tile.columns},
               PatchEntries{conv.source}, conv.source.depth, entries, shared, sum);
  store_tile<T>(conv.out.tile, conv.out.image(first_image), rows, first_column, sum);
}

template <class T, Contiguous kWeights, int kWidth>
void launch_conv_gather(const char* function, const ConvGather& conv, CUstream_st* stream) {
  const std::int64_t images = (T::kM - 1) / conv.grid.per_image.divisor() + 2;  // of one block, at most
  if (images * std::max<std::int64_t>(conv.source.image_size, conv.out.image_size()) > INT32_MAX)
    throw InvalidArgument(std::string(function) + ": a tile of " + std::to_string(images) +
                          " images has more than 2^31 elements");
  const dim3 grid(cuda::grid_for(conv.grid.count, T::kM), cuda::grid_for(conv.out.tile.columns, T::kN));
  cuda::launch(function, conv_gather_kernel<T, kWeights, kWidth>, grid, dim3(T::kThreads), 0, stream, conv);
}

// Chooses the tile: as wide as the output's channels need; where that leaves most of a GPU idle and the sums are long,
// the sliced tile. `by_four`: both operands can be read 16 bytes at a time.
template <Contiguous kWeights>
void launch_conv_gather(const char* function, const ConvGather& conv, bool by_four, CUstream_st* stream) {
  constexpr std::int64_t kFewBlocks = 64;
  constexpr int kLongSum = 128;
  if (conv.grid.count == 0 || conv.out.tile.columns == 0) return;
  if (!by_four) return launch_conv_gather<Tile<64, 32, 8, 4>, kWeights, 1>(function, conv, stream);
  const int columns = conv.out.tile.columns;
  const std::int64_t blocks = (conv.grid.count + 63) / 64 * ((columns + 63) / 64);
  if (blocks < kFewBlocks && conv.source.depth >= kLongSum)
    return launch_conv_gather<Tile<16, 16, 4, 4, 16>, kWeights, 4>(function, conv, stream);
  if (columns <= 16) return launch_conv_gather<Tile<128, 16, 8, 4>, kWeights, 4>(function, conv, stream);
  if (columns <= 32) return launch_conv_gather<Tile<128, 32, 8, 8>, kWeights, 4>(function, conv, stream);
  return launch_conv_gather<Tile<64, 64, 8, 8>, kWeights, 4>(function, conv, stream);
}

}  // namespace leaven::nn
