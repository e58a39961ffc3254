#include <algorithm>
#include <cmath>

#include <leaven/augment.hpp>
#include "host/augment/blur_loops.hpp"
#include "host/augment/checks.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"

namespace leaven {
namespace {

BlurWeights weights_of(const BlurImage& image) {
  BlurWeights weights;
  weights.half = image.half;
  double density[kMostBlurHalf + 1];
  double sum[kMostBlurHalf + 1];
  for (std::int32_t d = 0; d <= kMostBlurHalf; ++d) {
    density[d] = blur_density(d, image.sigma);
    sum[d] = blur_share(d, density[d], image.half);
  }
  for (std::int32_t step = (kMostBlurHalf + 1) / 2; step > 0; step /= 2) {
    for (std::int32_t d = 0; d < step; ++d) sum[d] += sum[d + step];
  }
  if (image.half == 0) return weights;
  for (std::int32_t d = 0; d <= kMostBlurHalf; ++d) weights.weights[d] = blur_weight(density[d], sum[0]);
  return weights;
}

void check_kernel_size(const ImageShape& in, std::int32_t size) {
  check(size >= 1 && size <= 2 * kMostBlurHalf + 1 && size % 2 == 1,
        "gaussian_blur: kernel_size is {}, expected an odd number from 1 to {}", size, 2 * kMostBlurHalf + 1);
  const std::int64_t side = std::min(in.height, in.width);
  check(side == 0 || size / 2 < side, "gaussian_blur: kernel_size is {}, expected at most {} for images of {}x{}", size,
        2 * side - 1, in.height, in.width);
}

void blur_one(const ImageView<const std::uint8_t>& in, const BlurWeights& weights, const ImageView<std::uint8_t>& out) {
  blur_loops().image(in, weights, out);
}

void blur_one(const ImageView<const float>& in, const BlurWeights& weights, const ImageView<float>& out) {
  blur_loops().float_image(in, weights, out);
}

template <class T>
void run_blur(const ImageView<const T>& in, std::int32_t kernel_size, const PerImage<double>& sigma,
              const ImageView<T>& out, Stream stream) {
  check_move("gaussian_blur", in, out);
  check_kernel_size(in.shape(), kernel_size);
  check_values("gaussian_blur", "sigma", sigma, in.count, [](double value) {
    check(std::isfinite(value) && value > 0, "gaussian_blur: sigma is {}, expected a positive finite number", value);
  });
  if (out.shape().size() == 0) return;
  const BlurJob job{kernel_size / 2, sigma};
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return gaussian_blur_cuda(job, in, out, stream.cuda_handle());
  }
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    BlurWeights weights;
    for (std::int64_t i = begin; i < end; ++i) {
      if (i == begin || sigma.values != nullptr) weights = weights_of(blur_image(job, i));
      blur_one(in.slice(i, 1), weights, out.slice(i, 1));
    }
  });
}

}  // namespace

void gaussian_blur(ImageView<const std::uint8_t> in, std::int32_t kernel_size, PerImage<double> sigma,
                   ImageView<std::uint8_t> out, Stream stream) {
  run_blur(in, kernel_size, sigma, out, stream);
}

void gaussian_blur(ImageView<const float> in, std::int32_t kernel_size, PerImage<double> sigma, ImageView<float> out,
                   Stream stream) {
  run_blur(in, kernel_size, sigma, out, stream);
}

}  // namespace leaven
