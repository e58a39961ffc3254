#pragma once

#include "kernels/loss/row_group.cuh"
#include "kernels/loss/targets.hpp"

namespace leaven::cuda {

// The target of a row, the same in all lanes of its group. Dense weights are read for it: bad ones and rows of zeros
// are found before anything is computed with them. All threads of the block call; rows behind the end are ignored ones.
template <int kGroup>
__device__ RowTarget find_target(const TargetParams& targets, std::int64_t row, std::int64_t rows, std::int64_t classes,
                                 bool aligned) {
  RowTarget target;
  if (targets.soft == nullptr) {
    if (row < rows) target = row_target(targets, row, static_cast<std::int32_t>(classes));
    return target;
  }
  const float* weights = targets.soft + row * targets.soft_stride;
  float bad = 0;
  float wanted = 0;
  if (row < rows) {
    for (std::int64_t column = threadIdx.x % kGroup * 4; column < classes; column += kGroup * 4) {
      const Four x = load4(weights, column, classes, aligned, 0.0f);
      for (int j = 0; j < 4; ++j) {
        bad = is_good_weight(x.v[j]) ? bad : 1.0f;
        wanted = x.v[j] > 0.0f ? 1.0f : wanted;
      }
    }
  }
  bad = group_sum<kGroup>(bad);
  wanted = group_sum<kGroup>(wanted);
  target.status = bad > 0.0f ? kWeightOutOfRange : 0u;
  target.valid = bad == 0.0f && wanted > 0.0f ? 1 : 0;
  return target;
}

// The weight of a class; 1 where there are none. One that cannot be used counts as 0.
__device__ inline float class_weight(const TargetParams& targets, std::int64_t column) {
  return targets.class_weights != nullptr ? usable_weight(targets.class_weights[column]) : 1.0f;
}

// The labels of a row; a row of weight 0 is an ignored one.
__device__ inline RowTarget weighted_target(const LossParams& p, std::int64_t row, float weight) {
  RowTarget target;
  if (p.targets.b != nullptr) {
    target = row_target(p.targets, row, static_cast<std::int32_t>(p.classes));
  } else {  // the same in fewer instructions
    target.a = p.targets.a[row];
    const bool ignored = target.a == p.targets.ignore_label;
    const bool exists = static_cast<std::uint32_t>(target.a) < static_cast<std::uint32_t>(p.classes);
    target.status = ignored || exists ? 0u : kLabelOutOfRange;
    target.valid = !ignored && exists ? 1 : 0;
    if (target.valid == 0) target.a = 0;
    target.weight_a = target.mass = target.valid != 0 ? 1.0f : 0.0f;
    if (p.targets.class_weights != nullptr) weigh_classes(target, p.targets.class_weights);
  }
  RowTarget ignored;
  ignored.status = target.status;
  return weight > 0.0f ? target : ignored;
}

// Bits of LossStatus for the weights of all classes, which the first block looks at.
template <int kThreads = kBlockThreads>
__device__ std::uint32_t class_weight_status(const LossParams& p) {
  std::uint32_t status = 0;
  if (p.targets.class_weights == nullptr || blockIdx.x != 0) return status;
  for (std::int64_t c = threadIdx.x; c < p.classes; c += kThreads) {
    status |= weight_status(p.targets.class_weights[c]);
  }
  return status;
}

}  // namespace leaven::cuda
