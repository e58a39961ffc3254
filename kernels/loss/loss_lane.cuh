#pragma once

#include "kernels/loss/device_targets.cuh"
#include "kernels/loss/hard_row.hpp"
#include "kernels/loss/near_math.cuh"
#include "kernels/loss/row_memory.cuh"

namespace leaven::cuda {

enum class HardPart { none, labels, dense };

// The soft part of a row. The gradient of a class is factor * (w - q * mean_w).
struct SoftResult {
  float loss = 0;  // T^2 KL
  float factor = 0;
  float mean_w = 0;
  float sums = 0;  // NaN where a logit is NaN or +inf
};

// Sums over a row that need its maxima only.
template <HardPart kHard, bool kSoft>
struct LossSums {
  static constexpr int kExponentials = kSoft ? 2 : 0;  // after q and q d
  static constexpr int kGaps = kExponentials + 1;      // of dense targets, as the next two
  static constexpr int kMass = kGaps + 1;              // times the classes' weights
  static constexpr int kGiven = kMass + 1;             // as they are; NaN where one is bad
  static constexpr int kCount = kExponentials + (kHard == HardPart::none ? 0 : kHard == HardPart::labels ? 1 : 4);

  float v[kCount] = {};
  float unmasked[3] = {};  // count, weights, weighted gaps: where labels are smoothed
  float largest = 0;       // d: 0 is always one of its values, or between them
  float smallest = 0;
};

// body(class, weight) for the labels that count.
template <class Body>
__device__ void for_each_label(const LossParams& p, const RowTarget& target, Body&& body) {
  if (target.weight_a > 0.0f) body(target.a, target.weight_a);
  if (p.targets.b != nullptr && target.weight_b > 0.0f) body(target.b, target.weight_b);
}

// Some neighbouring columns of a row in the registers of a lane: logits first, then what is made of them.
template <int kColumns_, HardPart kHard, bool kSoft>
struct LossLane {
  using Sums = LossSums<kHard, kSoft>;
  static constexpr bool kHasHard = kHard != HardPart::none;
  static constexpr bool kDense = kHard == HardPart::dense;
  static constexpr int kColumns = kColumns_;

  float exponential[kColumns];         // of the hard part; the student's logits at first; -0 where masked (smoothing)
  float q[kSoft ? kColumns : 1];       // the teacher's logits at first
  float w[kSoft ? kColumns : 1];       // differences of logits at first
  float dense[kDense ? kColumns : 1];  // targets; then times the classes' weights
  int start;                           // its first column
  int classes;

  // body(i, column)
  template <class Body>
  __device__ void for_each(Body&& body) const {
#pragma unroll
    for (int i = 0; i < kColumns; ++i) body(i, start + i);
  }

  __device__ void add_to_max(float (&max)[kSoft ? 2 : 1]) const {
    for_each([&](int i, int) {
      max[0] = fmaxf(max[0], exponential[i]);
      if constexpr (kSoft) max[1] = fmaxf(max[1], q[i]);
    });
  }

  // The teacher's probabilities (but for their sum) and differences of logits; q = d = 0 behind the end.
  __device__ void find_near_elements(const LossParams& p, const RowMax& max) {
    const Difference reference = difference(max.student, max.teacher);
    const float error = log2e_error(p.temperature);
    for_each([&](int i, int) {
      const NearElement e = near_element_fast(exponential[i], q[i], max.teacher, reference, p.temperature, error);
      q[i] = e.q;
      w[i] = e.d;
    });
    if (kColumns == 1 || classes - start >= kColumns) return;
    for_each([&](int i, int column) {
      if (column >= classes) q[i] = w[i] = 0.0f;
    });
  }

  // Bad dense targets become 0. Returns the sum of what was given, NaN where one was bad.
  __device__ float weigh_dense(const LossParams& p) {
    float given = 0;
    for_each([&](int i, int column) {
      const bool good = is_good_weight(dense[i]);
      given += good ? dense[i] : kInfinity - kInfinity;
      dense[i] = good ? dense[i] : 0.0f;
      if (p.targets.class_weights != nullptr && column < classes) dense[i] *= class_weight(p.targets, column);
    });
    return given;
  }

  // Logits become exponentials; max is finite.
  __device__ void find_exponentials(const LossParams& p, float max) {
    if (kHard == HardPart::labels && p.targets.smoothing > 0.0f) {
      for_each(
          [&](int i, int) { exponential[i] = exponential[i] != -kInfinity ? exp_fast(exponential[i] - max) : -0.0f; });
    } else {
      for_each([&](int i, int) { exponential[i] = exp_fast(exponential[i] - max); });
    }
  }
  static __device__ bool is_unmasked(float exponential) { return __float_as_uint(exponential) != 0x80000000u; }

  // Logits become q and d; the student's stay.
  __device__ void add_to_soft_sums(const LossParams& p, const RowMax& max, Sums& sums) {
    find_near_elements(p, max);
    for_each([&](int i, int) {
      sums.v[0] += q[i];
      sums.v[1] = mul_add(q[i], w[i], sums.v[1]);
      sums.largest = fmaxf(sums.largest, w[i]);
      sums.smallest = fminf(sums.smallest, w[i]);
    });
  }
  // The student's logits become exponentials.
  __device__ void add_to_hard_sums(const LossParams& p, const RowMax& max, Sums& sums) {
    const float student_max = finite_max(max.student);
    if constexpr (kDense) {
      sums.v[Sums::kGiven] += weigh_dense(p);
      for_each([&](int i, int) {
        sums.v[Sums::kMass] += dense[i];
        sums.v[Sums::kGaps] += weighted_gap(dense[i], student_max - exponential[i]);
      });
    } else if (p.targets.smoothing > 0.0f) {
      add_to_unmasked(p, student_max, sums);
    }
    find_exponentials(p, student_max);
    for_each([&](int i, int) { sums.v[Sums::kExponentials] += exponential[i]; });
  }
  __device__ void add_to_unmasked(const LossParams& p, float max, Sums& sums) {
    for_each([&](int i, int column) {
      if (exponential[i] == -kInfinity) return;
      const float weight = class_weight(p.targets, column);
      sums.unmasked[0] += 1.0f;
      sums.unmasked[1] += weight;
      sums.unmasked[2] += weight * (max - exponential[i]);
    });
  }

  // Differences of logits become w.
  __device__ void add_to_terms(const LossParams& p, float centre, float& sum_w, float& sum_g) {
    for_each([&](int i, int) {
      const NearTermFast term = near_term_fast(w[i] - centre, p.temperature);
      w[i] = q[i] * term.w;
      sum_w += w[i];
      sum_g = mul_add(q[i], term.g, sum_g);
    });
  }

  // Exponentials become the gradient of the hard part, but for its labels.
  __device__ void find_gradient_beside_labels(const LossParams& p, const RowTarget& target, const HardRow& hard) {
    if (kDense && target.valid == 0) {
      for_each([&](int i, int) { exponential[i] = 0.0f; });
    } else if (kDense) {
      for_each([&](int i, int) { exponential[i] = mul_add(-hard.target, dense[i], hard.softmax * exponential[i]); });
    } else if (p.targets.smoothing > 0.0f) {
      for_each([&](int i, int column) {
        const float spread = is_unmasked(exponential[i]) ? hard.spread * class_weight(p.targets, column) : 0.0f;
        exponential[i] = mul_add(hard.softmax, exponential[i], -spread);
      });
    } else {
      for_each([&](int i, int) { exponential[i] *= hard.softmax; });
    }
  }

  __device__ void find_hard_gradient(const LossParams& p, const RowTarget& target, const HardRow& hard) {
    find_gradient_beside_labels(p, target, hard);
    if constexpr (kHard != HardPart::labels) return;
    for_each_label(p, target, [&](int label, float weight) {
      if (static_cast<unsigned>(label - start) >= static_cast<unsigned>(kColumns)) return;
      for_each([&](int i, int column) {
        if (column == label) exponential[i] -= hard.target * weight;
      });
    });
  }

  __device__ void find_gradient(const SoftResult& soft, float (&gradient)[kColumns]) const {
    for_each([&](int i, int) {
      gradient[i] = exponential[i];
      if constexpr (kSoft) {
        const float value = mul_add(q[i], -soft.mean_w, w[i]);  // near_gradient; the sign is changed once a row
        gradient[i] = kHasHard ? mul_add(soft.factor, value, exponential[i]) : soft.factor * value;
      }
    });
  }
};

// The lanes' maxima become those of the row.
template <int kGroup, int kCount>
__device__ RowMax reduce_max(float (&max)[kCount]) {
  group_reduce_all<kGroup, 0>(max, Largest{});
  return {max[0], max[kCount - 1], 0.0f};
}

// The lanes' sums become those of the row, and `hard` what hard_row takes, but for the gaps at labels; dense targets
// decide whether the row is valid.
template <int kGroup, HardPart kHard, bool kSoft>
__device__ void reduce_sums(const LossParams& p, LossSums<kHard, kSoft>& sums, RowTarget& target, HardSums& hard) {
  using Sums = LossSums<kHard, kSoft>;
  group_reduce_all<kGroup, 1>(sums.v, Add{});
  if constexpr (kHard == HardPart::none) return;
  hard.exponentials = sums.v[Sums::kExponentials];
  if constexpr (kHard == HardPart::dense) {
    hard.target_gaps = sums.v[Sums::kGaps];
    hard.mass = sums.v[Sums::kMass];
    target.valid = sums.v[Sums::kGiven] > 0.0f ? 1 : 0;
    target.status |= sums.v[Sums::kGiven] == sums.v[Sums::kGiven] ? 0u : kWeightOutOfRange;
    return;
  }
  hard.mass = target.weight_a + target.weight_b;
  hard.label_mass = target.mass;
  if (p.targets.smoothing > 0.0f) {
    group_reduce_all<kGroup, 3>(sums.unmasked, Add{});
    hard.unmasked = sums.unmasked[0];
    hard.unmasked_mass = sums.unmasked[1];
    hard.unmasked_gaps = sums.unmasked[2];
  }
}

// The same where the student's logits are in memory, gaps at labels included.
template <int kGroup, HardPart kHard, bool kSoft>
__device__ HardSums finish_sums(const LossParams& p, const RowRef& student, const RowMax& max,
                                LossSums<kHard, kSoft>& sums, RowTarget& target) {
  HardSums hard;
  if constexpr (kHard == HardPart::labels) {
    for_each_label(p, target, [&](int label, float weight) {
      hard.target_gaps += weight * (finite_max(max.student) - read_at(student, label));
    });
  }
  reduce_sums<kGroup>(p, sums, target, hard);
  return hard;
}

// A row that is not looked at is a near one with loss and gradient 0.
template <HardPart kHard, bool kSoft>
__device__ NearCentre find_centre(const LossParams& p, const LossSums<kHard, kSoft>& sums, bool looked_at) {
  if (!looked_at) return {0.0f, 0.0f, 0.0f, true};
  return near_centre(sums.v[0], sums.v[1], sums.largest, sums.smallest, p.temperature);
}

// The lanes' sums become those of the row; `near` too, of each lane before.
template <int kGroup>
__device__ NearRow reduce_terms(const LossParams& p, float sum_w, float sum_g, const NearCentre& centre, bool& near) {
  float sums[kGroup > 32 ? 3 : 2] = {sum_w, sum_g};
  if constexpr (kGroup > 32) sums[2] = near ? 0.0f : 1.0f;
  group_reduce_all<kGroup, 2>(sums, Add{});
  if constexpr (kGroup > 32) {
    near = sums[2] == 0.0f;
  } else {
    near = all_of_group<kGroup>(near);
  }
  return near_row_fast(sums[0], sums[1], centre, p.temperature);
}

}  // namespace leaven::cuda
