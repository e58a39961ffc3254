#pragma once

#include <cstdint>

#include "kernels/augment/block.cuh"
#include "kernels/augment/pixel.hpp"

// The pixel operations of one block on its part of one image. The words hold four values each; a value becomes a float
// by putting it into the mantissa of 2^23, and is exact there.
namespace leaven::cuda {

constexpr float kTwo23 = 8388608.0f;

// 2^23 + byte k of the word.
__device__ __forceinline__ float lifted_byte(std::uint32_t word, std::uint32_t k) {
  return __uint_as_float(__byte_perm(word, 0x4B000000u, 0x7440u | k));
}

// clip_to_u8 in one instruction: conversions saturate, NaN gives 0.
__device__ __forceinline__ std::uint32_t saturate_to_u8(float t) {
  std::uint32_t v;
  asm("cvt.rzi.u8.f32 %0, %1;" : "=r"(v) : "f"(t));
  return v;
}

__device__ __forceinline__ std::uint32_t pack_bytes(std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                                    std::uint32_t d) {
  return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

__device__ __forceinline__ std::uint32_t blend_byte(std::uint32_t word, std::uint32_t k, float base, float lifted_base,
                                                    float factor) {
  return saturate_to_u8(__fadd_rn(base, __fmul_rn(factor, __fsub_rn(lifted_byte(word, k), lifted_base))));
}

// Maps of four values at once; the constants of a map are computed once per thread.
template <PixelMap::Kind kKind>
struct WordMap;

template <>
struct WordMap<PixelMap::Kind::mask> {
  std::uint32_t mask, flipped;
  __device__ explicit WordMap(const PixelMap& map)
      : mask(static_cast<std::uint32_t>(map.integer) * 0x01010101u),
        flipped(static_cast<std::uint32_t>(map.flipped) * 0x01010101u) {}
  __device__ std::uint32_t operator()(std::uint32_t word) const { return (word & mask) ^ flipped; }
};

template <>
struct WordMap<PixelMap::Kind::solarize> {
  std::uint32_t threshold, possible;
  __device__ explicit WordMap(const PixelMap& map)
      : threshold(static_cast<std::uint32_t>(map.integer & 255) * 0x01010101u),
        possible(map.integer < 256 ? ~0u : 0u) {}
  __device__ std::uint32_t operator()(std::uint32_t word) const {
    return word ^ (__vcmpgeu4(word, threshold) & possible);
  }
};

template <>
struct WordMap<PixelMap::Kind::add_below> {
  std::uint32_t threshold, addend, always;
  __device__ explicit WordMap(const PixelMap& map)
      : threshold(static_cast<std::uint32_t>(map.integer & 255) * 0x01010101u),
        addend(static_cast<std::uint32_t>(map.flipped) * 0x01010101u),
        always(map.integer > 255 ? ~0u : 0u) {}
  __device__ std::uint32_t operator()(std::uint32_t word) const {
    const std::uint32_t below = __vcmpltu4(word, threshold) | always;
    return __vaddus4(word, addend & below);
  }
};

template <>
struct WordMap<PixelMap::Kind::offset> {
  float lifted_zero;  // 2^23 - offset: what is left above it is the sum
  __device__ explicit WordMap(const PixelMap& map) : lifted_zero(kTwo23 - static_cast<float>(map.integer)) {}
  __device__ std::uint32_t sum(std::uint32_t word, std::uint32_t k) const {
    return saturate_to_u8(lifted_byte(word, k) - lifted_zero);
  }
  __device__ std::uint32_t operator()(std::uint32_t word) const {
    return pack_bytes(sum(word, 0), sum(word, 1), sum(word, 2), sum(word, 3));
  }
};

template <>
struct WordMap<PixelMap::Kind::blend> {
  float base, lifted_base, factor;
  __device__ explicit WordMap(const PixelMap& map)
      : base(map.base), lifted_base(kTwo23 + map.base), factor(map.factor) {}
  __device__ std::uint32_t operator()(std::uint32_t word) const {
    return pack_bytes(blend_byte(word, 0, base, lifted_base, factor), blend_byte(word, 1, base, lifted_base, factor),
                      blend_byte(word, 2, base, lifted_base, factor), blend_byte(word, 3, base, lifted_base, factor));
  }
};

template <class Word>
__device__ __forceinline__ uint4 map_vector(const Word& word, uint4 v) {
  return make_uint4(word(v.x), word(v.y), word(v.z), word(v.w));
}

// `count` values without gaps in both: single bytes up to the first boundary of 16, vectors (four loads in flight),
// single bytes.
template <PixelMap::Kind kKind>
__device__ void map_run(PixelMap map, const std::uint8_t* in, std::uint8_t* out, std::int64_t count, Part part) {
  map.kind = kKind;
  const WordMap<kKind> word(map);
  const std::uint32_t misaligned = misaligned_by(in);
  const std::uint32_t head = misaligned < count ? misaligned : static_cast<std::uint32_t>(count);
  const std::int64_t vectors = (count - head) / 16;
  const uint4* from = reinterpret_cast<const uint4*>(in + head);
  uint4* to = reinterpret_cast<uint4*>(out + head);
  const std::uint32_t step = blockDim.x;
  const std::int64_t stride = static_cast<std::int64_t>(part.count) * 4 * step;
#pragma unroll 1
  for (std::int64_t v = static_cast<std::int64_t>(part.index) * 4 * step + threadIdx.x; v < vectors; v += stride) {
    uint4 data[4];
    const std::int64_t left = vectors - v;
#pragma unroll
    for (std::uint32_t k = 0; k < 4; ++k) {
      if (k * step < left) data[k] = from[v + k * step];
    }
#pragma unroll
    for (std::uint32_t k = 0; k < 4; ++k) {
      if (k * step < left) to[v + k * step] = map_vector(word, data[k]);
    }
  }
  const std::uint32_t singles = static_cast<std::uint32_t>(count - 16 * vectors);  // at most 30
  if (part.index == 0 && threadIdx.x < singles) {
    const std::int64_t i = threadIdx.x < head ? threadIdx.x : threadIdx.x + 16 * vectors;
    out[i] = static_cast<std::uint8_t>(map_value(map, in[i]));
  }
}

// Any strides: blocks take rows, threads the values of a row.
__device__ inline void map_strided(const PixelMap& map, const InView& in, const OutView& out, Part part) {
#pragma unroll 1
  for (std::int64_t y = part.index; y < in.height; y += part.count) {
#pragma unroll 1
    for (std::int64_t x = threadIdx.x; x < in.width; x += blockDim.x) {
      const std::uint8_t* from = in.data + y * in.row_stride + x * in.pixel_stride;
      std::uint8_t* to = out.data + y * out.row_stride + x * out.pixel_stride;
#pragma unroll 1
      for (std::int64_t c = 0; c < in.channels; ++c) {
        to[c * out.channel_stride] = static_cast<std::uint8_t>(map_value(map, from[c * in.channel_stride]));
      }
    }
  }
}

// kKinds: of the maps that can come.
template <std::uint32_t kKinds>
__device__ void map_image(const PixelMap& map, const InView& in, const OutView& out, Part part) {
  if (!one_run(in, out) || !align_together(in.data, out.data)) return map_strided(map, in, out, part);
  const std::int64_t count = in.height * in.width * in.channels;
  constexpr std::uint32_t kBlends = kind_bit(ImageOpKind::brightness) | kind_bit(ImageOpKind::contrast);
  constexpr std::uint32_t kMasks = kind_bit(ImageOpKind::posterize) | kind_bit(ImageOpKind::invert) |
                                   kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::color) |
                                   kind_bit(ImageOpKind::hue);
  if constexpr ((kKinds & kBlends) != 0) {
    if (map.kind == PixelMap::Kind::blend) map_run<PixelMap::Kind::blend>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::solarize)) != 0) {
    if (map.kind == PixelMap::Kind::solarize) map_run<PixelMap::Kind::solarize>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::solarize_add)) != 0) {
    if (map.kind == PixelMap::Kind::add_below) map_run<PixelMap::Kind::add_below>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::brightness_offset)) != 0) {
    if (map.kind == PixelMap::Kind::offset) map_run<PixelMap::Kind::offset>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kMasks) != 0) {
    if (map.kind == PixelMap::Kind::mask) map_run<PixelMap::Kind::mask>(map, in.data, out.data, count, part);
  }
}

}  // namespace leaven::cuda
