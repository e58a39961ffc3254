#pragma once

#include "kernels/loss/far_row.cuh"
#include "kernels/loss/loss_lane.cuh"

namespace leaven::cuda {

// A row of logits in memory.
struct PlainLogits {
  RowRef row;

  template <int kVector>
  __device__ void read(float (&x)[kVector], int column, int classes) const {
    typed(row, [&](const auto* data) { read_columns(x, data, row.vectors, column, classes, -kInfinity); });
  }
};

// One row that is worked on in passes, each of which reads it anew, kUnit columns of a lane at a time; which columns
// are whose, layout L says. Logits: as PlainLogits.
template <class L, int kUnit, HardPart kHard, bool kSoft, class Logits>
struct LossPasses {
  using Lane = LossLane<kUnit, kHard, kSoft>;
  using Sums = LossSums<kHard, kSoft>;
  const LossParams& p;
  Logits student;
  Logits teacher;
  RowRef dense;
  int start;  // the lane's first column
  RowTarget target;
  float weight;  // of the row
  bool looked_at;

  // body(lane, its first column)
  template <class Body>
  __device__ void for_each_lane(Body&& body) const {
    const int classes = looked_at ? static_cast<int>(p.classes) : 0;
#pragma unroll 1
    for (std::int64_t at = start; at < classes; at += L::kStep) {
#pragma unroll 1
      for (int j = 0; j < L::kVector; j += kUnit) {
        const int column = static_cast<int>(at) + j;
        Lane x;
        x.start = column;
        x.classes = classes;
        student.read(x.exponential, column, classes);
        if constexpr (kSoft) teacher.read(x.q, column, classes);
        if constexpr (kHard == HardPart::dense) {
          typed(dense, [&](const auto* row) { read_columns(x.dense, row, dense.vectors, column, classes, 0.0f); });
        }
        body(x, column);
      }
    }
  }

  __device__ RowMax find_max() const {
    float max[kSoft ? 2 : 1];
#pragma unroll
    for (float& m : max) m = -kInfinity;
    for_each_lane([&](Lane& x, int) { x.add_to_max(max); });
    return reduce_max<L::kGroup>(max);
  }

  __device__ HardSums find_sums(const RowMax& max, Sums& sums) {
    for_each_lane([&](Lane& x, int) {
      if constexpr (kSoft) x.add_to_soft_sums(p, max, sums);
      if constexpr (kHard != HardPart::none) x.add_to_hard_sums(p, max, sums);
    });
    HardSums hard;
    if constexpr (kHard == HardPart::labels) {
      for_each_label(p, target, [&](int label, float of_label) {
        hard.target_gaps += of_label * (finite_max(max.student) - read_at(student.row, label));
      });
    }
    reduce_sums<L::kGroup>(p, sums, target, hard);
    return hard;
  }

  __device__ NearRow find_near_row(const RowMax& max, const NearCentre& centre, bool& near) const {
    float sum_w = 0;
    float sum_g = 0;
    near = centre.near;
    for_each_lane([&](Lane& x, int) {
      x.find_near_elements(p, max, x.exponential);
      x.add_to_terms(p, centre.d, sum_w, sum_g);
    });
    return reduce_terms<L::kGroup>(p, sum_w, sum_g, centre, near);
  }

  __device__ SoftResult find_far_row(FarState& state) const {
    const FarRow found = cuda::find_far_row<L::kGroup>(p.temperature, state, [&](auto&& body) {
      for_each_lane([&](Lane& x, int) {
#pragma unroll
        for (int j = 0; j < kUnit; ++j) body(x.exponential[j], x.q[j]);
      });
    });
    const bool masked = state.student == 0.0f || state.teacher == 0.0f;
    return {found.loss, masked ? 0.0f : 1.0f, found.residual, state.student + state.teacher};
  }

  // soft_elements(lane, student's logits) makes q and w.
  template <class SoftElements>
  __device__ void write_gradient(const MutableRowRef& to, const RowMax& max, const HardRow& hard,
                                 const SoftResult& soft, const SoftElements& soft_elements) const {
    for_each_lane([&](Lane& x, int column) {
      if constexpr (kHard == HardPart::dense) x.weigh_dense(p);
      float logits[kUnit];
#pragma unroll
      for (int j = 0; j < kUnit; ++j) logits[j] = x.exponential[j];
      if constexpr (kHard != HardPart::none) {
        x.find_exponentials(p, finite_max(max.student));
        x.find_hard_gradient(p, hard);
        if constexpr (kHard == HardPart::labels) {
          for_each_label(p, target, [&](int label, float of_label) { x.subtract_at(label, hard.target * of_label); });
        }
        if (kHard == HardPart::dense && target.valid == 0) {
#pragma unroll
          for (float& e : x.exponential) e = 0.0f;
        }
      }
      if constexpr (kSoft) soft_elements(x, logits);
      float gradient[kUnit];
      x.find_gradient(soft, gradient);
      typed(to, [&](auto* data) { write_columns(data, to.vectors, column, x.classes, gradient); });
    });
  }
};

// Logits become q and w of a row that is not near.
template <class Lane>
__device__ void find_far_elements(const LossParams& p, const FarState& far, Lane& x, const float* student) {
#pragma unroll
  for (int j = 0; j < Lane::kColumns; ++j) {
    const FarState::Values found = far.values(student[j], x.q[j], p.temperature);
    x.q[j] = found.q;
    x.w[j] = soft_raw_gradient(found.shift, found.q, far.sum_shift);
  }
}
// Of a near one.
template <class Lane>
__device__ void find_near_elements(const LossParams& p, const RowMax& max, float centre, Lane& x,
                                   const float* student) {
  float unused_w = 0;
  float unused_g = 0;
  x.find_near_elements(p, max, student);
  x.add_to_terms(p, centre, unused_w, unused_g);
}

}  // namespace leaven::cuda
