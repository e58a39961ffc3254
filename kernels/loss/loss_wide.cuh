#pragma once

#include "kernels/loss/loss_rows.cuh"

namespace leaven::cuda {

// One very wide row, whose elements do not fit into registers: every pass reads the logits again.
template <bool kHard, bool kSoft>
struct WideRow {
  const LossParams& p;
  const LossAlignment& aligned;
  std::int64_t row;
  RowTarget target;

  // body(column, student's logits, teacher's logits) for the groups of four columns of this thread. Ignored rows of a
  // call without a soft part look fully masked.
  template <class Body>
  __device__ void for_each(Body&& body) const {
    const std::int64_t readable = kSoft || target.valid != 0 ? p.classes : 0;
    for (std::int64_t column = threadIdx.x * 4; column < p.classes; column += kBlockThreads * 4) {
      const Four s = load4(p.student, row, column, readable, aligned.student, -kInfinity);
      Four t = s;
      if constexpr (kSoft) t = load4(p.teacher, row, column, readable, aligned.teacher, -kInfinity);
      body(column, s, t);
    }
  }
  __device__ Four weights(std::int64_t column) const {
    if (!kHard || p.targets.soft == nullptr || target.valid == 0) return {};
    return load4(p.targets.soft + row * p.targets.soft_stride, column, p.classes, aligned.dense, 0.0f);
  }
};

template <bool kHard, bool kSoft>
__device__ RowMax find_wide_max(const WideRow<kHard, kSoft>& row) {
  RowMax max;
  row.for_each([&](std::int64_t, const Four& s, const Four& t) {
    for (int j = 0; j < 4; ++j) max = merge(max, {s.v[j], t.v[j], s.v[j]});
  });
  return group_reduce<kBlockThreads>(max, Merge{});
}

template <bool kSoft>
__device__ HardRow find_wide_hard(const WideRow<true, kSoft>& row, float max, float scale) {
  const LossParams& p = row.p;
  HardSums sums;
  row.for_each([&](std::int64_t column, const Four& s, const Four&) {
    const Four q = row.weights(column);
    for (int j = 0; j < 4; ++j) add_class(sums, s.v[j], max, q.v[j], 1.0f, hard_exponential(max - s.v[j]));
  });
  reduce_hard_sums<kBlockThreads>(p, row.row, row.target, max, sums);
  return hard_row(sums, row.target.valid != 0, p.targets.smoothing, p.hard_weight, scale);
}

// What the passes of the soft part have found so far.
struct WideSoft {
  const Temperature& temperature;
  Difference reference;
  float student_max;
  float teacher_max;
  float student = 0;  // sums
  float teacher = 0;
  SoftRow factors{};
  float sum_shift = 0;
  SoftResult result{};

  struct Values {
    float p, q, delta, shift;
  };
  __device__ Values at(float s, float t) const {
    const SoftElement e = soft_element(s, t, student_max, teacher_max, reference, temperature);
    const float p = e.student * factors.inverse_student;
    const float q = e.teacher * factors.inverse_teacher;
    return {p, q, e.delta, soft_shift_t(p, q, e.delta, factors.ratio, temperature)};
  }
};

template <bool kHard>
__device__ WideSoft find_wide_soft(const WideRow<kHard, true>& row, const RowMax& max, float scale) {
  const LossParams& p = row.p;
  WideSoft soft{p.temperature, soft_reference(max), finite_max(max.student), finite_max(max.teacher)};
  row.for_each([&](std::int64_t, const Four& s, const Four& t) {
    for (int j = 0; j < 4; ++j) {
      const SoftElement e =
          soft_element(s.v[j], t.v[j], soft.student_max, soft.teacher_max, soft.reference, soft.temperature);
      soft.student += e.student;
      soft.teacher += e.teacher;
    }
  });
  soft.student = group_sum<kBlockThreads>(soft.student);
  soft.teacher = group_sum<kBlockThreads>(soft.teacher);
  soft.factors = soft_row(soft.student, soft.teacher, soft.reference, soft.temperature);
  row.for_each([&](std::int64_t, const Four& s, const Four& t) {
    for (int j = 0; j < 4; ++j) soft.sum_shift += soft.at(s.v[j], t.v[j]).shift;
  });
  soft.sum_shift = group_sum<kBlockThreads>(soft.sum_shift);
  const float offset = soft_offset_t(soft.sum_shift, soft.student, soft.teacher, soft.reference, soft.temperature);
  float terms = 0;
  float residual = 0;
  row.for_each([&](std::int64_t, const Four& s, const Four& t) {
    for (int j = 0; j < 4; ++j) {
      const WideSoft::Values x = soft.at(s.v[j], t.v[j]);
      terms += soft_term(x.p, x.q, x.delta, offset, soft.temperature);
      residual += soft_raw_gradient(x.shift, x.q, soft.sum_shift);
    }
  });
  soft.result = soft_result(p, scale, group_sum<kBlockThreads>(terms), group_sum<kBlockThreads>(residual), soft.student,
                            soft.teacher, soft.reference);
  return soft;
}

template <bool kHard, bool kSoft>
__device__ void write_wide_gradient(const WideRow<kHard, kSoft>& row, const HardRow& hard, const WideSoft& soft,
                                    float max) {
  const LossParams& p = row.p;
  row.for_each([&](std::int64_t column, const Four& s, const Four& t) {
    const Four weights = row.weights(column);
    Four gradient;
    for (int j = 0; j < 4; ++j) {
      float value = 0.0f;
      if constexpr (kSoft) {
        const WideSoft::Values x = soft.at(s.v[j], t.v[j]);
        value = soft.result.factor * soft_gradient(x.shift, x.q, soft.sum_shift, soft.result.residual);
      }
      if constexpr (kHard) {
        const float weight = p.targets.soft != nullptr ? weights.v[j] : label_weight(row.target, column + j);
        value += hard_gradient(hard.softmax, hard_exponential(max - s.v[j]), hard.target, weight);
        value -= s.v[j] != -kInfinity ? hard.spread : 0.0f;
      }
      gradient.v[j] = value;
    }
    store4(p.gradient, row.row, column, p.classes, row.aligned.gradient, gradient);
  });
}

// what     losses, their sum and gradients of rows of any number of classes
// who      one block per row; blocks loop over rows
// traffic  each of two to five passes reads the logits, the later ones mostly from the caches; one writes the gradient
// limits   exponentials are computed again in each pass
template <bool kHard, bool kSoft>
__global__ void __launch_bounds__(kBlockThreads) loss_wide_kernel(const LossParams p, const LossAlignment aligned) {
  const float divisor = loss_divisor(p);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  LossTotals totals;
  for (std::int64_t i = blockIdx.x; i < p.rows; i += gridDim.x) {
    WideRow<kHard, kSoft> row{p, aligned, i, {}};
    if constexpr (kHard) row.target = find_target<kBlockThreads>(p.targets, i, p.rows, p.classes, aligned.dense);
    const RowMax max = find_wide_max(row);
    const float student_max = finite_max(max.student);
    HardRow hard;
    if constexpr (kHard) hard = find_wide_hard(row, student_max, scale);
    const WideSoft soft = [&] {
      if constexpr (kSoft) {
        return find_wide_soft(row, max, scale);
      } else {
        return WideSoft{p.temperature};
      }
    }();
    __syncthreads();  // labels' logits have been read: gradients may overwrite them
    if (p.gradient.data != nullptr) write_wide_gradient(row, hard, soft, student_max);
    note_row(p, i, max, row.target, hard.loss + soft.result.loss, kSoft ? soft.result.sums : hard.softmax, kSoft,
             threadIdx.x == 0, totals);
  }
  finish_loss(p, totals);
}

}  // namespace leaven::cuda
