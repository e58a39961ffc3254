#include "host/augment/pixel_runs.hpp"
#include "host/augment/warp_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

constexpr std::int32_t kTileRows = 16;
constexpr std::int32_t kTileColumns = 64;

// For some output rows: the columns begin .. end - 1 whose source is inside the input.
struct Ranges {
  std::int32_t begin[kTileRows], end[kTileRows];
};

// One coordinate of a row's pixels, start + step x in 16.16. In double, which holds all these integers.
struct LinearAxis {
  double step, per_step, limit, count;

  LinearAxis(std::int32_t step_, std::int32_t size, std::int32_t columns)
      : step(step_), per_step(step_ == 0 ? 0.0 : 1.0 / step_), limit(65536.0 * size), count(columns) {}

  // The first x, at most `count`, at which the coordinate has gone as far as `bound` (up for sign 1, down for -1). The
  // guess is at most one too small: the quotient is an integer or 2^-32 away from any, and errs by less than 2^-36.
  [[gnu::always_inline]] std::int32_t first(double start, double bound, double sign) const {
    double x = (bound - start) * per_step;
    x = x > 0 ? x : 0.0;
    x = x < count ? x : count;
    const std::int32_t guess = static_cast<std::int32_t>(x);
    const bool one_more = (sign * (start + step * guess) < sign * bound) & (guess < count);
    return guess + (one_more ? 1 : 0);
  }

  // Narrows the ranges of rows that begin at start, start + row_step, ... to where 0 <= coordinate < limit.
  void clip(std::int64_t start, std::int32_t row_step, Ranges& ranges) const {
    const double sign = step > 0 ? 1 : -1;
    const double enters = step > 0 ? 0 : limit - 1;
    const double leaves = step > 0 ? limit : -1;
    for (std::int32_t i = 0; i < kTileRows; ++i) {
      const double from = static_cast<double>(start + std::int64_t{row_step} * i);
      std::int32_t begin = first(from, enters, sign);
      std::int32_t end = first(from, leaves, sign);
      if (step == 0) {
        begin = 0;
        end = from >= 0 && from < limit ? static_cast<std::int32_t>(count) : 0;
      }
      ranges.begin[i] = begin > ranges.begin[i] ? begin : ranges.begin[i];
      ranges.end[i] = end < ranges.end[i] ? end : ranges.end[i];
    }
  }
};

template <class P>
struct Nearest {
  static Byte* out_row(const WarpJob& job, std::int32_t y) { return job.out.data + y * job.out.row_stride; }
  static const Byte* in_row(const WarpJob& job, std::int64_t y) { return job.in.data + y * job.in.row_stride; }

  static void outside(const WarpJob& job) {
    for (std::int32_t y = 0; y < job.out.height; ++y) P::fill(job, out_row(job, y), 0, job.out.width);
  }

  static std::int32_t clamped(std::int64_t v, std::int32_t most) {
    return static_cast<std::int32_t>(v < 0 ? 0 : (v > most ? most : v));
  }

  // Row y of the output from row y_in, x_in = x + dx.
  static void shifted_row(const WarpJob& job, std::int32_t y, std::int64_t y_in, std::int64_t dx) {
    Byte* row = out_row(job, y);
    if (y_in < 0 || y_in >= job.in.height) return P::fill(job, row, 0, job.out.width);
    const std::int32_t begin = clamped(-dx, job.out.width);
    const std::int32_t end = clamped(job.in.width - dx, job.out.width);
    if (begin >= end) return P::fill(job, row, 0, job.out.width);
    P::fill(job, row, 0, begin);
    P::copy_run(job, row + begin * P::step(job.out), in_row(job, y_in) + (begin + dx) * P::step(job.in), end - begin);
    P::fill(job, row, end, job.out.width);
  }

  // Short rows are written in one go with their neighbours; what is inside comes over it.
  static void shift_short_rows(const Warp& warp, const WarpJob& job) {
    const std::int64_t row_bytes = job.out.row_stride;
    const std::int32_t left = clamped(-warp.dx, job.out.width);
    const std::int32_t right = clamped(job.in.width - warp.dx, job.out.width);
    const std::int32_t top = clamped(-warp.dy, job.out.height);
    const std::int32_t bottom = clamped(job.in.height - warp.dy, job.out.height);
    __builtin_memset(job.out.data, job.fill[0], static_cast<std::size_t>(row_bytes * job.out.height));
    const std::int64_t bytes = P::kBytes * (right - left);
    if (bytes <= 0) return;
    for (std::int32_t y = top; y < bottom; ++y) {
      copy_bytes(out_row(job, y) + P::kBytes * left, in_row(job, y + warp.dy) + P::kBytes * (left + warp.dx), bytes);
    }
  }

  static void shift(const Warp& warp, const WarpJob& job) {
    const std::int64_t row_bytes = job.out.width * P::step(job.out);
    if (P::kDenseRuns && P::fills_grey(job) && job.out.row_stride == row_bytes && row_bytes <= 256) {
      return shift_short_rows(warp, job);
    }
    for (std::int32_t y = 0; y < job.out.height; ++y) shifted_row(job, y, y + warp.dy, warp.dx);
  }

  // In tiles: along one long row the input's cache lines would throw each other out before the next row needs them.
  static void fixed(const Warp& warp, const WarpJob& job) {
    if (warp.a0 == 65536 && warp.a3 == 0) return sheared_rows(warp, job);
    const LinearAxis axis_x(warp.a0, job.in.width, job.out.width);
    const LinearAxis axis_y(warp.a3, job.in.height, job.out.width);
    touch_rows(job.in, 0, job.in.height);
    for (std::int32_t top = 0; top < job.out.height; top += kTileRows) {
      const std::int32_t rows = job.out.height - top < kTileRows ? job.out.height - top : kTileRows;
      Ranges ranges;
      for (std::int32_t i = 0; i < kTileRows; ++i) {
        ranges.begin[i] = 0;
        ranges.end[i] = job.out.width;
      }
      axis_x.clip(warp.a2 + std::int64_t{warp.a1} * top, warp.a1, ranges);
      axis_y.clip(warp.a5 + std::int64_t{warp.a4} * top, warp.a4, ranges);
      for (std::int32_t i = 0; i < rows; ++i) {
        if (ranges.begin[i] >= ranges.end[i]) ranges.begin[i] = ranges.end[i] = 0;
        P::fill(job, out_row(job, top + i), 0, ranges.begin[i]);
        P::fill(job, out_row(job, top + i), ranges.end[i], job.out.width);
      }
      for (std::int32_t left = 0; left < job.out.width; left += kTileColumns) {
        const std::int32_t right = left + kTileColumns;
        for (std::int32_t i = 0; i < rows; ++i) {
          pick(warp, job, top + i, ranges.begin[i] > left ? ranges.begin[i] : left,
               ranges.end[i] < right ? ranges.end[i] : right);
        }
      }
    }
  }

  static void sheared_rows(const Warp& warp, const WarpJob& job) {
    for (std::int32_t y = 0; y < job.out.height; ++y) {
      shifted_row(job, y, (warp.a5 + std::int64_t{warp.a4} * y) >> 16, (warp.a2 + std::int64_t{warp.a1} * y) >> 16);
    }
  }

#if defined(__AVX2__)
  // pick() for a vector of pixels at a time, some of them behind the end.
  [[gnu::always_inline]] static void gather(const GatherRange& range, std::int32_t row_stride, std::int32_t xx,
                                            std::int32_t step_x, std::int32_t yy, std::int32_t step_y, Byte* to,
                                            std::int32_t count) {
    constexpr std::int32_t kAtOnce = kVectorBytes / 4;
    const Bytes next_x = simd::int32(kAtOnce * step_x);
    const Bytes next_y = simd::int32(kAtOnce * step_y);
    const Bytes stride = simd::int32(row_stride);
    const Bytes bytes = simd::int32(P::kBytes);
    Bytes x = simd::counted32(xx, step_x);
    Bytes y = simd::counted32(yy, step_y);
    for (; count > 0; count -= kAtOnce, to += P::kBytes * kAtOnce) {
      const Bytes column = simd::shift_right32(x, 16);
      const Bytes from_row = simd::multiply32(simd::shift_right32(y, 16), stride);
      const Bytes offset = simd::add32(from_row, P::kBytes == 1 ? column : simd::multiply32(column, bytes));
      const Bytes words = simd::gather32(range.data, offset, range.last);
      if (count >= kAtOnce) {
        store_pixels<P::kBytes>(to, words);
      } else {
        store_some_pixels<P::kBytes>(to, words, count);
      }
      x = simd::add32(x, next_x);
      y = simd::add32(y, next_y);
    }
  }
#endif

  // Everything in local variables: a store of bytes may change whatever is read through a reference.
  static void pick(const Warp& warp, const WarpJob& job, std::int32_t y, std::int32_t begin, std::int32_t end) {
    const std::int64_t row_stride = job.in.row_stride;
    const std::int64_t in_step = P::step(job.in);
    const std::int64_t out_step = P::step(job.out);
    const std::int64_t step_x = warp.a0;
    const std::int64_t step_y = warp.a3;
    const Byte* from = job.in.data;
    Byte* to = out_row(job, y) + begin * out_step;
    std::int64_t xx = warp.a2 + std::int64_t{warp.a1} * y + step_x * begin;
    std::int64_t yy = warp.a5 + std::int64_t{warp.a4} * y + step_y * begin;
#if defined(__AVX2__)
    if constexpr (P::kDenseRuns) {
      const GatherRange range(job.in, P::kBytes);
      if (range.last >= 0) {  // coordinates inside the image fit 32 bits
        return gather(range, static_cast<std::int32_t>(row_stride), static_cast<std::int32_t>(xx), warp.a0,
                      static_cast<std::int32_t>(yy), warp.a3, to, end - begin);
      }
    }
#endif
    for (std::int32_t x = begin; x < end; ++x) {
      P::copy(to, from + (yy >> 16) * row_stride + (xx >> 16) * in_step);
      to += out_step;
      xx += step_x;
      yy += step_y;
    }
  }

  // Without shear: a table of columns, some at a time, serves all rows.
  static void scale(const Warp& warp, const WarpJob& job) {
    constexpr std::int32_t kMost = 512;
    std::int64_t offset[kMost];  // -1: outside
    double xx = warp.start_x;
    for (std::int32_t first = 0; first < job.out.width; first += kMost) {
      const std::int32_t count = job.out.width - first < kMost ? job.out.width - first : kMost;
      for (std::int32_t i = 0; i < count; ++i, xx += warp.m[0]) {
        const std::int64_t x_in = truncate_inside(xx, job.in.width);
        offset[i] = x_in < 0 ? -1 : x_in * P::step(job.in);
      }
      double yy = warp.start_y;
      for (std::int32_t y = 0; y < job.out.height; ++y, yy += warp.m[4]) {
        Byte* row = out_row(job, y);
        const std::int32_t y_in = truncate_inside(yy, job.in.height);
        if (y_in < 0) {
          P::fill(job, row, first, first + count);
          continue;
        }
        const Byte* from = in_row(job, y_in);
        Byte* to = row + first * P::step(job.out);
        for (std::int32_t i = 0; i < count; ++i, to += P::step(job.out)) {
          P::copy(to, offset[i] < 0 ? job.fill : from + offset[i]);
        }
      }
    }
  }

  static void serial(const Warp& warp, const WarpJob& job) {
    double row_x = warp.start_x;
    double row_y = warp.start_y;
    for (std::int32_t y = 0; y < job.out.height; ++y, row_x += warp.m[1], row_y += warp.m[4]) {
      Byte* to = out_row(job, y);
      double xx = row_x;
      double yy = row_y;
      for (std::int32_t x = 0; x < job.out.width; ++x, xx += warp.m[0], yy += warp.m[3], to += P::step(job.out)) {
        const std::int32_t x_in = truncate_inside(xx, job.in.width);
        const std::int32_t y_in = truncate_inside(yy, job.in.height);
        P::copy(to, x_in >= 0 && y_in >= 0 ? in_row(job, y_in) + x_in * P::step(job.in) : job.fill);
      }
    }
  }

  static void run(const Warp& warp, const WarpJob& job) {
    switch (warp.path) {
      case WarpPath::shift: return shift(warp, job);
      case WarpPath::fixed: return fixed(warp, job);
      case WarpPath::serial: return warp.m[1] == 0 && warp.m[3] == 0 ? scale(warp, job) : serial(warp, job);
      default: return outside(job);
    }
  }
};

void nearest(const Warp& warp, const WarpJob& job) {
  with_pixels(job, [&]<class P>(P) { Nearest<P>::run(warp, job); });
}

typedef Byte Bytes16 __attribute__((vector_size(16)));

// Groups of pixels in 16 bytes, reversed by a shuffle: 16 of one byte, or 5 of three, read from one byte before them
// (those that are left by larger groups).
template <int kChannels>
[[gnu::always_inline]] inline std::int32_t reverse_groups(Byte* to, const Byte* end, std::int32_t pixels) {
  constexpr std::int32_t kGroup = kChannels == 1 ? 16 : 5;
  constexpr std::int32_t kBefore = kChannels == 1 ? 0 : 1;
  const Bytes16 order = kChannels == 1 ? Bytes16{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
                                       : Bytes16{13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0};
  std::int32_t x = 0;
#if defined(__AVX2__)
  constexpr std::int32_t kAtOnce = kVectorBytes / 4;
  if constexpr (kChannels == 3) {
    for (; x + kAtOnce <= pixels; x += kAtOnce) {
      simd::store_rgb(to + 3 * x, simd::load_rgb_reversed(end - 3 * (x + kAtOnce)));
    }
  }
#endif
  for (; x + kGroup + kBefore <= pixels; x += kGroup) {
    Bytes16 group;
    __builtin_memcpy(&group, end - kChannels * (x + kGroup) - kBefore, 16);
    group = __builtin_shuffle(group, order);
    __builtin_memcpy(to + kChannels * x, &group, 16);
  }
  return x;
}

template <class P>
void reverse_row(const WarpJob& job, const Byte* from, Byte* to) {
  const std::int32_t width = job.out.width;
  std::int32_t x = 0;
  if constexpr (P::kDenseRuns) {
    x = reverse_groups<P::kBytes>(to, from + P::kBytes * width, width);
    if (P::kBytes == 1 && x < width && width >= 16) {  // the last group again, as far to the right as it goes
      reverse_groups<1>(to + width - 16, from + 16, 16);
      return;
    }
  }
  for (; x < width; ++x) P::copy(to + x * P::step(job.out), from + (width - 1 - x) * P::step(job.in));
}

void reverse_rows(const WarpJob& job) {
  const bool long_rows = job.in.width * job.in.pixel_stride > 256;
  with_pixels(job, [&]<class P>(P) {
    for (std::int32_t y = 0; y < job.out.height; ++y) {
      if (long_rows && y + 4 < job.in.height) touch_rows(job.in, y + 4, y + 5);
      reverse_row<P>(job, job.in.data + y * job.in.row_stride, job.out.data + y * job.out.row_stride);
    }
  });
}

template <class P>
void turn_pixels(const WarpJob& job, QuarterTurn direction) {
  constexpr std::int32_t kTile = 16;
  const std::int32_t size = job.in.width;
  const bool counter_clockwise = direction == QuarterTurn::counter_clockwise;
  const std::int64_t in_step = counter_clockwise ? job.in.row_stride : -job.in.row_stride;
  for (std::int32_t top = 0; top < size; top += kTile) {
    const std::int32_t bottom = top + kTile < size ? top + kTile : size;
    for (std::int32_t left = 0; left < size; left += kTile) {
      const std::int32_t right = left + kTile < size ? left + kTile : size;
      for (std::int32_t y = top; y < bottom; ++y) {
        const std::int64_t column = counter_clockwise ? size - 1 - y : y;
        const std::int64_t first_row = counter_clockwise ? left : size - 1 - left;
        const Byte* from = job.in.data + first_row * job.in.row_stride + column * P::step(job.in);
        Byte* to = job.out.data + y * job.out.row_stride + left * P::step(job.out);
        for (std::int32_t x = left; x < right; ++x, from += in_step, to += P::step(job.out)) P::copy(to, from);
      }
    }
  }
}

void turn(const WarpJob& job, QuarterTurn direction) {
  with_pixels(job, [&]<class P>(P) { turn_pixels<P>(job, direction); });
}

}  // namespace

extern const WarpLoops warp_loops{nearest, reverse_rows, turn};

}  // namespace leaven::LEAVEN_ISA
