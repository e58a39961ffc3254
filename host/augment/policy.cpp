#include "host/augment/policy.hpp"

#include <algorithm>

#include "host/augment/checks.hpp"
#include "host/augment/cutmix.hpp"
#include "host/augment/image_op.hpp"
#include "host/core/check.hpp"

namespace leaven {
namespace {

// Layers go back and forth between the workspace and `out`, so that the last one ends in `out`.
void run_policy(const char* function, ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                const Policy& policy, RandomKey key, ImageView<std::uint8_t> out, std::span<std::byte> workspace,
                std::int64_t workspace_bytes, Stream stream) {
  check_image(function, "in", in);
  check_image(function, "out", out);
  check_same_shape(function, in, out);
  check_no_overlap(function, in, out);
  check_span(function, "sample_ids", sample_ids, in.count);
  check_policy(function, policy);
  check(static_cast<std::int64_t>(workspace.size()) >= workspace_bytes,
        "{}: workspace has {} bytes, expected at least {}", function, workspace.size(), workspace_bytes);
  if (in.shape().size() == 0) return;

  const auto between = ImageView<std::uint8_t>::nhwc(reinterpret_cast<std::uint8_t*>(workspace.data()), in.shape());
  PolicySource source{.plan = policy_plan(policy, {in.height, in.width}),
                      .seed = key.seed,
                      .epoch = key.epoch,
                      .layer = 0,
                      .ids = sample_ids.data()};
  const std::int32_t layers = std::max(source.plan.layers, 1);
  if (source.plan.layers == 0) {  // one operation, a copy
    source.plan.size = 1;
    source.plan.choices[0].op = AugmentOp::identity;
  }
  const auto apply = [&](PolicySource layer, std::int64_t begin, std::int64_t count) {
    ImageView<const std::uint8_t> from = in.slice(begin, count);
    layer.ids += begin;
    for (layer.layer = 0; layer.layer < layers; ++layer.layer) {
      const ImageView<std::uint8_t> to = ((layers - layer.layer) % 2 == 1 ? out : between).slice(begin, count);
      run_image_ops(function, layer, from, warp_options(policy), to, stream);
      from = to;
    }
  };
  if (stream.backend() == Backend::cuda) return apply(source, 0, in.count);
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) apply(source, i, 1);
  });
}

}  // namespace

std::int64_t rand_augment_workspace_bytes(const ImageShape& shape, const RandAugmentOptions& options) {
  return options.num_ops > 1 ? shape.size() : 0;
}

void rand_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const RandAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                  std::span<std::byte> workspace, Stream stream) {
  run_policy("rand_augment", in, sample_ids, options, key, out, workspace,
             rand_augment_workspace_bytes(in.shape(), options), stream);
}

void trivial_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                     const TrivialAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out, Stream stream) {
  run_policy("trivial_augment", in, sample_ids, options, key, out, {}, 0, stream);
}

std::int64_t auto_augment_workspace_bytes(const ImageShape& shape) { return shape.size(); }

void auto_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const AutoAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                  std::span<std::byte> workspace, Stream stream) {
  run_policy("auto_augment", in, sample_ids, options, key, out, workspace, auto_augment_workspace_bytes(in.shape()),
             stream);
}

}  // namespace leaven
