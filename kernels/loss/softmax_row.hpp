#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/loss/row_loss.hpp"

// softmax and log_softmax of one row: what follows the sum of its exponentials.
namespace leaven {

enum class ProbabilityScale { linear, logarithmic };

// What all elements of a row share: 1 / sum or log(sum), 0 for a fully masked row.
template <ProbabilityScale kScale>
LEAVEN_HD float row_factor(float sum) {
  if (kScale == ProbabilityScale::linear) return inverse_sum(sum);
  return sum == 0.0f ? 0.0f : log_of(sum);
}

// (x - max) / T - log(sum); -inf for a masked class.
LEAVEN_HD float log_probability(const Difference& x, float log_sum, const Temperature& temperature) {
  return mul_add(x.hi, temperature.inverse, mul_add(x.lo, temperature.inverse, -log_sum));
}

}  // namespace leaven
