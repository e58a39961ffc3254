#pragma once

#include <cstdint>

#include "kernels/augment/mix.hpp"
#include "kernels/augment/pixel.hpp"
#include "kernels/augment/policy.hpp"

struct CUstream_st;

// AugMix: the weights that are drawn for an image, and the sum of its chains, the same on host and device.
namespace leaven {

struct AugMixWeights {
  float own = 1;
  float chains[kMostChains] = {};
};

// Gamma(alpha, 1): Marsaglia and Tsang's method (ACM TOMS 26, 2000), whose 16th proposal is taken as it is (each is
// accepted with probability 0.95 and more). `slot` + 0 .. 15 belong to the draw.
LEAVEN_HD double gamma_draw(double alpha, std::uint64_t seed, const Epoch& epoch, std::uint64_t id,
                            std::uint32_t slot) {
  constexpr double kLn2 = 0.6931471805599453;
  if (alpha == 1.0) return -kLn2 * exact::log2(open_uniform(draw(seed, epoch, id, slot).x));
  const double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3;
  const double root = exact::reciprocal_sqrt(9 * d);
  double v = 1;
  Philox4 words{};
  for (std::uint32_t attempt = 0; attempt < 16; ++attempt) {
    words = draw(seed, epoch, id, slot + attempt);
    const double x = normal(words.x, words.y);
    const double base = 1 + root * x;
    if (!(base > 1e-3)) continue;
    v = base * base * base;
    const double log_u = kLn2 * exact::log2(open_uniform(words.z));
    if (log_u < 0.5 * x * x + d - d * v + d * kLn2 * exact::log2(v)) break;
  }
  const double boost = alpha < 1 ? exact::exp2_of_negative(exact::log2(open_uniform(words.w)) * (1 / alpha)) : 1.0;
  return d * v * boost;
}

// The chains' shares are drawn twice, for their sum and for themselves: an array of them would lie in memory on a GPU.
LEAVEN_HD void draw_aug_mix(const PolicySource& source, std::int64_t image, AugMixWeights& weights) {
  const PolicyPlan& plan = source.plan;
  const auto id = static_cast<std::uint64_t>(source.ids[image]);
  const Philox4 words = draw(source.seed, source.epoch, id, DrawSlot::aug_mix);
  const double own = symmetric_beta(1.0 / plan.alpha, words.x, words.y);
  const auto gamma_of = [&](std::int32_t chain) {
    constexpr auto kSlot = static_cast<std::uint32_t>(DrawSlot::aug_mix_weight);
    return gamma_draw(plan.alpha, source.seed, source.epoch, id, kSlot + 16u * static_cast<std::uint32_t>(chain));
  };
  double sum = 0;
  for (std::int32_t c = 0; c < plan.chains; ++c) sum += gamma_of(c);
  weights.own = static_cast<float>(own);
  for (std::int32_t c = 0; c < plan.chains; ++c) {
    const double share = sum > 0 ? gamma_of(c) / sum : 1.0 / plan.chains;
    weights.chains[c] = static_cast<float>((1 - own) * share);
  }
}

// Packed images: the `chains` batches of chain results follow each other.
struct AugMixJob {
  PolicySource policy;
  ImageView<const std::uint8_t> in;
  const std::uint8_t* chains;
  std::int64_t batch_bytes;  // from one chain's results to the next
  ImageView<std::uint8_t> out;
};

// The weighted sum of value (y, x, c) of the image in float32, truncated.
LEAVEN_HD std::uint8_t aug_mix_value(const AugMixJob& job, const AugMixWeights& weights, std::int64_t image,
                                     std::int64_t pixel, std::int64_t c) {
  const std::int64_t y = pixel / job.in.width;
  const std::int64_t x = pixel - y * job.in.width;
  float sum = weights.own * static_cast<float>(job.in.data[image * job.in.image_stride + y * job.in.row_stride +
                                                           x * job.in.pixel_stride + c * job.in.channel_stride]);
  const std::int64_t place = (image * job.in.height * job.in.width + pixel) * job.in.channels + c;
  for (std::int32_t k = 0; k < kMostChains; ++k) {
    if (k >= job.policy.plan.chains) break;
    const float product = weights.chains[k] * static_cast<float>(job.chains[k * job.batch_bytes + place]);
    sum = sum + product;
  }
  return static_cast<std::uint8_t>(clip_to_u8(sum));
}

void aug_mix_cuda(const char* function, const AugMixJob& job, CUstream_st* stream);

}  // namespace leaven
