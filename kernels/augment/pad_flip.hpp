#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/epoch.hpp"
#include "kernels/core/annotate.hpp"

struct CUstream_st;

// The pipeline's first step: pick an image, pad it and crop it at a drawn position, flip it or not. What is drawn is
// the same on host and device.
namespace leaven {

// Which image of a data set sample `id` is: those outside are clamped.
LEAVEN_HD std::int64_t clamped_id(std::int64_t id, std::int64_t count) {
  return id < 0 ? 0 : (id < count ? id : count - 1);
}

// Output image i is sample ids[i].
struct PadFlipJob {
  std::uint64_t seed = 0;
  Epoch epoch = 0;
  std::int32_t padding = 0;
  Colour fill = 0;
  float flip_probability = 0;
  const std::int64_t* ids = nullptr;
  std::int64_t data_count = 0;  // 0: the source is image i; else image ids[i] of a data set of this size
};

LEAVEN_HD std::int64_t source_image(const PadFlipJob& job, std::int64_t image) {
  return job.data_count > 0 ? clamped_id(job.ids[image], job.data_count) : image;
}

struct PadFlipDraw {
  OffsetPx offset{};  // of the crop in the padded image
  bool flipped = false;
};

LEAVEN_HD PadFlipDraw draw_pad_flip(const PadFlipJob& job, std::int64_t image) {
  const auto id = static_cast<std::uint64_t>(job.ids[image]);
  PadFlipDraw result;
  if (job.padding > 0) {
    const Philox4 words = draw(job.seed, job.epoch, id, DrawSlot::pad_crop);
    result.offset.x = uniform_index(words.x, 2 * job.padding + 1);
    result.offset.y = uniform_index(words.y, 2 * job.padding + 1);
  }
  if (job.flip_probability > 0) {
    result.flipped = uniform01(draw(job.seed, job.epoch, id, DrawSlot::flip).x) < job.flip_probability;
  }
  return result;
}

// `out`: packed, interleaved, 4-byte aligned.
void pad_flip_cuda(ImageView<const std::uint8_t> in, const PadFlipJob& job, ImageView<std::uint8_t> out,
                   CUstream_st* stream);

}  // namespace leaven
