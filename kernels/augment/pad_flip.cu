#include "kernels/augment/pad_flip.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kThreads = 256;

// The source of output pixel (x, y) is (first_x + step_x * x, first_y + y), or the fill colour where that is outside.
struct Source {
  const std::uint8_t* image;
  std::int32_t first_x, step_x, first_y;
};

// One thread of the block draws for all. Every thread must come here.
__device__ Source start_image(const ImageView<const std::uint8_t>& in, const PadFlipJob& job, std::int64_t image) {
  __shared__ Source source;
  __syncthreads();  // nobody still reads the source of the image before
  if (threadIdx.x == 0) {
    const PadFlipDraw drawn = draw_pad_flip(job, image);
    source.image = in.data + source_image(job, image) * in.image_stride;
    source.first_x = drawn.offset.x - job.padding + (drawn.flipped ? static_cast<std::int32_t>(in.width) - 1 : 0);
    source.step_x = drawn.flipped ? -1 : 1;
    source.first_y = drawn.offset.y - job.padding;
  }
  __syncthreads();
  return source;
}

// What: picks, pads, crops and flips images that are and stay interleaved.
// Who: a block works on one image (or a part of it), a thread on four neighbouring bytes of a row at a time.
// Traffic: each byte that is wanted read once, in steps of one byte; each output byte written once, four at a time.
// Limits: 4 divides the bytes of a row; pixels of `in` without gaps; output packed and 4-byte aligned.
template <int kChannels>
__global__ void __launch_bounds__(kThreads)
    pad_flip_words_kernel(ImageView<const std::uint8_t> in, PadFlipJob job, std::int64_t count, std::uint32_t* out) {
  const std::uint32_t row_words = static_cast<std::uint32_t>(in.width) * kChannels / 4;
  const std::uint32_t image_words = row_words * static_cast<std::uint32_t>(in.height);
  const std::uint64_t rgb = job.fill.red | std::uint64_t{job.fill.green} << 8 | std::uint64_t{job.fill.blue} << 16;
  const std::uint64_t colours = kChannels == 1 ? job.fill.red * 0x01010101u : rgb | rgb << 24;
  for (std::int64_t image = blockIdx.y; image < count; image += gridDim.y) {
    const Source source = start_image(in, job, image);
    for (std::uint32_t at = blockIdx.x * blockDim.x + threadIdx.x; at < image_words; at += gridDim.x * blockDim.x) {
      const std::uint32_t y = at / row_words;
      const std::uint32_t column = 4 * (at - y * row_words);
      const std::int32_t from_y = source.first_y + static_cast<std::int32_t>(y);
      const bool row_inside = from_y >= 0 && from_y < in.height;
      const std::uint8_t* row = source.image + from_y * in.row_stride;
      const std::uint32_t limit = row_inside ? 4 * row_words : 0u;
      // Byte k has channel c and comes from first_x * kChannels + (column + k), mirrored pixel by pixel if flipped.
      std::int32_t channel = kChannels == 1 ? 0 : static_cast<std::int32_t>(column % kChannels);
      std::uint32_t word = static_cast<std::uint32_t>(colours >> (8 * channel));
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const std::int32_t within = static_cast<std::int32_t>(column) + k - channel;
        const std::int32_t from = source.first_x * kChannels + source.step_x * within + channel;
        if (static_cast<std::uint32_t>(from) < limit)
          word = __byte_perm(word, row[from], 0x3210 ^ ((4 ^ k) << (4 * k)));
        if (kChannels == 3) channel = channel == 2 ? 0 : channel + 1;
      }
      out[image * image_words + at] = word;
    }
  }
}

// What: the same for any strides and sizes.
// Who: a block works on one image (or a part of it), a thread on one byte of the output at a time.
// Traffic: each byte that is wanted read once, each output byte written once.
// Limits: output packed.
__global__ void __launch_bounds__(kThreads)
    pad_flip_bytes_kernel(ImageView<const std::uint8_t> in, PadFlipJob job, std::int64_t count, std::uint8_t* out) {
  const auto channels = static_cast<std::uint32_t>(in.channels);
  const auto width = static_cast<std::uint32_t>(in.width);
  const std::uint32_t image_bytes = channels * width * static_cast<std::uint32_t>(in.height);
  for (std::int64_t image = blockIdx.y; image < count; image += gridDim.y) {
    const Source source = start_image(in, job, image);
    for (std::uint32_t at = blockIdx.x * blockDim.x + threadIdx.x; at < image_bytes; at += gridDim.x * blockDim.x) {
      const std::uint32_t pixel = at / channels;
      const std::uint32_t channel = at - pixel * channels;
      const std::uint32_t y = pixel / width;
      const std::int32_t from_x = source.first_x + source.step_x * static_cast<std::int32_t>(pixel - y * width);
      const std::int32_t from_y = source.first_y + static_cast<std::int32_t>(y);
      std::uint8_t value = channel == 0 ? job.fill.red : (channel == 1 ? job.fill.green : job.fill.blue);
      if (from_x >= 0 && from_x < in.width && from_y >= 0 && from_y < in.height) {
        value = source.image[from_y * in.row_stride + from_x * in.pixel_stride + channel * in.channel_stride];
      }
      out[image * image_bytes + at] = value;
    }
  }
}

// A block has at most kThreads threads (fewer for small images) and each thread about four items.
template <class... Parameters, class Out>
void launch_pad_flip(void (*kernel)(Parameters...), const ImageView<const std::uint8_t>& in, const PadFlipJob& job,
                     std::int64_t count, std::int64_t items, Out* out, cudaStream_t stream) {
  const std::int64_t warps = (items + 127) / 128;
  const unsigned threads = warps < kThreads / 32 ? static_cast<unsigned>(32 * warps) : kThreads;
  const dim3 grid(grid_for(items, 4 * std::int64_t{threads}), grid_for(count, 1, 65535));
  launch("Augmenter", kernel, grid, dim3(threads), 0, stream, in, job, count, out);
}

}  // namespace
}  // namespace cuda

void pad_flip_cuda(ImageView<const std::uint8_t> in, const PadFlipJob& job, ImageView<std::uint8_t> out,
                   CUstream_st* stream) {
  const std::int64_t row_bytes = in.width * in.channels;
  const std::int64_t image_bytes = row_bytes * in.height;
  const bool dense = in.pixel_stride == in.channels && (in.channels == 1 || in.channel_stride == 1);
  if (dense && row_bytes % 4 == 0) {
    const auto kernel = in.channels == 1 ? cuda::pad_flip_words_kernel<1> : cuda::pad_flip_words_kernel<3>;
    auto* words = reinterpret_cast<std::uint32_t*>(out.data);
    return cuda::launch_pad_flip(kernel, in, job, out.count, image_bytes / 4, words, stream);
  }
  cuda::launch_pad_flip(cuda::pad_flip_bytes_kernel, in, job, out.count, image_bytes, out.data, stream);
}

}  // namespace leaven
