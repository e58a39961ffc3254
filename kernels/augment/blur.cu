#include "kernels/augment/blur.hpp"

#include <type_traits>

#include "kernels/augment/block.cuh"
#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kRun = 8;                        // neighbouring results of a thread
constexpr std::int32_t kColumns = 32;          // of a strip, pixels
constexpr std::int32_t kRows = kWarps * kRun;  // of a step down the strip
constexpr int kBlocks = 6;  // of a multiprocessor, which leaves 80 registers: with the 64 that ptxas likes it spills
constexpr std::int64_t kWantedBlocks = 512;
static_assert(kColumns == kWarps * kRun, "in the row pass a warp works on kRun of the columns");

// Channels that are staged at a time: f32 ones one by one, so that any half fits 48 KiB.
template <class T, int kChannels>
inline constexpr int kStaged = sizeof(T) == 1 ? kChannels : 1;

// Shared memory: kRows rows of staged values with their halo, and kRows + 2 half rows of the first pass. Lanes work on
// rows of the staged values, so that their pitch is an odd number of banks.
template <class T, int kChannels>
struct BlurLayout {
  std::int32_t staged_pitch, float_pitch;  // in values
  __host__ __device__ explicit BlurLayout(std::int32_t half) : float_pitch(kColumns * kChannels + 1) {
    constexpr auto kSize = static_cast<std::int32_t>(sizeof(T));
    staged_pitch = (((kColumns + 2 * half) * kStaged<T, kChannels> * kSize + 3) / 4 | 1) * (4 / kSize);
  }
  std::size_t bytes(std::int32_t half) const {
    return sizeof(T) * kRows * staged_pitch + sizeof(float) * (kRows + 2 * half) * float_pitch;
  }
};

// What a thread holds of a value.
template <class T>
using Loaded = std::conditional_t<sizeof(T) == 1, std::uint32_t, T>;

// The strip of an image that a block works on: rows `first_row` to `end_row` of the output.
struct Strip {
  std::int32_t first_column, first_row, end_row;
};

__device__ Strip strip_of_block(std::int32_t width, std::int32_t height, std::int32_t strip_rows) {
  const std::int32_t strips = (width + kColumns - 1) / kColumns;
  const std::int32_t segment = static_cast<std::int32_t>(blockIdx.x) / strips;
  const std::int32_t first = segment * strip_rows;
  return {(static_cast<std::int32_t>(blockIdx.x) - segment * strips) * kColumns, first,
          first + strip_rows < height ? first + strip_rows : height};
}

// Lane d of a warp makes weight d.
__device__ void write_weights(const BlurImage& image, float* weights) {
  const std::int32_t distance = static_cast<std::int32_t>(lane_id());
  const double density = blur_density(distance, image.sigma);
  double sum = blur_share(distance, density, image.half);
#pragma unroll
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  weights[distance] = image.half == 0 ? 1.0f : blur_weight(density, sum);
}

// kCount channels of kRows rows of the input, from `first_row` on, with `half` pixels on each side of the strip.
template <int kCount, class T>
__device__ __forceinline__ void load_rows(const ImageView<const T>& in, std::int32_t first_column,
                                          std::int32_t first_row, std::int32_t half, std::int32_t pitch, T* staged) {
  const std::int32_t width = static_cast<std::int32_t>(in.width);
  const std::int32_t height = static_cast<std::int32_t>(in.height);
#pragma unroll 1
  for (std::int32_t x = static_cast<std::int32_t>(lane_id()); x < kColumns + 2 * half; x += 32) {
    const std::int32_t column = reflected(first_column - half + x, width);
    const std::int32_t first = static_cast<std::int32_t>(warp_id());
    Loaded<T> values[kRows / kWarps][kCount];
#pragma unroll
    for (std::int32_t k = 0; k < kRows / kWarps; ++k) {
      const std::int32_t y = reflected(first_row + first + k * kWarps, height);
      const T* from = in.data + pixel_offset(in, column, y);
#pragma unroll
      for (int c = 0; c < kCount; ++c) values[k][c] = from[c * in.channel_stride];
    }
    T* to = staged + first * pitch + x * kCount;
#pragma unroll
    for (std::int32_t k = 0; k < kRows / kWarps; ++k, to += kWarps * pitch) {
#pragma unroll
      for (int c = 0; c < kCount; ++c) to[c] = static_cast<T>(values[k][c]);
    }
  }
}

// kRun neighbouring sums; sample(p) is the value p places from the first one's middle. Values come in at the two ends
// of windows that the loop keeps in registers: place p of a window is element p mod kRun.
template <class Sample>
__device__ __forceinline__ void weighted_sums(const float* weights, std::int32_t half, const Sample& sample,
                                              float (&sum)[kRun]) {
  float before[kRun], after[kRun];
#pragma unroll
  for (int r = 0; r < kRun; ++r) {
    before[r] = after[r] = sample(r);
    sum[r] = weights[0] * before[r];
  }
#pragma unroll 1
  for (std::int32_t first = 1; first <= half; first += kRun) {
#pragma unroll
    for (int k = 0; k < kRun; ++k) {
      const std::int32_t distance = first + k;
      if (distance > half) return;
      const float weight = weights[distance];
      before[kRun - 1 - k] = sample(-distance);
      after[k] = sample(kRun - 1 + distance);
#pragma unroll
      for (int r = 0; r < kRun; ++r) {
        sum[r] += weight * (before[(r + 2 * kRun - 1 - k) % kRun] + after[(r + 1 + k) % kRun]);
      }
    }
  }
}

template <int kStep, class T>
struct StagedSample {
  const T* middle;
  __device__ float operator()(std::int32_t place) const { return static_cast<float>(middle[place * kStep]); }
};

struct RowSample {
  const float* middle;
  std::int32_t pitch;
  __device__ float operator()(std::int32_t place) const { return middle[place * pitch]; }
};

// How the values of kColumns pixels lie in a row of the first pass: as in the output, so that warps write runs.
struct ValueOrder {
  std::int32_t pixel, channel;
};

// The first pass, of kCount channels from `channel` on: a lane works on a row, a warp on kRun pixels.
template <int kCount, class Layout, class T>
__device__ __forceinline__ void blur_rows(const T* staged, const Layout& layout, std::int32_t half,
                                          const float* weights, ValueOrder order, int channel, float* rows) {
  const std::int32_t first = kRun * static_cast<std::int32_t>(warp_id());
  const std::int32_t row = static_cast<std::int32_t>(lane_id());
  float* to = rows + (2 * half + row) * layout.float_pitch + first * order.pixel + channel * order.channel;
#pragma unroll 1
  for (int c = 0; c < kCount; ++c, to += order.channel) {
    float sum[kRun];
    const T* middle = staged + row * layout.staged_pitch + (first + half) * kCount + c;
    weighted_sums(weights, half, StagedSample<kCount, T>{middle}, sum);
#pragma unroll
    for (int r = 0; r < kRun; ++r) to[r * order.pixel] = sum[r];
  }
}

// The second pass, to row `first_row` of the output and the next ones: a lane works on a column, a warp on kRun rows.
template <int kChannels, class Layout, class T>
__device__ __forceinline__ void blur_columns(const float* rows, const Layout& layout, std::int32_t half,
                                             const float* weights, ValueOrder order, const Strip& strip,
                                             std::int32_t first_row, const ImageView<T>& out) {
  const std::int32_t first = kRun * static_cast<std::int32_t>(warp_id());
  const std::int32_t y = first_row + first;
  if (y + kRun <= strip.first_row || y >= strip.end_row) return;
#pragma unroll 1
  for (int part = 0; part < kChannels; ++part) {
    const std::int32_t value = part * 32 + static_cast<std::int32_t>(lane_id());
    const std::int32_t channel = order.pixel == 1 ? part : value % kChannels;
    const std::int32_t x = strip.first_column + (order.pixel == 1 ? value - part * 32 : value / kChannels);
    float sum[kRun];
    weighted_sums(weights, half, RowSample{rows + (first + half) * layout.float_pitch + value, layout.float_pitch},
                  sum);
    if (x >= out.width) continue;
    T* to = out.data + pixel_offset(out, x, y) + channel * out.channel_stride;
#pragma unroll
    for (int r = 0; r < kRun; ++r, to += out.row_stride) {
      if (y + r >= strip.first_row && y + r < strip.end_row) store_blurred(sum[r], to);
    }
  }
}

// The last 2 half rows of the first pass become the first. A thread moves every kRows-th row of a column, in order.
__device__ void keep_rows(std::int32_t half, std::int32_t pitch, float* rows) {
  for (std::int32_t i = static_cast<std::int32_t>(threadIdx.x); i < kRows * pitch; i += kWarps * 32) {
    for (std::int32_t at = i; at < 2 * half * pitch; at += kRows * pitch) rows[at] = rows[at + kRows * pitch];
  }
}

// What: Gaussian blur of u8 and f32 images, both passes.
// Who: a block works on a strip of an image, 32 pixels wide, from top to bottom in steps of 32 rows. Values go to
// shared memory (f32 ones a channel at a time), through the row pass to float32 rows in shared memory, and through the
// column pass to the output; the last rows of a step stay for the next.
// Traffic: reads each input value about (32 + 2 half) / 32 times, mostly from the cache; writes each output value once.
// Limits: half at most 31, so that shared memory is below 48 KiB.
template <class T, int kChannels>
__global__ void __launch_bounds__(kWarps * 32, kBlocks)
    blur_kernel(BlurJob job, ImageView<const T> all_in, ImageView<T> all_out, std::int32_t strip_rows,
                ValueOrder order) {
  constexpr int kCount = kStaged<T, kChannels>;
  extern __shared__ float shared_floats[];
  __shared__ float weights[kMostBlurHalf + 1];
  const Strip strip =
      strip_of_block(static_cast<std::int32_t>(all_in.width), static_cast<std::int32_t>(all_in.height), strip_rows);
#pragma unroll 1
  for (std::int64_t i = blockIdx.y; i < all_in.count; i += gridDim.y) {
    const BlurImage image = blur_image(job, i);
    const std::int32_t half = image.half;
    const BlurLayout<T, kChannels> layout(half);
    float* rows = shared_floats;
    auto* staged = reinterpret_cast<T*>(rows + (kRows + 2 * half) * layout.float_pitch);
    ImageView<const T> in = all_in;
    in.data += i * in.image_stride;
    ImageView<T> out = all_out;
    out.data += i * out.image_stride;
    if (warp_id() == 0) write_weights(image, weights);
#pragma unroll 1
    for (std::int32_t y = strip.first_row - half; y < strip.end_row + half; y += kRows) {
#pragma unroll 1
      for (int c = 0; c < kChannels; c += kCount) {
        ImageView<const T> channels = in;
        channels.data += c * in.channel_stride;
        load_rows<kCount>(channels, strip.first_column, y, half, layout.staged_pitch, staged);
        __syncthreads();
        blur_rows<kCount>(staged, layout, half, weights, order, c, rows);
        __syncthreads();
      }
      blur_columns<kChannels>(rows, layout, half, weights, order, strip, y - half, out);
      __syncthreads();
      if (y + kRows < strip.end_row + half) keep_rows(half, layout.float_pitch, rows);
    }
  }
}

// Rows of a strip: all, or fewer where the batch would not fill the device.
std::int64_t rows_of_strip(const ImageShape& out) {
  const std::int64_t strips = out.count * ((out.width + kColumns - 1) / kColumns);
  const std::int64_t wanted = (kWantedBlocks + strips / 2) / strips;
  const std::int64_t most = (out.height + kRows - 1) / kRows;
  const std::int64_t segments = wanted < 1 ? 1 : (wanted < most ? wanted : most);
  return (out.height + segments - 1) / segments;
}

template <int kChannels, class T>
void launch_blur(const BlurJob& job, const ImageView<const T>& in, const ImageView<T>& out, cudaStream_t stream) {
  const std::int64_t rows = rows_of_strip(out.shape());
  const std::int64_t blocks = ((out.width + kColumns - 1) / kColumns) * ((out.height + rows - 1) / rows);
  const dim3 grid(static_cast<unsigned>(blocks), grid_for(out.count, 1, 65535));
  const bool interleaved = out.pixel_stride != 1;
  const ValueOrder order = interleaved ? ValueOrder{kChannels, 1} : ValueOrder{1, kColumns};
  const std::size_t shared_bytes = BlurLayout<T, kChannels>(job.half).bytes(job.half);
  launch("gaussian_blur", blur_kernel<T, kChannels>, grid, dim3(kWarps * 32), shared_bytes, stream, job, in, out,
         static_cast<std::int32_t>(rows), order);
}

}  // namespace
}  // namespace cuda

void gaussian_blur_cuda(const BlurJob& job, ImageView<const std::uint8_t> in, ImageView<std::uint8_t> out,
                        CUstream_st* stream) {
  if (in.channels == 1) return cuda::launch_blur<1>(job, in, out, stream);
  cuda::launch_blur<3>(job, in, out, stream);
}

void gaussian_blur_cuda(const BlurJob& job, ImageView<const float> in, ImageView<float> out, CUstream_st* stream) {
  if (in.channels == 1) return cuda::launch_blur<1>(job, in, out, stream);
  cuda::launch_blur<3>(job, in, out, stream);
}

}  // namespace leaven
