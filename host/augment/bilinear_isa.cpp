#include "host/augment/pixel_runs.hpp"
#include "host/augment/warp_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

constexpr std::int32_t kMost = 64;  // pixels of a segment

// Some pixels of one output row, all with their source inside the input.
struct Segment {
  std::int32_t count;
  double weight_x[kMost], weight_y[kMost];
  std::int64_t offset[kMost];  // of the upper left neighbour
};

// Six bytes: two pixels of three channels. Nothing behind them is read.
[[gnu::always_inline]] inline std::uint64_t load_two(const Byte* p, int channels, std::int64_t step) {
  if (channels == 1) return p[0] | (std::uint64_t{p[step]} << 24);
  std::uint64_t v = 0;
  if (step == 3) {
    std::uint32_t four;
    std::uint16_t two;
    __builtin_memcpy(&four, p, 4);
    __builtin_memcpy(&two, p + 4, 2);
    return four | (std::uint64_t{two} << 32);
  }
  for (int c = 0; c < 3; ++c) v |= (std::uint64_t{p[c]} << (8 * c)) | (std::uint64_t{p[step + c]} << (24 + 8 * c));
  return v;
}

template <class P>
struct Bilinear {
  const Warp& warp;
  const WarpJob& job;
  std::int64_t right, below;  // to the neighbours; 0 where the input has one column or row

  Bilinear(const Warp& w, const WarpJob& j)
      : warp(w), job(j), right(j.in.width > 1 ? P::step(j.in) : 0), below(j.in.height > 1 ? j.in.row_stride : 0) {}

  static double position(const double* m, double xc, double yc) { return m[0] * xc + m[1] * yc + m[2]; }

  // The first x whose position on an axis has reached `bound` on its way up or down.
  std::int32_t first(const double* m, double yc, double bound) const {
    const double guess = (bound - m[1] * yc - m[2]) / m[0] - 0.5;
    return first_reached(job.out.width, guess, [&](std::int32_t x) {
      const double at = position(m, x + 0.5, yc);
      return m[0] < 0 ? at < bound : at >= bound;
    });
  }

  // Columns with 0 <= position < size: rounding is monotonic, so they are a range.
  void clip(const double* m, double yc, std::int32_t size, std::int32_t& begin, std::int32_t& end) const {
    const std::int32_t at_zero = first(m, yc, 0.0);
    const std::int32_t at_size = first(m, yc, size);
    const std::int32_t low = m[0] < 0 ? at_size : at_zero;
    const std::int32_t high = m[0] < 0 ? at_zero : at_size;
    begin = low > begin ? low : begin;
    end = high < end ? high : end;
  }

  void locate(Segment& s, std::int32_t first_x, double yc) const {
    const double* m = warp.m;
    for (std::int32_t i = 0; i < s.count; ++i) {
      const double xc = first_x + i + 0.5;
      const Neighbours nx = neighbours(position(m, xc, yc), job.in.width);
      const Neighbours ny = neighbours(position(m + 3, xc, yc), job.in.height);
      s.weight_x[i] = nx.weight;
      s.weight_y[i] = ny.weight;
      s.offset[i] = ny.first * job.in.row_stride + nx.first * P::step(job.in);
    }
  }

  void interpolate(const Segment& s, Byte* to) const {
    std::uint64_t upper[kMost], lower[kMost];
    for (std::int32_t i = 0; i < s.count; ++i) {
      const Byte* p = job.in.data + s.offset[i];
      upper[i] = load_two(p, P::kBytes, right);
      lower[i] = load_two(p + below, P::kBytes, right);
    }
    for (int c = 0; c < P::kBytes; ++c) {
      Byte value[kMost];
      for (std::int32_t i = 0; i < s.count; ++i) {
        const auto channel = [&](std::uint64_t pixels, int shift) {
          return static_cast<double>(static_cast<std::int32_t>((pixels >> shift) & 255));
        };
        const double top = between(channel(upper[i], 8 * c), channel(upper[i], 8 * c + 24), s.weight_x[i]);
        const double bottom = between(channel(lower[i], 8 * c), channel(lower[i], 8 * c + 24), s.weight_x[i]);
        value[i] = static_cast<Byte>(static_cast<std::int32_t>(between(top, bottom, s.weight_y[i])));
      }
      for (std::int32_t i = 0; i < s.count; ++i) to[i * P::step(job.out) + c] = value[i];
    }
  }

  void run() const {
    Segment segment;
    touch_rows(job.in, 0, job.in.height);
    for (std::int32_t y = 0; y < job.out.height; ++y) {
      Byte* row = job.out.data + y * job.out.row_stride;
      const double yc = y + 0.5;
      std::int32_t begin = 0;
      std::int32_t end = job.out.width;
      clip(warp.m, yc, job.in.width, begin, end);
      clip(warp.m + 3, yc, job.in.height, begin, end);
      if (begin >= end) begin = end = 0;
      P::fill(job, row, 0, begin);
      for (std::int32_t x = begin; x < end; x += kMost) {
        segment.count = end - x < kMost ? end - x : kMost;
        locate(segment, x, yc);
        interpolate(segment, row + x * P::step(job.out));
      }
      P::fill(job, row, end, job.out.width);
    }
  }
};

void bilinear(const Warp& warp, const WarpJob& job) {
  with_pixels(job, [&]<class P>(P) { Bilinear<P>(warp, job).run(); });
}

}  // namespace

extern const BilinearLoops bilinear_loops{bilinear};

}  // namespace leaven::LEAVEN_ISA
