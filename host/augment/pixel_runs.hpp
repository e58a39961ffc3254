#pragma once

#include <cstdint>

#include "host/augment/simd.hpp"
#include "host/augment/warp_loops.hpp"

// Pixels and runs of pixels, for the geometric loops (*_isa.cpp).
namespace leaven::LEAVEN_ISA {
namespace {

using Byte = std::uint8_t;

// Between memory that does not overlap. Short runs are the rule (rows of small images): no call for these.
[[gnu::always_inline]] inline void copy_bytes(Byte* to, const Byte* from, std::int64_t count) {
  if (count > 256) {
    __builtin_memcpy(to, from, static_cast<std::size_t>(count));
  } else if (count >= 16) {
    std::int64_t i = 0;
    for (; i + 16 <= count; i += 16) __builtin_memcpy(to + i, from + i, 16);
    __builtin_memcpy(to + count - 16, from + count - 16, 16);
  } else if (count >= 4) {
    const std::int64_t half = count >= 8 ? count - 8 : count - 4;
    if (count >= 8) {
      __builtin_memcpy(to, from, 8);
      __builtin_memcpy(to + half, from + half, 8);
    } else {
      __builtin_memcpy(to, from, 4);
      __builtin_memcpy(to + half, from + half, 4);
    }
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

// Reads a byte of each cache line of rows first .. end - 1, if all of them fit the second-level cache: the loops that
// jump about in the input then find it there. (Plain reads in order start the hardware's prefetching; prefetch
// instructions were measured to do nothing.)
inline void touch_rows(const Plane<const std::uint8_t>& in, std::int64_t first, std::int64_t end) {
  constexpr std::int64_t kMostBytes = 512 * 1024;
  const std::int64_t bytes = (in.width - 1) * in.pixel_stride + 1;
  if (bytes <= 0 || bytes * (end - first) > kMostBytes) return;
  for (std::int64_t y = first; y < end; ++y) {
    const volatile Byte* row = in.data + y * in.row_stride;
    for (std::int64_t at = 0; at < bytes; at += 64) static_cast<void>(row[at]);
  }
}

// Pixels as words (channels in bytes 0, 1, 2) to bytes without gaps, a vector of words at a time.
#if defined(__SSSE3__)
[[gnu::always_inline]] inline Bytes rgb_lanes(Bytes words) {
  return simd::shuffle(words, simd::each_lane(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1)));
}
template <int kChannels>
[[gnu::always_inline]] inline void store_pixels(Byte* to, Bytes words) {
  static_assert(kChannels == 3);
  simd::store_rgb(to, rgb_lanes(words));
}
#endif
#if defined(__AVX2__)
template <>
[[gnu::always_inline]] inline void store_pixels<1>(Byte* to, Bytes words) {
  simd::store_low_bytes(to, words);
}

// The first `count` pixels of a vector: less than all.
template <int kChannels>
[[gnu::always_inline]] inline void store_some_pixels(Byte* to, Bytes words, std::int32_t count) {
#if defined(__AVX512BW__)
  if constexpr (kChannels == 1) return simd::store_some_low_bytes(to, words, count);
  simd::store_some_rgb(to, rgb_lanes(words), kChannels * count);
#else
  Byte all[kChannels * kVectorBytes / 4];
  store_pixels<kChannels>(all, words);
  copy_bytes(to, all, kChannels * count);
#endif
}

// The pixels of a plane in memory of its own: what gather32 may read. `last` is -1 where its rows lie the wrong way
// round or too far apart for 32-bit offsets, or where there is no whole word.
struct GatherRange {
  const Byte* data;
  std::int32_t last;
  GatherRange(const Plane<const Byte>& in, int channels) : data(in.data), last(-1) {
    const std::int64_t bytes = (in.height - 1) * in.row_stride + (in.width - 1) * in.pixel_stride + channels;
    if (in.row_stride >= 0 && in.pixel_stride > 0 && bytes >= 4 && bytes < (std::int64_t{1} << 31)) {
      last = static_cast<std::int32_t>(bytes - 4);
    }
  }
};
#endif

// Pixels of kChannels bytes; kDense: without gaps in input and output, otherwise the planes' strides count.
template <int kChannels, bool kDense>
struct Pixels {
  static constexpr int kBytes = kChannels;
  static constexpr bool kDenseRuns = kDense;

  [[gnu::always_inline]] static void copy(Byte* to, const Byte* from) {
    if constexpr (kChannels == 3) {
      std::uint16_t two;
      __builtin_memcpy(&two, from, 2);
      const Byte third = from[2];
      __builtin_memcpy(to, &two, 2);
      to[2] = third;
    } else {
      *to = *from;
    }
  }

  template <class T>
  [[gnu::always_inline]] static std::int64_t step(const Plane<T>& plane) {
    return kDense ? kChannels : plane.pixel_stride;
  }

  [[gnu::always_inline]] static void copy_run(const WarpJob& job, Byte* to, const Byte* from, std::int64_t pixels) {
    if constexpr (kDense) return copy_bytes(to, from, kChannels * pixels);
    for (std::int64_t x = 0; x < pixels; ++x) copy(to + x * step(job.out), from + x * step(job.in));
  }

  // Whether the bytes of the fill colour are equal.
  [[gnu::always_inline]] static bool fills_grey(const WarpJob& job) {
    return kChannels == 1 || (job.fill[0] == job.fill[1] && job.fill[0] == job.fill[2]);
  }

  // Pixels begin .. end - 1 of an output row get the fill colour.
  [[gnu::always_inline]] static void fill(const WarpJob& job, Byte* row, std::int64_t begin, std::int64_t end) {
    if (kDense && fills_grey(job) && end - begin > 8) {
      __builtin_memset(row + kChannels * begin, job.fill[0], static_cast<std::size_t>(kChannels * (end - begin)));
      return;
    }
    for (std::int64_t x = begin; x < end; ++x) copy(row + x * step(job.out), job.fill);
  }
};

// Calls function(Pixels) with those that fit the job.
template <class Function>
void with_pixels(const WarpJob& job, const Function& function) {
  const bool dense = job.in.pixel_stride == job.channels && job.out.pixel_stride == job.channels;
  if (job.channels == 3) return dense ? function(Pixels<3, true>{}) : function(Pixels<3, false>{});
  return dense ? function(Pixels<1, true>{}) : function(Pixels<1, false>{});
}

// The first x of 0 .. count for which reached(x) holds, which then holds for all larger ones (count: for none). The
// search begins at `guess`, which may be anything.
template <class Reached>
[[gnu::always_inline]] inline std::int32_t first_reached(std::int32_t count, double guess, const Reached& reached) {
  std::int32_t x = guess > 0 ? (guess < count ? static_cast<std::int32_t>(guess) : count) : 0;
  while (x > 0 && reached(x - 1)) --x;
  while (x < count && !reached(x)) ++x;
  return x;
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
