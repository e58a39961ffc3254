#pragma once

#include "kernels/augment/policy.hpp"

namespace leaven {

// What can be wrong with a policy, in the name of `function`. @throws InvalidArgument
void check_policy(const char* function, const Policy& policy);

// Torchvision's strength of bin `bin` of `bins`, as its float32 tables hold it: shear in pixels per pixel, translation
// in whole pixels, rotation in degrees, the change of an enhancement factor, posterize in bits, the solarize threshold;
// always the positive sign. 0 for operations without strength.
enum class StrengthTable { rand_augment, trivial_augment, aug_mix };
float strength_of(StrengthTable table, AugmentOp op, std::int32_t bin, std::int32_t bins, ImageSize size);

PolicyPlan policy_plan(const Policy& policy, ImageSize size);

WarpOptions warp_options(const Policy& policy);

// Calls body(ImageOp) for everything that can be drawn from tables, and for one factor of each jitter.
template <class Body>
void for_each_op(const PolicyPlan& plan, const Body& body) {
  const std::int32_t choices = plan.groups > 0 ? plan.groups * plan.layers : plan.size;
  if (plan.draws == PolicyDraws::affine) return;
  if (plan.draws == PolicyDraws::jitter) {
    for (std::int32_t i = 0; i < choices; ++i) body(resolve_factor(plan.choices[i].op, 1));
    return;
  }
  for (std::int32_t i = 0; i < choices * plan.bins; ++i) {
    const AugmentOp op = plan.choices[i / plan.bins].op;
    for (const bool negative : {false, true}) {
      body(resolve_op(op, plan.strengths[i], negative, plan.height, plan.width));
    }
  }
}

// AugMix on the CPU: image `image` of `in` to the single image `out`. `scratch`: two images and the results of the
// chains, packed, one after the other.
void aug_mix_image(const PolicySource& policy, const ImageView<const std::uint8_t>& in, std::int64_t image,
                   const WarpOptions& warp, std::uint8_t* scratch, const ImageView<std::uint8_t>& out);

// AugMix of a batch on CUDA. `scratch`: as above, of whole batches, the chains' results `batch_bytes` apart.
void aug_mix_batch(const char* function, const PolicySource& policy, const ImageView<const std::uint8_t>& in,
                   const WarpOptions& warp, std::uint8_t* scratch, std::int64_t batch_bytes,
                   const ImageView<std::uint8_t>& out, Stream stream);

}  // namespace leaven
