#pragma once

#include "kernels/core/launch.cuh"
#include "kernels/nn/aligned.hpp"
#include "kernels/nn/gemm_tile.cuh"
#include "kernels/nn/patch.hpp"

// The kernel of forward and of the data's gradient: out[pixel][column] = sum over a patch of patch times weight.
namespace leaven::nn {

struct WeightMatrix {
  const float* data;
  int tap_row_stride, tap_column_stride, channel_stride, column_stride;
};

struct OutputMap {
  TileOutput tile;
  std::int64_t height, width;
  int step, origin_row, origin_column;  // grid pixel (r, c) is written to (origin_row + step r, ...)
};

struct ConvGather {
  PixelGrid grid;
  PatchSource source;
  WeightMatrix weights;
  OutputMap out;
};

struct PatchOperand {
  const PatchSource& source;
  const PatchOrigin* origins;  // of the tile's rows, in shared memory

  __device__ PatchOrigin across(int row) const { return origins[row]; }
  __device__ PatchElement along(int k) const { return source.element(k); }
  template <int kWidth>
  __device__ void fetch(const PatchOrigin& origin, const PatchElement& element, float (&values)[kWidth]) const {
    fetch_or_zero(source.inside(origin, element), source.data + (origin.offset + element.offset), values);
  }
};

struct WeightOperand {
  const WeightMatrix& weights;
  const PatchSource& source;
  int first_column, columns;

  __device__ int across(int column) const { return first_column + column; }
  __device__ PatchElement along(int k) const { return source.element(k); }
  template <int kWidth>
  __device__ void fetch(int column, const PatchElement& element, float (&values)[kWidth]) const {
    const int offset = element.tap_row * weights.tap_row_stride + element.tap_column * weights.tap_column_stride +
                       element.channel * weights.channel_stride + column * weights.column_stride;
    fetch_or_zero(column < columns && element.row != kNowhere, weights.data + offset, values);
  }
};

// What: one tile of pixels times one tile of output channels of an implicit matrix product.
// Who: a thread sums kThreadM x kThreadN outputs; all threads of a slice stage both operands.
// Traffic: per 2 kM kN FLOP and step of k reads kM + kN floats; writes each output once, 16 bytes at a time.
// Limits: kWidth 4 needs 16-byte aligned operands whose contiguous index is a multiple of 4; 1 takes everything.
template <class T, Contiguous kWeights, int kWidth>
__global__ void __launch_bounds__(T::kThreads, 512 / T::kThreads) conv_gather_kernel(const ConvGather conv) {
  using StageA = Stage<T, T::kM, Contiguous::along_k, kWidth>;
  using StageB = Stage<T, T::kN, kWeights, kWidth>;
  using Product = TileProduct<T, StageA, StageB>;
  __shared__ __align__(16) float shared[Product::kSharedFloats];
  __shared__ PatchOrigin origins[T::kM];
  __shared__ std::int64_t rows[T::kM];

  for (int row = static_cast<int>(threadIdx.x); row < T::kM; row += T::kThreads) {
    const std::int64_t index = std::int64_t{blockIdx.x} * T::kM + row;
    const bool exists = index < conv.grid.count;
    const Pixel pixel = conv.grid.locate(exists ? index : 0);
    origins[row] = exists ? conv.source.origin(pixel) : PatchOrigin{0, kNowhere, 0};
    const std::int64_t out_row = pixel.image * conv.out.height + conv.out.origin_row + pixel.row * conv.out.step;
    const std::int64_t out_pixel = out_row * conv.out.width + conv.out.origin_column + pixel.column * conv.out.step;
    rows[row] = exists ? out_pixel * conv.out.tile.columns : -1;
  }
  __syncthreads();

  const int first_column = static_cast<int>(blockIdx.y) * T::kN;
  float sum[T::kThreadM][T::kThreadN] = {};
  Product::run(PatchOperand{conv.source, origins},
               WeightOperand{conv.weights, conv.source, first_column, conv.out.tile.columns}, conv.source.depth, shared,
               sum);
  store_tile<T>(conv.out.tile, rows, first_column, sum);
}

template <class T, Contiguous kWeights, int kWidth>
void launch_conv_gather(const char* function, const ConvGather& conv, CUstream_st* stream) {
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
    return launch_conv_gather<Tile<32, 16, 4, 4, 8>, kWeights, 4>(function, conv, stream);
  if (columns <= 16) return launch_conv_gather<Tile<128, 16, 8, 4>, kWeights, 4>(function, conv, stream);
  if (columns <= 32) return launch_conv_gather<Tile<128, 32, 8, 8>, kWeights, 4>(function, conv, stream);
  return launch_conv_gather<Tile<64, 64, 8, 8>, kWeights, 4>(function, conv, stream);
}

}  // namespace leaven::nn
