#pragma once

#include "kernels/core/launch.cuh"
#include "kernels/loss/device_targets.cuh"
#include "kernels/loss/finish_loss.cuh"
#include "kernels/loss/hard_row.hpp"

namespace leaven::cuda {

// Which matrices allow 16-byte accesses.
struct LossAlignment {
  bool student, teacher, dense, gradient;
};

// The columns of one lane: logits first, then what is made of them, in registers.
template <int kVectors>
struct LaneElements {
  float student[4 * kVectors];  // logit, then exponential, then probability
  float teacher[4 * kVectors];
  float delta[4 * kVectors];
  float shift[4 * kVectors];
  float hard[4 * kVectors];  // exponential of the hard part
};

template <int kGroup, int kVectors, bool kSoft>
__device__ RowMax load_row(const LossParams& p, const LossAlignment& aligned, std::int64_t row, bool active,
                           LaneElements<kVectors>& x) {
  RowMax max;
  const std::int64_t classes = active ? p.classes : 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t column = (v * kGroup + threadIdx.x % kGroup) * 4;
    const Four s = load4(p.student, row, column, classes, aligned.student, -kInfinity);
    Four t = s;
    if constexpr (kSoft) t = load4(p.teacher, row, column, classes, aligned.teacher, -kInfinity);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      x.student[4 * v + j] = s.v[j];
      x.teacher[4 * v + j] = t.v[j];
      max = merge(max, {s.v[j], t.v[j], s.v[j]});
    }
  }
  return group_reduce<kGroup>(max, Merge{});
}

template <int kGroup, int kVectors>
__device__ HardRow find_hard_row(const LossParams& p, const LossAlignment& aligned, std::int64_t row,
                                 const RowTarget& target, float max, float scale, LaneElements<kVectors>& x) {
  HardSums sums;
  const std::int64_t classes = target.valid != 0 ? p.classes : 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t column = (v * kGroup + threadIdx.x % kGroup) * 4;
    Four weights{};
    if (p.targets.soft != nullptr) {
      weights = load4(p.targets.soft + row * p.targets.soft_stride, column, classes, aligned.dense, 0.0f);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float logit = x.student[4 * v + j];
      x.hard[4 * v + j] = hard_exponential(max - logit);
      add_class(sums, logit, max, weights.v[j], 1.0f, x.hard[4 * v + j]);
    }
  }
  reduce_hard_sums<kGroup>(p, row, target, max, sums);
  return hard_row(sums, target.valid != 0, p.targets.smoothing, p.hard_weight, scale);
}

struct SoftResult {
  float loss;
  float factor;  // of the gradient
  float residual;
  float sums;  // NaN where a logit is NaN or +inf
};
__device__ inline SoftResult soft_result(const LossParams& p, float scale, float terms, float residual, float student,
                                         float teacher, const Difference& reference) {
  const bool masked = student == 0.0f || teacher == 0.0f;
  return {weighted_gap(p.soft_weight, soft_loss(terms, student, teacher, reference)),
          masked ? 0.0f : p.soft_weight * scale, residual, student + teacher};
}

// Steps 2 to 5 of row_loss.hpp: leaves the raw gradient in `shift`, the teacher's probabilities in `teacher`.
template <int kGroup, int kVectors>
__device__ SoftResult find_soft_row(const LossParams& p, const RowMax& max, float scale, LaneElements<kVectors>& x) {
  constexpr int kCount = 4 * kVectors;
  const Difference reference = soft_reference(max);
  const float student_max = finite_max(max.student);
  const float teacher_max = finite_max(max.teacher);
  float student = 0;
  float teacher = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const SoftElement e = soft_element(x.student[i], x.teacher[i], student_max, teacher_max, reference, p.temperature);
    x.student[i] = e.student;
    x.teacher[i] = e.teacher;
    x.delta[i] = e.delta;
    student += e.student;
    teacher += e.teacher;
  }
  student = group_sum<kGroup>(student);
  teacher = group_sum<kGroup>(teacher);
  const SoftRow row = soft_row(student, teacher, reference, p.temperature);
  float sum_shift = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    x.student[i] *= row.inverse_student;
    x.teacher[i] *= row.inverse_teacher;
    x.shift[i] = soft_shift_t(x.student[i], x.teacher[i], x.delta[i], row.ratio, p.temperature);
    sum_shift += x.shift[i];
  }
  sum_shift = group_sum<kGroup>(sum_shift);
  const float offset = soft_offset_t(sum_shift, student, teacher, reference, p.temperature);
  float terms = 0;
  float residual = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    terms += soft_term(x.student[i], x.teacher[i], x.delta[i], offset, p.temperature);
    x.shift[i] = soft_raw_gradient(x.shift[i], x.teacher[i], sum_shift);
    residual += x.shift[i];
  }
  return soft_result(p, scale, group_sum<kGroup>(terms), group_sum<kGroup>(residual), student, teacher, reference);
}

template <int kGroup, int kVectors, bool kHard, bool kSoft>
__device__ void write_gradient(const LossParams& p, const LossAlignment& aligned, std::int64_t row,
                               const RowTarget& target, const HardRow& hard, const SoftResult& soft,
                               const LaneElements<kVectors>& x) {
  const bool dense = kHard && p.targets.soft != nullptr;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t column = (v * kGroup + threadIdx.x % kGroup) * 4;
    Four weights{};
    Four logits{};
    if (dense && target.valid != 0) {
      weights = load4(p.targets.soft + row * p.targets.soft_stride, column, p.classes, aligned.dense, 0.0f);
    }
    if (kHard && p.targets.smoothing > 0.0f) {
      logits = load4(p.student, row, column, p.classes, aligned.student, -kInfinity);
    }
    Four gradient;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int i = 4 * v + j;
      float value = 0.0f;
      if constexpr (kSoft) value = soft.factor * mul_add(-x.teacher[i], soft.residual, x.shift[i]);
      if constexpr (kHard) {
        const float weight = dense ? weights.v[j] : label_weight(target, column + j);
        value += hard_gradient(hard.softmax, x.hard[i], hard.target, weight);
        value -= logits.v[j] != -kInfinity ? hard.spread : 0.0f;
      }
      gradient.v[j] = value;
    }
    store4(p.gradient, row, column, p.classes, aligned.gradient, gradient);
  }
}

// what     losses, their sum and gradients of rows of up to 4 * kGroup * kVectors classes
// who      kGroup lanes per row; a block takes kBlockThreads / kGroup rows at a time
// traffic  reads each logit once and writes one gradient; labels once per lane; dense targets three times, once from
//          memory and then from the caches
// limits   exponentials stay in registers: 20 * kVectors of them
template <int kGroup, int kVectors, bool kHard, bool kSoft>
__global__ void __launch_bounds__(kBlockThreads, 1) loss_rows_kernel(const LossParams p, const LossAlignment aligned) {
  constexpr int kRows = kBlockThreads / kGroup;
  const float divisor = loss_divisor(p);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  LossTotals totals;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const std::int64_t row = first + threadIdx.x / kGroup;
    RowTarget target;
    if constexpr (kHard) target = find_target<kGroup>(p.targets, row, p.rows, p.classes, aligned.dense);
    const bool active = row < p.rows && (kSoft || target.valid != 0);
    LaneElements<kVectors> x;
    const RowMax max = load_row<kGroup, kVectors, kSoft>(p, aligned, row, active, x);
    HardRow hard;
    SoftResult soft{};
    if constexpr (kHard) hard = find_hard_row<kGroup>(p, aligned, row, target, finite_max(max.student), scale, x);
    if constexpr (kSoft) soft = find_soft_row<kGroup>(p, max, scale, x);
    if constexpr (kHard) group_barrier<kGroup>();  // labels' logits have been read: gradients may overwrite them
    if (row >= p.rows) break;
    if (p.gradient.data != nullptr) {
      write_gradient<kGroup, kVectors, kHard, kSoft>(p, aligned, row, target, hard, soft, x);
    }
    note_row(p, row, max, target, hard.loss + soft.loss, kSoft ? soft.sums : hard.softmax, kSoft,
             threadIdx.x % kGroup == 0, totals);
  }
  finish_loss(p, totals);
}

}  // namespace leaven::cuda
