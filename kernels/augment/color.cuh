#pragma once

#include <cstdint>

#include "kernels/augment/pixel.cuh"

// Operations that look at all channels of a pixel: luma sums and color, for one block on its part of one image.
namespace leaven::cuda {

// Pixel bytes r, g, b in the lower three of a word; exact: see luma() in pixel.hpp.
__device__ __forceinline__ std::uint32_t luma_times_65536(std::uint32_t rgb) {
  constexpr std::uint32_t kRedGreen = 19595u | (38470u << 16);
  return __dp2a_hi(7471u, rgb, __dp2a_lo(kRedGreen, rgb, 32768u));
}

struct ColorPixel {
  float factor;
  // v: the pixel (r, g, b, any); the result in the lower three bytes.
  __device__ std::uint32_t operator()(std::uint32_t rgb) const {
    const float lifted = __uint_as_float(__byte_perm(luma_times_65536(rgb), 0x4B000000u, 0x7442u));
    const float grey = lifted - kTwo23;
    const std::uint32_t r = blend_byte(rgb, 0, grey, lifted, factor);
    const std::uint32_t g = blend_byte(rgb, 1, grey, lifted, factor);
    const std::uint32_t b = blend_byte(rgb, 2, grey, lifted, factor);
    return __byte_perm(__byte_perm(r, g, 0x0040), b, 0x0410);
  }
};

// Twelve bytes (three words) are four pixels.
__device__ __forceinline__ void split_pixels(const std::uint32_t* w, std::uint32_t* pixels) {
  pixels[0] = w[0];
  pixels[1] = __byte_perm(w[0], w[1], 0x0543);
  pixels[2] = __byte_perm(w[1], w[2], 0x0432);
  pixels[3] = w[2] >> 8;
}

__device__ __forceinline__ void join_pixels(const std::uint32_t* pixels, std::uint32_t* w) {
  w[0] = __byte_perm(pixels[0], pixels[1], 0x4210);
  w[1] = __byte_perm(pixels[1], pixels[2], 0x5421);
  w[2] = __byte_perm(pixels[2], pixels[3], 0x6542);
}

// The 16-byte vectors that a lane holds (16 pixels), from and to the order in memory of the warp's 512 pixels. `stage`
// belongs to the warp; lanes above `units` hold nothing.
__device__ __forceinline__ void load_units(const uint4* from, int units, uint4* stage, uint4* mine) {
  const int lane = static_cast<int>(threadIdx.x & 31);
  for (int k = 0; k < 3; ++k) {
    if (k * 32 + lane < 3 * units) stage[k * 32 + lane] = from[k * 32 + lane];
  }
  __syncwarp();
  if (lane < units) {
    for (int k = 0; k < 3; ++k) mine[k] = stage[3 * lane + k];
  }
}

__device__ __forceinline__ void store_units(uint4* to, int units, uint4* stage, const uint4* mine) {
  const int lane = static_cast<int>(threadIdx.x & 31);
  if (lane < units) {
    for (int k = 0; k < 3; ++k) stage[3 * lane + k] = mine[k];
  }
  __syncwarp();
  for (int k = 0; k < 3; ++k) {
    if (k * 32 + lane < 3 * units) to[k * 32 + lane] = stage[k * 32 + lane];
  }
  __syncwarp();
}

// How a run of RGB pixels without gaps splits: `head` pixels, then units of 16 pixels that begin at multiples of 16
// bytes, then a tail. (3 * 11 = 1 mod 16.)
struct RgbUnits {
  std::int64_t head, units, tail_begin;
  __device__ RgbUnits(const void* data, std::int64_t pixels) {
    const std::int64_t wanted = (misaligned_by(data) * 11) & 15;
    head = wanted < pixels ? wanted : pixels;
    units = (pixels - head) / 16;
    tail_begin = head + units * 16;
  }
  // Pixel number `i` of head and tail, in this order.
  __device__ std::int64_t single(std::int64_t i) const { return i < head ? i : tail_begin + i - head; }
};

__device__ __forceinline__ std::uint32_t gather_pixel(const std::uint8_t* p, std::int64_t channel_stride) {
  return p[0] | (static_cast<std::uint32_t>(p[channel_stride]) << 8) |
         (static_cast<std::uint32_t>(p[2 * channel_stride]) << 16);
}

__device__ __forceinline__ void scatter_pixel(std::uint8_t* p, std::int64_t channel_stride, std::uint32_t pixel) {
  p[0] = static_cast<std::uint8_t>(pixel);
  p[channel_stride] = static_cast<std::uint8_t>(pixel >> 8);
  p[2 * channel_stride] = static_cast<std::uint8_t>(pixel >> 16);
}

// Calls body(first unit, units of this warp, index of the warp) for the units begin .. end - 1.
template <class Body>
__device__ __forceinline__ void for_warp_units(std::int64_t begin, std::int64_t end, const Body& body) {
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int warps = static_cast<int>(blockDim.x / 32);
  for (std::int64_t u = begin + warp * 32; u < end; u += warps * 32) {
    body(u, static_cast<int>(end - u < 32 ? end - u : 32), warp);
  }
}

template <class View>
__device__ __forceinline__ bool is_rgb_run(const View& v) {
  return v.channel_stride == 1 && v.pixel_stride == 3 && v.row_stride == 3 * v.width;
}

__device__ inline void color_image(float factor, const InView& in, const OutView& out, Part part, uint4* stages) {
  const ColorPixel color{factor};
  const std::int64_t pixels = in.height * in.width;
  if (!is_rgb_run(in) || !is_rgb_run(out) || !align_together(in.data, out.data)) {
    const std::int64_t end = part.end(pixels);
    for (std::int64_t i = part.begin(pixels) + threadIdx.x; i < end; i += blockDim.x) {
      const std::int64_t y = i / in.width;
      const std::int64_t x = i - y * in.width;
      const std::uint32_t rgb = gather_pixel(in.data + y * in.row_stride + x * in.pixel_stride, in.channel_stride);
      scatter_pixel(out.data + y * out.row_stride + x * out.pixel_stride, out.channel_stride, color(rgb));
    }
    return;
  }
  const RgbUnits split(in.data, pixels);
  const uint4* from = reinterpret_cast<const uint4*>(in.data + 3 * split.head);
  uint4* to = reinterpret_cast<uint4*>(out.data + 3 * split.head);
  for_warp_units(part.begin(split.units), part.end(split.units), [&](std::int64_t u, int units, int warp) {
    uint4 mine[3] = {};
    uint4* stage = stages + warp * kWarpVectors;
    load_units(from + 3 * u, units, stage, mine);
    std::uint32_t* words = reinterpret_cast<std::uint32_t*>(mine);
    for (int quad = 0; quad < 4; ++quad) {
      std::uint32_t four[4];
      split_pixels(words + 3 * quad, four);
      for (int k = 0; k < 4; ++k) four[k] = color(four[k]);
      join_pixels(four, words + 3 * quad);
    }
    store_units(to + 3 * u, units, stage, mine);
  });
  if (!part.last()) return;
  const std::int64_t singles = pixels - 16 * split.units;  // at most 30
  for (std::int64_t i = threadIdx.x; i < singles; i += blockDim.x) {
    const std::int64_t at = 3 * split.single(i);
    scatter_pixel(out.data + at, 1, color(gather_pixel(in.data + at, 1)));
  }
}

// This thread's share of the sum of the luma values of the whole image.
__device__ inline std::uint64_t luma_sum_rgb(const InView& in, uint4* stages) {
  const std::int64_t pixels = in.height * in.width;
  std::uint64_t sum = 0;
  if (!is_rgb_run(in)) {
    for (std::int64_t i = threadIdx.x; i < pixels; i += blockDim.x) {
      const std::int64_t y = i / in.width;
      const std::uint8_t* p = in.data + y * in.row_stride + (i - y * in.width) * in.pixel_stride;
      sum += luma_times_65536(gather_pixel(p, in.channel_stride)) >> 16;
    }
    return sum;
  }
  const RgbUnits split(in.data, pixels);
  const uint4* from = reinterpret_cast<const uint4*>(in.data + 3 * split.head);
  for_warp_units(0, split.units, [&](std::int64_t u, int units, int warp) {
    uint4 mine[3] = {};
    load_units(from + 3 * u, units, stages + warp * kWarpVectors, mine);
    const std::uint32_t* words = reinterpret_cast<const std::uint32_t*>(mine);
    std::uint32_t of_unit = 0;
    for (int quad = 0; quad < 4; ++quad) {
      std::uint32_t four[4];
      split_pixels(words + 3 * quad, four);
      for (int k = 0; k < 4; ++k) of_unit += luma_times_65536(four[k]) >> 16;
    }
    sum += of_unit;
    __syncwarp();
  });
  const std::int64_t singles = pixels - 16 * split.units;
  for (std::int64_t i = threadIdx.x; i < singles; i += blockDim.x) {
    sum += luma_times_65536(gather_pixel(in.data + 3 * split.single(i), 1)) >> 16;
  }
  return sum;
}

__device__ inline std::uint64_t sum_grey(const InView& in) {
  const std::int64_t pixels = in.height * in.width;
  std::uint64_t sum = 0;
  if (in.pixel_stride != 1 || in.row_stride != in.width) {
    for (std::int64_t i = threadIdx.x; i < pixels; i += blockDim.x) {
      const std::int64_t y = i / in.width;
      sum += in.data[y * in.row_stride + (i - y * in.width) * in.pixel_stride];
    }
    return sum;
  }
  const std::int64_t misaligned = misaligned_by(in.data);
  const std::int64_t head = misaligned < pixels ? misaligned : pixels;
  const std::int64_t vectors = (pixels - head) / 16;
  const uint4* from = reinterpret_cast<const uint4*>(in.data + head);
  for (std::int64_t v = threadIdx.x; v < vectors; v += blockDim.x) {
    const uint4 a = from[v];
    constexpr std::uint32_t kOnes = 0x01010101u;
    sum += __dp4a(a.x, kOnes, __dp4a(a.y, kOnes, __dp4a(a.z, kOnes, __dp4a(a.w, kOnes, 0u))));
  }
  const std::int64_t singles = pixels - 16 * vectors;
  for (std::int64_t i = threadIdx.x; i < singles; i += blockDim.x) sum += in.data[i < head ? i : i + 16 * vectors];
  return sum;
}

// The rounded mean luma of the image, in every thread of the block. Contains barriers.
__device__ inline std::int32_t mean_luma(const InView& in, uint4* stages, std::uint64_t* warp_sums) {
  std::uint64_t sum = in.channels == 1 ? sum_grey(in) : luma_sum_rgb(in, stages);
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  __syncthreads();
  if ((threadIdx.x & 31) == 0) warp_sums[threadIdx.x / 32] = sum;
  __syncthreads();
  std::uint64_t total = 0;
  for (int w = 0; w < static_cast<int>(blockDim.x / 32); ++w) total += warp_sums[w];
  return rounded_mean(total, static_cast<std::uint64_t>(in.height) * static_cast<std::uint64_t>(in.width));
}

}  // namespace leaven::cuda
