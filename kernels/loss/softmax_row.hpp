#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/loss/row_loss.hpp"

// softmax and log_softmax of one row. The loops find the maximum, add up exponentials while they keep an element each,
// and make results of what they kept: one value per element lives from pass to pass.
namespace leaven {

enum class ProbabilityScale { linear, logarithmic };

// exp((x - max) / T), or (x - max) / T itself.
template <ProbabilityScale kScale>
LEAVEN_HD float kept_element(const Difference& x, float exponential, const Temperature& temperature) {
  if (kScale == ProbabilityScale::linear) return exponential;
  return mul_add(x.hi, temperature.inverse, x.lo * temperature.inverse);
}

// 1 / sum or log(sum), 0 for a fully masked row.
template <ProbabilityScale kScale>
LEAVEN_HD float row_factor(float sum) {
  if (kScale == ProbabilityScale::linear) return inverse_sum(sum);
  return sum == 0.0f ? 0.0f : log_of(sum);
}

template <ProbabilityScale kScale>
LEAVEN_HD float row_result(float kept, float factor) {
  return kScale == ProbabilityScale::linear ? kept * factor : kept - factor;
}

}  // namespace leaven
