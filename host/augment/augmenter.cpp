#include <algorithm>
#include <cstring>

#include <leaven/augment.hpp>
#include <leaven/cpu.hpp>
#include "host/augment/augmenter_job.hpp"
#include "host/augment/checks.hpp"
#include "host/augment/mix.hpp"
#include "host/augment/normalise.hpp"
#include "host/augment/policy.hpp"
#include "host/augment/random_erase.hpp"
#include "host/augment/random_resized_crop.hpp"
#include "host/augment/resize.hpp"
#include "host/core/check.hpp"
#include "kernels/augment/fused.hpp"

namespace leaven {

namespace {

using In = ImageView<const std::uint8_t>;

constexpr std::int32_t kMostPadding = 1 << 20;

std::int64_t value_bytes(FloatType type) { return type == FloatType::f32 ? 4 : 2; }

std::int64_t resize_bytes(const AugmenterOptions& options, const ImageShape& image, std::int64_t count) {
  if (!options.random_resized_crop) return 0;
  return leaven::resize_bytes(options, image, options.random_resized_crop->crop.interpolation, count);
}

// The workspace holds what resizing wants, then whole batches (CUDA: where the steps come from and go to; CPU, with
// mixing: what the partners read), then what the fused kernels want, or on the CPU pairs of images and what resizing
// one wants, for each range of the batch that may be worked on at the same time.
std::int64_t batches_in_workspace(const AugmenterOptions& options, const AugmenterPlan& plan, Backend backend) {
  if (backend == Backend::cpu) return plan.mixes ? 1 : 0;
  if (plan.fused) return options.random_resized_crop ? 1 : 0;
  const bool flips_what_was_resized = options.random_resized_crop && options.flip_probability > 0;
  const bool changes = flips_what_was_resized || plan.policy.layers > 0 || options.random_erase;
  return (changes ? 2 : 1) + aug_mix_pieces(plan.policy);
}
std::int64_t ranges_wanted(std::int64_t capacity) {
  return std::min<std::int64_t>(capacity, std::int64_t{4} * cpu_threads());
}

AugmenterPlan make_plan(const AugmenterOptions& options, const ImageShape& image) {
  constexpr std::int64_t kMostSide = 32767;  // 16.16 coordinates
  const ImageShape result = result_shape(options, image);
  AugmenterPlan plan{.result = result,
                     .policy = {},
                     .warp = {},
                     .mixes = options.mix.has_value(),
                     .keeps = false,
                     .fused = result.height <= kMostSide && result.width <= kMostSide};
  if (options.pad_crop) plan.fused = plan.fused && options.pad_crop->padding + image.width <= kMostSide;
  if (!options.policy) return plan;
  plan.policy = policy_plan(*options.policy, {result.height, result.width});
  plan.warp = warp_options(*options.policy);
  plan.fused = plan.fused && plan.policy.chains == 0 && plan.policy.layers <= kMostFusedLayers;
  plan.keeps = plan.policy.draws == PolicyDraws::levels || plan.policy.draws == PolicyDraws::affine;
  for_each_op(plan.policy, [&](const ImageOp& op) {
    const PlannedStep step = plan_op(op, plan.warp, plan.policy.height, plan.policy.width, 3);
    plan.keeps = plan.keeps || step.kind == PlannedStep::Kind::neighbours;
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
    const std::int64_t pieces = 2 + aug_mix_pieces(plan.policy);
    return batches + pairs * (pieces * aligned_bytes(image_bytes(result)) + resize_bytes(options, image, 1));
  }
  const std::int64_t fused = plan.fused ? fused_workspace_bytes(result, capacity, plan.keeps) : 0;
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
            batch.layout == options.output_layout && batch.type == options.output_type &&
            batch.images.size() >= batch.capacity * image_bytes(result) * value_bytes(options.output_type) &&
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
  AugmenterJob job = augmenter_job(options, plan, sample_ids, data_count, key);
  job.layout = out.layout;
  job.type = out.type;
  job.fused = plan.fused;
  job.scale_shift = scale_shift(options.normalise);
  job.mix.labels = labels.empty() ? nullptr : labels.data();
  job.mix.label_count = data_count;
  job.mix.label_a = out.label_a.data();
  job.mix.label_b = out.label_b.data();
  job.mix.weight_a = out.weight_a.data();
  if (options.random_resized_crop) {
    add_resizing(job, options, options.random_resized_crop->crop.interpolation, in,
                 {out.workspace.data(), out.workspace.size(), out.capacity}, stream);
  }
  run_augmenter(job, in, out, stream);
}

}  // namespace

ImageShape result_shape(const AugmenterOptions& options, ImageShape image) {
  if (options.random_resized_crop) {
    image.height = options.random_resized_crop->size.height;
    image.width = options.random_resized_crop->size.width;
  }
  return image;
}

std::int64_t resize_bytes(const AugmenterOptions& options, const ImageShape& image, Interpolation interpolation,
                          std::int64_t count) {
  if (!options.random_resized_crop) return 0;
  const ImageShape in{count, image.height, image.width, image.channels};
  return aligned_bytes(random_resized_crop_workspace_bytes(in, options.random_resized_crop->size, interpolation));
}

AugmenterJob augmenter_job(const AugmenterOptions& options, const AugmenterPlan& plan,
                           std::span<const std::int64_t> sample_ids, std::int64_t data_count, RandomKey key) {
  const std::int64_t* ids = sample_ids.data();
  ImageShape shape = plan.result;
  shape.count = static_cast<std::int64_t>(sample_ids.size());
  AugmenterJob job{.pad_flip = {.seed = key.seed,
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
                   .erase = {},
                   .mix = mix_job(options.mix, key, ids, shape),
                   .scale_shift = {},
                   .shape = shape,
                   .layout = Layout::nhwc,
                   .mixes = plan.mixes};
  if (options.random_erase) {
    job.erase = random_erase_source(*options.random_erase, key, ids, {shape.height, shape.width});
  }
  return job;
}

void add_resizing(AugmenterJob& job, const AugmenterOptions& options, Interpolation interpolation, const In& in,
                  const AugmenterMemory& memory, Stream stream) {
  const auto& [size, crop] = *options.random_resized_crop;
  const RandomKey key{.seed = job.pad_flip.seed, .epoch = job.pad_flip.epoch};
  const bool on_cuda = stream.backend() == Backend::cuda;
  job.resizes = true;
  job.crop = resized_crop_job(crop, key, job.pad_flip.ids, job.shape.count, {.in = in});
  job.crop.data_count = job.pad_flip.data_count;
  job.resize = {.interpolation = interpolation, .largest = {in.height, in.width}};
  job.resize.layout = resize_layout(in.shape(), size, interpolation);
  job.resize_bytes = resize_bytes(options, in.shape(), interpolation, on_cuda ? memory.capacity : 1);
  if (on_cuda) job.resize.images = job.crop.images = reinterpret_cast<ImageRef*>(memory.data);
}

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
    check_rectangles("Augmenter", crop.scale, crop.ratio);
    check_interpolation("Augmenter", crop.interpolation);
  }
  if (options.pad_crop) {
    check(options.pad_crop->padding >= 0 && options.pad_crop->padding <= kMostPadding,
          "Augmenter: pad_crop.padding is {}, expected 0 to {}", options.pad_crop->padding, kMostPadding);
  }
  check(options.flip_probability >= 0 && options.flip_probability <= 1,
        "Augmenter: flip_probability is {}, expected 0 to 1", options.flip_probability);
  if (options.policy) check_policy("Augmenter", *options.policy);
  if (options.random_erase) check_random_erase("Augmenter", *options.random_erase);
  if (options.mix) check_mix("Augmenter", *options.mix);
  check_normalisation("Augmenter", options.normalise, image.channels);
  check(options.output_layout == Layout::nhwc || options.output_layout == Layout::nchw,
        "Augmenter: output_layout is {}, expected nhwc (0) or nchw (1)", static_cast<int>(options.output_layout));
  check(options.output_type >= FloatType::f32 && options.output_type <= FloatType::bf16,
        "Augmenter: output_type is {}, expected f32 (0), f16 (1) or bf16 (2)", static_cast<int>(options.output_type));
  plan_ = std::make_shared<const AugmenterPlan>(make_plan(options, image));
}

void Augmenter::Batch::check_type(FloatType wanted) const {
  check(type == wanted,
        "Augmenter::Batch::view: images are of type {}, got a view of type {}: f32 (0), f16 (1), bf16 (2)",
        static_cast<int>(type), static_cast<int>(wanted));
}

std::vector<float> Augmenter::Batch::to_host(Stream stream) const {
  const std::vector<std::byte> bytes = images.to_host(stream);
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::byte* from = bytes.data() + i * static_cast<std::size_t>(value_bytes(type));
    if (type == FloatType::f32) {
      std::memcpy(&values[i], from, sizeof(float));
      continue;
    }
    std::uint16_t bits = 0;
    std::memcpy(&bits, from, sizeof bits);
    values[i] = type == FloatType::f16 ? to_float(Float16{bits}) : to_float(BFloat16{bits});
  }
  return values;
}

Augmenter::Batch Augmenter::make_batch(std::int64_t capacity, Stream stream) const {
  check(capacity >= 0, "Augmenter::make_batch: capacity is {}, expected at least 0", capacity);
  Batch batch{
      .images = Buffer<std::byte>(capacity * image_bytes(plan_->result) * value_bytes(options_.output_type), stream),
      .label_a = Buffer<std::int32_t>(capacity, stream),
      .label_b = Buffer<std::int32_t>(capacity, stream),
      .weight_a = Buffer<float>(capacity, stream),
      .workspace = Buffer<std::byte>(
          workspace_bytes(options_, *plan_, image_, capacity, ranges_wanted(capacity), stream.backend()), stream),
      .capacity = capacity,
      .count = 0,
      .shape = plan_->result,
      .layout = options_.output_layout,
      .type = options_.output_type};
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
