#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/core/elementary.hpp"

struct CUstream_st;

// Gaussian blur: the weights, and the order of the sums that both backends keep. Rows first, then columns, float32 in
// between: sum = w[0] v(0), then + w[d] (v(-d) + v(d)) for d = 1, 2, ... Contraction would change bits: compiled
// without.
namespace leaven {

inline constexpr std::int32_t kMostBlurHalf = 31;  // pixels on each side of the middle one

struct BlurJob {
  std::int32_t half = 0;
  PerImage<double> sigma{1.0};
};

// Half of an image whose sigma makes no sense is 0, which makes it a copy.
struct BlurImage {
  std::int32_t half;
  double sigma;
};

LEAVEN_HD BlurImage blur_image(const BlurJob& job, std::int64_t image) {
  const double sigma = job.sigma.values != nullptr ? job.sigma.values[image] : job.sigma.value;
  const bool usable = sigma > 0.0 && sigma < exact::from_bits(0x7FF0000000000000u);  // below infinity
  return {usable ? job.half : 0, sigma};
}

// The normal density at `distance` over that at 0.
LEAVEN_HD double blur_density(std::int32_t distance, double sigma) {
  if (distance == 0) return 1.0;
  const double x = distance / sigma;
  return exact::exp2_of_negative(-0.72134752044448170 * x * x);  // log2(e) / 2
}

// What `distance` adds to the sum of all densities. That sum is a tree over kMostBlurHalf + 1 shares: 0 and 16, 1 and
// 17, ... first, then their sums 0 and 8, ...
LEAVEN_HD double blur_share(std::int32_t distance, double density, std::int32_t half) {
  if (distance > half) return 0.0;
  return distance == 0 ? density : 2.0 * density;
}

LEAVEN_HD float blur_weight(double density, double sum) { return static_cast<float>(density / sum); }

// A coordinate up to size - 1 outside is mirrored, without repeating the pixel at the border. What lies farther away,
// which no result needs, is somewhere inside.
LEAVEN_HD std::int32_t reflected(std::int32_t i, std::int32_t size) {
  const std::int32_t low = i < 0 ? -i : i;
  const std::int32_t high = low < size ? low : 2 * (size - 1) - low;
  return high < 0 ? 0 : high;
}

// Rounded, half to even, of 0 to 255: the last bits of 2^23 + v are the integer.
LEAVEN_HD std::uint8_t blur_rounded(float v) {
  const float lifted = v + 8388608.0f;
  std::uint32_t bits;
  std::memcpy(&bits, &lifted, sizeof bits);
  return static_cast<std::uint8_t>(bits);
}

LEAVEN_HD void store_blurred(float v, std::uint8_t* to) { *to = blur_rounded(v); }
LEAVEN_HD void store_blurred(float v, float* to) { *to = v; }

// `out` has the shape of `in`, with at least one value.
void gaussian_blur_cuda(const BlurJob& job, ImageView<const std::uint8_t> in, ImageView<std::uint8_t> out,
                        CUstream_st* stream);
void gaussian_blur_cuda(const BlurJob& job, ImageView<const float> in, ImageView<float> out, CUstream_st* stream);

}  // namespace leaven
