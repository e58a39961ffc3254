#pragma once

#include <cstdint>

#include "kernels/augment/pixel.cuh"

// Operations that look at all channels of a pixel: luma sums and color, for one block on its part of one image.
namespace leaven::cuda {

inline constexpr int kWarpVectors = 96;  // 16-byte vectors of a warp's 512 RGB pixels

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

__device__ __forceinline__ std::uint32_t hue_pixel(std::uint32_t rgb, std::int32_t shift) {
  const Rgb turned = hue_shifted({static_cast<std::int32_t>(rgb & 255), static_cast<std::int32_t>(rgb >> 8 & 255),
                                  static_cast<std::int32_t>(rgb >> 16 & 255)},
                                 shift);
  return static_cast<std::uint32_t>(turned.r | turned.g << 8 | turned.b << 16);
}

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
  const int lane = static_cast<int>(lane_id());
  for (int k = 0; k < 3; ++k) {
    if (k * 32 + lane < 3 * units) stage[k * 32 + lane] = from[k * 32 + lane];
  }
  __syncwarp();
  if (lane < units) {
    for (int k = 0; k < 3; ++k) mine[k] = stage[3 * lane + k];
  }
}

__device__ __forceinline__ void store_units(uint4* to, int units, uint4* stage, const uint4* mine) {
  const int lane = static_cast<int>(lane_id());
  if (lane < units) {
    for (int k = 0; k < 3; ++k) stage[3 * lane + k] = mine[k];
  }
  __syncwarp();
  for (int k = 0; k < 3; ++k) {
    if (k * 32 + lane < 3 * units) to[k * 32 + lane] = stage[k * 32 + lane];
  }
  __syncwarp();
}

// Where a run of `pixels` RGB pixels splits: a head of less than 16, units of 16 pixels at multiples of 16 bytes, a
// tail.
struct RgbUnits {
  std::uint32_t head, singles;
  std::int64_t units;
  __device__ RgbUnits(const void* data, std::int64_t pixels) {
    const std::uint32_t wanted = pixels_to_alignment<3>(data);
    head = wanted < pixels ? wanted : static_cast<std::uint32_t>(pixels);
    units = (pixels - head) / 16;
    singles = static_cast<std::uint32_t>(pixels - units * 16);
  }
  // Pixel number i of head and tail, in this order.
  __device__ std::int64_t single(std::uint32_t i) const { return i < head ? i : i + 16 * units; }
};

// Calls body(first unit, number of units, stage) for groups of up to 32 units, one group per warp and turn.
template <class Body>
__device__ __forceinline__ void for_unit_groups(std::int64_t units, Part part, uint4* stages, const Body& body) {
  const std::uint32_t warps = blockDim.x / 32;
  const std::int64_t stride = static_cast<std::int64_t>(part.count) * warps * 32;
  std::int64_t u = (static_cast<std::int64_t>(part.index) * warps + warp_id()) * 32;
#pragma unroll 1
  for (; u < units; u += stride) {
    body(u, static_cast<int>(units - u < 32 ? units - u : 32), stages + warp_id() * kWarpVectors);
  }
}

__device__ inline void color_strided(const ColorPixel& color, const InView& in, const OutView& out, Part part) {
#pragma unroll 1
  for (std::int64_t y = part.index; y < in.height; y += part.count) {
#pragma unroll 1
    for (std::int64_t x = threadIdx.x; x < in.width; x += blockDim.x) {
      const std::uint32_t rgb = load_pixel(in.data + y * in.row_stride + x * in.pixel_stride, in.channel_stride);
      store_pixel<3>(out.data + y * out.row_stride + x * out.pixel_stride, out.channel_stride, color(rgb));
    }
  }
}

__device__ inline void color_image(float factor, const InView& in, const OutView& out, Part part, uint4* stages) {
  const ColorPixel color{factor};
  if (!is_pixel_run(in) || !is_pixel_run(out) || !align_together(in.data, out.data)) {
    return color_strided(color, in, out, part);
  }
  const RgbUnits split(in.data, in.height * in.width);
  const uint4* from = reinterpret_cast<const uint4*>(in.data + 3 * split.head);
  uint4* to = reinterpret_cast<uint4*>(out.data + 3 * split.head);
  for_unit_groups(split.units, part, stages, [&](std::int64_t u, int units, uint4* stage) {
    uint4 mine[3] = {};
    load_units(from + 3 * u, units, stage, mine);
    std::uint32_t* words = reinterpret_cast<std::uint32_t*>(mine);
#pragma unroll
    for (int quad = 0; quad < 4; ++quad) {
      std::uint32_t four[4];
      split_pixels(words + 3 * quad, four);
      for (int k = 0; k < 4; ++k) four[k] = color(four[k]);
      join_pixels(four, words + 3 * quad);
    }
    store_units(to + 3 * u, units, stage, mine);
  });
  if (part.index == 0 && threadIdx.x < split.singles) {
    const std::int64_t at = 3 * split.single(threadIdx.x);
    store_pixel<3>(out.data + at, 1, color(load_pixel(in.data + at, 1)));
  }
}

// This thread's share of the sum of the luma values of the whole image.
__device__ inline std::uint64_t luma_sum_rgb(const InView& in, uint4* stages) {
  std::uint64_t sum = 0;
  if (!is_pixel_run(in)) {
#pragma unroll 1
    for (std::int64_t y = 0; y < in.height; ++y) {
#pragma unroll 1
      for (std::int64_t x = threadIdx.x; x < in.width; x += blockDim.x) {
        const std::uint8_t* p = in.data + y * in.row_stride + x * in.pixel_stride;
        sum += luma_times_65536(load_pixel(p, in.channel_stride)) >> 16;
      }
    }
    return sum;
  }
  const RgbUnits split(in.data, in.height * in.width);
  const uint4* from = reinterpret_cast<const uint4*>(in.data + 3 * split.head);
  for_unit_groups(split.units, {0, 1}, stages, [&](std::int64_t u, int units, uint4* stage) {
    uint4 mine[3] = {};
    load_units(from + 3 * u, units, stage, mine);
    const std::uint32_t* words = reinterpret_cast<const std::uint32_t*>(mine);
    std::uint32_t of_unit = 0;
#pragma unroll
    for (int quad = 0; quad < 4; ++quad) {
      std::uint32_t four[4];
      split_pixels(words + 3 * quad, four);
      for (int k = 0; k < 4; ++k) of_unit += luma_times_65536(four[k]) >> 16;
    }
    sum += of_unit;
    __syncwarp();
  });
  if (threadIdx.x < split.singles) {
    sum += luma_times_65536(load_pixel(in.data + 3 * split.single(threadIdx.x), 1)) >> 16;
  }
  return sum;
}

__device__ inline std::uint64_t sum_grey(const InView& in) {
  std::uint64_t sum = 0;
  if (!is_pixel_run(in)) {
#pragma unroll 1
    for (std::int64_t y = 0; y < in.height; ++y) {
#pragma unroll 1
      for (std::int64_t x = threadIdx.x; x < in.width; x += blockDim.x) {
        sum += in.data[y * in.row_stride + x * in.pixel_stride];
      }
    }
    return sum;
  }
  const std::int64_t pixels = in.height * in.width;
  const std::uint32_t misaligned = misaligned_by(in.data);
  const std::uint32_t head = misaligned < pixels ? misaligned : static_cast<std::uint32_t>(pixels);
  const std::int64_t vectors = (pixels - head) / 16;
  const uint4* from = reinterpret_cast<const uint4*>(in.data + head);
#pragma unroll 4
  for (std::int64_t v = threadIdx.x; v < vectors; v += blockDim.x) {
    const uint4 a = from[v];
    constexpr std::uint32_t kOnes = 0x01010101u;
    sum += __dp4a(a.x, kOnes, __dp4a(a.y, kOnes, __dp4a(a.z, kOnes, __dp4a(a.w, kOnes, 0u))));
  }
  const std::uint32_t singles = static_cast<std::uint32_t>(pixels - 16 * vectors);
  if (threadIdx.x < singles) sum += in.data[threadIdx.x < head ? threadIdx.x : threadIdx.x + 16 * vectors];
  return sum;
}

// The rounded mean luma of the image, in every thread of the block. Contains barriers.
__device__ inline std::int32_t mean_luma(const InView& in, uint4* stages, std::uint64_t* warp_sums) {
  std::uint64_t sum = in.channels == 1 ? sum_grey(in) : luma_sum_rgb(in, stages);
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (lane_id() == 0) warp_sums[warp_id()] = sum;
  __syncthreads();
  std::uint64_t total = 0;
  for (std::uint32_t w = 0; w < blockDim.x / 32; ++w) total += warp_sums[w];
  return rounded_mean(total, static_cast<std::uint64_t>(in.height) * static_cast<std::uint64_t>(in.width));
}

}  // namespace leaven::cuda
