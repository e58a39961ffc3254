#pragma once

#include <cstdint>

#include <leaven/loss.hpp>
#include "kernels/core/annotate.hpp"
#include "kernels/loss/loss_params.hpp"

namespace leaven {

// What a row is compared with. A label that does not count has weight 0 and class 0: it can be read with safety.
struct RowTarget {
  std::int32_t a = 0;
  std::int32_t b = 0;
  float weight_a = 0;  // times the class's weight, as the next
  float weight_b = 0;
  float mass = 0;  // without the classes' weights
  std::uint32_t status = 0;
  std::int32_t valid = 0;  // 1: not ignored
};

LEAVEN_HD bool is_good_weight(float weight) { return weight >= 0.0f && weight < kInfinity; }

// weight CE(a) + (1 - weight) CE(b). Decided by labels and weights alone; without branches, for vector loops. A bad
// label or weight makes the whole row an ignored one.
LEAVEN_HD RowTarget mixed_target(std::int32_t a, std::int32_t b, float weight, std::int32_t ignore_label,
                                 std::int32_t classes) {
  const std::uint32_t limit = static_cast<std::uint32_t>(classes);
  const std::int32_t use_a = a != ignore_label ? 1 : 0;
  const std::int32_t use_b = b != ignore_label ? 1 : 0;
  const std::uint32_t bad_a = (a != ignore_label) & (static_cast<std::uint32_t>(a) >= limit) ? kLabelOutOfRange : 0u;
  const std::uint32_t bad_b = (b != ignore_label) & (static_cast<std::uint32_t>(b) >= limit) ? kLabelOutOfRange : 0u;
  const std::uint32_t bad_weight = (weight >= 0.0f) & (weight <= 1.0f) ? 0u : kWeightOutOfRange;
  RowTarget target;
  target.status = bad_a | bad_b | bad_weight;
  target.valid = target.status == 0u ? use_a | use_b : 0;
  const std::int32_t count_a = target.valid & use_a;
  const std::int32_t count_b = target.valid & use_b;
  target.a = count_a != 0 ? a : 0;
  target.b = count_b != 0 ? b : 0;
  target.weight_a = count_a != 0 ? weight : 0.0f;
  target.weight_b = count_b != 0 ? 1.0f - weight : 0.0f;
  target.mass = target.weight_a + target.weight_b;
  return target;
}

// A weight that cannot be used counts as 0.
LEAVEN_HD float usable_weight(float weight) { return is_good_weight(weight) ? weight : 0.0f; }
LEAVEN_HD std::uint32_t weight_status(float weight) { return is_good_weight(weight) ? 0u : kWeightOutOfRange; }

// The weight of a row; 1 where there are none.
LEAVEN_HD float row_weight(const LossParams& p, std::int64_t row, std::uint32_t& status) {
  if (p.row_weights == nullptr) return 1.0f;
  const float weight = p.row_weights[row];
  status |= weight_status(weight);
  return usable_weight(weight);
}

LEAVEN_HD void weigh_classes(RowTarget& target, const float* class_weights) {
  const float weight_a = class_weights[target.a];
  const float weight_b = class_weights[target.b];
  target.status |= target.weight_a > 0.0f ? weight_status(weight_a) : 0u;
  target.status |= target.weight_b > 0.0f ? weight_status(weight_b) : 0u;
  target.weight_a *= usable_weight(weight_a);
  target.weight_b *= usable_weight(weight_b);
}

// The labels of a row, without the classes' weights; and with them.
LEAVEN_HD RowTarget label_target(const TargetParams& t, std::int64_t row, std::int32_t classes) {
  const bool mixed = t.b != nullptr;
  return mixed_target(t.a[row], mixed ? t.b[row] : t.ignore_label, mixed ? t.weight_a[row] : 1.0f, t.ignore_label,
                      classes);
}
LEAVEN_HD RowTarget row_target(const TargetParams& t, std::int64_t row, std::int32_t classes) {
  RowTarget target = label_target(t, row, classes);
  if (t.class_weights != nullptr) weigh_classes(target, t.class_weights);
  return target;
}

}  // namespace leaven
