#pragma once

#include "host/loss/near_phases.hpp"

// The loops over [group][lane] of a row that is not near (kernels/loss/row_loss.hpp numbers the steps). Only for
// *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

struct FarMaxLanes {
  Lanes student, teacher, student_at_teacher;

  RowMax at(int r) const { return {student.v[r], teacher.v[r], student_at_teacher.v[r]}; }
  void set(int r, const RowMax& max) {
    student.v[r] = max.student;
    teacher.v[r] = max.teacher;
    student_at_teacher.v[r] = max.student_at_teacher;
  }
};

void find_far_max(const float* __restrict s, const float* __restrict t, std::int64_t groups, FarMaxLanes& max) {
  FarMaxLanes local = max;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) local.set(r, merge(local.at(r), {s[i + r], t[i + r], s[i + r]}));
  }
  max = local;
}

void far_max_across(FarMaxLanes& max) {
  RowMax all = max.at(0);
  for (int r = 1; r < kLanes; ++r) all = merge(all, max.at(r));
  LEAVEN_EACH_LANE(r) max.set(r, all);
}

References far_references(const FarMaxLanes& max) {
  const FarMaxLanes local = max;
  References lanes;
  LEAVEN_EACH_LANE(r) {
    const Difference reference = soft_reference(local.at(r));
    lanes.student_max.v[r] = finite_max(local.student.v[r]);
    lanes.teacher_max.v[r] = finite_max(local.teacher.v[r]);
    lanes.hi.v[r] = reference.hi;
    lanes.lo.v[r] = reference.lo;
  }
  return lanes;
}

struct FarSums {
  Lanes student, teacher;
};

void far_elements(const float* __restrict s, const float* __restrict t, float* __restrict p, float* __restrict q,
                  float* __restrict delta, std::int64_t groups, const References& references,
                  const TemperatureLanes& temperature, FarSums& sums) {
  const References local = references;
  const TemperatureLanes k = temperature;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    FarSums part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const SoftElement e = soft_element(s[i + r], t[i + r], local.student_max.v[r], local.teacher_max.v[r],
                                           {local.hi.v[r], local.lo.v[r]}, k.at(r));
        p[i + r] = e.student;
        q[i + r] = e.teacher;
        delta[i + r] = e.delta;
        part.student.v[r] += e.student;
        part.teacher.v[r] += e.teacher;
      }
    }
    add(sums.student, part.student);
    add(sums.teacher, part.teacher);
  }
}

struct FarLanes {
  Lanes inverse_student, inverse_teacher, ratio, shift_t, offset_t, terms, residual;
};

// Makes probabilities of the exponentials.
void far_shifts(float* __restrict p, float* __restrict q, const float* __restrict delta, float* __restrict shift,
                std::int64_t groups, const FarLanes& row, const TemperatureLanes& temperature, Lanes& sum_shift) {
  const FarLanes local = row;
  const TemperatureLanes k = temperature;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float student = p[i + r] * local.inverse_student.v[r];
        const float teacher = q[i + r] * local.inverse_teacher.v[r];
        const float value = soft_shift_t(student, teacher, delta[i + r], local.ratio.v[r], k.at(r));
        p[i + r] = student;
        q[i + r] = teacher;
        shift[i + r] = value;
        part.v[r] += value;
      }
    }
    add(sum_shift, part);
  }
}

// Leaves the raw gradient in `shift`.
void far_terms(const float* __restrict p, const float* __restrict q, const float* __restrict delta,
               float* __restrict shift, std::int64_t groups, const TemperatureLanes& temperature, FarLanes& row) {
  const Lanes offset = row.offset_t;
  const Lanes sum_shift = row.shift_t;
  const TemperatureLanes k = temperature;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{}, residual{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        part.v[r] += soft_term(p[i + r], q[i + r], delta[i + r], offset.v[r], k.at(r));
        shift[i + r] = soft_raw_gradient(shift[i + r], q[i + r], sum_shift.v[r]);
        residual.v[r] += shift[i + r];
      }
    }
    add(row.terms, part);
    add(row.residual, residual);
  }
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
