#include "host/augment/pixel_runs.hpp"
#include "host/augment/simd.hpp"
#include "host/augment/warp_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// A segment of an output row is worked on phase by phase, in groups for the vectoriser. (It holds several groups so
// that the bytes that one phase stored have left the store buffer when the next one reads them in vectors.)
constexpr std::int32_t kSegment = 64;
constexpr std::int32_t kGroup = 16;

// Byte c of `left` and byte c + 1 of `right` are the values of channel c in two pixels side by side.
struct Pair {
  std::uint32_t left[kSegment], right[kSegment];
};

// kGroup pixel words to bytes without gaps.
template <int kChannels>
[[gnu::always_inline]] inline void pack_pixels(const std::uint32_t* pixel, Byte* out) {
  if constexpr (kChannels == 1) {
    for (std::int32_t i = 0; i < kGroup; ++i) out[i] = static_cast<Byte>(pixel[i]);
  } else {
#if defined(__SSSE3__)
    for (int i = 0; i < kGroup; i += kVectorBytes / 4) {
      store_pixels<3>(out + 3 * i, simd::load(reinterpret_cast<const Byte*>(pixel + i)));
    }
#else
    for (std::int32_t i = 0; i < kGroup; ++i) __builtin_memcpy(out + 3 * i, &pixel[i], 3);
#endif
  }
}

// Offset holds every distance within the input.
template <class P, class Offset>
struct Bilinear {
  const double* m;
  const WarpJob& job;
  double weight_x[kSegment], weight_y[kSegment];
  Offset upper[kSegment], lower[kSegment];  // offsets of the left neighbours
  Pair above{}, below{};
  std::uint32_t pixel[kSegment];

  Bilinear(const Warp& warp, const WarpJob& j) : m(warp.m), job(j) {}

  static double position(const double* a, double xc, double yc) { return a[0] * xc + a[1] * yc + a[2]; }

  // The first x whose position on an axis has reached `bound` on its way up or down.
  std::int32_t first(const double* a, double yc, double bound) const {
    const double guess = (bound - a[1] * yc - a[2]) / a[0] - 0.5;
    return first_reached(job.out.width, guess, [&](std::int32_t x) {
      const double at = position(a, x + 0.5, yc);
      return a[0] < 0 ? at < bound : at >= bound;
    });
  }

  // Columns with 0 <= position < size: rounding is monotonic, so they are a range.
  void clip(const double* a, double yc, std::int32_t size, std::int32_t& begin, std::int32_t& end) const {
    const std::int32_t at_zero = first(a, yc, 0.0);
    const std::int32_t at_size = first(a, yc, size);
    const std::int32_t low = a[0] < 0 ? at_size : at_zero;
    const std::int32_t high = a[0] < 0 ? at_zero : at_size;
    begin = low > begin ? low : begin;
    end = high < end ? high : end;
  }

  // row_neighbours() and column_neighbours() of warp.hpp for the vectoriser: selects of single values only.
  // Pixels first .. first + kGroup - 1 of the segment, which begins at first_x.
  void locate(std::int32_t first_x, double yc, std::int32_t first) {
    const double m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3], m4 = m[4], m5 = m[5];
    const double last_column = job.in.width - 1;
    const std::int32_t last_pair = job.in.width > 1 ? job.in.width - 2 : 0;
    const std::int32_t last_row = job.in.height - 1;
    const Offset row_stride = static_cast<Offset>(job.in.row_stride);
    const Offset step = static_cast<Offset>(P::step(job.in));
    for (std::int32_t i = first; i < first + kGroup; ++i) {
      const double xc = first_x + i + 0.5;
      const double from_x = m0 * xc + m1 * yc + m2 - 0.5;
      const double from_y = m3 * xc + m4 * yc + m5 - 0.5;
      const double not_before = from_x > 0 ? from_x : 0.0;
      const double x = not_before < last_column ? not_before : last_column;
      const double y = from_y > 0 ? from_y : 0.0;
      const std::int32_t x_floor = static_cast<std::int32_t>(x);
      const std::int32_t column = x_floor < last_pair ? x_floor : last_pair;
      const std::int32_t row = static_cast<std::int32_t>(y);
      weight_x[i] = x - column;
      weight_y[i] = y - row;
      upper[i] = row * row_stride + column * step;
      lower[i] = upper[i] + (row < last_row ? row_stride : Offset{0});
    }
  }

  // From the image that begins at `data`.
  void load(Pair& pair, const Byte* data, const Offset* offset, std::int32_t count) const {
    const std::int64_t right = job.in.width > 1 ? P::step(job.in) : 0;
    for (std::int32_t i = 0; i < count; ++i) {
      const Byte* p = data + offset[i];
      if constexpr (P::kBytes == 3 && P::kDenseRuns) {
        __builtin_memcpy(&pair.left[i], p, 4);
        __builtin_memcpy(&pair.right[i], p + 2, 4);
      } else if constexpr (P::kBytes == 3) {
        const Byte* q = p + right;
        pair.left[i] = p[0] | (p[1] << 8) | (p[2] << 16);
        pair.right[i] = (q[0] << 8) | (q[1] << 16) | (std::uint32_t{q[2]} << 24);
      } else {
        pair.left[i] = p[0];
        pair.right[i] = std::uint32_t{p[right]} << 8;
      }
    }
  }

  static double channel(std::uint32_t pixel, int shift) {
    return static_cast<double>(static_cast<std::int32_t>((pixel >> shift) & 255));
  }

  void interpolate(std::int32_t first) {
    for (std::int32_t i = first; i < first + kGroup; ++i) {
      std::int32_t value[P::kBytes];
      for (int c = 0; c < P::kBytes; ++c) {
        const int l = 8 * c;
        const int r = 8 * c + 8;
        const double top = between(channel(above.left[i], l), channel(above.right[i], r), weight_x[i]);
        const double bottom = between(channel(below.left[i], l), channel(below.right[i], r), weight_x[i]);
        value[c] = static_cast<std::int32_t>(between(top, bottom, weight_y[i]));
      }
      pixel[i] = static_cast<std::uint32_t>(P::kBytes == 1 ? value[0]
                                                           : value[0] | (value[1] << 8) | (value[P::kBytes - 1] << 16));
    }
  }

  void write(Byte* to, std::int32_t count) const {
    if constexpr (P::kDenseRuns) {
      std::int32_t i = 0;
      for (; i + kGroup <= count; i += kGroup) pack_pixels<P::kBytes>(pixel + i, to + P::kBytes * i);
      if (i < count) {
        Byte bytes[P::kBytes * kGroup];
        pack_pixels<P::kBytes>(pixel + i, bytes);
        __builtin_memcpy(to + P::kBytes * i, bytes, static_cast<std::size_t>(P::kBytes * (count - i)));
      }
      return;
    }
    for (std::int32_t i = 0; i < count; ++i) {
      for (int c = 0; c < P::kBytes; ++c) to[i * P::step(job.out) + c] = static_cast<Byte>(pixel[i] >> (8 * c));
    }
  }

  // Images `first` to `last` - 1: where the pixels come from is found once for all.
  void run(std::int64_t first_image, std::int64_t last_image) {
    for (std::int64_t image = first_image; image < last_image; ++image) {
      Plane<const Byte> in = job.in;
      in.data += image * job.in_stride;
      touch_rows(in, 0, in.height);
    }
    for (std::int32_t y = 0; y < job.out.height; ++y) {
      const double yc = y + 0.5;
      std::int32_t begin = 0;
      std::int32_t end = job.out.width;
      clip(m, yc, job.in.width, begin, end);
      clip(m + 3, yc, job.in.height, begin, end);
      if (begin >= end) begin = end = 0;
      const auto row_of = [&](std::int64_t image) {
        return job.out.data + image * job.out_stride + y * job.out.row_stride;
      };
      for (std::int64_t image = first_image; image < last_image; ++image) {
        P::fill(job, row_of(image), 0, begin);
        P::fill(job, row_of(image), end, job.out.width);
      }
      for (std::int32_t x = begin; x < end; x += kSegment) {
        const std::int32_t count = end - x < kSegment ? end - x : kSegment;
        for (std::int32_t i = 0; i < count; i += kGroup) locate(x, yc, i);
        for (std::int64_t image = first_image; image < last_image; ++image) {
          const Byte* data = job.in.data + image * job.in_stride;
          load(above, data, upper, count);
          load(below, data, lower, count);
          for (std::int32_t i = 0; i < count; i += kGroup) interpolate(i);
          write(row_of(image) + x * P::step(job.out), count);
        }
      }
    }
  }

  // As many at a time as stay in the first cache.
  void run() {
    constexpr std::int64_t kBytesAtOnce = 16384;
    const std::int64_t bytes = 1 + std::int64_t{job.in.height} * job.in.width * P::kBytes;
    const std::int64_t at_once = bytes < kBytesAtOnce ? kBytesAtOnce / bytes : 1;
    for (std::int64_t image = 0; image < job.images; image += at_once) {
      const std::int64_t last = image + at_once;
      run(image, last < job.images ? last : job.images);
    }
  }
};

std::int64_t absolute_value(std::int64_t v) { return v < 0 ? -v : v; }

void bilinear(const Warp& warp, const WarpJob& job) {
  const auto run = [&]<class P>(P) {
    const std::int64_t extent =
        job.in.height * absolute_value(job.in.row_stride) + job.in.width * absolute_value(job.in.pixel_stride);
    if (extent < (std::int64_t{1} << 31)) return Bilinear<P, std::int32_t>(warp, job).run();
    Bilinear<P, std::int64_t>(warp, job).run();
  };
  if (job.in.width > 1) return with_pixels(job, run);
  if (job.channels == 3) return run(Pixels<3, false>{});  // no two pixels side by side
  run(Pixels<1, false>{});
}

}  // namespace

extern const BilinearLoops bilinear_loops{bilinear};

}  // namespace leaven::LEAVEN_ISA
