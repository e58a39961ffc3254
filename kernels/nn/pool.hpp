#pragma once

#include "kernels/core/annotate.hpp"

namespace leaven::nn {

// Whether `value` replaces the maximum `best` of the window so far, in row-major order: the first maximum stays, and
// the first NaN is the maximum.
LEAVEN_HD bool replaces_maximum(float value, float best) { return !(value <= best) && best == best; }

}  // namespace leaven::nn
