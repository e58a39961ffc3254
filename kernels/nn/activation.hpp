#pragma once

#include "kernels/core/annotate.hpp"

namespace leaven::nn {

// A NaN stays one: a diverged training is seen.
LEAVEN_HD float relu_element(float x) { return x < 0.0f ? 0.0f : x; }
LEAVEN_HD float relu_gradient_element(float y, float dy) { return y > 0.0f ? dy : 0.0f; }

}  // namespace leaven::nn
