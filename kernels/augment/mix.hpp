#pragma once

#include <cstdint>

#include "kernels/augment/pad_flip.hpp"
#include "kernels/core/annotate.hpp"
#include "kernels/core/elementary.hpp"
#include "kernels/core/philox.hpp"

// CutMix and MixUp: what is drawn for an image, the same on host and device.
namespace leaven {

// A part of an image, the last row and column not in it.
struct BoxPx {
  std::int32_t left = 0, top = 0, right = 0, bottom = 0;

  LEAVEN_HD bool has_row(std::int32_t y) const { return y >= top && y < bottom; }
  LEAVEN_HD bool has(std::int32_t x, std::int32_t y) const { return has_row(y) && x >= left && x < right; }
};

// Beta(alpha, alpha) on [0, 1]. If T has Student's distribution with 2 alpha degrees of freedom, then
// 1/2 + T / (2 sqrt(2 alpha + T^2)) is Beta(alpha, alpha); and Bailey's polar method gives
// T = sqrt(2 alpha (U^(-1/alpha) - 1)) cos(2 pi V) (Mathematics of Computation 62, 1994). With q = U^(1/alpha) nothing
// overflows, and no draw is rejected: two words always do.
LEAVEN_HD double symmetric_beta(double inverse_alpha, std::uint32_t word_u, std::uint32_t word_v) {
  const double u = (static_cast<double>(word_u) + 0.5) * 0x1p-32;
  if (inverse_alpha == 1.0) return u;
  const double q = exact::exp2_of_negative(exact::log2(u) * inverse_alpha);
  const double cosine = exact::cos_quarter((static_cast<double>(word_v & 0x7FFFFFFFu) + 0.5) * 0x1p-31);
  const double square = (1.0 - q) * cosine * cosine;
  double half = 0.5 * square * exact::reciprocal_sqrt(square * (q + square));  // sqrt(square / (q + square)) / 2
  half = half < 0.5 ? half : 0.5;
  return (word_v >> 31) != 0 ? 0.5 - half : 0.5 + half;
}

// What is done to an image: nothing, a box of the partner (CutMix), or a weighted mean with the partner (MixUp).
struct MixDraw {
  std::int64_t partner = 0;
  BoxPx box{};       // CutMix: of the partner; may be empty after clipping
  float weight = 1;  // MixUp: of the own values; 1: no mean is taken
  bool mixed = false;
};

// One call's draws and labels. Image i is sample ids[i].
struct MixJob {
  std::uint64_t seed = 0;
  Epoch epoch = 0;
  float probability = 0;   // 0: labels are passed on, nothing is mixed
  float cutmix_share = 1;  // of what is mixed: the rest is MixUp
  double cutmix_inverse_alpha = 1;
  double mixup_inverse_alpha = 1;
  MixPartner partner = MixPartner::previous;
  MixDraws draws = MixDraws::per_sample;
  bool boxes_only = false;  // MixUp leaves the own values
  double inverse_area = 1;  // 1 / (width * height)
  std::int64_t count = 0;
  std::int32_t width = 0;
  std::int32_t height = 0;
  const std::int64_t* ids = nullptr;
  const std::int32_t* labels = nullptr;  // null: images without labels
  std::int64_t label_count = 0;  // 0: label i is labels[i]; else labels[ids[i]], ids clamped to 0 .. label_count - 1
  std::int32_t* label_a = nullptr;
  std::int32_t* label_b = nullptr;
  float* weight_a = nullptr;
};

// Where a permutation of 0 .. count - 1, drawn for the batch that begins with sample `first_id`, takes `image`: a
// Feistel network on the next power of 4, walked until it is inside.
LEAVEN_HD std::int64_t permuted(std::uint64_t seed, const Epoch& epoch, std::uint64_t first_id, std::int64_t image,
                                std::int64_t count) {
  constexpr std::uint32_t kRounds = 6;
  constexpr auto kSlot = static_cast<std::uint32_t>(DrawSlot::mix_permutation);
  std::uint32_t half_bits = 1;
  while (std::int64_t{1} << (2 * half_bits) < count) ++half_bits;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  auto place = static_cast<std::uint64_t>(image);
  do {
    std::uint64_t left = place >> half_bits;
    std::uint64_t right = place & mask;
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      const std::uint64_t mixed = left ^ (draw(seed ^ right, epoch, first_id, kSlot + round).x & mask);
      left = right;
      right = mixed;
    }
    place = left << half_bits | right;
  } while (place >= static_cast<std::uint64_t>(count));
  return static_cast<std::int64_t>(place);
}

LEAVEN_HD std::int64_t partner_of(const MixJob& job, std::int64_t image) {
  switch (job.partner) {
    case MixPartner::mirrored: return job.count - 1 - image;
    case MixPartner::permuted:
      return permuted(job.seed, job.epoch, static_cast<std::uint64_t>(job.ids[0]), image, job.count);
    case MixPartner::previous: break;
  }
  return image > 0 ? image - 1 : job.count - 1;
}

LEAVEN_HD std::int32_t label_of(const MixJob& job, std::int64_t image) {
  return job.labels[job.label_count > 0 ? clamped_id(job.ids[image], job.label_count) : image];
}

// The image whose sample the draws are made for.
LEAVEN_HD std::int64_t drawn_for(const MixJob& job, std::int64_t image) {
  if (job.draws == MixDraws::per_batch) return 0;
  const std::int64_t mirrored = job.count - 1 - image;
  return job.draws == MixDraws::per_pair && mirrored < image ? mirrored : image;
}

// Words of the first draw: whether to mix at all, two for lambda, which way; of the second: the box's centre.
LEAVEN_HD MixDraw draw_mix(const MixJob& job, std::int64_t image) {
  MixDraw result;
  result.partner = image;
  const auto id = static_cast<std::uint64_t>(job.ids[drawn_for(job, image)]);
  const Philox4 words = draw(job.seed, job.epoch, id, DrawSlot::mix);
  if (!(uniform01(words.x) < job.probability)) return result;
  result.mixed = true;
  result.partner = partner_of(job, image);
  if (!(uniform01(words.w) < job.cutmix_share)) {
    if (!job.boxes_only) result.weight = static_cast<float>(symmetric_beta(job.mixup_inverse_alpha, words.y, words.z));
    return result;
  }
  const double half = 0.5 * exact::sqrt(1.0 - symmetric_beta(job.cutmix_inverse_alpha, words.y, words.z));
  const auto half_width = static_cast<std::int32_t>(half * job.width);
  const auto half_height = static_cast<std::int32_t>(half * job.height);
  const Philox4 place = draw(job.seed, job.epoch, id, DrawSlot::mix_box);
  const std::int32_t x = uniform_index(place.x, job.width);
  const std::int32_t y = uniform_index(place.y, job.height);
  result.box.left = x > half_width ? x - half_width : 0;
  result.box.top = y > half_height ? y - half_height : 0;
  result.box.right = job.width - x > half_width ? x + half_width : job.width;
  result.box.bottom = job.height - y > half_height ? y + half_height : job.height;
  return result;
}

// CutMix: the own label's weight is 1 - box area / image area; MixUp: it is the own values' weight.
LEAVEN_HD void write_labels(const MixJob& job, std::int64_t image, const MixDraw& drawn) {
  if (job.weight_a == nullptr) return;
  const double box_area = static_cast<double>(drawn.box.right - drawn.box.left) * (drawn.box.bottom - drawn.box.top);
  job.weight_a[image] = drawn.weight < 1 ? drawn.weight : static_cast<float>(1.0 - box_area * job.inverse_area);
  if (job.labels == nullptr) return;
  job.label_a[image] = label_of(job, image);
  job.label_b[image] = label_of(job, drawn.partner);
}

// MixUp of two 8-bit values: the weighted mean, rounded. One rounded multiply, two rounded adds.
LEAVEN_HD std::int32_t mixed_value(std::int32_t own, std::int32_t partners, float weight) {
  const float product = weight * static_cast<float>(own - partners);
  const float mean = static_cast<float>(partners) + product;
  return static_cast<std::int32_t>(mean + 0.5f);
}

// MixUp of two f32 values: the same, not rounded.
LEAVEN_HD float mixed_value(float own, float partners, float weight) {
  const float product = weight * (own - partners);
  return partners + product;
}

}  // namespace leaven
