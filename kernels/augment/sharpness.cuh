#pragma once

#include <cstdint>

#include "kernels/augment/warp.cuh"

// sharpness: for one block on its part of one image.
namespace leaven::cuda {

// Sums of weighted neighbours, and what becomes of the pixel in the middle.
template <int kChannels>
struct Sharpener {
  std::int32_t sum[kChannels] = {};

  __device__ void add(std::uint32_t pixel, std::int32_t weight) {
#pragma unroll
    for (int c = 0; c < kChannels; ++c) sum[c] += weight * static_cast<std::int32_t>(pixel >> (8 * c) & 255);
  }
  __device__ std::uint32_t result(std::uint32_t pixel, float factor) const {
    std::uint32_t sharpened = 0;
#pragma unroll
    for (int c = 0; c < kChannels; ++c) {
      const std::int32_t base = smoothed(sum[c]);
      const std::int32_t value = static_cast<std::int32_t>(pixel >> (8 * c) & 255);
      sharpened |= static_cast<std::uint32_t>(blend(static_cast<float>(base), static_cast<float>(value - base), factor))
                   << (8 * c);
    }
    return sharpened;
  }
};

// Pixels at the border stay as they are.
__device__ __forceinline__ bool is_inner(std::int32_t x, std::int32_t y, std::int64_t width, std::int64_t height) {
  return x > 0 && y > 0 && x < width - 1 && y < height - 1;
}

template <int kChannels>
__device__ __forceinline__ std::uint32_t sharpened_pixel(const InView& in, std::int32_t x, std::int32_t y,
                                                         float factor) {
  const std::uint32_t pixel = pixel_at<kChannels>(in, x, y);
  if (!is_inner(x, y, in.width, in.height)) return pixel;
  Sharpener<kChannels> sharpener;
  sharpener.add(pixel, 5);
#pragma unroll
  for (int k = 0; k < 9; ++k) {
    if (k != 4) sharpener.add(pixel_at<kChannels>(in, x + k % 3 - 1, y + k / 3 - 1), 1);
  }
  return sharpener.result(pixel, factor);
}

template <int kChannels>
__device__ void sharpen_image(float factor, const InView& in, const OutView& out, Part part, uint4* stages) {
  write_pixels<kChannels>(out, part, stages,
                          [&](std::int32_t x, std::int32_t y) { return sharpened_pixel<kChannels>(in, x, y, factor); });
}

}  // namespace leaven::cuda
