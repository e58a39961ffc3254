#pragma once

#include <cstdint>

#include "kernels/augment/pad_flip.hpp"
#include "kernels/core/annotate.hpp"
#include "kernels/core/elementary.hpp"
#include "kernels/core/philox.hpp"

// CutMix: what is drawn for an image, the same on host and device.
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

struct CutMixDraw {
  bool mixed = false;
  BoxPx box{};  // of the partner; may be empty after clipping
};

// One call's draws and labels. Image i is sample ids[i].
struct CutMixJob {
  std::uint64_t seed = 0;
  Epoch epoch = 0;
  float probability = 0;  // 0: labels are passed on, nothing is mixed
  double inverse_alpha = 1;
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

LEAVEN_HD std::int64_t partner_of(std::int64_t image, std::int64_t count) { return image > 0 ? image - 1 : count - 1; }

LEAVEN_HD std::int32_t label_of(const CutMixJob& job, std::int64_t image) {
  return job.labels[job.label_count > 0 ? clamped_id(job.ids[image], job.label_count) : image];
}

// Words of the first draw: whether to mix at all, two for lambda; of the second: the box's centre.
LEAVEN_HD CutMixDraw draw_cutmix(const CutMixJob& job, std::int64_t image) {
  const auto id = static_cast<std::uint64_t>(job.ids[image]);
  const Philox4 words = draw(job.seed, job.epoch, id, DrawSlot::cutmix);
  if (!(uniform01(words.x) < job.probability)) return {};
  const double half = 0.5 * exact::sqrt(1.0 - symmetric_beta(job.inverse_alpha, words.y, words.z));
  const auto half_width = static_cast<std::int32_t>(half * job.width);
  const auto half_height = static_cast<std::int32_t>(half * job.height);
  const Philox4 place = draw(job.seed, job.epoch, id, DrawSlot::cutmix_box);
  const std::int32_t x = uniform_index(place.x, job.width);
  const std::int32_t y = uniform_index(place.y, job.height);
  CutMixDraw result;
  result.mixed = true;
  result.box.left = x > half_width ? x - half_width : 0;
  result.box.top = y > half_height ? y - half_height : 0;
  result.box.right = job.width - x > half_width ? x + half_width : job.width;
  result.box.bottom = job.height - y > half_height ? y + half_height : job.height;
  return result;
}

// The own label's weight is 1 - box area / image area.
LEAVEN_HD void write_labels(const CutMixJob& job, std::int64_t image, const CutMixDraw& drawn) {
  const double box_area = static_cast<double>(drawn.box.right - drawn.box.left) * (drawn.box.bottom - drawn.box.top);
  job.weight_a[image] = static_cast<float>(1.0 - box_area * job.inverse_area);
  if (job.labels == nullptr) return;
  job.label_a[image] = label_of(job, image);
  job.label_b[image] = label_of(job, drawn.mixed ? partner_of(image, job.count) : image);
}

}  // namespace leaven
