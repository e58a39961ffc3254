#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/loss/row_loss.hpp"

// Cross-entropy of one row with one or two labels or with a weight per class: loss and the factors of its gradient.
namespace leaven {

// weight * gap, where weight 0 wins over an infinite gap (a class with logit -inf that nobody wants).
LEAVEN_HD float weighted_gap(float weight, float gap) { return weight > 0.0f ? weight * gap : 0.0f; }

// Gaps are max s - s_c; unmasked classes have a logit above -inf.
struct HardSums {
  float exponentials = 0;  // of -gap
  float mass = 0;          // of the targets
  float target_gaps = 0;   // weighted with the targets
  float unmasked = 0;      // classes; only where labels are smoothed, as the next
  float unmasked_gaps = 0;
};

LEAVEN_HD float hard_exponential(float gap) { return exp_over({-gap, 0.0f}, Temperature{}); }

// A class with its weight in dense targets (0 with labels), in one go.
LEAVEN_HD void add_class(HardSums& sums, float logit, float max, float weight, float exponential) {
  const bool unmasked = logit != -kInfinity;
  sums.exponentials += exponential;
  sums.unmasked += unmasked ? 1.0f : 0.0f;
  sums.unmasked_gaps += unmasked ? max - logit : 0.0f;
  sums.mass += weight;
  sums.target_gaps += weighted_gap(weight, max - logit);
}

struct HardRow {
  float loss = 0;     // times hard_weight
  float softmax = 0;  // factor of exp(-gap)
  float target = 0;   // factor of the target, subtracted
  float spread = 0;   // subtracted at unmasked classes
};

// `scale` multiplies the gradient alone.
LEAVEN_HD HardRow hard_row(const HardSums& x, bool valid, float smoothing, float hard_weight, float scale) {
  const bool counts = valid & (x.exponentials != 0.0f);
  const float mean_gap = smoothing > 0.0f ? x.unmasked_gaps / x.unmasked : 0.0f;
  const float loss =
      weighted_gap(1.0f - smoothing, x.target_gaps) + smoothing * x.mass * mean_gap + x.mass * log_of(x.exponentials);
  const float factor = counts ? hard_weight * scale : 0.0f;
  HardRow row;
  row.loss = counts ? weighted_gap(hard_weight, loss) : 0.0f;
  row.softmax = factor * x.mass * inverse_sum(x.exponentials);
  row.target = factor * (1.0f - smoothing);
  row.spread = x.unmasked > 0.0f ? factor * smoothing * x.mass / x.unmasked : 0.0f;
  return row;
}

// One class of the gradient, added to `value`. `weight` is that of the target, `exponential` hard_exponential.
LEAVEN_HD float hard_gradient(const HardRow& row, float exponential, float weight, float logit, float value) {
  const float spread = logit != -kInfinity ? row.spread : 0.0f;
  return mul_add(row.softmax, exponential, value) - row.target * weight - spread;
}

}  // namespace leaven
