#include <algorithm>

#include <leaven/augment.hpp>
#include <leaven/cpu.hpp>
#include "host/augment/checks.hpp"
#include "host/augment/cutmix.hpp"
#include "host/augment/image_op.hpp"
#include "host/augment/normalise.hpp"
#include "host/augment/policy.hpp"
#include "host/augment/random_resized_crop.hpp"
#include "host/augment/resize.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/finish.hpp"
#include "kernels/augment/fused.hpp"
#include "kernels/augment/pad_flip.hpp"

namespace leaven {

struct AugmenterPlan {
  ImageShape result;  // of an image
  PolicyPlan policy;
  WarpOptions warp;
  bool mixes;
  bool sharpens;  // can draw sharpness
  bool fused;     // on CUDA, two launches do it all (kernels/augment/fused.hpp); otherwise each step is one
};

namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

constexpr std::int32_t kMostPadding = 1 << 20;

// One call, resolved.
struct Job {
  PadFlipJob pad_flip;
  bool resizes = false;
  ResizedCropJob crop;
  ResizeJob resize;
  std::int64_t resize_bytes = 0;  // of the workspace; on the CPU for each range
  PolicySource policy;
  WarpOptions policy_warp;
  CutMixJob mix;
  ScaleShift scale_shift;
  ImageShape shape;  // of the batch
  Layout layout;
};

std::int64_t aligned_bytes(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }
std::int64_t image_bytes(const ImageShape& s) { return s.height * s.width * s.channels; }

ImageShape result_shape(const AugmenterOptions& options, ImageShape image) {
  if (options.random_resized_crop) {
    image.height = options.random_resized_crop->size.height;
    image.width = options.random_resized_crop->size.width;
  }
  return image;
}

// For `count` images at once.
std::int64_t resize_bytes(const AugmenterOptions& options, const ImageShape& image, std::int64_t count) {
  if (!options.random_resized_crop) return 0;
  const ImageShape in{count, image.height, image.width, image.channels};
  const auto& [size, crop] = *options.random_resized_crop;
  return aligned_bytes(random_resized_crop_workspace_bytes(in, size, crop.interpolation));
}

// The workspace holds what resizing wants, then whole batches (CUDA: where the steps come from and go to; CPU, with
// mixing: what the partners read), then what the fused kernels want, or on the CPU pairs of images and what resizing
// one wants, for each range of the batch that may be worked on at the same time.
std::int64_t batches_in_workspace(const AugmenterOptions& options, const AugmenterPlan& plan, Backend backend) {
  if (backend == Backend::cpu) return plan.mixes ? 1 : 0;
  if (plan.fused) return options.random_resized_crop ? 1 : 0;
  const bool flips_what_was_resized = options.random_resized_crop && options.flip_probability > 0;
  return flips_what_was_resized || plan.policy.layers > 0 ? 2 : 1;
}
std::int64_t ranges_wanted(std::int64_t capacity) {
  return std::min<std::int64_t>(capacity, std::int64_t{4} * cpu_threads());
}

Out packed(std::byte* memory, const ImageShape& shape) {
  return Out::nhwc(reinterpret_cast<std::uint8_t*>(memory), shape);
}

// Brings one image to where the chain has got to: each step reads `now` and writes the other of two images.
struct ImageChain {
  In now;
  Out scratch[2];
  std::byte* resize_memory;

  void step(const ImageOp& op, const WarpOptions& warp) {
    if (op.kind == ImageOpKind::copy) return;
    const Out& next = scratch[now.data == scratch[0].data ? 1 : 0];
    apply_image_op(op, now, warp, next);
    now = next;
  }
};

void augment_image(const Job& job, const In& in, std::int64_t image, ImageChain& chain) {
  chain.now = in.slice(source_image(job.pad_flip, image), 1);
  if (job.resizes) {
    const ImageRef crop = resized_crop(job.crop, image);
    ResizeJob resize = job.resize;
    resize.images = &crop;
    resize_image(resize, 0, chain.scratch[0], chain.resize_memory);
    chain.now = chain.scratch[0];
  }
  const PadFlipDraw drawn = draw_pad_flip(job.pad_flip, image);
  const std::int32_t padding = job.pad_flip.padding;
  if (padding > 0) {
    chain.step(translate_op(padding - drawn.offset.x, padding - drawn.offset.y), {.fill = job.pad_flip.fill});
  }
  if (drawn.flipped) chain.step(value_op(ImageOpKind::flip_left_right, 0), {});
  for (std::int32_t layer = 0; layer < job.policy.plan.layers; ++layer) {
    chain.step(job.policy.of_layer(image, layer), job.policy_warp);
  }
}

// An image stays in the cache from its first step to the last. With mixing the augmented images are kept, because the
// next one of the batch wants a part of them; mixing and normalising is then a second pass.
void run_cpu(const Job& job, const In& in, Augmenter::Batch& out, bool mixes) {
  ImageShape one = job.shape;
  one.count = 1;
  const std::int64_t count = job.shape.count;
  const std::int64_t scratch_bytes = aligned_bytes(image_bytes(one));
  const std::int64_t kept_bytes = mixes ? aligned_bytes(image_bytes(one) * out.capacity) : 0;
  const std::int64_t range_bytes = 2 * scratch_bytes + job.resize_bytes;
  const std::int64_t pairs = (out.workspace.size() - kept_bytes) / range_bytes;
  const std::int64_t ranges = std::min(pairs, ranges_for(count, images_per_range(one)));
  const Out kept = packed(out.workspace.data(), job.shape);
  const ImageView<float> images = ImageView<float>::packed(out.images.data(), job.shape, job.layout);
  const auto for_each_image = [&](const auto& body) {
    parallel_ranges(ranges, ranges, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t range = first; range < last; ++range) {
        std::byte* memory = out.workspace.data() + kept_bytes + range * range_bytes;
        ImageChain chain{{}, {packed(memory, one), packed(memory + scratch_bytes, one)}, memory + 2 * scratch_bytes};
        for (std::int64_t i = count * range / ranges; i < count * (range + 1) / ranges; ++i) body(i, chain);
      }
    });
  };
  for_each_image([&](std::int64_t i, ImageChain& chain) {
    augment_image(job, in, i, chain);
    if (mixes) return apply_image_op({}, chain.now, {}, kept.slice(i, 1));
    normalise_image(chain.now, job.scale_shift, images.slice(i, 1));
    write_labels(job.mix, i, {});
  });
  if (!mixes) return;
  for_each_image([&](std::int64_t i, ImageChain& chain) {
    const CutMixDraw drawn = draw_cutmix(job.mix, i);
    mix_image(kept, i, drawn.box, chain.scratch[0]);
    normalise_image(chain.scratch[0], job.scale_shift, images.slice(i, 1));
    write_labels(job.mix, i, drawn);
  });
}

void run_fused(const Job& job, const In& in, Augmenter::Batch& out, std::byte* workspace, Stream stream) {
  if constexpr (kWithCuda) {
    const FusedJob fused{.pad_flip = job.pad_flip,
                         .policy = job.policy,
                         .fill = job.policy_warp.fill,
                         .mix = job.mix,
                         .scale_shift = job.scale_shift};
    augment_fused_cuda(in, fused, workspace, ImageView<float>::packed(out.images.data(), job.shape, job.layout),
                       stream.cuda_handle());
  }
}

void run_cuda(Job job, In now, Augmenter::Batch& out, bool fused, Stream stream) {
  if constexpr (kWithCuda) {
    const std::int64_t batch_bytes = aligned_bytes(image_bytes(job.shape) * out.capacity);
    std::byte* memory = out.workspace.data() + job.resize_bytes;
    const Out batches[2] = {packed(memory, job.shape), packed(memory + batch_bytes, job.shape)};
    if (job.resizes) {
      run_resized_crops(job.crop, stream);
      run_resize(job.resize, batches[0], out.workspace.data() + crops_bytes(job.shape.count), stream);
      now = batches[0];
      job.pad_flip.data_count = 0;  // the images have been picked
    }
    if (fused) return run_fused(job, now, out, memory + (job.resizes ? batch_bytes : 0), stream);
    const auto next = [&] { return batches[now.data == batches[0].data ? 1 : 0]; };
    const bool first_step = job.pad_flip.padding > 0 || job.pad_flip.flip_probability > 0 ||
                            job.pad_flip.data_count > 0 || !now.is_packed(Layout::nhwc);
    if (first_step) {
      const Out to = next();
      pad_flip_cuda(now, job.pad_flip, to, stream.cuda_handle());
      now = to;
    }
    PolicySource policy = job.policy;
    for (policy.layer = 0; policy.layer < policy.plan.layers; ++policy.layer) {
      const Out to = next();
      cuda::image_ops_cuda("Augmenter", policy, now, job.policy_warp, to, stream.cuda_handle());
      now = to;
    }
    const auto images = ImageView<float>::packed(out.images.data(), job.shape, job.layout);
    cutmix_normalise_cuda(now, job.mix, job.scale_shift, images, stream.cuda_handle());
  }
}

AugmenterPlan make_plan(const AugmenterOptions& options, const ImageShape& image) {
  constexpr std::int64_t kMostSide = 32767;  // 16.16 coordinates
  const ImageShape result = result_shape(options, image);
  AugmenterPlan plan{.result = result,
                     .policy = {},
                     .warp = {},
                     .mixes = options.mix.has_value(),
                     .sharpens = false,
                     .fused = result.height <= kMostSide && result.width <= kMostSide};
  if (options.pad_crop) plan.fused = plan.fused && options.pad_crop->padding + image.width <= kMostSide;
  if (!options.policy) return plan;
  plan.policy = policy_plan(*options.policy, {result.height, result.width});
  plan.warp = warp_options(*options.policy);
  plan.fused =
      plan.fused && plan.policy.layers <= kMostFusedLayers && plan.warp.interpolation == Interpolation::nearest;
  for_each_op(plan.policy, [&](const ImageOp& op) {
    plan.sharpens = plan.sharpens || op.kind == ImageOpKind::sharpness;
    plan.fused = plan.fused && is_fusable(op, result.height, result.width);
  });
  return plan;
}

void check_shape(const ImageShape& image) {
  check(image.height >= 1 && image.width >= 1 && (image.channels == 1 || image.channels == 3),
        "Augmenter: image is {}x{}x{} (height x width x channels), expected at least 1x1 and 1 or 3 channels",
        image.height, image.width, image.channels);
  check_area("Augmenter", "image", image);
}

std::int64_t workspace_bytes(const AugmenterOptions& options, const AugmenterPlan& plan, const ImageShape& image,
                             std::int64_t capacity, std::int64_t pairs, Backend backend) {
  const ImageShape& result = plan.result;
  const std::int64_t batches =
      batches_in_workspace(options, plan, backend) * aligned_bytes(image_bytes(result) * capacity);
  if (backend == Backend::cpu) {
    return batches + pairs * (2 * aligned_bytes(image_bytes(result)) + resize_bytes(options, image, 1));
  }
  const std::int64_t fused = plan.fused ? fused_workspace_bytes(result, capacity, plan.sharpens) : 0;
  return resize_bytes(options, image, capacity) + batches + fused;
}

void check_batch(const char* function, const Augmenter::Batch& batch, const AugmenterOptions& options,
                 const AugmenterPlan& plan, const ImageShape& image, std::int64_t count, Stream stream) {
  check(batch.images.backend() == stream.backend(), "{}: out is a batch of the {} backend, expected {} (the stream's)",
        function, name(batch.images.backend()), name(stream.backend()));
  check(count <= batch.capacity, "{}: {} images are wanted, expected at most {} (out's capacity)", function, count,
        batch.capacity);
  const ImageShape& s = batch.shape;
  const ImageShape& result = plan.result;
  check(s.height == result.height && s.width == result.width && s.channels == result.channels &&
            batch.layout == options.output_layout && batch.images.size() >= batch.capacity * image_bytes(result) &&
            batch.weight_a.size() >= batch.capacity && batch.label_a.size() >= batch.capacity &&
            batch.label_b.size() >= batch.capacity &&
            batch.workspace.size() >=
                workspace_bytes(options, plan, image, batch.capacity, batch.capacity > 0 ? 1 : 0, stream.backend()),
        "{}: out was made by another Augmenter, expected a batch of make_batch", function);
}

void check_call(const char* function, const char* argument, const In& in, std::span<const std::int64_t> sample_ids,
                const ImageShape& image) {
  check_image(function, argument, in);
  check(in.height == image.height && in.width == image.width && in.channels == image.channels,
        "{}: {} has images of {}x{}x{}, expected {}x{}x{} (height x width x channels)", function, argument, in.height,
        in.width, in.channels, image.height, image.width, image.channels);
  check_pixel_strides(function, argument, in);
  check(sample_ids.data() != nullptr || sample_ids.empty(), "{}: sample_ids is null, expected {} values", function,
        sample_ids.size());
}

// `data_count`: 0, or the size of the data set that ids and labels refer to.
void run(const AugmenterOptions& options, const AugmenterPlan& plan, const In& in,
         std::span<const std::int64_t> sample_ids, std::span<const std::int32_t> labels, std::int64_t data_count,
         RandomKey key, Augmenter::Batch& out, Stream stream) {
  const auto count = static_cast<std::int64_t>(sample_ids.size());
  out.count = count;
  out.shape.count = count;
  if (count == 0) return;
  const std::int64_t* ids = sample_ids.data();
  Job job{.pad_flip = {.seed = key.seed,
                       .epoch = key.epoch,
                       .padding = options.pad_crop ? options.pad_crop->padding : 0,
                       .fill = options.pad_crop ? options.pad_crop->fill : Colour{},
                       .flip_probability = options.flip_probability,
                       .ids = ids,
                       .data_count = data_count},
          .crop = {},
          .resize = {},
          .policy = {.plan = plan.policy, .seed = key.seed, .epoch = key.epoch, .layer = 0, .ids = ids},
          .policy_warp = plan.warp,
          .mix = {.seed = key.seed,
                  .epoch = key.epoch,
                  .probability = options.mix ? options.mix->probability : 0.0f,
                  .inverse_alpha = options.mix ? 1.0 / options.mix->alpha : 1.0,
                  .inverse_area = 1.0 / static_cast<double>(out.shape.height * out.shape.width),
                  .count = count,
                  .width = static_cast<std::int32_t>(out.shape.width),
                  .height = static_cast<std::int32_t>(out.shape.height),
                  .ids = ids,
                  .labels = labels.empty() ? nullptr : labels.data(),
                  .label_count = data_count,
                  .label_a = out.label_a.data(),
                  .label_b = out.label_b.data(),
                  .weight_a = out.weight_a.data()},
          .scale_shift = scale_shift(options.normalise),
          .shape = out.shape,
          .layout = out.layout};
  if (options.random_resized_crop) {
    const auto& [size, crop] = *options.random_resized_crop;
    const bool on_cuda = stream.backend() == Backend::cuda;
    job.resizes = true;
    job.crop = resized_crop_job(crop, key, ids, count, {.in = in});
    job.crop.data_count = data_count;
    job.resize = {.interpolation = crop.interpolation, .largest = {in.height, in.width}};
    job.resize.layout = resize_layout(in.shape(), size, crop.interpolation);
    job.resize_bytes = resize_bytes(options, in.shape(), on_cuda ? out.capacity : 1);
    if (on_cuda) job.resize.images = job.crop.images = reinterpret_cast<ImageRef*>(out.workspace.data());
  }
  if (stream.backend() == Backend::cuda) return run_cuda(job, in, out, plan.fused, stream);
  run_cpu(job, in, out, plan.mixes);
}

}  // namespace

Augmenter::Augmenter(const AugmenterOptions& options, const ImageShape& image) : options_(options), image_(image) {
  check_shape(image);
  if (options.random_resized_crop) {
    const auto& [size, crop] = *options.random_resized_crop;
    check(!options.pad_crop, "Augmenter: pad_crop and random_resized_crop are both set, expected one of them at most");
    check(size.height >= 1 && size.width >= 1, "Augmenter: random_resized_crop.size is {}x{}, expected at least 1x1",
          size.height, size.width);
    check_side("Augmenter", "random_resized_crop.size", size);
    check_side("Augmenter", "image", {image.height, image.width});
    check_area("Augmenter", "random_resized_crop.size", result_shape(options, image));
    check_resized_crop("Augmenter", crop);
    check_interpolation("Augmenter", crop.interpolation);
  }
  if (options.pad_crop) {
    check(options.pad_crop->padding >= 0 && options.pad_crop->padding <= kMostPadding,
          "Augmenter: pad_crop.padding is {}, expected 0 to {}", options.pad_crop->padding, kMostPadding);
  }
  check(options.flip_probability >= 0 && options.flip_probability <= 1,
        "Augmenter: flip_probability is {}, expected 0 to 1", options.flip_probability);
  if (options.policy) check_policy("Augmenter", *options.policy);
  if (options.mix) check_cutmix("Augmenter", *options.mix);
  check_normalisation("Augmenter", options.normalise, image.channels);
  check(options.output_layout == Layout::nhwc || options.output_layout == Layout::nchw,
        "Augmenter: output_layout is {}, expected nhwc (0) or nchw (1)", static_cast<int>(options.output_layout));
  plan_ = std::make_shared<const AugmenterPlan>(make_plan(options, image));
}

Augmenter::Batch Augmenter::make_batch(std::int64_t capacity, Stream stream) const {
  check(capacity >= 0, "Augmenter::make_batch: capacity is {}, expected at least 0", capacity);
  Batch batch{
      .images = Buffer<float>(capacity * image_bytes(plan_->result), stream),
      .label_a = Buffer<std::int32_t>(capacity, stream),
      .label_b = Buffer<std::int32_t>(capacity, stream),
      .weight_a = Buffer<float>(capacity, stream),
      .workspace = Buffer<std::byte>(
          workspace_bytes(options_, *plan_, image_, capacity, ranges_wanted(capacity), stream.backend()), stream),
      .capacity = capacity,
      .count = 0,
      .shape = plan_->result,
      .layout = options_.output_layout};
  batch.shape.count = 0;
  return batch;
}

void Augmenter::operator()(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                           std::span<const std::int32_t> labels, RandomKey key, Batch& out, Stream stream) const {
  check_call("Augmenter", "in", in, sample_ids, image_);
  check_span("Augmenter", "sample_ids", sample_ids, in.count);
  if (!labels.empty()) check_span("Augmenter", "labels", labels, in.count);
  check_batch("Augmenter", out, options_, *plan_, image_, in.count, stream);
  run(options_, *plan_, in, sample_ids, labels, 0, key, out, stream);
}

void Augmenter::gather(ImageView<const std::uint8_t> data, std::span<const std::int64_t> sample_ids,
                       std::span<const std::int32_t> data_labels, RandomKey key, Batch& out, Stream stream) const {
  check_call("Augmenter::gather", "data", data, sample_ids, image_);
  check(data.count > 0 || sample_ids.empty(), "Augmenter::gather: data has {} images, expected at least 1", data.count);
  if (!data_labels.empty()) check_span("Augmenter::gather", "data_labels", data_labels, data.count);
  check_batch("Augmenter::gather", out, options_, *plan_, image_, static_cast<std::int64_t>(sample_ids.size()), stream);
  run(options_, *plan_, data, sample_ids, data_labels, data.count, key, out, stream);
}

}  // namespace leaven
