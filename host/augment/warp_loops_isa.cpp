#include "host/augment/warp_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

using Byte = std::uint8_t;

// Pixels of one channel or three, any distance apart or (kStep > 0) kStep bytes.
template <int kChannels, int kStep>
struct Pixels {
  static void copy(Byte* out, const Byte* in) {
    for (int c = 0; c < kChannels; ++c) out[c] = in[c];
  }
  static std::int64_t step(std::int64_t stride) { return kStep > 0 ? kStep : stride; }
};

template <class P, int kChannels>
void fill_range(const WarpJob& job, Byte* row, std::int32_t begin, std::int32_t end) {
  for (std::int32_t x = begin; x < end; ++x) P::copy(row + x * P::step(job.out.pixel_stride), job.fill);
}

template <int kChannels, int kStep>
struct Loops {
  using P = Pixels<kChannels, kStep>;

  static void fill(const WarpJob& job, Byte* row, std::int32_t begin, std::int32_t end) {
    fill_range<P, kChannels>(job, row, begin, end);
  }

  static void shift(const Warp& warp, const WarpJob& job) {
    const std::int64_t width = job.out.width;
    const std::int64_t first = warp.dx >= 0 ? 0 : (-warp.dx < width ? -warp.dx : width);
    const std::int64_t room = job.in.width - warp.dx;
    const std::int64_t end = room < width ? room : width;
    const std::int32_t last = static_cast<std::int32_t>(end < first ? first : end);
    for (std::int32_t y = 0; y < job.out.height; ++y) {
      Byte* row = job.out.data + y * job.out.row_stride;
      const std::int64_t y_in = y + warp.dy;
      if (y_in < 0 || y_in >= job.in.height) {
        fill(job, row, 0, job.out.width);
        continue;
      }
      fill(job, row, 0, static_cast<std::int32_t>(first));
      const Byte* from = job.in.data + y_in * job.in.row_stride + warp.dx * P::step(job.in.pixel_stride);
      for (std::int32_t x = static_cast<std::int32_t>(first); x < last; ++x) {
        P::copy(row + x * P::step(job.out.pixel_stride), from + x * P::step(job.in.pixel_stride));
      }
      fill(job, row, last, job.out.width);
    }
  }

  static void fixed(const Warp& warp, const WarpJob& job) {
    for (std::int32_t y = 0; y < job.out.height; ++y) {
      Byte* row = job.out.data + y * job.out.row_stride;
      std::int64_t xx = warp.a2 + std::int64_t{warp.a1} * y;
      std::int64_t yy = warp.a5 + std::int64_t{warp.a4} * y;
      for (std::int32_t x = 0; x < job.out.width; ++x, xx += warp.a0, yy += warp.a3) {
        const std::int64_t x_in = xx >> 16;
        const std::int64_t y_in = yy >> 16;
        const bool inside = x_in >= 0 && x_in < job.in.width && y_in >= 0 && y_in < job.in.height;
        P::copy(row + x * P::step(job.out.pixel_stride),
                inside ? job.in.data + y_in * job.in.row_stride + x_in * P::step(job.in.pixel_stride) : job.fill);
      }
    }
  }

  static void serial(const Warp& warp, const WarpJob& job) {
    double row_x = warp.start_x;
    double row_y = warp.start_y;
    for (std::int32_t y = 0; y < job.out.height; ++y, row_x += warp.m[1], row_y += warp.m[4]) {
      Byte* row = job.out.data + y * job.out.row_stride;
      double xx = row_x;
      double yy = row_y;
      for (std::int32_t x = 0; x < job.out.width; ++x, xx += warp.m[0], yy += warp.m[3]) {
        const std::int64_t x_in = truncate_inside(xx, job.in.width);
        const std::int64_t y_in = truncate_inside(yy, job.in.height);
        P::copy(row + x * P::step(job.out.pixel_stride),
                x_in >= 0 && y_in >= 0 ? job.in.data + y_in * job.in.row_stride + x_in * P::step(job.in.pixel_stride)
                                       : job.fill);
      }
    }
  }

  static void bilinear(const Warp& warp, const WarpJob& job) {
    const double* m = warp.m;
    for (std::int32_t y = 0; y < job.out.height; ++y) {
      Byte* row = job.out.data + y * job.out.row_stride;
      const double yc = y + 0.5;
      for (std::int32_t x = 0; x < job.out.width; ++x) {
        Byte* to = row + x * P::step(job.out.pixel_stride);
        const double xc = x + 0.5;
        const double x_in = m[0] * xc + m[1] * yc + m[2];
        const double y_in = m[3] * xc + m[4] * yc + m[5];
        if (!(x_in >= 0.0 && x_in < job.in.width && y_in >= 0.0 && y_in < job.in.height)) {
          P::copy(to, job.fill);
          continue;
        }
        const Neighbours nx = neighbours(x_in, job.in.width);
        const Neighbours ny = neighbours(y_in, job.in.height);
        const Byte* upper = job.in.data + ny.first * job.in.row_stride;
        const Byte* lower = job.in.data + ny.second * job.in.row_stride;
        const std::int64_t left = nx.first * P::step(job.in.pixel_stride);
        const std::int64_t right = nx.second * P::step(job.in.pixel_stride);
        for (int c = 0; c < kChannels; ++c) {
          const double top = between(upper[left + c], upper[right + c], nx.weight);
          const double bottom = between(lower[left + c], lower[right + c], nx.weight);
          to[c] = static_cast<Byte>(between(top, bottom, ny.weight));
        }
      }
    }
  }

  static void affine(const Warp& warp, const WarpJob& job) {
    switch (warp.path) {
      case WarpPath::outside:
        for (std::int32_t y = 0; y < job.out.height; ++y) {
          fill(job, job.out.data + y * job.out.row_stride, 0, job.out.width);
        }
        return;
      case WarpPath::shift: return shift(warp, job);
      case WarpPath::serial: return serial(warp, job);
      case WarpPath::fixed: return fixed(warp, job);
      case WarpPath::bilinear: return bilinear(warp, job);
    }
  }

  static void reverse_row(const WarpJob& job, std::int32_t in_row, std::int32_t out_row) {
    const Byte* from = job.in.data + in_row * job.in.row_stride + (job.in.width - 1) * P::step(job.in.pixel_stride);
    Byte* to = job.out.data + out_row * job.out.row_stride;
    for (std::int32_t x = 0; x < job.out.width; ++x) {
      P::copy(to + x * P::step(job.out.pixel_stride), from - x * P::step(job.in.pixel_stride));
    }
  }

  static void rotate_quarter(const WarpJob& job, bool counter_clockwise) {
    const std::int32_t last = job.in.width - 1;
    for (std::int32_t y = 0; y < job.out.height; ++y) {
      Byte* row = job.out.data + y * job.out.row_stride;
      const std::int64_t column = (counter_clockwise ? last - y : y) * P::step(job.in.pixel_stride);
      for (std::int32_t x = 0; x < job.out.width; ++x) {
        const std::int64_t from = (counter_clockwise ? x : last - x) * job.in.row_stride + column;
        P::copy(row + x * P::step(job.out.pixel_stride), job.in.data + from);
      }
    }
  }
};

// Calls function(Loops) with those that fit the job.
template <class Function>
void with_loops(const WarpJob& job, const Function& function) {
  if (job.channels == 3) {
    if (job.in.pixel_stride == 3 && job.out.pixel_stride == 3) return function(Loops<3, 3>{});
    return function(Loops<3, 0>{});
  }
  if (job.in.pixel_stride == 1 && job.out.pixel_stride == 1) return function(Loops<1, 1>{});
  return function(Loops<1, 0>{});
}

void affine(const Warp& warp, const WarpJob& job) {
  with_loops(job, [&](auto loops) { loops.affine(warp, job); });
}

void reverse_row(const WarpJob& job, std::int32_t in_row, std::int32_t out_row) {
  with_loops(job, [&](auto loops) { loops.reverse_row(job, in_row, out_row); });
}

void rotate_quarter(const WarpJob& job, bool counter_clockwise) {
  with_loops(job, [&](auto loops) { loops.rotate_quarter(job, counter_clockwise); });
}

}  // namespace

extern const WarpLoops warp_loops{affine, reverse_row, rotate_quarter};

}  // namespace leaven::LEAVEN_ISA
