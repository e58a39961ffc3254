#include "host/augment/policy.hpp"

#include "host/augment/checks.hpp"
#include "host/augment/image_op.hpp"
#include "host/augment/mix.hpp"
#include "host/core/check.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

Out packed(std::uint8_t* memory, const ImageShape& shape) { return Out::nhwc(memory, shape); }

// Layers go back and forth between the workspace and `out`, so that the last one ends in `out`.
void run_layers(const char* function, const PolicySource& source, const In& in, const WarpOptions& warp,
                const Out& between, const Out& out, Stream stream) {
  const std::int32_t layers = source.plan.layers;
  const auto apply = [&](PolicySource layer, std::int64_t begin, std::int64_t count) {
    In from = in.slice(begin, count);
    layer.ids += begin;
    for (layer.layer = 0; layer.layer < layers; ++layer.layer) {
      const Out to = ((layers - layer.layer) % 2 == 1 ? out : between).slice(begin, count);
      run_image_ops(function, layer, from, warp, to, stream);
      from = to;
    }
  };
  if (stream.backend() == Backend::cuda) return apply(source, 0, in.count);
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) apply(source, i, 1);
  });
}

void run_aug_mix(const char* function, const PolicySource& source, const In& in, const WarpOptions& warp,
                 std::uint8_t* scratch, const Out& out, Stream stream) {
  if (stream.backend() == Backend::cuda) {
    return aug_mix_batch(function, source, in, warp, scratch, in.shape().size(), out, stream);
  }
  const std::int64_t image_scratch = (2 + source.plan.chains) * in.height * in.width * in.channels;
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      aug_mix_image(source, in, i, warp, scratch + i * image_scratch, out.slice(i, 1));
    }
  });
}

// Batches that a policy, which has been checked, wants of the workspace.
std::int64_t batches_of(const Policy& policy) {
  const std::int32_t layers = policy_plan(policy, {1, 1}).layers;
  if (const auto* options = std::get_if<AugMixOptions>(&policy)) return 2 + options->width;
  return layers > 1 ? 1 : 0;
}

std::int64_t workspace_bytes(const char* function, const ImageShape& shape, const Policy& policy) {
  check_policy(function, policy);
  return shape.size() * batches_of(policy);
}

void run_policy(const char* function, const In& in, std::span<const std::int64_t> sample_ids, const Policy& policy,
                RandomKey key, const Out& out, std::span<std::byte> workspace, Stream stream) {
  check_image(function, "in", in);
  check_image(function, "out", out);
  check_same_shape(function, in, out);
  check_no_overlap(function, in, out);
  check_span(function, "sample_ids", sample_ids, in.count);
  const std::int64_t wanted = workspace_bytes(function, in.shape(), policy);
  check(static_cast<std::int64_t>(workspace.size()) >= wanted, "{}: workspace has {} bytes, expected at least {}",
        function, workspace.size(), wanted);
  if (in.shape().size() == 0) return;

  auto* memory = reinterpret_cast<std::uint8_t*>(workspace.data());
  PolicySource source{.plan = policy_plan(policy, {in.height, in.width}),
                      .seed = key.seed,
                      .epoch = key.epoch,
                      .layer = 0,
                      .ids = sample_ids.data()};
  if (source.plan.chains > 0) return run_aug_mix(function, source, in, warp_options(policy), memory, out, stream);
  if (source.plan.layers == 0) {  // one operation, a copy
    source.plan.layers = 1;
    source.plan.size = 1;
    source.plan.choices[0] = {};
    source.plan.draws = PolicyDraws::bins;
  }
  run_layers(function, source, in, warp_options(policy), packed(memory, in.shape()), out, stream);
}

}  // namespace

std::int64_t rand_augment_workspace_bytes(const ImageShape& shape, const RandAugmentOptions& options) {
  return workspace_bytes("rand_augment_workspace_bytes", shape, options);
}

void rand_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const RandAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                  std::span<std::byte> workspace, Stream stream) {
  run_policy("rand_augment", in, sample_ids, options, key, out, workspace, stream);
}

void trivial_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                     const TrivialAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out, Stream stream) {
  run_policy("trivial_augment", in, sample_ids, options, key, out, {}, stream);
}

std::int64_t auto_augment_workspace_bytes(const ImageShape& shape) {
  return workspace_bytes("auto_augment_workspace_bytes", shape, AutoAugmentOptions{});
}

void auto_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const AutoAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                  std::span<std::byte> workspace, Stream stream) {
  run_policy("auto_augment", in, sample_ids, options, key, out, workspace, stream);
}

std::int64_t timm_rand_augment_workspace_bytes(const ImageShape& shape, const TimmRandAugmentOptions& options) {
  return workspace_bytes("timm_rand_augment_workspace_bytes", shape, options);
}

void timm_rand_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                       const TimmRandAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                       std::span<std::byte> workspace, Stream stream) {
  run_policy("timm_rand_augment", in, sample_ids, options, key, out, workspace, stream);
}

std::int64_t aug_mix_workspace_bytes(const ImageShape& shape, const AugMixOptions& options) {
  return workspace_bytes("aug_mix_workspace_bytes", shape, options);
}

void aug_mix(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids, const AugMixOptions& options,
             RandomKey key, ImageView<std::uint8_t> out, std::span<std::byte> workspace, Stream stream) {
  run_policy("aug_mix", in, sample_ids, options, key, out, workspace, stream);
}

void random_affine(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                   const RandomAffineOptions& options, RandomKey key, ImageView<std::uint8_t> out, Stream stream) {
  run_policy("random_affine", in, sample_ids, options, key, out, {}, stream);
}

std::int64_t colour_jitter_workspace_bytes(const ImageShape& shape, const ColourJitterOptions& options) {
  return workspace_bytes("colour_jitter_workspace_bytes", shape, options);
}

void colour_jitter(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                   const ColourJitterOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                   std::span<std::byte> workspace, Stream stream) {
  run_policy("colour_jitter", in, sample_ids, options, key, out, workspace, stream);
}

}  // namespace leaven
