#pragma once

#include "host/loss/general_phases.hpp"

// The loops over [group][lane] from the logits of student and teachers to p, q and y of their classes, and the way back
// through z-scores. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

struct ExtentLanes {
  Lanes max, min, unmasked;

  Extent at(int r) const { return {max.v[r], min.v[r], unmasked.v[r]}; }
};
struct ScaleLanes {
  TemperatureLanes temperature;
  Lanes gain, max, mean_gap;

  RowScale at(int r) const { return {temperature.at(r), gain.v[r], max.v[r], mean_gap.v[r]}; }
  void set(int r, const RowScale& scale) {
    temperature.set(r, scale.temperature);
    gain.v[r] = scale.gain;
    max.v[r] = scale.max;
    mean_gap.v[r] = scale.mean_gap;
  }
};
struct StudentLanes {
  ScaleLanes scale;  // only where rows are standardised
  Lanes max, sum, inverse_sum;
};
struct TeacherLanes {
  ScaleLanes scale;  // the same
  Lanes max, at_student_max, student_at_max, reference_hi, reference_lo, sum, inverse_sum, offset_t, weight;
};

// Copies, for a loop, of what both sides are scaled with. Rows that are not standardised have the temperature of the
// call and a gain of 1, which compilers then know.
template <bool kStandardise>
struct Scales;
template <>
struct Scales<false> {
  TemperatureLanes k;

  Scales(const TemperatureLanes& temperature, const StudentLanes&, const TeacherLanes&) : k(temperature) {}
  RowScale student(int r) const { return {k.at(r), 1.0f, 0.0f, 0.0f}; }
  RowScale teacher(int r) const { return {k.at(r), 1.0f, 0.0f, 0.0f}; }
};
template <>
struct Scales<true> {
  TemperatureLanes k;
  ScaleLanes of_student, of_teacher;

  Scales(const TemperatureLanes& temperature, const StudentLanes& student, const TeacherLanes& teacher)
      : k(temperature), of_student(student.scale), of_teacher(teacher.scale) {}
  RowScale student(int r) const { return of_student.at(r); }
  RowScale teacher(int r) const { return of_teacher.at(r); }
};
// The same of what a class's ratio needs.
template <bool kStandardise>
struct RatioLanes {
  Scales<kStandardise> scales;
  Lanes student_max, student_inverse, teacher_max, teacher_inverse, reference_hi, reference_lo;

  RatioLanes(const TemperatureLanes& k, const StudentLanes& student, const TeacherLanes& teacher)
      : scales(k, student, teacher),
        student_max(student.max),
        student_inverse(student.inverse_sum),
        teacher_max(teacher.max),
        teacher_inverse(teacher.inverse_sum),
        reference_hi(teacher.reference_hi),
        reference_lo(teacher.reference_lo) {}
  StudentRow student(int r) const { return {scales.student(r), student_max.v[r], student_inverse.v[r]}; }
  TeacherRow teacher(int r) const {
    return {scales.teacher(r),
            teacher_max.v[r],
            0.0f,
            {reference_hi.v[r], reference_lo.v[r]},
            teacher_inverse.v[r],
            0.0f,
            0.0f};
  }
};

// The smallest unmasked logits and the number of unmasked ones.
void add_extent(const float* __restrict s, std::int64_t groups, ExtentLanes& extent) {
  Lanes min = extent.min, unmasked = extent.unmasked;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      const float x = s[i + r] == -kInfinity ? kInfinity : s[i + r];
      min.v[r] = x < min.v[r] ? x : min.v[r];
      unmasked.v[r] += s[i + r] == -kInfinity ? 0.0f : 1.0f;
    }
  }
  extent.min = min;
  extent.unmasked = unmasked;
}

void add_gaps(const float* __restrict s, std::int64_t groups, const ExtentLanes& extent, const Lanes& inverse_range,
              Lanes& sum) {
  const ExtentLanes local = extent;
  const Lanes inverse = inverse_range;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) part.v[r] += relative_gap(s[i + r], local.at(r), inverse.v[r]);
    }
    add(sum, part);
  }
}
// Of the gaps less their mean, and of the squares of that.
void add_squares(const float* __restrict s, std::int64_t groups, const ExtentLanes& extent, const Lanes& inverse_range,
                 const Lanes& mean, Lanes& sum, Lanes& square) {
  const ExtentLanes local = extent;
  const Lanes inverse = inverse_range, centre = mean;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{}, part_square{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float gap = relative_gap(s[i + r], local.at(r), inverse.v[r]) - centre.v[r];
        const float rest = s[i + r] == -kInfinity ? 0.0f : gap;
        part.v[r] += rest;
        part_square.v[r] += rest * rest;
      }
    }
    add(sum, part);
    add(square, part_square);
  }
}

// Exponentials and their sums; the other side's logit where this side's is largest.
template <bool kStandardise>
void add_exponentials(const float* __restrict s, const float* __restrict t, float* __restrict p, float* __restrict q,
                      std::int64_t groups, const TemperatureLanes& temperature, StudentLanes& student,
                      TeacherLanes& teacher) {
  const Scales<kStandardise> scales(temperature, student, teacher);
  const Lanes student_max = student.max, teacher_max = teacher.max;
  Lanes student_at_max = teacher.student_at_max, teacher_at_max = teacher.at_student_max;
  Lanes student_sum = student.sum, teacher_sum = teacher.sum;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part_p{}, part_q{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float s_max = student_max.v[r], t_max = teacher_max.v[r];
        const float e_s = exp_over(difference(s[i + r], s_max), scales.student(r).temperature);
        const float e_t = exp_over(difference(t[i + r], t_max), scales.teacher(r).temperature);
        const float of_s = t[i + r] == t_max ? s[i + r] : -kInfinity;
        const float of_t = s[i + r] == s_max ? t[i + r] : -kInfinity;
        student_at_max.v[r] = larger(student_at_max.v[r], of_s);
        teacher_at_max.v[r] = larger(teacher_at_max.v[r], of_t);
        p[i + r] = e_s;
        q[i + r] = e_t;
        part_p.v[r] += e_s;
        part_q.v[r] += e_t;
      }
    }
    add(student_sum, part_p);
    add(teacher_sum, part_q);
  }
  student.sum = student_sum;
  teacher.sum = teacher_sum;
  teacher.student_at_max = student_at_max;
  teacher.at_student_max = teacher_at_max;
}

// Makes probabilities of the exponentials; y is the logarithm of their ratio but for the offset.
template <bool kStandardise>
void find_ratios(const float* __restrict s, const float* __restrict t, float* __restrict p, float* __restrict q,
                 float* __restrict y, std::int64_t groups, const TemperatureLanes& temperature,
                 const StudentLanes& student, const TeacherLanes& teacher, const Lanes& reference_ratios,
                 Lanes& sum_shift) {
  const RatioLanes<kStandardise> sides(temperature, student, teacher);
  const Lanes ratio = reference_ratios;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const StudentRow student_row = sides.student(r);
        const TeacherRow teacher_row = sides.teacher(r);
        const ClassPair pair = class_pair(s[i + r], t[i + r], student_row, teacher_row);
        const float of_s = p[i + r] * student_row.inverse_sum;
        const float of_t = q[i + r] * teacher_row.inverse_sum;
        const float y_t = raw_log_ratio_t(pair, student_row, teacher_row);
        p[i + r] = of_s;
        q[i + r] = of_t;
        y[i + r] = y_t;
        part.v[r] += soft_shift_t(of_s, of_t, y_t, ratio.v[r], sides.scales.k.at(r));
      }
    }
    add(sum_shift, part);
  }
}

// The mean of several teachers, one after the other.
void clear_blend(float* q, float* top, float* excess, float* sum, std::int64_t groups) {
  for (std::int64_t i = 0; i < groups * kLanes; ++i) {
    q[i] = excess[i] = sum[i] = 0.0f;
    top[i] = -kInfinity;
  }
}
// Weight 0: y may be NaN, and does not count.
LEAVEN_HD Blend with_teacher(const Blend& blend, float q, float y_t, float weight, const Temperature& k) {
  Blend more = blend;
  add_teacher(more, q, weight != 0.0f ? y_t : kInfinity, weight, k);
  return more;
}
void blend_teacher(const float* __restrict teacher_q, const float* __restrict teacher_y, float* __restrict q,
                   float* __restrict top, float* __restrict excess, float* __restrict sum, std::int64_t groups,
                   const TeacherLanes& teacher, const Lanes& weight_so_far, const TemperatureLanes& temperature) {
  const Lanes offset = teacher.offset_t, weight = teacher.weight, before = weight_so_far;
  const TemperatureLanes k = temperature;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      const Blend blend = with_teacher({q[i + r], top[i + r], excess[i + r], sum[i + r], before.v[r]}, teacher_q[i + r],
                                       teacher_y[i + r] - offset.v[r], weight.v[r], k.at(r));
      q[i + r] = blend.q;
      top[i + r] = blend.top_t;
      excess[i + r] = blend.excess;
      sum[i + r] = blend.sum;
    }
  }
}
void finish_blend(const float* __restrict blend_q, const float* __restrict top, const float* __restrict excess,
                  const float* __restrict sum, float* __restrict q, float* __restrict y, std::int64_t groups,
                  const TemperatureLanes& temperature) {
  const TemperatureLanes k = temperature;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      q[i + r] = blend_q[i + r];
      y[i + r] = blended_log_ratio_t({blend_q[i + r], top[i + r], excess[i + r], sum[i + r], 1.0f}, k.at(r));
    }
  }
}

// The sums with z-scores. `s` are whole rows of logits.
void add_z_sums(const float* __restrict s, const float* __restrict p, const float* __restrict share,
                const float* __restrict raw, std::int64_t groups, const ScaleLanes& scale, TermSums& sums) {
  const ScaleLanes local = scale;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part_raw{}, part_share{}, part_p{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float z = z_score(s[i + r], local.at(r));
        part_raw.v[r] += raw[i + r] * z;
        part_share.v[r] += share[i + r] * z;
        part_p.v[r] += p[i + r] * z;
      }
    }
    add(sums.raw_z, part_raw);
    add(sums.share_z, part_share);
    add(sums.p_z, part_p);
  }
}

void standardised_gradients(const float* __restrict s, float* __restrict gradient, std::int64_t groups,
                            const FactorLanes& factors, const ScaleLanes& scale) {
  const FactorLanes f = factors;
  const ScaleLanes local = scale;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      gradient[i + r] = standardised_gradient(f.at(r), gradient[i + r], z_score(s[i + r], local.at(r)));
    }
  }
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
