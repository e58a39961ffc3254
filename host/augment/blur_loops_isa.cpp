#include "host/augment/blur_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorFloats = 16;
#elif defined(__AVX2__)
constexpr int kVectorFloats = 8;
#else
constexpr int kVectorFloats = 4;
#endif
using Vector [[gnu::vector_size(4 * kVectorFloats)]] = float;

constexpr int kRun = 32;       // values that are worked on side by side
constexpr int kStrip = 192;    // values of a row that are worked on before the next row: pixels of 1 or 3 values
constexpr int kRingRows = 64;  // rows of the first pass that are kept; at least 2 kMostBlurHalf + 1
constexpr int kVectors = kRun / kVectorFloats;

// Rows of the input or of the first pass at each distance from the middle.
struct Taps {
  const float* before[kMostBlurHalf + 1];
  const float* after[kMostBlurHalf + 1];
};

// One image as rows of values, `step` of them a pixel: three where pixels are interleaved in both views, else one, of
// one channel.
template <class T>
struct Plane {
  const T* in;
  T* out;
  std::int32_t step;
};

[[gnu::always_inline]] inline Vector load(const float* p) {
  Vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// kRun sums, of the values at `first` in each tap.
[[gnu::always_inline]] inline void weighted_sums(const BlurWeights& w, const Taps& taps, std::int64_t first,
                                                 float* sums) {
  Vector sum[kVectors];
  for (int k = 0; k < kVectors; ++k) sum[k] = w.weights[0] * load(taps.before[0] + first + k * kVectorFloats);
  for (std::int32_t d = 1; d <= w.half; ++d) {
    const float* before = taps.before[d] + first;
    const float* after = taps.after[d] + first;
    for (int k = 0; k < kVectors; ++k) {
      sum[k] += w.weights[d] * (load(before + k * kVectorFloats) + load(after + k * kVectorFloats));
    }
  }
  __builtin_memcpy(sums, sum, sizeof sum);
}

// `pixels` pixels of a row from `first` on. Those outside of the image mirror some of the others.
template <class T>
void load_line(const ImageView<const T>& in, const Plane<T>& plane, std::int32_t y, std::int32_t first,
               std::int32_t pixels, float* __restrict line) {
  const auto width = static_cast<std::int32_t>(in.width);
  const std::int32_t step = plane.step;
  const std::int32_t inner = first < 0 ? 0 : first;
  const std::int32_t inner_end = first + pixels < width ? first + pixels : width;
  const T* from = plane.in + y * in.row_stride + inner * in.pixel_stride;
  float* to = line + (inner - first) * step;
  const std::int32_t count = (inner_end - inner) * step;
  if (in.pixel_stride == step) {
    for (std::int32_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
  } else {
    for (std::int32_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i * in.pixel_stride]);  // step is 1
  }
  const auto mirror = [&](std::int32_t begin, std::int32_t end) {
    for (std::int32_t x = begin; x < end; ++x) {
      const float* pixel = line + (reflected(x, width) - first) * step;
      for (std::int32_t c = 0; c < step; ++c) line[(x - first) * step + c] = pixel[c];
    }
  };
  mirror(first, inner);
  mirror(inner_end, first + pixels);
}

// `pixels` pixels of an output row from `first` on, run by run.
template <class T>
void store_row(const BlurWeights& weights, const Taps& taps, const ImageView<T>& out, const Plane<T>& plane,
               std::int32_t y, std::int32_t first, std::int32_t pixels) {
  T* row = plane.out + y * out.row_stride + first * out.pixel_stride;
  const std::int32_t values = pixels * plane.step;
  for (std::int32_t i = 0; i < values; i += kRun) {
    float sums[kRun];
    weighted_sums(weights, taps, i, sums);
    T blurred[kRun];
    for (int j = 0; j < kRun; ++j) store_blurred(sums[j], blurred + j);
    const std::int32_t count = values - i < kRun ? values - i : kRun;
    if (out.pixel_stride == plane.step) {
      __builtin_memcpy(row + i, blurred, static_cast<std::size_t>(count) * sizeof(T));
      continue;
    }
    for (std::int32_t j = 0; j < count; ++j) row[(i + j) * out.pixel_stride] = blurred[j];
  }
}

// `pixels` columns from `first` on, from the top to the bottom.
template <class T>
void strip(const ImageView<const T>& in, const BlurWeights& weights, const ImageView<T>& out, const Plane<T>& plane,
           std::int32_t first, std::int32_t pixels) {
  const std::int32_t half = weights.half;
  const auto height = static_cast<std::int32_t>(in.height);
  alignas(64) float ring[kRingRows * kStrip];
  alignas(64) float line[kStrip + 2 * 3 * kMostBlurHalf + kRun] = {};
  const float* middle = line + half * plane.step;
  Taps along;
  for (std::int32_t d = 0; d <= half; ++d) {
    along.before[d] = middle - d * plane.step;
    along.after[d] = middle + d * plane.step;
  }
  std::int32_t next = 0;
  for (std::int32_t y = 0; y < height; ++y) {
    for (; next < height && next <= y + half; ++next) {
      load_line(in, plane, next, first - half, pixels + 2 * half, line);
      float* row = ring + next % kRingRows * kStrip;
      for (std::int32_t i = 0; i < pixels * plane.step; i += kRun) weighted_sums(weights, along, i, row + i);
    }
    Taps down;
    for (std::int32_t d = 0; d <= half; ++d) {
      down.before[d] = ring + reflected(y - d, height) % kRingRows * kStrip;
      down.after[d] = ring + reflected(y + d, height) % kRingRows * kStrip;
    }
    store_row(weights, down, out, plane, y, first, pixels);
  }
}

template <class T>
void blur_plane(const ImageView<const T>& in, const BlurWeights& weights, const ImageView<T>& out,
                const Plane<T>& plane) {
  const auto width = static_cast<std::int32_t>(in.width);
  const std::int32_t most = kStrip / plane.step;
  for (std::int32_t x = 0; x < width; x += most) strip(in, weights, out, plane, x, width - x < most ? width - x : most);
}

template <class T>
void image(const ImageView<const T>& in, const BlurWeights& weights, const ImageView<T>& out) {
  const bool interleaved = in.channels == 3 && in.channel_stride == 1 && out.channel_stride == 1 &&
                           in.pixel_stride == 3 && out.pixel_stride == 3;
  if (interleaved) return blur_plane(in, weights, out, Plane<T>{in.data, out.data, 3});
  for (std::int64_t c = 0; c < in.channels; ++c) {
    blur_plane(in, weights, out, Plane<T>{in.data + c * in.channel_stride, out.data + c * out.channel_stride, 1});
  }
}

}  // namespace

extern const BlurLoops blur_loops;
const BlurLoops blur_loops{.image = image<std::uint8_t>, .float_image = image<float>};

}  // namespace leaven::LEAVEN_ISA
