#include "host/augment/rand_augment.hpp"

#include <algorithm>

#include "host/augment/checks.hpp"
#include "host/augment/cutmix.hpp"
#include "host/augment/image_op.hpp"
#include "host/core/check.hpp"

namespace leaven {

std::int64_t rand_augment_workspace_bytes(const ImageShape& shape, const RandAugmentOptions& options) {
  return options.num_ops > 1 ? shape.size() : 0;
}

void rand_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const RandAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                  std::span<std::byte> workspace, Stream stream) {
  check_image("rand_augment", "in", in);
  check_image("rand_augment", "out", out);
  check_same_shape("rand_augment", in, out);
  check_no_overlap("rand_augment", in, out);
  check_span("rand_augment", "sample_ids", sample_ids, in.count);
  check_rand_augment("rand_augment", options);
  check_options("rand_augment", options.warp);
  const std::int64_t needed = rand_augment_workspace_bytes(in.shape(), options);
  check(static_cast<std::int64_t>(workspace.size()) >= needed,
        "rand_augment: workspace has {} bytes, expected at least {}", workspace.size(), needed);
  if (in.shape().size() == 0) return;

  // Layers go back and forth between the workspace and `out`, so that the last one ends in `out`.
  const auto between = ImageView<std::uint8_t>::nhwc(reinterpret_cast<std::uint8_t*>(workspace.data()), in.shape());
  RandAugmentSource source{.plan = rand_augment_plan(options, {in.height, in.width}),
                           .seed = key.seed,
                           .epoch = key.epoch,
                           .layer = 0,
                           .ids = sample_ids.data()};
  const std::int32_t layers = std::max(options.num_ops, 1);
  if (options.num_ops == 0) source.plan = {.ops = {}, .size = 1};  // one operation, a copy
  const auto apply = [&](RandAugmentSource layer, std::int64_t begin, std::int64_t count) {
    ImageView<const std::uint8_t> from = in.slice(begin, count);
    layer.ids += begin;
    for (layer.layer = 0; layer.layer < layers; ++layer.layer) {
      const ImageView<std::uint8_t> to = ((layers - layer.layer) % 2 == 1 ? out : between).slice(begin, count);
      run_image_ops("rand_augment", layer, from, options.warp, to, stream);
      from = to;
    }
  };
  if (stream.backend() == Backend::cuda) return apply(source, 0, in.count);
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) apply(source, i, 1);
  });
}

}  // namespace leaven
