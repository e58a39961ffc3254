#pragma once

#include <cuda_runtime.h>

#include "kernels/augment/mix.hpp"
#include "kernels/augment/normalise.hpp"
#include "kernels/core/float16.hpp"

// The last step of the pipeline, and the single operations cutmix, mixup and normalise: each output value is written
// once, taken from the own image or, inside the box, from the partner's, or their weighted mean, and normalised or
// kept.
namespace leaven::cuda {

struct NoMix {
  using Index = std::int64_t;  // of a group: the whole batch may count as one image
  static constexpr bool kMixes = false;
};

__device__ inline std::uint32_t mixed_word(std::uint32_t own, std::uint32_t partners, float weight) {
  std::uint32_t mixed = 0;
#pragma unroll
  for (int i = 0; i < 32; i += 8) {
    const auto mine = static_cast<std::int32_t>(own >> i & 255);
    mixed |= static_cast<std::uint32_t>(mixed_value(mine, static_cast<std::int32_t>(partners >> i & 255), weight)) << i;
  }
  return mixed;
}

struct Mixer {
  using Index = std::uint32_t;
  static constexpr bool kMixes = true;
  MixJob job;
  __device__ static std::uint32_t mean(std::uint32_t own, std::uint32_t partners, float weight) {
    return mixed_word(own, partners, weight);
  }
};

// A word is one value.
struct FloatMixer : Mixer {
  __device__ static std::uint32_t mean(std::uint32_t own, std::uint32_t partners, float weight) {
    return __float_as_uint(mixed_value(__uint_as_float(own), __uint_as_float(partners), weight));
  }
};

// The u8 or f32 value itself.
template <class T>
struct Keep {
  using In = T;
  using Out = T;
  __device__ T value(T v, int) const { return v; }
};

__device__ inline std::uint8_t byte_of(std::uint32_t word, int i) { return static_cast<std::uint8_t>(word >> (8 * i)); }

// What a thread writes at once.
template <class T>
struct alignas(4 * sizeof(T)) Four {
  T value[4];
};

// Two numbers (no NaN: the host has seen to it) as 16 bits each, rounded to nearest even, the first in the lower half.
__device__ __forceinline__ std::uint32_t bf16_pair(float low, float high) {
  const std::uint32_t a = __float_as_uint(low);
  const std::uint32_t b = __float_as_uint(high);
  return __byte_perm(a + 0x7FFF + (a >> 16 & 1), b + 0x7FFF + (b >> 16 & 1), 0x7632);
}
__device__ __forceinline__ std::uint32_t f16_pair(float low, float high) {
  std::uint16_t a, b;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(a) : "f"(low));
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(b) : "f"(high));
  return a | static_cast<std::uint32_t>(b) << 16;
}

// T is float or 16 bits of `type`.
template <class T>
struct Normalise {
  using In = std::uint8_t;
  using Out = T;
  ScaleShift p;
  FloatType type;
  // (An index into the kernel's parameters would put them into local memory.)
  __device__ float number(std::uint8_t v, int channel) const {
    return normalise_value(v, channel == 0 ? p.scale[0] : (channel == 1 ? p.scale[1] : p.scale[2]),
                           channel == 0 ? p.shift[0] : (channel == 1 ? p.shift[1] : p.shift[2]));
  }
  __device__ T value(std::uint8_t v, int channel) const { return output_value<T>(number(v, channel), type); }
  // The bytes of a word, which are of channels a, b, c, d.
  __device__ Four<T> four(std::uint32_t word, int a, int b, int c, int d) const {
    const float n[4] = {number(byte_of(word, 0), a), number(byte_of(word, 1), b), number(byte_of(word, 2), c),
                        number(byte_of(word, 3), d)};
    if constexpr (sizeof(T) == 4) {
      return {n[0], n[1], n[2], n[3]};
    } else {
      const bool bf16 = type == FloatType::bf16;
      const std::uint32_t pairs[2] = {bf16 ? bf16_pair(n[0], n[1]) : f16_pair(n[0], n[1]),
                                      bf16 ? bf16_pair(n[2], n[3]) : f16_pair(n[2], n[3])};
      Four<T> all;
      memcpy(&all, pairs, sizeof all);
      return all;
    }
  }
};

constexpr int kUnroll = 4;  // groups (what one thread moves at once) per thread, all loaded before the first is stored

// One part of one image: blockIdx.x is the part; the blocks of a part, blockIdx.y, share the images.
template <class Mix>
struct Tile {
  std::int64_t image;
  std::int64_t partner;
  typename Mix::Index first_group;  // of this thread; the next ones follow at distance blockDim.x
  BoxPx box;
  float weight;  // of the own values in a mean; 1: there is none
};

// Every thread of the block must come here: one of them draws for all and writes the image's labels.
template <class Mix>
__device__ Tile<Mix> start_tile(const Mix& mix, std::int64_t image) {
  using Index = typename Mix::Index;
  Tile<Mix> tile{image, image, static_cast<Index>(blockIdx.x) * (blockDim.x * kUnroll) + threadIdx.x, {}, 1.0f};
  if constexpr (Mix::kMixes) {
    __shared__ MixDraw drawn;
    __syncthreads();  // nobody still reads the draw of the tile before
    if (threadIdx.x == 0) {
      const MixDraw mine = draw_mix(mix.job, image);
      if (blockIdx.x == 0) write_labels(mix.job, image, mine);
      drawn = mine;
    }
    __syncthreads();
    tile.box = drawn.box;
    tile.partner = drawn.partner;
    tile.weight = drawn.weight;
  }
  return tile;
}

// 4 * kWords bytes at once.
template <int kWords>
struct alignas(4 * kWords) Bytes {
  std::uint32_t word[kWords];
};

// How the bytes of an image make rows: `height` rows follow each other, once per plane.
struct Rows {
  std::uint32_t row_bytes;
  std::int32_t pixel_bytes;
  std::int32_t height;
};

// The lower `count` bytes of a word, count clamped to 0 .. 4.
__device__ inline std::uint32_t low_bytes(std::int32_t count) {
  const std::int32_t clamped = count < 0 ? 0 : (count > 4 ? 4 : count);
  return static_cast<std::uint32_t>((std::uint64_t{1} << (8 * clamped)) - 1);
}

// All bits of those of the 4 * kWords bytes from `offset` on that are inside the box. (Never in two planes: what
// divides three planes divides one.)
template <int kWords>
__device__ Bytes<kWords> box_mask(const BoxPx& box, const Rows& rows, std::uint32_t offset) {
  constexpr std::int32_t kSize = 4 * kWords;
  Bytes<kWords> mask{};
  const std::uint32_t row = offset / rows.row_bytes;
  const auto row_bytes = static_cast<std::int32_t>(rows.row_bytes);
  std::int32_t column = static_cast<std::int32_t>(offset - row * rows.row_bytes);
  std::int32_t y = static_cast<std::int32_t>(row % static_cast<std::uint32_t>(rows.height));
  for (std::int32_t begin = 0; begin < kSize && y < box.bottom; ++y) {
    const std::int32_t end = min(kSize, begin + row_bytes - column);
    if (y >= box.top) {
      const std::int32_t from = max(begin, begin + box.left * rows.pixel_bytes - column);
      const std::int32_t to = min(end, begin + box.right * rows.pixel_bytes - column);
#pragma unroll
      for (std::int32_t w = 0; w < kWords; ++w) mask.word[w] |= low_bytes(to - 4 * w) & ~low_bytes(from - 4 * w);
    }
    begin = end;
    column = 0;
  }
  return mask;
}

// Group `index` of the own image, with the bytes inside the box replaced by the partner's, or mixed with them.
template <int kWords, class Mix>
__device__ Bytes<kWords> load_group(const Bytes<kWords>* in, typename Mix::Index groups, typename Mix::Index index,
                                    const Rows& rows, const Tile<Mix>& tile) {
  Bytes<kWords> own = in[tile.image * static_cast<std::int64_t>(groups) + index];
  if constexpr (Mix::kMixes) {
    if (tile.weight != 1.0f) {
      const Bytes<kWords> other = in[tile.partner * static_cast<std::int64_t>(groups) + index];
#pragma unroll
      for (int w = 0; w < kWords; ++w) own.word[w] = Mix::mean(own.word[w], other.word[w], tile.weight);
      return own;
    }
    if (tile.box.left >= tile.box.right) return own;
    const Bytes<kWords> mask = box_mask<kWords>(tile.box, rows, index * (4 * kWords));
    std::uint32_t any = 0;
#pragma unroll
    for (int w = 0; w < kWords; ++w) any |= mask.word[w];
    if (any == 0) return own;
    const Bytes<kWords> other = in[tile.partner * static_cast<std::int64_t>(groups) + index];
#pragma unroll
    for (int w = 0; w < kWords; ++w) own.word[w] = (own.word[w] & ~mask.word[w]) | (other.word[w] & mask.word[w]);
  }
  return own;
}

inline bool is_aligned(const void* data, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(data) % bytes == 0;
}

}  // namespace leaven::cuda
