#pragma once

#include <cstdint>

#include <leaven/view.hpp>
#include "kernels/augment/pixel.hpp"

// The pixel operations of one block on its part of one image. The words hold four values each; a value becomes a float
// by putting it into the mantissa of 2^23, and is exact there.
namespace leaven::cuda {

using InView = ImageView<const std::uint8_t>;
using OutView = ImageView<std::uint8_t>;

inline constexpr int kMostThreads = 256;
inline constexpr int kWarpVectors = 96;  // 16-byte vectors of a warp's 512 RGB pixels

// Part `part` of `parts` of the items 0 .. count - 1.
struct Part {
  std::int64_t index, count;
  __device__ std::int64_t begin(std::int64_t items) const { return count == 1 ? 0 : items * index / count; }
  __device__ std::int64_t end(std::int64_t items) const { return count == 1 ? items : items * (index + 1) / count; }
  __device__ bool first() const { return index == 0; }
  __device__ bool last() const { return index == count - 1; }
};

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
  std::uint32_t mask;
  __device__ explicit WordMap(const PixelMap& map) : mask(static_cast<std::uint32_t>(map.integer) * 0x01010101u) {}
  __device__ std::uint32_t operator()(std::uint32_t word) const { return word & mask; }
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
struct WordMap<PixelMap::Kind::offset> {
  std::uint32_t add, subtract;
  __device__ explicit WordMap(const PixelMap& map)
      : add(static_cast<std::uint32_t>(map.integer > 0 ? map.integer : 0) * 0x01010101u),
        subtract(static_cast<std::uint32_t>(map.integer < 0 ? -map.integer : 0) * 0x01010101u) {}
  __device__ std::uint32_t operator()(std::uint32_t word) const { return __vsubus4(__vaddus4(word, add), subtract); }
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

// Bytes to the next multiple of 16.
__device__ __forceinline__ std::int64_t misaligned_by(const void* p) {
  return static_cast<std::int64_t>(-reinterpret_cast<std::intptr_t>(p) & 15);
}

__device__ __forceinline__ bool align_together(const void* a, const void* b) {
  return ((reinterpret_cast<std::intptr_t>(a) ^ reinterpret_cast<std::intptr_t>(b)) & 15) == 0;
}

// `count` values without gaps in both: single bytes up to the first boundary of 16, vectors, single bytes.
template <PixelMap::Kind kKind>
__device__ void map_run(PixelMap map, const std::uint8_t* in, std::uint8_t* out, std::int64_t count, Part part) {
  map.kind = kKind;
  const WordMap<kKind> word(map);
  const std::int64_t misaligned = misaligned_by(in);
  const std::int64_t head = misaligned < count ? misaligned : count;
  const std::int64_t vectors = (count - head) / 16;
  const uint4* from = reinterpret_cast<const uint4*>(in + head);
  uint4* to = reinterpret_cast<uint4*>(out + head);
  const std::int64_t end = part.end(vectors);
  const int step = static_cast<int>(blockDim.x);
  std::int64_t v = part.begin(vectors) + threadIdx.x;
  for (; v + 3 * step < end; v += 4 * step) {
    const uint4 a = from[v], b = from[v + step], c = from[v + 2 * step], d = from[v + 3 * step];
    to[v] = map_vector(word, a);
    to[v + step] = map_vector(word, b);
    to[v + 2 * step] = map_vector(word, c);
    to[v + 3 * step] = map_vector(word, d);
  }
  for (; v < end; v += step) to[v] = map_vector(word, from[v]);
  const std::int64_t tail = head + vectors * 16;
  if (part.first() && threadIdx.x < head) {
    out[threadIdx.x] = static_cast<std::uint8_t>(map_value(map, in[threadIdx.x]));
  }
  if (part.last() && tail + threadIdx.x < count) {
    out[tail + threadIdx.x] = static_cast<std::uint8_t>(map_value(map, in[tail + threadIdx.x]));
  }
}

// Where value i (0 .. height * width * channels - 1, channels fastest) of an image lies.
template <class View>
__device__ __forceinline__ std::int64_t offset_of(const View& v, std::int64_t i) {
  const std::int64_t pixel = v.channels == 1 ? i : i / 3;
  const std::int64_t y = pixel / v.width;
  return y * v.row_stride + (pixel - y * v.width) * v.pixel_stride + (i - pixel * v.channels) * v.channel_stride;
}

__device__ inline void map_strided(const PixelMap& map, const InView& in, const OutView& out, Part part) {
  const std::int64_t count = in.height * in.width * in.channels;
  const std::int64_t end = part.end(count);
  for (std::int64_t i = part.begin(count) + threadIdx.x; i < end; i += blockDim.x) {
    out.data[offset_of(out, i)] = static_cast<std::uint8_t>(map_value(map, in.data[offset_of(in, i)]));
  }
}

// Both views hold the image's values without gaps and in the same order.
__device__ __forceinline__ bool one_run(const InView& in, const OutView& out) {
  const std::int64_t row = in.width * in.channels;
  const bool same = in.row_stride == out.row_stride && in.pixel_stride == out.pixel_stride &&
                    (in.channels == 1 || in.channel_stride == out.channel_stride);
  const bool nhwc =
      in.pixel_stride == in.channels && in.row_stride == row && (in.channels == 1 || in.channel_stride == 1);
  const bool nchw = in.pixel_stride == 1 && in.row_stride == in.width && in.channel_stride == in.height * in.width;
  return same && (nhwc || nchw);
}

// kKinds: of the maps that can come.
template <std::uint32_t kKinds>
__device__ void map_image(const PixelMap& map, const InView& in, const OutView& out, Part part) {
  if (!one_run(in, out) || !align_together(in.data, out.data)) return map_strided(map, in, out, part);
  const std::int64_t count = in.height * in.width * in.channels;
  constexpr std::uint32_t kBlends = kind_bit(ImageOpKind::brightness) | kind_bit(ImageOpKind::contrast);
  constexpr std::uint32_t kSolarizes = kind_bit(ImageOpKind::solarize) | kind_bit(ImageOpKind::invert);
  constexpr std::uint32_t kMasks =
      kind_bit(ImageOpKind::posterize) | kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::color);
  if constexpr ((kKinds & kBlends) != 0) {
    if (map.kind == PixelMap::Kind::blend) map_run<PixelMap::Kind::blend>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kSolarizes) != 0) {
    if (map.kind == PixelMap::Kind::solarize) map_run<PixelMap::Kind::solarize>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::brightness_offset)) != 0) {
    if (map.kind == PixelMap::Kind::offset) map_run<PixelMap::Kind::offset>(map, in.data, out.data, count, part);
  }
  if constexpr ((kKinds & kMasks) != 0) {
    if (map.kind == PixelMap::Kind::mask) map_run<PixelMap::Kind::mask>(map, in.data, out.data, count, part);
  }
}

}  // namespace leaven::cuda
