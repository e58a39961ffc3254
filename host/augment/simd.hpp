#pragma once

#include <cstdint>

// The few vector operations that the pixel loops need, for the instruction set that the file is compiled for (see
// host/core/isa.hpp). A vector is made of 16-byte lanes; shuffles and packs stay inside a lane. kVectorBytes is 0 where
// there are none: the loops then take values one by one.
#if defined(__SSSE3__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // false alarms inside the header of g++ 12: its bug 105593
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace leaven::LEAVEN_ISA {

#if defined(__AVX512BW__) && defined(__AVX512VL__)

inline constexpr int kVectorBytes = 64;
using Bytes = __m512i;
using Floats = __m512;

#define LEAVEN_SIMD(name) _mm512_##name
#define LEAVEN_SIMD_BITS(name) _mm512_##name##_si512

#elif defined(__AVX2__)

inline constexpr int kVectorBytes = 32;
using Bytes = __m256i;
using Floats = __m256;

#define LEAVEN_SIMD(name) _mm256_##name
#define LEAVEN_SIMD_BITS(name) _mm256_##name##_si256

#elif defined(__SSSE3__)

inline constexpr int kVectorBytes = 16;
using Bytes = __m128i;
using Floats = __m128;

#define LEAVEN_SIMD(name) _mm_##name
#define LEAVEN_SIMD_BITS(name) _mm_##name##_si128

#else

inline constexpr int kVectorBytes = 0;

#endif

#if defined(__SSSE3__)

inline constexpr int kVectorLanes = kVectorBytes / 16;

namespace simd {

[[gnu::always_inline]] inline Bytes load(const std::uint8_t* p) {
  return LEAVEN_SIMD_BITS(loadu)(reinterpret_cast<const Bytes*>(p));
}
[[gnu::always_inline]] inline void store(std::uint8_t* p, Bytes v) {
  LEAVEN_SIMD_BITS(storeu)(reinterpret_cast<Bytes*>(p), v);
}

// Each lane gets these 16 bytes.
[[gnu::always_inline]] inline Bytes each_lane(__m128i lane) {
#if defined(__AVX512BW__)
  return _mm512_broadcast_i32x4(lane);
#elif defined(__AVX2__)
  return _mm256_broadcastsi128_si256(lane);
#else
  return lane;
#endif
}

[[gnu::always_inline]] inline Bytes shuffle(Bytes v, Bytes indices) { return LEAVEN_SIMD(shuffle_epi8)(v, indices); }
[[gnu::always_inline]] inline Bytes or_bits(Bytes a, Bytes b) { return LEAVEN_SIMD_BITS(or)(a, b); }
[[gnu::always_inline]] inline Bytes xor_bits(Bytes a, Bytes b) { return LEAVEN_SIMD_BITS(xor)(a, b); }
[[gnu::always_inline]] inline Bytes bytes(std::uint8_t v) { return LEAVEN_SIMD(set1_epi8)(static_cast<char>(v)); }
[[gnu::always_inline]] inline Bytes add_saturating8(Bytes a, Bytes b) { return LEAVEN_SIMD(adds_epu8)(a, b); }
[[gnu::always_inline]] inline Bytes int32(std::int32_t v) { return LEAVEN_SIMD(set1_epi32)(v); }
[[gnu::always_inline]] inline Bytes add32(Bytes a, Bytes b) { return LEAVEN_SIMD(add_epi32)(a, b); }
[[gnu::always_inline]] inline Bytes shift_right32(Bytes a, int n) { return LEAVEN_SIMD(srli_epi32)(a, n); }
// a[2i] b[2i] + a[2i + 1] b[2i + 1] of 16-bit numbers.
[[gnu::always_inline]] inline Bytes multiply_pairs(Bytes a, Bytes b) { return LEAVEN_SIMD(madd_epi16)(a, b); }
[[gnu::always_inline]] inline Bytes pack32(Bytes a, Bytes b) { return LEAVEN_SIMD(packs_epi32)(a, b); }
[[gnu::always_inline]] inline Bytes pack16(Bytes a, Bytes b) { return LEAVEN_SIMD(packus_epi16)(a, b); }
// Sums of eight bytes, in 64 bits.
[[gnu::always_inline]] inline Bytes sum8(Bytes a) { return LEAVEN_SIMD(sad_epu8)(a, Bytes{}); }
[[gnu::always_inline]] inline Bytes add64(Bytes a, Bytes b) { return LEAVEN_SIMD(add_epi64)(a, b); }

[[gnu::always_inline]] inline Floats float32(float v) { return LEAVEN_SIMD(set1_ps)(v); }
[[gnu::always_inline]] inline Floats add(Floats a, Floats b) { return LEAVEN_SIMD(add_ps)(a, b); }
[[gnu::always_inline]] inline Floats subtract(Floats a, Floats b) { return LEAVEN_SIMD(sub_ps)(a, b); }
[[gnu::always_inline]] inline Floats multiply(Floats a, Floats b) { return LEAVEN_SIMD(mul_ps)(a, b); }
[[gnu::always_inline]] inline Bytes truncate(Floats a) { return LEAVEN_SIMD(cvttps_epi32)(a); }

[[gnu::always_inline]] inline Floats as_floats(Bytes v) {
#if defined(__AVX512BW__)
  return _mm512_castsi512_ps(v);
#elif defined(__AVX2__)
  return _mm256_castsi256_ps(v);
#else
  return _mm_castsi128_ps(v);
#endif
}

// Lane l gets the 16 bytes at p + 12 l: four RGB pixels and the first four bytes of what follows.
[[gnu::always_inline]] inline Bytes load_rgb(const std::uint8_t* p) {
  const auto lane = [&](int l) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 12 * l)); };
#if defined(__AVX512BW__)
  const __m512i low = _mm512_inserti32x4(_mm512_castsi128_si512(lane(0)), lane(1), 1);
  return _mm512_inserti32x4(_mm512_inserti32x4(low, lane(2), 2), lane(3), 3);
#elif defined(__AVX2__)
  return _mm256_inserti128_si256(_mm256_castsi128_si256(lane(0)), lane(1), 1);
#else
  return lane(0);
#endif
}

#if defined(__AVX2__)
// The kVectorBytes / 4 RGB pixels at p from the last to the first, four in the first 12 bytes of each lane.
[[gnu::always_inline]] inline Bytes load_rgb_reversed(const std::uint8_t* p) {
#if defined(__AVX512BW__)
  const __m512i order = _mm512_setr_epi32(9, 10, 11, 0, 6, 7, 8, 0, 3, 4, 5, 0, 0, 1, 2, 0);
  const __m512i lanes = _mm512_permutexvar_epi32(order, _mm512_maskz_loadu_epi32(0x0fff, p));
  return shuffle(lanes, each_lane(_mm_setr_epi8(9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, -1, -1, -1, -1)));
#else
  const __m128i last = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8));  // its pixels begin at byte 4
  const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return shuffle(_mm256_set_m128i(first, last),
                 _mm256_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, -1, -1, -1, -1,  //
                                  9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, -1, -1, -1, -1));
#endif
}

[[gnu::always_inline]] inline Bytes counted32(std::int32_t first, std::int32_t step) {
  const Bytes steps = LEAVEN_SIMD(mullo_epi32)(int32(step),
#if defined(__AVX512BW__)
                                               _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#else
                                               _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
#endif
  );
  return add32(int32(first), steps);
}
[[gnu::always_inline]] inline Bytes multiply32(Bytes a, Bytes b) { return LEAVEN_SIMD(mullo_epi32)(a, b); }

// The 32-bit words at p + offset, of memory that ends at p + last + 4: a word that would reach behind it is filled up
// with zeros. Offsets that are negative or larger read something inside.
[[gnu::always_inline]] inline Bytes gather32(const std::uint8_t* p, Bytes offset, std::int32_t last) {
  const Bytes inside = LEAVEN_SIMD(min_epu32)(offset, int32(last));
#if defined(__AVX512BW__)
  const Bytes words = _mm512_i32gather_epi32(inside, p, 1);
#else
  const Bytes words = _mm256_i32gather_epi32(reinterpret_cast<const int*>(p), inside, 1);
#endif
  const Bytes bits = LEAVEN_SIMD(slli_epi32)(LEAVEN_SIMD(sub_epi32)(offset, inside), 3);
  return LEAVEN_SIMD(srlv_epi32)(words, bits);
}

// The lowest byte of each word; kVectorBytes / 4 bytes are written.
[[gnu::always_inline]] inline void store_low_bytes(std::uint8_t* p, Bytes words) {
#if defined(__AVX512BW__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(words));
#else
  const __m256i low = _mm256_shuffle_epi8(words, _mm256_set1_epi32(0x0c080400));
  const std::int32_t first = _mm256_extract_epi32(low, 0);
  const std::int32_t second = _mm256_extract_epi32(low, 4);
  __builtin_memcpy(p, &first, 4);
  __builtin_memcpy(p + 4, &second, 4);
#endif
}

#if defined(__AVX512BW__)
// The first `count` of the words' lowest bytes, or of the bytes without gaps of store_rgb(): none behind is written.
[[gnu::always_inline]] inline void store_some_low_bytes(std::uint8_t* p, Bytes words, std::int32_t count) {
  _mm_mask_storeu_epi8(p, static_cast<__mmask16>((1u << count) - 1), _mm512_cvtepi32_epi8(words));
}
[[gnu::always_inline]] inline void store_some_rgb(std::uint8_t* p, Bytes v, std::int32_t count) {
  const __m512i order = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0);
  _mm512_mask_storeu_epi8(p, (std::uint64_t{1} << count) - 1, _mm512_permutexvar_epi32(order, v));
}
#endif
#endif

// The reverse: the first 12 bytes of each lane, without gaps; nothing behind them is written.
[[gnu::always_inline]] inline void store_rgb(std::uint8_t* p, Bytes v) {
#if defined(__AVX512BW__)
  const __m512i order = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0);
  _mm512_mask_storeu_epi32(p, 0x0fff, _mm512_permutexvar_epi32(order, v));
#elif defined(__AVX2__)
  const __m256i packed = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 0, 0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p + 16), _mm256_extracti128_si256(packed, 1));
#else
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), v);
  const std::int32_t last = _mm_cvtsi128_si32(_mm_srli_si128(v, 8));
  __builtin_memcpy(p + 8, &last, 4);
#endif
}

[[gnu::always_inline]] inline std::uint64_t total64(Bytes v) {
  std::uint64_t parts[kVectorBytes / 8];
  __builtin_memcpy(parts, &v, sizeof(parts));
  std::uint64_t total = 0;
  for (const std::uint64_t part : parts) total += part;
  return total;
}

[[gnu::always_inline]] inline std::uint64_t total32(Bytes v) {
  std::uint32_t parts[kVectorBytes / 4];
  __builtin_memcpy(parts, &v, sizeof(parts));
  std::uint64_t total = 0;
  for (const std::uint32_t part : parts) total += part;
  return total;
}

}  // namespace simd

#endif

}  // namespace leaven::LEAVEN_ISA
