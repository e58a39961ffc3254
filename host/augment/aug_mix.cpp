#include "kernels/augment/aug_mix.hpp"
#include "host/augment/image_op.hpp"
#include "host/augment/policy.hpp"
#include "host/core/config.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

AugMixJob aug_mix_job(const PolicySource& policy, const In& in, const std::uint8_t* chains, std::int64_t batch_bytes,
                      const Out& out) {
  return {.policy = policy, .in = in, .chains = chains, .batch_bytes = batch_bytes, .out = out};
}

// A chain goes back and forth between two pieces of the scratch memory; its last layer goes to its place.
Out chain_target(std::uint8_t* scratch, std::int64_t bytes, const PolicyPlan& plan, std::int32_t chain,
                 std::int32_t layer, const ImageShape& shape) {
  const bool last = layer == plan.chain_layers - 1;
  return Out::nhwc(scratch + (last ? 2 + chain : layer % 2) * bytes, shape);
}

}  // namespace

void aug_mix_image(const PolicySource& policy, const In& in, std::int64_t image, const WarpOptions& warp,
                   std::uint8_t* scratch, const Out& out) {
  const In own = in.slice(image, 1);
  const std::int64_t bytes = own.shape().size();
  for (std::int32_t chain = 0; chain < policy.plan.chains; ++chain) {
    In now = own;
    for (std::int32_t layer = 0; layer < policy.plan.chain_layers; ++layer) {
      const Out to = chain_target(scratch, bytes, policy.plan, chain, layer, own.shape());
      apply_image_op(policy.of_layer(image, chain * policy.plan.chain_layers + layer), now, warp, to);
      now = to;
    }
  }
  AugMixJob job = aug_mix_job(policy, own, scratch + 2 * bytes, bytes, out);
  job.policy.ids += image;
  AugMixWeights weights;
  draw_aug_mix(job.policy, 0, weights);
  for (std::int64_t pixel = 0; pixel < own.height * own.width; ++pixel) {
    std::uint8_t* to = out.data + pixel / own.width * out.row_stride + pixel % own.width * out.pixel_stride;
    for (std::int64_t c = 0; c < own.channels; ++c) {
      to[c * out.channel_stride] = aug_mix_value(job, weights, 0, pixel, c);
    }
  }
}

void aug_mix_batch(const char* function, const PolicySource& policy, const In& in, const WarpOptions& warp,
                   std::uint8_t* scratch, std::int64_t batch_bytes, const Out& out, Stream stream) {
  if constexpr (kWithCuda) {
    PolicySource layer = policy;
    for (std::int32_t chain = 0; chain < policy.plan.chains; ++chain) {
      In now = in;
      for (std::int32_t k = 0; k < policy.plan.chain_layers; ++k) {
        layer.layer = chain * policy.plan.chain_layers + k;
        const Out to = chain_target(scratch, batch_bytes, policy.plan, chain, k, in.shape());
        cuda::image_ops_cuda(function, layer, now, warp, to, stream.cuda_handle());
        now = to;
      }
    }
    aug_mix_cuda(function, aug_mix_job(policy, in, scratch + 2 * batch_bytes, batch_bytes, out), stream.cuda_handle());
  }
}

}  // namespace leaven
