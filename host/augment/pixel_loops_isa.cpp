#include "host/augment/pixel_loops.hpp"
#include "host/augment/simd.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

using Byte = std::uint8_t;

#if defined(__SSSE3__)

constexpr std::int32_t kTwo23Bits = 0x4B000000;  // of the float 2^23: with a byte in the mantissa it is 2^23 + byte
constexpr float kTwo23 = 8388608.0f;

// Where a loop of whole vectors meets the end: the rest is copied to a buffer of full size and back.
template <class Body>
void for_rest(const Byte* in, Byte* out, std::int64_t bytes, const Body& body) {
  Byte buffer[2 * kVectorBytes] = {};
  __builtin_memcpy(buffer, in, static_cast<std::size_t>(bytes));
  body(buffer);
  __builtin_memcpy(out, buffer, static_cast<std::size_t>(bytes));
}

// For |factor| small enough that every result fits an int32: packing then clips.
struct Blend {
  Bytes spread[4];
  Bytes two23 = simd::int32(kTwo23Bits);
  Floats base, lifted_base, factor;

  explicit Blend(const PixelMap& map)
      : base(simd::float32(map.base)),
        lifted_base(simd::float32(kTwo23 + map.base)),
        factor(simd::float32(map.factor)) {
    for (int k = 0; k < 4; ++k) {  // bytes 4k .. 4k + 3 of a lane, one in each 32 bits
      const auto from = [k](int i) { return static_cast<char>(4 * k + i); };
      spread[k] = simd::each_lane(
          _mm_setr_epi8(from(0), -1, -1, -1, from(1), -1, -1, -1, from(2), -1, -1, -1, from(3), -1, -1, -1));
    }
  }

  Bytes quarter(Bytes v, int k) const {
    const Floats lifted = simd::as_floats(simd::or_bits(simd::shuffle(v, spread[k]), two23));
    const Floats product = simd::multiply(factor, simd::subtract(lifted, lifted_base));
    return simd::truncate(simd::add(base, product));
  }
  Bytes operator()(Bytes v) const {
    return simd::pack16(simd::pack32(quarter(v, 0), quarter(v, 1)), simd::pack32(quarter(v, 2), quarter(v, 3)));
  }
};

bool fits_int32(float factor) { return factor > -4194304.0f && factor < 4194304.0f; }

void blend_run(const PixelMap& map, const Byte* in, Byte* out, std::int64_t count) {
  const Blend blend(map);
  std::int64_t i = 0;
  for (; i + kVectorBytes <= count; i += kVectorBytes) simd::store(out + i, blend(simd::load(in + i)));
  if (i < count) {
    for_rest(in + i, out + i, count - i, [&](Byte* rest) { simd::store(rest, blend(simd::load(rest))); });
  }
}

// 19595 R + 38470 G + 7471 B + 32768 of pixels (12 bytes in a lane) in 32 bits each. 38470 is too large for a signed
// 16-bit number: G counts in both pairs.
struct Luma {
  Bytes red_green = simd::each_lane(_mm_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1));
  Bytes green_blue = simd::each_lane(_mm_setr_epi8(1, -1, 2, -1, 4, -1, 5, -1, 7, -1, 8, -1, 10, -1, 11, -1));
  Bytes weights_rg = simd::int32(19595 | (19235 << 16));
  Bytes weights_gb = simd::int32(19235 | (7471 << 16));
  Bytes half = simd::int32(32768);

  Bytes operator()(Bytes v) const {
    const Bytes rg = simd::multiply_pairs(simd::shuffle(v, red_green), weights_rg);
    const Bytes gb = simd::multiply_pairs(simd::shuffle(v, green_blue), weights_gb);
    return simd::shift_right32(simd::add32(simd::add32(rg, gb), half), 16);
  }
};

constexpr int kVectorPixels = 4 * kVectorLanes;  // RGB pixels in a vector, 12 bytes to a lane

struct Color {
  Luma luma;
  Bytes spread[3];
  Bytes interleave = simd::each_lane(_mm_setr_epi8(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, -1, -1, -1, -1));
  Bytes two23_bits = simd::int32(kTwo23Bits);
  Floats two23 = simd::float32(kTwo23);
  Floats factor;

  explicit Color(float f) : factor(simd::float32(f)) {
    for (int c = 0; c < 3; ++c) {
      const auto from = [c](int i) { return static_cast<char>(3 * i + c); };
      spread[c] = simd::each_lane(
          _mm_setr_epi8(from(0), -1, -1, -1, from(1), -1, -1, -1, from(2), -1, -1, -1, from(3), -1, -1, -1));
    }
  }

  Bytes operator()(Bytes v) const {
    const Floats lifted_grey = simd::as_floats(simd::or_bits(luma(v), two23_bits));
    const Floats grey = simd::subtract(lifted_grey, two23);
    Bytes channel[3];
    for (int c = 0; c < 3; ++c) {
      const Floats lifted = simd::as_floats(simd::or_bits(simd::shuffle(v, spread[c]), two23_bits));
      const Floats product = simd::multiply(factor, simd::subtract(lifted, lifted_grey));
      channel[c] = simd::truncate(simd::add(grey, product));
    }
    const Bytes packed = simd::pack16(simd::pack32(channel[0], channel[1]), simd::pack32(channel[2], channel[2]));
    return simd::shuffle(packed, interleave);
  }
};

void color_run(float factor, const Byte* in, Byte* out, std::int64_t pixels) {
  const Color color(factor);
  std::int64_t i = 0;
  for (; i + kVectorPixels + 2 <= pixels; i += kVectorPixels) {  // 2: a lane's load goes 4 bytes too far
    simd::store_rgb(out + 3 * i, color(simd::load_rgb(in + 3 * i)));
  }
  for (; i < pixels; i += kVectorPixels) {
    const std::int64_t left = pixels - i < kVectorPixels ? pixels - i : kVectorPixels;
    for_rest(in + 3 * i, out + 3 * i, 3 * left,
             [&](Byte* rest) { simd::store_rgb(rest, color(simd::load_rgb(rest))); });
  }
}

std::uint64_t luma_sum_run(const Byte* in, std::int64_t pixels) {
  constexpr std::int64_t kMostVectors = 1 << 20;  // 255 times that fits 32 bits
  const Luma luma;
  std::uint64_t total = 0;
  std::int64_t i = 0;
  while (i + kVectorPixels + 2 <= pixels) {
    Bytes sums{};
    for (std::int64_t n = 0; n < kMostVectors && i + kVectorPixels + 2 <= pixels; ++n, i += kVectorPixels) {
      sums = simd::add32(sums, luma(simd::load_rgb(in + 3 * i)));
    }
    total += simd::total32(sums);
  }
  for (; i < pixels; ++i) {
    total += static_cast<std::uint64_t>(leaven::luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]));
  }
  return total;
}

std::uint64_t sum_run(const Byte* in, std::int64_t count) {
  Bytes sums{};
  std::int64_t i = 0;
  for (; i + kVectorBytes <= count; i += kVectorBytes) sums = simd::add64(sums, simd::sum8(simd::load(in + i)));
  std::uint64_t total = simd::total64(sums);
  for (; i < count; ++i) total += in[i];
  return total;
}

#else

bool fits_int32(float) { return false; }
void blend_run(const PixelMap&, const Byte*, Byte*, std::int64_t) {}
void color_run(float, const Byte*, Byte*, std::int64_t) {}
std::uint64_t sum_run(const Byte* in, std::int64_t count) {
  std::uint64_t total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += in[i];
  return total;
}

#endif

// One plain loop per kind of map, for the vectoriser.
template <PixelMap::Kind kKind>
void map_run(PixelMap map, const Byte* in, Byte* out, std::int64_t count) {
  map.kind = kKind;
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<Byte>(map_value(map, in[i]));
}

void map_values(const PixelMap& map, const Byte* in, Byte* out, std::int64_t count) {
  switch (map.kind) {
    case PixelMap::Kind::mask: return map_run<PixelMap::Kind::mask>(map, in, out, count);
    case PixelMap::Kind::solarize: return map_run<PixelMap::Kind::solarize>(map, in, out, count);
    case PixelMap::Kind::add_below: return map_run<PixelMap::Kind::add_below>(map, in, out, count);
    case PixelMap::Kind::offset: return map_run<PixelMap::Kind::offset>(map, in, out, count);
    case PixelMap::Kind::blend:
      if (fits_int32(map.factor)) return blend_run(map, in, out, count);
      return map_run<PixelMap::Kind::blend>(map, in, out, count);
  }
}

void map_strided(const PixelMap& map, const Byte* in, std::int64_t in_step, Byte* out, std::int64_t out_step,
                 std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i * out_step] = static_cast<Byte>(map_value(map, in[i * in_step]));
}

std::uint64_t sum_values(const Byte* in, std::int64_t step, std::int64_t count) {
  if (step == 1) return sum_run(in, count);
  std::uint64_t total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += in[i * step];
  return total;
}

// kStep: bytes from pixel to pixel where known (1: planes), or 0.
template <int kStep>
std::uint64_t luma_sum_planes(const RgbRun& in, std::int64_t count) {
  std::uint64_t total = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = i * (kStep > 0 ? kStep : in.step);
    total += static_cast<std::uint64_t>(luma(in.red[at], in.green[at], in.blue[at]));
  }
  return total;
}

bool side_by_side(const RgbRun& in) { return in.step == 3 && in.green == in.red + 1 && in.blue == in.red + 2; }

std::uint64_t luma_sum(const RgbRun& in, std::int64_t count) {
#if defined(__SSSE3__)
  if (side_by_side(in)) return luma_sum_run(in.red, count);
#endif
  return in.step == 1 ? luma_sum_planes<1>(in, count) : luma_sum_planes<0>(in, count);
}

template <int kStep>
void color_planes(float factor, const RgbRun& in, const RgbOutput& out, std::int64_t count) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = i * (kStep > 0 ? kStep : in.step);
    const std::int64_t to = i * (kStep > 0 ? kStep : out.step);
    const std::int32_t r = in.red[at];
    const std::int32_t g = in.green[at];
    const std::int32_t b = in.blue[at];
    const std::int32_t grey = luma(r, g, b);
    const float base = static_cast<float>(grey);
    out.red[to] = static_cast<Byte>(blend(base, static_cast<float>(r - grey), factor));
    out.green[to] = static_cast<Byte>(blend(base, static_cast<float>(g - grey), factor));
    out.blue[to] = static_cast<Byte>(blend(base, static_cast<float>(b - grey), factor));
  }
}

void color(float factor, const RgbRun& in, const RgbOutput& out, std::int64_t count) {
  const RgbRun written{out.red, out.green, out.blue, out.step};
  if (side_by_side(in) && side_by_side(written) && fits_int32(factor)) return color_run(factor, in.red, out.red, count);
  if (in.step == 1 && out.step == 1) return color_planes<1>(factor, in, out, count);
  color_planes<0>(factor, in, out, count);
}

template <int kStep>
void find_range(const Byte* in, std::int64_t step, std::int64_t count, ValueRange& range) {
  Byte lowest = static_cast<Byte>(range.lowest);
  Byte highest = static_cast<Byte>(range.highest);
  for (std::int64_t i = 0; i < count; ++i) {
    const Byte v = in[i * (kStep > 0 ? kStep : step)];
    lowest = v < lowest ? v : lowest;
    highest = v > highest ? v : highest;
  }
  range = {lowest, highest};
}

void value_range(const Byte* in, std::int64_t step, std::int64_t count, ValueRange& range) {
  if (step == 1) return find_range<1>(in, step, count, range);
  if (step == 3) return find_range<3>(in, step, count, range);
  find_range<0>(in, step, count, range);
}

void autocontrast_table(const ValueRange& range, Byte* table) {
  const bool one_value = range.highest <= range.lowest;
  const double scale = one_value ? 0.0 : 255.0 / (range.highest - range.lowest);
  const std::int32_t lowest = range.lowest;
  for (std::int32_t i = 0; i < 256; ++i) {
    table[i] = static_cast<Byte>(one_value ? i : autocontrast_entry(i, lowest, scale));
  }
}

// equalize_entry() with a division of doubles, which is exact for integers of 32 bits when it is rounded down.
void equalize_table(const std::uint32_t* counts, Byte* table) {
  std::uint32_t below[257];
  below[0] = 0;
  std::uint32_t last = 0;
  for (std::int32_t i = 0; i < 256; ++i) {
    below[i + 1] = below[i] + counts[i];
    last = counts[i] != 0 ? counts[i] : last;
  }
  const std::uint32_t step = (below[256] - last) / 255;  // 0 too where there is one value
  const double divisor = step;
  for (std::int32_t i = 0; i < 256; ++i) {
    const std::int32_t value = static_cast<std::int32_t>(static_cast<double>(step / 2 + below[i]) / divisor);
    table[i] = static_cast<Byte>(step == 0 ? i : (value < 255 ? value : 255));
  }
}

// Four histograms: equal values that follow each other do not wait for one another.
void count_values(const Byte* in, std::int64_t step, std::int64_t count, std::uint32_t* counts) {
  std::uint32_t parts[4][256] = {};
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    ++parts[0][in[i * step]];
    ++parts[1][in[(i + 1) * step]];
    ++parts[2][in[(i + 2) * step]];
    ++parts[3][in[(i + 3) * step]];
  }
  for (; i < count; ++i) ++parts[0][in[i * step]];
  for (int v = 0; v < 256; ++v) counts[v] += parts[0][v] + parts[1][v] + parts[2][v] + parts[3][v];
}

#if defined(__SSSE3__)
// A table of 256 bytes as sixteen shuffles of 16. The index of shuffle k is below 128, and its low half the value's,
// only for values whose upper half is k: the others give 0.
struct Table {
  Bytes rows[16];
  explicit Table(const Byte* table) {
    for (int k = 0; k < 16; ++k) {
      rows[k] = simd::each_lane(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * k)));
    }
  }
  [[gnu::always_inline]] Bytes operator()(Bytes v) const {
    const Bytes lift = simd::bytes(0x70);
    Bytes result{};
    for (int k = 0; k < 16; ++k) {
      const Bytes index = simd::add_saturating8(simd::xor_bits(v, simd::bytes(static_cast<Byte>(16 * k))), lift);
      result = simd::or_bits(result, simd::shuffle(rows[k], index));
    }
    return result;
  }
};
#endif

void look_up(const Byte* table, const Byte* in, std::int64_t in_step, Byte* out, std::int64_t out_step,
             std::int64_t count) {
  std::int64_t i = 0;
#if defined(__SSSE3__)
  if (in_step == 1 && out_step == 1) {
    const Table values(table);
    for (; i + kVectorBytes <= count; i += kVectorBytes) simd::store(out + i, values(simd::load(in + i)));
  }
#endif
  for (; i < count; ++i) out[i * out_step] = table[in[i * in_step]];
}

template <bool kDense>
void sharpen_values(float factor, const Byte* const rows[3], std::int64_t distance, std::int64_t in_step, Byte* out,
                    std::int64_t out_step, std::int64_t count) {
  const Byte* __restrict above = rows[0];
  const Byte* __restrict row = rows[1];
  const Byte* __restrict below = rows[2];
  Byte* __restrict to = out;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = kDense ? i : i * in_step;
    const auto three = [&](const Byte* p) { return p[at - distance] + p[at] + p[at + distance]; };
    const std::int32_t value = row[at];
    const auto sum = static_cast<std::uint16_t>(three(above) + three(row) + three(below) + 4 * value);
    const std::int32_t base = smoothed(sum);
    to[kDense ? i : i * out_step] =
        static_cast<Byte>(blend(static_cast<float>(base), static_cast<float>(value - base), factor));
  }
}

void sharpen(float factor, const Byte* const rows[3], std::int64_t distance, std::int64_t in_step, Byte* out,
             std::int64_t out_step, std::int64_t count) {
  if (in_step == 1 && out_step == 1) return sharpen_values<true>(factor, rows, distance, 1, out, 1, count);
  sharpen_values<false>(factor, rows, distance, in_step, out, out_step, count);
}

}  // namespace

extern const PixelLoops pixel_loops{map_values,         map_strided,    sum_values,   luma_sum, color,  value_range,
                                    autocontrast_table, equalize_table, count_values, look_up,  sharpen};

}  // namespace leaven::LEAVEN_ISA
