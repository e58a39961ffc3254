#include "kernels/core/launch.cuh"
#include "kernels/nn/aligned.hpp"
#include "kernels/nn/column_sum.cuh"
#include "kernels/nn/gemm_tile.cuh"
#include "kernels/nn/patch.hpp"

namespace leaven::nn {

namespace {

constexpr int kTileColumns = 64;

struct ConvWeights {
  PixelGrid grid;
  PatchSource source;
  const float* dy;
  TileOutput out;
  int out_channels;
  std::int64_t split_pixels;
};

// dy as [output channel][pixel of the split].
struct GradientRows {
  static constexpr Contiguous kContiguous = Contiguous::across_k;
  const float* data;
  int channels, first_channel;
  unsigned pixels;

  struct Channel {
    int offset;
    unsigned pixels;
  };

  __device__ Channel across(unsigned row) const {
    const int channel = first_channel + static_cast<int>(row);
    return {channel, channel < channels ? pixels : 0};
  }
  __device__ Place place(const Channel& channel, unsigned pixel, const PatchOrigin&) const {
    return {channel.offset + static_cast<int>(pixel) * channels, pixel < channel.pixels};
  }
};

// The patches of x as [pixel of the split][patch element].
struct PatchColumns {
  static constexpr Contiguous kContiguous = Contiguous::across_k;
  const float* data;
  const PatchSource& source;
  int first_element;

  __device__ PatchElement across(unsigned column) const {
    return source.element(first_element + static_cast<int>(column));
  }
  __device__ Place place(const PatchElement& element, unsigned, const PatchOrigin& origin) const {
    return {origin.offset + element.offset, source.inside(origin, element)};
  }
};

// Pixel k of the split, which begins at pixel `first` of an image.
struct PixelEntries {
  const PatchSource& source;
  const PixelGrid& grid;
  int first, pixels;

  __device__ PatchOrigin entry(int k) const {
    return k < pixels ? source.origin(grid.locate_near(first + k), 0) : PatchOrigin{0, kNowhere, 0};
  }
};

// What: one tile of output channels times one tile of patch elements of dw, summed over the pixels of one split.
// Who: a thread sums kThreadM x kThreadN elements; all threads stage both operands.
// Traffic: per 2 kM kN FLOP and pixel reads kM + kN floats; writes one partial sum per element and split.
// Limits: kWidth 4 needs 16-byte aligned x and dy with channels % 4 == 0; 1 takes everything.
template <class T, int kWidth>
__global__ void __launch_bounds__(T::kThreads, 512 / T::kThreads) conv_weights_kernel(const ConvWeights conv) {
  using Product = TileProduct<T, GradientRows, PatchColumns, kWidth>;
  __shared__ __align__(16) float shared[Product::kSharedFloats];
  __shared__ PatchOrigin entries[2 * T::kEntries];
  __shared__ int rows[T::kM];

  const int first_row = static_cast<int>(blockIdx.y) * T::kM;
  const int first_column = static_cast<int>(blockIdx.x) * T::kN;
  for (int row = static_cast<int>(threadIdx.x); row < T::kM; row += T::kThreads) {
    rows[row] = first_row + row < conv.out_channels ? (first_row + row) * conv.out.columns : -1;
  }

  const std::int64_t begin = blockIdx.z * conv.split_pixels;
  const int pixels = static_cast<int>(min(conv.split_pixels, conv.grid.count - begin));
  const std::int64_t image = conv.grid.per_image.divide_wide(begin);
  const int first_pixel = static_cast<int>(begin - image * conv.grid.per_image.divisor());
  float sum[T::kThreadM][T::kThreadN] = {};
  Product::run({conv.dy + begin * conv.out_channels, conv.out_channels, first_row, static_cast<unsigned>(pixels)},
               {conv.source.image(image), conv.source, first_column},
               PixelEntries{conv.source, conv.grid, first_pixel, pixels}, pixels, entries, shared, sum);
  float* partial = conv.out.data + std::int64_t{blockIdx.z} * conv.out_channels * conv.out.columns;
  store_tile<T>(conv.out, partial, rows, first_column, sum);
}

struct Splits {
  std::int64_t count, pixels;
};

// As many splits of the pixels as fill a large GPU, each long enough to pay for its partial sums and short enough for
// 32-bit offsets inside it.
Splits choose_splits(const ConvShape& shape) {
  constexpr std::int64_t kBlocks = 512, kLeastPixels = 256;
  const std::int64_t image_pixels = shape.out_height() * shape.out_width(), pixels = shape.batch * image_pixels;
  const std::int64_t elements = shape.kernel * shape.kernel * shape.in_channels;
  if (pixels == 0 || elements == 0 || shape.out_channels == 0) return {1, 1};
  const std::int64_t rows = shape.out_channels <= 16 ? 16 : shape.out_channels <= 32 ? 32 : 64;
  const std::int64_t tiles = (shape.out_channels + rows - 1) / rows * ((elements + kTileColumns - 1) / kTileColumns);
  const std::int64_t wanted = std::min((kBlocks + tiles - 1) / tiles, (pixels + kLeastPixels - 1) / kLeastPixels);
  const std::int64_t images = INT32_MAX / (shape.in_height * shape.in_width * shape.in_channels) - 2;
  const std::int64_t most = std::min(images * image_pixels, INT32_MAX / shape.out_channels);
  const std::int64_t each = std::min(most, (pixels + wanted - 1) / wanted);
  return {(pixels + each - 1) / each, each};
}

template <class T, int kWidth>
void launch_conv_weights(const ConvWeights& conv, std::int64_t splits, CUstream_st* stream) {
  const dim3 grid(cuda::grid_for(conv.out.columns, T::kN), cuda::grid_for(conv.out_channels, T::kM),
                  static_cast<unsigned>(splits));
  cuda::launch("conv_backward_weights", conv_weights_kernel<T, kWidth>, grid, dim3(T::kThreads), 0, stream, conv);
}

}  // namespace

std::int64_t conv_backward_weights_workspace_bytes(const ConvShape& shape) {
  const std::int64_t pixels = shape.batch * shape.out_height() * shape.out_width();
  const std::int64_t elements = shape.kernel * shape.kernel * shape.in_channels;
  const Splits splits = choose_splits(shape);
  const std::int64_t partial = splits.count > 1 ? splits.count * shape.out_channels * elements : 0;
  const std::int64_t floats = (partial + 3) / 4 * 4 + sum_rows_workspace_floats(pixels, shape.out_channels);
  return floats * static_cast<std::int64_t>(sizeof(float));
}

void conv_backward_weights_cuda(const ConvShape& shape, const float* x, const float* dy, float* dw, float* dbias,
                                std::byte* workspace, CUstream_st* stream) {
  const char* function = "conv_backward_weights";
  check_conv_size(function, shape);
  const PixelGrid pixels(shape.batch, shape.out_height(), shape.out_width());
  PatchSource source(x, shape.in_height, shape.in_width, shape.in_channels, shape.kernel, shape.kernel,
                     shape.in_channels);
  source.step = static_cast<int>(shape.stride);
  source.origin_row = source.origin_column = -static_cast<int>(shape.padding);
  source.direction = 1;
  source.weight_strides = {};
  const Splits splits = choose_splits(shape);
  const std::int64_t size = shape.out_channels * source.depth;
  const std::int64_t partial = splits.count > 1 ? splits.count * size : 0;
  float* scratch = reinterpret_cast<float*>(workspace);
  if (size > 0) {
    float* sums = splits.count > 1 ? scratch : dw;
    const TileOutput out{.data = sums,
                         .bias = nullptr,
                         .columns = source.depth,
                         .by_four = source.depth % 4 == 0 && aligned_to_16(sums)};
    const ConvWeights conv{pixels, source, dy, out, static_cast<int>(shape.out_channels), splits.pixels};
    const bool by_four =
        shape.in_channels % 4 == 0 && shape.out_channels % 4 == 0 && aligned_to_16(x) && aligned_to_16(dy);
    if (!by_four && source.depth <= 16) {
      launch_conv_weights<Tile<32, 16, 4, 4, 8>, 1>(conv, splits.count, stream);
    } else if (!by_four) {
      launch_conv_weights<Tile<32, kTileColumns, 4, 8>, 1>(conv, splits.count, stream);
    } else if (shape.out_channels <= 16) {
      launch_conv_weights<Tile<16, kTileColumns, 4, 4>, 4>(conv, splits.count, stream);
    } else if (shape.out_channels <= 32) {
      launch_conv_weights<Tile<32, kTileColumns, 4, 8>, 4>(conv, splits.count, stream);
    } else {
      launch_conv_weights<Tile<64, kTileColumns, 8, 8>, 4>(conv, splits.count, stream);
    }
    if (splits.count > 1) sum_rows(function, splits.count, size, scratch, dw, stream);
  }
  if (dbias != nullptr) {
    float* chunk_sums = scratch + (partial + 3) / 4 * 4;
    sum_many_rows(function, pixels.count, shape.out_channels, dy, chunk_sums, dbias, stream);
  }
}

}  // namespace leaven::nn
