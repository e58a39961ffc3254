#include <algorithm>

#include <leaven/cpu.hpp>
#include "host/augment/augmenter_job.hpp"
#include "host/augment/checks.hpp"
#include "host/augment/mix.hpp"
#include "host/augment/random_resized_crop.hpp"
#include "host/augment/resize.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/targets.hpp"

// What follows the images of an Augmenter: geometry for key points and boxes, masks.
namespace leaven {
namespace {

constexpr std::int64_t kGrain = 256;  // images whose maps a thread makes at a time

void check_one_geometry(const char* function, const AugmenterPlan& plan) {
  check(plan.policy.chains == 0, "{}: the policy is AugMix, expected one that gives each image one geometry", function);
}

// Resizing, then two batches of masks: where steps come from and go to.
std::int64_t masks_bytes_cuda(const AugmenterOptions& options, const ImageShape& in) {
  const std::int64_t batch = aligned_bytes(image_bytes(result_shape(options, in)) * in.count);
  return resize_bytes(options, in, Interpolation::nearest, in.count) + 2 * batch;
}

// What partners read, then pairs of masks and what resizing one wants for each range that may be worked on at a time.
std::int64_t masks_bytes_cpu(const AugmenterOptions& options, const ImageShape& in, std::int64_t ranges) {
  const ImageShape result = result_shape(options, in);
  const std::int64_t one =
      2 * aligned_bytes(image_bytes(result)) + resize_bytes(options, in, Interpolation::nearest, 1);
  return aligned_bytes(image_bytes(result) * in.count) + ranges * one;
}

}  // namespace

void Augmenter::geometry(std::span<const std::int64_t> sample_ids, RandomKey key,
                         std::span<AffineMatrix> output_to_input, Stream stream) const {
  constexpr const char* kName = "Augmenter::geometry";
  const auto count = static_cast<std::int64_t>(sample_ids.size());
  check_one_geometry(kName, *plan_);
  check_span(kName, "sample_ids", sample_ids, count);
  check_span(kName, "output_to_input", output_to_input, count);
  if (count == 0) return;
  AugmenterJob augment = augmenter_job(options_, *plan_, sample_ids, 0, key);
  if (options_.random_resized_crop) {
    const ImageView<const std::uint8_t> in{.count = 1, .height = image_.height, .width = image_.width, .channels = 1};
    augment.resizes = true;
    augment.crop = resized_crop_job(options_.random_resized_crop->crop, key, sample_ids.data(), count, {.in = in});
  }
  const GeometryJob job{.pad_flip = augment.pad_flip,
                        .resizes = augment.resizes,
                        .crop = augment.crop,
                        .policy = augment.policy,
                        .height = augment.shape.height,
                        .width = augment.shape.width,
                        .count = count,
                        .maps = output_to_input.data()};
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return geometry_cuda(job, stream.cuda_handle());
  }
  parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) write_geometry(job, i);
  });
}

std::int64_t Augmenter::masks_workspace_bytes(const ImageShape& in) const {
  const std::int64_t ranges = std::int64_t{4} * cpu_threads();
  return std::max(masks_bytes_cuda(options_, in), masks_bytes_cpu(options_, in, ranges));
}

void Augmenter::masks(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids, RandomKey key,
                      Colour fill, ImageView<std::uint8_t> out, std::span<std::byte> workspace, Stream stream) const {
  constexpr const char* kName = "Augmenter::masks";
  check_one_geometry(kName, *plan_);
  check_geometry(kName, in, out);
  check(in.height == image_.height && in.width == image_.width, "{}: in has masks of {}x{}, expected {}x{}", kName,
        in.height, in.width, image_.height, image_.width);
  check(out.height == plan_->result.height && out.width == plan_->result.width,
        "{}: out has masks of {}x{}, expected {}x{}", kName, out.height, out.width, plan_->result.height,
        plan_->result.width);
  check_span(kName, "sample_ids", sample_ids, in.count);
  const bool on_cuda = stream.backend() == Backend::cuda;
  const std::int64_t least =
      on_cuda ? masks_bytes_cuda(options_, in.shape()) : masks_bytes_cpu(options_, in.shape(), 1);
  check_workspace(kName, workspace, least, alignof(ImageRef));
  if (in.count == 0) return;
  AugmenterJob job = augmenter_job(options_, *plan_, sample_ids, 0, key);
  job.shape.channels = in.channels;
  job.policy.geometry_only = true;
  job.policy_warp.interpolation = Interpolation::nearest;
  job.policy_warp.fill = job.pad_flip.fill = fill;
  job.erase = {};
  job.mix.boxes_only = true;
  const AugmenterMemory memory{workspace.data(), static_cast<std::int64_t>(workspace.size()), in.count};
  if (options_.random_resized_crop) add_resizing(job, options_, Interpolation::nearest, in, memory, stream);
  run_masks(job, in, memory, out, stream);
}

}  // namespace leaven
