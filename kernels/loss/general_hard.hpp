#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/loss/hard_row.hpp"
#include "kernels/loss/targets.hpp"

// Cross-entropy of one row beside a divergence: any targets, one share per class.
namespace leaven {

// What the labels of a row ask for; `keep` and `spread` are those of label smoothing.
struct HardTarget {
  RowTarget labels{};
  float keep = 1;
  float spread = 0;  // at unmasked classes
};
LEAVEN_HD HardTarget hard_target(const RowTarget& labels, float smoothing, float unmasked) {
  const float mass = labels.weight_a + labels.weight_b;
  return {labels, 1.0f - smoothing, smoothing > 0.0f && unmasked > 0.0f ? smoothing * mass / unmasked : 0.0f};
}

// The target's share of a class. `dense` is its weight in dense targets, 0 with labels.
LEAVEN_HD float target_share(const HardTarget& target, std::int32_t column, float logit, float dense,
                             float class_weight) {
  const float labels = (column == target.labels.a ? target.labels.weight_a : 0.0f) +
                       (column == target.labels.b ? target.labels.weight_b : 0.0f);
  const float spread = logit == -kInfinity ? 0.0f : target.spread;
  return mul_add(target.keep, labels, spread + dense) * usable_weight(class_weight);
}

struct ShareSums {
  float exponentials = 0;
  float mass = 0;
  float gaps = 0;  // weighted with the shares
};

struct HardFactors {
  float loss = 0;
  float softmax = 0;
  float target = 0;
};
LEAVEN_HD HardFactors hard_factors(const ShareSums& x, float hard_weight, float scale) {
  if (x.exponentials == 0.0f) return {};  // fully masked
  const float loss = x.gaps + x.mass * log_of(x.exponentials);
  const float factor = hard_weight * scale;
  return {weighted_gap(hard_weight, loss), factor * x.mass / x.exponentials, factor};
}
LEAVEN_HD float share_gradient(const HardFactors& f, float exponential, float share) {
  return mul_add(f.softmax, exponential, -(f.target * share));
}

}  // namespace leaven
