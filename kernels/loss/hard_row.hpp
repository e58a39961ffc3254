#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/loss/row_loss.hpp"

// Cross-entropy of one row with one or two labels or with a weight per class: loss and the factors of its gradient.
namespace leaven {

// weight * gap, where weight 0 wins over an infinite gap (a class with logit -inf that nobody wants).
LEAVEN_HD float weighted_gap(float weight, float gap) { return weight > 0.0f ? weight * gap : 0.0f; }

// Gaps are max s - s_c; unmasked classes have a logit above -inf. Targets are those with the classes' weights.
struct HardSums {
  float exponentials = 0;  // of -gap
  float mass = 0;          // of the targets
  float target_gaps = 0;   // weighted with the targets
  // Only where labels are smoothed:
  float label_mass = 0;     // of the labels, without the classes' weights
  float unmasked = 0;       // number of classes
  float unmasked_mass = 0;  // their weights
  float unmasked_gaps = 0;  // weighted with them
};

LEAVEN_HD float hard_exponential(float gap) { return exp_over({-gap, 0.0f}, Temperature{}); }

// A class with its weight in dense targets (0 with labels) and that of label smoothing, in one go.
LEAVEN_HD void add_class(HardSums& sums, float logit, float max, float target, float class_weight, float exponential) {
  const bool unmasked = logit != -kInfinity;
  sums.exponentials += exponential;
  sums.unmasked += unmasked ? 1.0f : 0.0f;
  sums.unmasked_mass += unmasked ? class_weight : 0.0f;
  sums.unmasked_gaps += unmasked ? class_weight * (max - logit) : 0.0f;
  sums.mass += target;
  sums.target_gaps += weighted_gap(target, max - logit);
}

struct HardRow {
  float loss = 0;     // times hard_weight
  float softmax = 0;  // factor of exp(-gap)
  float target = 0;   // factor of the target, subtracted
  float spread = 0;   // times the class's weight, subtracted at unmasked classes
};

// `hard_weight` is that of the row; `scale` multiplies the gradient alone.
LEAVEN_HD HardRow hard_row(const HardSums& x, bool valid, float smoothing, float hard_weight, float scale) {
  const bool counts = valid & (x.exponentials != 0.0f);
  float spread = 0.0f;
  if (smoothing > 0.0f) spread = x.unmasked > 0.0f ? smoothing * x.label_mass / x.unmasked : 0.0f;
  const float mass = smoothing > 0.0f ? (1.0f - smoothing) * x.mass + spread * x.unmasked_mass : x.mass;
  const float loss =
      weighted_gap(1.0f - smoothing, x.target_gaps) + spread * x.unmasked_gaps + mass * log_of(x.exponentials);
  const float factor = counts ? hard_weight * scale : 0.0f;
  HardRow row;
  row.loss = counts ? weighted_gap(hard_weight, loss) : 0.0f;
  row.softmax = x.exponentials == 0.0f ? 0.0f : factor * mass / x.exponentials;
  row.target = factor * (1.0f - smoothing);
  row.spread = factor * spread;
  return row;
}

// Factor times (softmax - target) at one class, but for the spread of label smoothing. `exponential` is
// hard_exponential, `weight` that of the target.
LEAVEN_HD float hard_gradient(float softmax, float exponential, float target, float weight) {
  return mul_add(softmax, exponential, -(target * weight));
}

}  // namespace leaven
