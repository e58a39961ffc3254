#include "kernels/augment/pad_flip.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kThreads = 256;

// What: picks, pads, crops and flips, and packs as interleaved images.
// Who: a block works on one image (or a part of it), a thread on kBytes neighbouring bytes of the output.
// Traffic: each byte that is wanted read once, neighbours by neighbours; each output byte written once.
// Limits: kBytes divides the bytes of an image.
template <int kChannels, int kBytes>
__global__ void __launch_bounds__(kThreads)
    pad_flip_kernel(ImageView<const std::uint8_t> in, PadFlipJob job, std::int64_t count, std::uint8_t* out) {
  __shared__ PadFlipDraw shared_draw;
  const auto width = static_cast<int>(in.width);
  const auto height = static_cast<int>(in.height);
  const std::uint32_t row_bytes = static_cast<std::uint32_t>(width) * kChannels;
  const std::uint32_t image_bytes = row_bytes * static_cast<std::uint32_t>(height);
  const std::uint32_t offset = (blockIdx.x * kThreads + threadIdx.x) * kBytes;
  for (std::int64_t image = blockIdx.y; image < count; image += gridDim.y) {
    __syncthreads();  // nobody still reads the draw of the image before
    if (threadIdx.x == 0) shared_draw = draw_pad_flip(job, image);
    __syncthreads();
    if (offset >= image_bytes) continue;
    const PadFlipDraw drawn = shared_draw;
    const std::uint8_t* from = in.data + source_image(job, image) * in.image_stride;
    auto y = static_cast<int>(offset / row_bytes);
    auto column = static_cast<int>(offset - static_cast<std::uint32_t>(y) * row_bytes);
    std::uint32_t word = 0;
#pragma unroll
    for (int i = 0; i < kBytes; ++i) {
      const int x = column / kChannels;
      const int channel = column - x * kChannels;
      const int from_x = (drawn.flipped ? width - 1 - x : x) + drawn.offset.x - job.padding;
      const int from_y = y + drawn.offset.y - job.padding;
      std::uint32_t value = channel == 0 ? job.fill.red : (channel == 1 ? job.fill.green : job.fill.blue);
      if (from_x >= 0 && from_x < width && from_y >= 0 && from_y < height) {
        value = from[from_y * in.row_stride + from_x * in.pixel_stride + channel * in.channel_stride];
      }
      word |= value << (8 * i);
      if (++column == static_cast<int>(row_bytes)) {
        column = 0;
        ++y;
      }
    }
    std::uint8_t* to = out + image * image_bytes + offset;
    if constexpr (kBytes == 4) {
      *reinterpret_cast<std::uint32_t*>(to) = word;
    } else {
      *to = static_cast<std::uint8_t>(word);
    }
  }
}

}  // namespace
}  // namespace cuda

void pad_flip_cuda(ImageView<const std::uint8_t> in, const PadFlipJob& job, ImageView<std::uint8_t> out,
                   CUstream_st* stream) {
  const std::int64_t image_bytes = out.image_stride;
  const int bytes = image_bytes % 4 == 0 ? 4 : 1;
  const auto kernel = in.channels == 1 ? (bytes == 4 ? cuda::pad_flip_kernel<1, 4> : cuda::pad_flip_kernel<1, 1>)
                                       : (bytes == 4 ? cuda::pad_flip_kernel<3, 4> : cuda::pad_flip_kernel<3, 1>);
  const dim3 grid(cuda::grid_for(image_bytes, cuda::kThreads * bytes), cuda::grid_for(out.count, 1, 65535));
  cuda::launch("Augmenter", kernel, grid, dim3(cuda::kThreads), 0, stream, in, job, out.count, out.data);
}

}  // namespace leaven
