#pragma once

#include "kernels/augment/rand_augment.hpp"

namespace leaven {

// @throws InvalidArgument in the name of `function`.
void check_rand_augment(const char* function, const RandAugmentOptions& options);

// Torchvision's strength `magnitude` of `bins`, as its float32 tables hold it: shear in pixels per pixel, translation
// in whole pixels, rotation in degrees, the change of an enhancement factor, posterize in bits, the solarize threshold;
// always the positive sign. 0 for operations without strength.
double rand_augment_magnitude(AugmentOp op, const RandAugmentOptions& options, ImageSize size);

RandAugmentPlan rand_augment_plan(const RandAugmentOptions& options, ImageSize size);

}  // namespace leaven
