#pragma once

#include <cstdint>

#include "kernels/augment/epoch.hpp"
#include "kernels/augment/pad_flip.hpp"
#include "kernels/augment/rectangle.hpp"
#include "kernels/augment/resize.hpp"

// Random resized crops: where they are, the same on host and device.
namespace leaven {

// One call's draws. Image i is sample ids[i].
struct ResizedCropJob {
  std::uint64_t seed = 0;
  Epoch epoch = 0;
  RectangleRange range;
  double least_ratio = 0, most_ratio = 0;
  std::int64_t count = 0;
  const std::int64_t* ids = nullptr;
  std::int64_t data_count = 0;  // 0: image i is the source's image i; else image ids[i] of a data set of this size
  ResizeJob source{};
  ImageRef* images = nullptr;  // what is written: the crops as images, or
  RectPx* places = nullptr;    // where they are
};

LEAVEN_HD std::int32_t rounded_within(double v, std::int32_t most) {
  return v < 1.0 ? 1 : (v < most ? static_cast<std::int32_t>(v + 0.5) : most);
}

// The largest central crop whose ratio is allowed.
LEAVEN_HD RectPx central_crop(const ResizedCropJob& job, std::int32_t width, std::int32_t height) {
  RectPx crop{0, 0, width, height};
  if (width < job.least_ratio * height) {
    crop.height = rounded_within(width / job.least_ratio, height);
  } else if (width > job.most_ratio * height) {
    crop.width = rounded_within(height * job.most_ratio, width);
  }
  crop.left = (width - crop.width) / 2;
  crop.top = (height - crop.height) / 2;
  return crop;
}

LEAVEN_HD RectPx draw_resized_crop(const ResizedCropJob& job, std::int64_t image, const ImageRef& source) {
  constexpr std::uint32_t kTries = 10;
  constexpr auto kSlot = static_cast<std::uint32_t>(DrawSlot::random_resized_crop);
  const auto width = static_cast<std::int32_t>(source.width);
  const auto height = static_cast<std::int32_t>(source.height);
  if (width == 0 || height == 0) return {};
  const double image_area = static_cast<double>(width) * height;
  for (std::uint32_t attempt = 0; attempt < kTries; ++attempt) {
    const Philox4 words = draw(job.seed, job.epoch, static_cast<std::uint64_t>(job.ids[image]), kSlot + attempt);
    const RectangleRange::Sides sides = job.range.draw(image_area, words.x, words.y);
    const double crop_width = sides.first + 0.5;
    const double crop_height = sides.second + 0.5;
    if (crop_width < 1.0 || crop_height < 1.0 || crop_width >= width + 1.0 || crop_height >= height + 1.0) continue;
    RectPx crop;
    crop.width = static_cast<std::int32_t>(crop_width);
    crop.height = static_cast<std::int32_t>(crop_height);
    crop.top = uniform_index(words.z, height - crop.height + 1);
    crop.left = uniform_index(words.w, width - crop.width + 1);
    return crop;
  }
  return central_crop(job, width, height);
}

// The crop as an image.
LEAVEN_HD ImageRef resized_crop(const ResizedCropJob& job, std::int64_t image) {
  const std::int64_t from = job.data_count > 0 ? clamped_id(job.ids[image], job.data_count) : image;
  ImageRef source = resize_source(job.source, from);
  const RectPx crop = draw_resized_crop(job, image, source);
  source.data += crop.top * source.row_stride + crop.left * source.pixel_stride;
  source.width = crop.width;
  source.height = crop.height;
  return source;
}

LEAVEN_HD void write_resized_crop(const ResizedCropJob& job, std::int64_t image) {
  if (job.places != nullptr) {
    job.places[image] = draw_resized_crop(job, image, resize_source(job.source, image));
  } else {
    job.images[image] = resized_crop(job, image);
  }
}

void resized_crops_cuda(const ResizedCropJob& job, CUstream_st* stream);

}  // namespace leaven
