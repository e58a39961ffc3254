#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/nn/layers.hpp"

namespace leaven::nn {

// One weight's Nesterov step, in PyTorch's form (torch.optim.SGD, nesterov=True, dampening=0): products and sums are
// rounded one by one, so both backends get the same bits.
LEAVEN_HD void sgd_element(const SgdStep& step, float gradient, float& velocity, float& weight) {
  const float decayed = gradient + step.weight_decay * weight;
  velocity = step.momentum * velocity + decayed;
  weight -= step.learning_rate * (decayed + step.momentum * velocity);
}

}  // namespace leaven::nn
