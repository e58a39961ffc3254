#pragma once

#include "kernels/loss/row_memory.cuh"

// T^2 KL of rows that are not near (row_loss.hpp): several passes over the logits, two exponentials per class in each.
namespace leaven::cuda {

// What the passes have found so far, and what the gradient is made of.
struct FarState {
  Difference reference;
  float student_max;
  float teacher_max;
  float student;  // sums of exponentials: NaN where a logit is NaN or +inf
  float teacher;
  SoftRow factors;
  float sum_shift;

  __device__ SoftElement element(float s, float t, const Temperature& k) const {
    return soft_element(s, t, student_max, teacher_max, reference, k);
  }
  struct Values {
    float p, q, delta, shift;
  };
  __device__ Values values(float s, float t, const Temperature& k) const {
    const SoftElement e = element(s, t, k);
    const float p = e.student * factors.inverse_student;
    const float q = e.teacher * factors.inverse_teacher;
    return {p, q, e.delta, soft_shift_t(p, q, e.delta, factors.ratio, k)};
  }
};

struct FarRow {
  float loss;      // T^2 KL
  float residual;  // the gradient of a class is its raw gradient less q * residual
};

// for_each(body) calls body(s, t) for the columns of a lane, each time anew. All threads of the block call (groups
// within a warp: of the warp).
template <int kGroup, class ForEach>
__device__ FarRow find_far_row(const Temperature& k, FarState& state, const ForEach& for_each) {
  RowMax max;
  for_each([&](float s, float t) { max = merge(max, {s, t, s}); });
  max = group_reduce<kGroup>(max, Merge{});
  state.reference = soft_reference(max);
  state.student_max = finite_max(max.student);
  state.teacher_max = finite_max(max.teacher);
  float sums[2] = {};
  for_each([&](float s, float t) {
    const SoftElement e = state.element(s, t, k);
    sums[0] += e.student;
    sums[1] += e.teacher;
  });
  group_reduce_all<kGroup, 4>(sums, Add{});
  state.student = sums[0];
  state.teacher = sums[1];
  state.factors = soft_row(state.student, state.teacher, state.reference, k);
  float shift = 0;
  for_each([&](float s, float t) { shift += state.values(s, t, k).shift; });
  state.sum_shift = group_sum<kGroup>(shift);
  const float offset = soft_offset_t(state.sum_shift, state.student, state.teacher, state.reference, k);
  float terms[2] = {};  // and the residual
  for_each([&](float s, float t) {
    const FarState::Values x = state.values(s, t, k);
    terms[0] += soft_term(x.p, x.q, x.delta, offset, k);
    terms[1] += soft_raw_gradient(x.shift, x.q, state.sum_shift);
  });
  group_reduce_all<kGroup, 5>(terms, Add{});
  return {soft_loss(terms[0], state.student, state.teacher, state.reference), terms[1]};
}

}  // namespace leaven::cuda
