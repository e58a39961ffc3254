#pragma once

#include <cstdint>

#include <leaven/view.hpp>

// How the blocks of a launch share an image, and how a warp writes pixels.
namespace leaven::cuda {

using InView = ImageView<const std::uint8_t>;
using OutView = ImageView<std::uint8_t>;

inline constexpr int kMostThreads = 256;
inline constexpr int kMostWarps = kMostThreads / 32;

// This block is number `index` of the `count` blocks of an image.
struct Part {
  std::uint32_t index, count;
};

__device__ __forceinline__ std::int64_t thread_of(Part part) {
  return static_cast<std::int64_t>(part.index) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ std::int64_t threads_of(Part part) {
  return static_cast<std::int64_t>(part.count) * blockDim.x;
}

__device__ __forceinline__ std::uint32_t lane_id() { return threadIdx.x & 31; }
__device__ __forceinline__ std::uint32_t warp_id() { return threadIdx.x / 32; }

// Bytes to the next multiple of 16.
__device__ __forceinline__ std::uint32_t misaligned_by(const void* p) {
  return static_cast<std::uint32_t>(-reinterpret_cast<std::intptr_t>(p) & 15);
}

__device__ __forceinline__ bool align_together(const void* a, const void* b) {
  return ((reinterpret_cast<std::intptr_t>(a) ^ reinterpret_cast<std::intptr_t>(b)) & 15) == 0;
}

// Pixels one after the other, channels side by side.
template <class View>
__device__ __forceinline__ bool is_pixel_run(const View& v) {
  return v.pixel_stride == v.channels && v.row_stride == v.width * v.channels &&
         (v.channels == 1 || v.channel_stride == 1);
}

// Both views hold the image's values without gaps and in the same order.
template <class In, class Out>
__device__ __forceinline__ bool one_run(const In& in, const Out& out) {
  if (is_pixel_run(in)) return is_pixel_run(out);
  const bool same =
      in.row_stride == out.row_stride && in.pixel_stride == out.pixel_stride && in.channel_stride == out.channel_stride;
  return same && in.pixel_stride == 1 && in.row_stride == in.width && in.channel_stride == in.height * in.width;
}

// Where pixel (x, y) of an image lies, for geometry: its strides fit 32 bits (the host checks), so that a product is
// one instruction.
template <class View>
__device__ __forceinline__ std::int64_t pixel_offset(const View& v, std::int32_t x, std::int32_t y) {
  return std::int64_t{y} * static_cast<std::int32_t>(v.row_stride) +
         std::int64_t{x} * static_cast<std::int32_t>(v.pixel_stride);
}

// (The view's own conversion is a function of the host.)
__device__ __forceinline__ InView readable(const OutView& v) {
  return {v.data,         v.count,      v.height,       v.width,         v.channels,
          v.image_stride, v.row_stride, v.pixel_stride, v.channel_stride};
}

// A pixel in a word: channels in bytes 0, 1, 2.
__device__ __forceinline__ std::uint32_t load_pixel(const std::uint8_t* p, std::int64_t channel_stride) {
  return p[0] | (static_cast<std::uint32_t>(p[channel_stride]) << 8) |
         (static_cast<std::uint32_t>(p[2 * channel_stride]) << 16);
}

template <int kChannels>
__device__ __forceinline__ std::uint32_t pixel_at(const InView& in, std::int32_t x, std::int32_t y) {
  const std::uint8_t* p = in.data + pixel_offset(in, x, y);
  return kChannels == 1 ? std::uint32_t{p[0]} : load_pixel(p, in.channel_stride);
}

template <int kChannels>
__device__ __forceinline__ void store_pixel(std::uint8_t* p, std::int64_t channel_stride, std::uint32_t pixel) {
  for (int c = 0; c < kChannels; ++c) p[c * channel_stride] = static_cast<std::uint8_t>(pixel >> (8 * c));
}

// The number of pixels (of 1 or 3 bytes) from p to the next one that begins at a multiple of 16. 3 * 11 = 1 mod 16.
template <int kChannels>
__device__ __forceinline__ std::uint32_t pixels_to_alignment(const void* p) {
  return kChannels == 1 ? misaligned_by(p) : (misaligned_by(p) * 11) & 15;
}

}  // namespace leaven::cuda
