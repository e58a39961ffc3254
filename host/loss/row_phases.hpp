#pragma once

#include "host/loss/lanes.hpp"
#include "kernels/loss/hard_row.hpp"
#include "kernels/loss/row_loss.hpp"

// The loops over [group][lane] that make up a loss (kernels/loss/row_loss.hpp numbers the steps). Each accumulates in
// local lanes, which no pointer can alias, and adds to the caller's at its end. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

struct MaxLanes {
  Lanes student, teacher, student_at_teacher;
  RowMax at(int r) const { return {student.v[r], teacher.v[r], student_at_teacher.v[r]}; }
  void set(int r, const RowMax& max) {
    student.v[r] = max.student;
    teacher.v[r] = max.teacher;
    student_at_teacher.v[r] = max.student_at_teacher;
  }
};

// Four groups at a time: a short chain from one iteration to the next. Groups behind the last one repeat it.
template <bool kSoft>
void find_max(const float* __restrict s, const float* __restrict t, std::int64_t groups, MaxLanes& max) {
  MaxLanes local = max;
  const std::int64_t last = (groups - 1) * kLanes;
  for (std::int64_t i = 0; i <= last; i += 4 * kLanes) {
    const std::int64_t j = i + kLanes < last ? i + kLanes : last;
    const std::int64_t k = j + kLanes < last ? j + kLanes : last;
    const std::int64_t l = k + kLanes < last ? k + kLanes : last;
    LEAVEN_EACH_LANE(r) {
      if constexpr (kSoft) {
        const RowMax ij = merge({s[i + r], t[i + r], s[i + r]}, {s[j + r], t[j + r], s[j + r]});
        const RowMax kl = merge({s[k + r], t[k + r], s[k + r]}, {s[l + r], t[l + r], s[l + r]});
        local.set(r, merge(local.at(r), merge(ij, kl)));
      } else {
        const float ij = larger(s[i + r], s[j + r]);
        const float kl = larger(s[k + r], s[l + r]);
        local.student.v[r] = larger(local.student.v[r], larger(ij, kl));
      }
    }
  }
  max = local;
}

void max_across(MaxLanes& max) {
  RowMax all = max.at(0);
  for (int r = 1; r < kLanes; ++r) all = merge(all, max.at(r));
  LEAVEN_EACH_LANE(r) max.set(r, all);
}

// What the element loops need of the maxima, per lane.
struct ReferenceLanes {
  Lanes student_max, teacher_max, hi, lo;
};
ReferenceLanes find_references(const MaxLanes& max) {
  const MaxLanes local = max;
  ReferenceLanes lanes;
  LEAVEN_EACH_LANE(r) {
    const Difference reference = soft_reference(local.at(r));
    lanes.student_max.v[r] = finite_max(local.student.v[r]);
    lanes.teacher_max.v[r] = finite_max(local.teacher.v[r]);
    lanes.hi.v[r] = reference.hi;
    lanes.lo.v[r] = reference.lo;
  }
  return lanes;
}

struct SoftSums {
  Lanes student, teacher;
};

void soft_elements(const float* __restrict s, const float* __restrict t, float* __restrict p, float* __restrict q,
                   float* __restrict delta, std::int64_t groups, const ReferenceLanes& references,
                   const Temperature& temperature, SoftSums& sums) {
  const ReferenceLanes local = references;
  const Temperature k = temperature;
  for_each_block(groups, [&](std::int64_t begin, std::int64_t end) {
    SoftSums part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const SoftElement e = soft_element(s[i + r], t[i + r], local.student_max.v[r], local.teacher_max.v[r],
                                           {local.hi.v[r], local.lo.v[r]}, k);
        p[i + r] = e.student;
        q[i + r] = e.teacher;
        delta[i + r] = e.delta;
        part.student.v[r] += e.student;
        part.teacher.v[r] += e.teacher;
      }
    }
    add(sums.student, part.student);
    add(sums.teacher, part.teacher);
  });
}

struct SoftLanes {
  Lanes inverse_student, inverse_teacher, ratio, shift_t, offset_t, factor, terms, residual;
};

// Makes probabilities of the exponentials.
void soft_shifts(float* __restrict p, float* __restrict q, const float* __restrict delta, float* __restrict shift,
                 std::int64_t groups, const SoftLanes& row, const Temperature& temperature, Lanes& sum_shift) {
  const SoftLanes local = row;
  const Temperature k = temperature;
  for_each_block(groups, [&](std::int64_t begin, std::int64_t end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float student = p[i + r] * local.inverse_student.v[r];
        const float teacher = q[i + r] * local.inverse_teacher.v[r];
        const float value = soft_shift_t(student, teacher, delta[i + r], local.ratio.v[r], k);
        p[i + r] = student;
        q[i + r] = teacher;
        shift[i + r] = value;
        part.v[r] += value;
      }
    }
    add(sum_shift, part);
  });
}

void soft_terms(const float* __restrict p, const float* __restrict q, const float* __restrict delta,
                const float* __restrict shift, std::int64_t groups, const Temperature& temperature, SoftLanes& row) {
  const Lanes offset = row.offset_t;
  const Lanes sum_shift = row.shift_t;
  const Temperature k = temperature;
  for_each_block(groups, [&](std::int64_t begin, std::int64_t end) {
    Lanes part{}, residual{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        part.v[r] += soft_term(p[i + r], q[i + r], delta[i + r], offset.v[r], k);
        residual.v[r] += soft_raw_gradient(shift[i + r], q[i + r], sum_shift.v[r]);
      }
    }
    add(row.terms, part);
    add(row.residual, residual);
  });
}

void hard_elements(const float* __restrict s, float* __restrict exponential, std::int64_t groups, const Lanes& max,
                   Lanes& sum_exponentials) {
  const Lanes local = max;
  constexpr Temperature kOne{};
  for_each_block(groups, [&](std::int64_t begin, std::int64_t end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float value = exp_over({s[i + r] - local.v[r], 0.0f}, kOne);
        exponential[i + r] = value;
        part.v[r] += value;
      }
    }
    add(sum_exponentials, part);
  });
}

void unmasked_gaps(const float* __restrict s, std::int64_t groups, const Lanes& max, Lanes& count, Lanes& gaps) {
  const Lanes local = max;
  for_each_block(groups, [&](std::int64_t begin, std::int64_t end) {
    Lanes part_count{}, part_gaps{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float logit = s[i + r] == -kInfinity ? local.v[r] : s[i + r];
        const float unmasked = s[i + r] == logit ? 1.0f : 0.0f;
        part_count.v[r] += unmasked;
        part_gaps.v[r] += local.v[r] - logit;
      }
    }
    add(count, part_count);
    add(gaps, part_gaps);
  });
}

void dense_gaps(const float* __restrict s, const float* __restrict weights, std::int64_t groups, const Lanes& max,
                Lanes& mass, Lanes& gaps) {
  const Lanes local = max;
  for_each_block(groups, [&](std::int64_t begin, std::int64_t end) {
    Lanes part_mass{}, part_gaps{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        part_mass.v[r] += weights[i + r];
        part_gaps.v[r] += weighted_gap(weights[i + r], local.v[r] - s[i + r]);
      }
    }
    add(mass, part_mass);
    add(gaps, part_gaps);
  });
}

struct HardLanes {
  Lanes loss, softmax, target, spread;
};

// gradient = soft_factor (shift - q * sum_shift) + softmax * exponential: what both parts give at every class.
template <bool kHard, bool kSoft>
void combine_gradient(const float* __restrict shift, const float* __restrict q, const float* __restrict exponential,
                      float* __restrict gradient, std::int64_t groups, const SoftLanes& soft, const HardLanes& hard) {
  const Lanes sum_shift = soft.shift_t;
  const Lanes residual = soft.residual;
  const Lanes soft_factor = soft.factor;
  const Lanes hard_factor = hard.softmax;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      float value = 0.0f;
      if constexpr (kSoft)
        value = soft_factor.v[r] * soft_gradient(shift[i + r], q[i + r], sum_shift.v[r], residual.v[r]);
      if constexpr (kHard) value = mul_add(hard_factor.v[r], exponential[i + r], value);
      gradient[i + r] = value;
    }
  }
}

void subtract_spread(const float* __restrict s, float* __restrict gradient, std::int64_t groups, const Lanes& spread) {
  const Lanes local = spread;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) gradient[i + r] -= s[i + r] != -kInfinity ? local.v[r] : 0.0f;
  }
}

void subtract_dense(const float* __restrict weights, float* __restrict gradient, std::int64_t groups,
                    const Lanes& factor) {
  const Lanes local = factor;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) gradient[i + r] -= local.v[r] * weights[i + r];
  }
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
