#include "host/augment/random_resized_crop.hpp"

#include "host/augment/checks.hpp"
#include "host/augment/mix.hpp"
#include "host/augment/resize.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

constexpr std::int64_t kGrain = 256;  // images whose crops a thread draws at a time

// The crops are a ragged batch, described at the start of the workspace.
void run(ResizeJob resizing, std::span<const std::int64_t> sample_ids, const RandomResizedCropOptions& options,
         RandomKey key, const Out& out, std::span<std::byte> workspace, Stream stream) {
  constexpr const char* kName = "random_resized_crop";
  check_rectangles(kName, options.scale, options.ratio);
  check_span(kName, "sample_ids", sample_ids, out.count);
  ResizedCropJob job = resized_crop_job(options, key, sample_ids.data(), out.count, resizing);
  const ImageShape in{out.count, resizing.largest.height, resizing.largest.width, out.channels};
  const std::int64_t wanted = random_resized_crop_workspace_bytes(in, {out.height, out.width}, options.interpolation);
  check_workspace(kName, workspace, wanted, alignof(ImageRef));
  if (out.shape().size() == 0) return;
  job.images = reinterpret_cast<ImageRef*>(workspace.data());
  run_resized_crops(job, stream);
  resizing.images = job.images;
  run_resize(resizing, out, workspace.data() + crops_bytes(out.count), stream);
}

void run_places(const ResizeJob& source, std::span<const std::int64_t> sample_ids,
                const RandomResizedCropOptions& options, RandomKey key, std::span<RectPx> places, Stream stream) {
  constexpr const char* kName = "random_resized_crop_places";
  const auto count = static_cast<std::int64_t>(places.size());
  check(places.data() != nullptr || count == 0, "{}: places is null, expected {} values", kName, count);
  check_rectangles(kName, options.scale, options.ratio);
  check_span(kName, "sample_ids", sample_ids, count);
  ResizedCropJob job = resized_crop_job(options, key, sample_ids.data(), count, source);
  job.places = places.data();
  run_resized_crops(job, stream);
}

}  // namespace

void check_rectangles(const char* function, const Interval& scale, const Interval& ratio) {
  check(scale.least > 0 && scale.least <= scale.most && scale.most <= 1,
        "{}: options.scale is {} to {}, expected a range within 0 (excluded) to 1", function, scale.least, scale.most);
  check(ratio.least >= 1e-6 && ratio.least <= ratio.most && ratio.most <= 1e6,
        "{}: options.ratio is {} to {}, expected a range within 1e-6 to 1e6", function, ratio.least, ratio.most);
}

RectangleRange rectangle_range(const Interval& scale, const Interval& ratio) {
  const double least_log2 = exact::log2(ratio.least);
  return {.least_area = scale.least,
          .area_range = scale.most - scale.least,
          .least_log2_ratio = least_log2,
          .log2_ratio_range = exact::log2(ratio.most) - least_log2};
}

ResizedCropJob resized_crop_job(const RandomResizedCropOptions& options, RandomKey key, const std::int64_t* ids,
                                std::int64_t count, const ResizeJob& source) {
  return {.seed = key.seed,
          .epoch = key.epoch,
          .range = rectangle_range(options.scale, options.ratio),
          .least_ratio = options.ratio.least,
          .most_ratio = options.ratio.most,
          .count = count,
          .ids = ids,
          .source = source};
}

void run_resized_crops(const ResizedCropJob& job, Stream stream) {
  if (job.count == 0) return;
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return resized_crops_cuda(job, stream.cuda_handle());
  }
  parallel_for(job.count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) write_resized_crop(job, i);
  });
}

std::int64_t random_resized_crop_workspace_bytes(const ImageShape& in, ImageSize out, Interpolation interpolation) {
  return resize_workspace_bytes(in, out, interpolation) + crops_bytes(in.count);
}

void random_resized_crop(In in, std::span<const std::int64_t> sample_ids, const RandomResizedCropOptions& options,
                         RandomKey key, Out out, std::span<std::byte> workspace, Stream stream) {
  run(checked_resize_job("random_resized_crop", in, options.interpolation, out), sample_ids, options, key, out,
      workspace, stream);
}

void random_resized_crop(RaggedImages in, std::span<const std::int64_t> sample_ids,
                         const RandomResizedCropOptions& options, RandomKey key, Out out,
                         std::span<std::byte> workspace, Stream stream) {
  run(checked_resize_job("random_resized_crop", in, options.interpolation, out), sample_ids, options, key, out,
      workspace, stream);
}

void random_resized_crop_places(ImageSize size, std::span<const std::int64_t> sample_ids,
                                const RandomResizedCropOptions& options, RandomKey key, std::span<RectPx> places,
                                Stream stream) {
  check_side("random_resized_crop_places", "size", size);
  run_places({.in = In{.height = size.height, .width = size.width}}, sample_ids, options, key, places, stream);
}

void random_resized_crop_places(RaggedImages in, std::span<const std::int64_t> sample_ids,
                                const RandomResizedCropOptions& options, RandomKey key, std::span<RectPx> places,
                                Stream stream) {
  constexpr const char* kName = "random_resized_crop_places";
  check_side(kName, "in.largest", in.largest);
  check_span(kName, "in.images", in.images, static_cast<std::int64_t>(places.size()));
  run_places({.images = in.images.data(), .largest = in.largest}, sample_ids, options, key, places, stream);
}

}  // namespace leaven
