#pragma once

#include "host/loss/general_unit.hpp"
#include "host/loss/teacher_phases.hpp"

// Student and teachers of a unit's rows, seen class by class. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

// Arrays [group][lane] of one unit, or of a chunk of a very wide row.
struct GeneralScratch : HardScratch {
  alignas(64) float compared[kScratch];  // the student's logits without the classes that sums leave out
  alignas(64) float teacher[kScratch];   // without them, too
  alignas(64) float p[kScratch];
  alignas(64) float q[kScratch];
  alignas(64) float y[kScratch];  // logarithms of p / q at first, the gradient in the end
  alignas(64) float blend_q[kScratch];
  alignas(64) float top[kScratch];
  alignas(64) float excess[kScratch];
  alignas(64) float sum[kScratch];
};

bool is_decoupled(const GeneralParams& g) { return g.divergence.kind == DivergenceKind::decoupled; }

struct Sides {
  StudentLanes student;
  ExtentLanes student_extent;  // only where rows are standardised
  TeacherLanes teachers[kMaxTeachers];
  StateLanes state;
};

// The target of DecoupledKl is left out of all sums.
void exclude_targets(const LossUnit& u, const Chunk& chunk, float* logits) {
  if (u.tile) {
    for (int r = 0; r < kLanes; ++r) logits[u.targets.a[r] * kLanes + r] = -kInfinity;
  } else {
    const std::int64_t at = u.targets.a[0] - chunk.first;
    if (at >= 0 && at < chunk.columns) logits[at] = -kInfinity;
  }
}
// From the whole rows in x.student.
const float* compared_student(const GeneralParams& g, const LossUnit& u, const Chunk& chunk, GeneralScratch& x) {
  if (!is_decoupled(g)) return x.student;
  for (std::int64_t i = 0; i < chunk.groups * kLanes; ++i) x.compared[i] = x.student[i];
  exclude_targets(u, chunk, x.compared);
  return x.compared;
}

// A chunk as student and teacher m see it. The logits of rows of one chunk stand in the scratch arrays already.
struct Logits {
  const float* student;
  const float* teacher;
};
Logits load_sides(const GeneralParams& g, const LossUnit& u, const Chunk& chunk, int m, GeneralScratch& x) {
  if (is_one_chunk(g.loss, u)) return {is_decoupled(g) ? x.compared : x.student, x.teacher};
  load_kept(x.student, g.loss.student, u, chunk);
  load_kept(x.teacher, g.teachers[m].logits, u, chunk);
  if (is_decoupled(g)) exclude_targets(u, chunk, x.teacher);
  return {compared_student(g, u, chunk, x), x.teacher};
}

Lanes kept_label_logits(const InputRows& rows, const LossUnit& u, const float* logits) {
  Lanes lanes = label_logits(rows, u, logits, u.targets.a);
  LEAVEN_EACH_LANE(r) lanes.v[r] = u.weight.v[r] != 0.0f ? lanes.v[r] : 0.0f;
  return lanes;
}

// Scale and extent of whole rows, whose largest logits are `max`.
ScaleLanes find_scale(const LossParams& p, const LossUnit& u, const InputRows& rows, const Lanes& max, float* logits,
                      ExtentLanes& extent) {
  const auto each_chunk = [&](auto&& body) {
    for_each_chunk(p, u, [&](const Chunk& chunk) {
      if (!is_one_chunk(p, u)) load_kept(logits, rows, u, chunk);
      body(chunk);
    });
  };
  extent.max = max;
  fill(extent.min, kInfinity);
  fill(extent.unmasked, 0.0f);
  each_chunk([&](const Chunk& chunk) { add_extent(logits, chunk.groups, extent); });
  if (!u.tile) {
    min_across(extent.min);
    sum_across(extent.unmasked);
  }
  const ExtentLanes local = extent;
  Lanes inverse_range, inverse_count, mean{}, rest{}, square{};
  LEAVEN_EACH_LANE(r) {
    inverse_range.v[r] = 1.0f / range_of(local.at(r));
    inverse_count.v[r] = local.unmasked.v[r] > 0.0f ? 1.0f / local.unmasked.v[r] : 0.0f;
  }
  each_chunk([&](const Chunk& chunk) { add_gaps(logits, chunk.groups, extent, inverse_range, mean); });
  if (!u.tile) sum_across(mean);
  LEAVEN_EACH_LANE(r) mean.v[r] *= inverse_count.v[r];
  each_chunk([&](const Chunk& chunk) { add_squares(logits, chunk.groups, extent, inverse_range, mean, rest, square); });
  if (!u.tile) {
    sum_across(rest);
    sum_across(square);
  }
  const TemperatureLanes k(p.temperature);
  ScaleLanes scale;
  LEAVEN_EACH_LANE(r) {
    scale.set(r, standard_scale(k.at(r), local.at(r), mean.v[r], rest.v[r] * inverse_count.v[r],
                                square.v[r] * inverse_count.v[r]));
  }
  return scale;
}

// p, q and y of a chunk but for the offset, from student and teacher m alone.
template <bool kStandardise>
void find_classes_of(const GeneralParams& g, const LossUnit& u, const Chunk& chunk, int m, const TemperatureLanes& k,
                     const Sides& sides, GeneralScratch& x) {
  StudentLanes student = sides.student;
  TeacherLanes teacher = sides.teachers[m];
  const Lanes ratio{};
  Lanes known{};
  const Logits at = load_sides(g, u, chunk, m, x);
  add_exponentials<kStandardise>(at.student, at.teacher, x.p, x.q, chunk.groups, k, student, teacher);
  find_ratios<kStandardise>(at.student, at.teacher, x.p, x.q, x.y, chunk.groups, k, sides.student, sides.teachers[m],
                            ratio, known);
}

// References of the row, and p / q of the class that the teacher's refers to.
template <bool kStandardise>
Lanes find_references(const TemperatureLanes& k, StudentLanes& student, TeacherLanes& teacher) {
  const Lanes student_max = student.max, teacher_max = teacher.max, at_max = teacher.student_at_max;
  const Lanes student_sum = student.sum, teacher_sum = teacher.sum;
  LEAVEN_EACH_LANE(r) {
    const Difference reference = teacher_reference({student_max.v[r], teacher_max.v[r], at_max.v[r]});
    teacher.reference_hi.v[r] = reference.hi;
    teacher.reference_lo.v[r] = reference.lo;
    student.inverse_sum.v[r] = inverse_sum(student_sum.v[r]);
    teacher.inverse_sum.v[r] = inverse_sum(teacher_sum.v[r]);
  }
  const RatioLanes<kStandardise> sides(k, student, teacher);
  Lanes ratio;
  LEAVEN_EACH_LANE(r) ratio.v[r] = reference_ratio(sides.student(r), sides.teacher(r), teacher_sum.v[r]);
  return ratio;
}
template <bool kStandardise>
void find_offsets(const TemperatureLanes& k, const Lanes& sum_shift, const StudentLanes& student,
                  TeacherLanes& teacher) {
  const RatioLanes<kStandardise> sides(k, student, teacher);
  const Lanes at_max = teacher.student_at_max, student_sum = student.sum, teacher_sum = teacher.sum;
  const Lanes shift = sum_shift;
  LEAVEN_EACH_LANE(r) {
    const StudentRow of_student = sides.student(r);
    const TeacherRow of_teacher = sides.teacher(r);
    teacher.offset_t.v[r] =
        teacher_offset_t({of_student.max, of_teacher.max, at_max.v[r]}, shift.v[r], student_sum.v[r], teacher_sum.v[r],
                         of_teacher, of_student.scale.gain, sides.scales.k.at(r));
  }
}

// All that is to be known of teacher m but its weight among the others. Where the row is one chunk, p, q and y (but for
// the offset) stay in the scratch arrays.
template <bool kStandardise>
void find_teacher(const GeneralParams& g, const LossUnit& u, int m, const TemperatureLanes& k, Sides& sides,
                  GeneralScratch& x) {
  const LossParams& p = g.loss;
  StudentLanes& student = sides.student;
  TeacherLanes& teacher = sides.teachers[m];
  fill(student.sum, 0.0f);
  fill(teacher.sum, 0.0f);
  fill(teacher.student_at_max, -kInfinity);
  fill(teacher.at_student_max, -kInfinity);
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    const Logits at = load_sides(g, u, chunk, m, x);
    add_exponentials<kStandardise>(at.student, at.teacher, x.p, x.q, chunk.groups, k, student, teacher);
  });
  if (!u.tile) {
    sum_across(student.sum);
    sum_across(teacher.sum);
    max_across(teacher.student_at_max);
    max_across(teacher.at_student_max);
  }
  const Lanes ratio = find_references<kStandardise>(k, student, teacher);
  Lanes sum_shift{};
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    const Logits at = load_sides(g, u, chunk, m, x);
    if (!is_one_chunk(p, u)) {
      StudentLanes known_student = student;
      TeacherLanes known_teacher = teacher;
      add_exponentials<kStandardise>(at.student, at.teacher, x.p, x.q, chunk.groups, k, known_student, known_teacher);
    }
    find_ratios<kStandardise>(at.student, at.teacher, x.p, x.q, x.y, chunk.groups, k, student, teacher, ratio,
                              sum_shift);
  });
  if (!u.tile) sum_across(sum_shift);
  find_offsets<kStandardise>(k, sum_shift, student, teacher);
}

// The largest of the compared logits.
Lanes find_compared_max(const GeneralParams& g, const LossUnit& u, const InputRows& rows, float* logits) {
  MaxLanes max;
  fill(max.student, -kInfinity);
  for_each_chunk(g.loss, u, [&](const Chunk& chunk) {
    if (!is_one_chunk(g.loss, u)) load_kept(logits, rows, u, chunk);
    exclude_targets(u, chunk, logits);
    find_max<false>(logits, nullptr, chunk.groups, max);
  });
  if (!u.tile) max_across(max.student);
  return max.student;
}

// What DecoupledKl needs of the target's class.
struct DecoupledLanes {
  Lanes student_logit, teacher_logits[kMaxTeachers];
  Lanes target, other, log_target, log_other;  // of the student (Odds)
  Lanes q_target, q_other;
  BinaryLanes binary;
};

void add_infinite(const Lanes& max, StateLanes& state) {
  LEAVEN_EACH_LANE(r) state.infinite.v[r] = max.v[r] == kInfinity ? 1.0f : state.infinite.v[r];
}

// Student and teachers, of which only the weights are missing. `student_max` are the largest logits of whole rows.
void find_sides(const GeneralParams& g, const LossUnit& u, const TemperatureLanes& k, const Lanes& student_max,
                Sides& sides, DecoupledLanes& decoupled, GeneralScratch& x) {
  const LossParams& p = g.loss;
  StudentLanes& student = sides.student;
  fill(sides.state.infinite, 0.0f);
  add_infinite(student_max, sides.state);
  student.max = finite_lanes(student_max);
  if (g.standardise) student.scale = find_scale(p, u, p.student, student_max, x.student, sides.student_extent);
  if (is_decoupled(g)) {
    decoupled.student_logit = kept_label_logits(p.student, u, x.student);
    compared_student(g, u, chunk_at(p.classes, u, 0), x);  // rows of several chunks are loaded again below
    student.max = finite_lanes(find_compared_max(g, u, p.student, x.compared));
  }
  for (int m = 0; m < g.teacher_count; ++m) {
    TeacherLanes& teacher = sides.teachers[m];
    const InputRows& rows = g.teachers[m].logits;
    const Lanes max = find_largest(p, u, rows, x.teacher);
    add_infinite(max, sides.state);
    teacher.max = finite_lanes(max);
    ExtentLanes extent;
    if (g.standardise) teacher.scale = find_scale(p, u, rows, max, x.teacher, extent);
    if (is_decoupled(g)) {
      decoupled.teacher_logits[m] = kept_label_logits(rows, u, x.teacher);
      teacher.max = finite_lanes(find_compared_max(g, u, rows, x.teacher));
    }
    if (g.standardise) {
      find_teacher<true>(g, u, m, k, sides, x);
    } else {
      find_teacher<false>(g, u, m, k, sides, x);
    }
  }
}

// The teachers' weights: of those that have classes at all, in DecoupledKl times what they leave for the classes beside
// the target.
template <bool kStandardise, bool kDecoupled>
void find_weights(const GeneralParams& g, const TemperatureLanes& k, Sides& sides, DecoupledLanes& decoupled) {
  Lanes present{}, compared{}, check{}, q_target{}, q_other{};
  const StudentLanes& student = sides.student;
  for (int m = 0; m < g.teacher_count; ++m) {
    TeacherLanes& teacher = sides.teachers[m];
    const Scales<kStandardise> scales(k, student, teacher);
    const Lanes max = teacher.max, sum = teacher.sum, logit = decoupled.teacher_logits[m];
    Lanes given;
    fill(given, g.teachers[m].weight);
    LEAVEN_EACH_LANE(r) {
      Odds odds{0.0f, 1.0f, 0.0f, 0.0f, sum.v[r]};
      if constexpr (kDecoupled) odds = find_odds(logit.v[r], max.v[r], sum.v[r], scales.teacher(r).temperature);
      const float weight = odds.total == 0.0f ? 0.0f : given.v[r];
      const float of_others = sum.v[r] == 0.0f ? 0.0f : weight * odds.other;
      teacher.weight.v[r] = of_others;
      present.v[r] += weight;
      compared.v[r] += of_others;
      check.v[r] += odds.total + sum.v[r];
      q_target.v[r] += weight * odds.target;
      q_other.v[r] += weight * odds.other;
    }
  }
  for (int m = 0; m < g.teacher_count; ++m) {
    Lanes& weight = sides.teachers[m].weight;
    LEAVEN_EACH_LANE(r) weight.v[r] *= inverse_sum(compared.v[r]);
  }
  const Lanes student_sum = student.sum;
  Lanes total = student_sum;
  if constexpr (kDecoupled) {
    const Scales<kStandardise> scales(k, student, sides.teachers[0]);
    const Lanes max = student.max, logit = decoupled.student_logit;
    LEAVEN_EACH_LANE(r) {
      const Odds odds = find_odds(logit.v[r], max.v[r], student_sum.v[r], scales.student(r).temperature);
      total.v[r] = odds.total;
      decoupled.target.v[r] = odds.target;
      decoupled.other.v[r] = odds.other;
      decoupled.log_target.v[r] = odds.log_target;
      decoupled.log_other.v[r] = odds.log_other;
      decoupled.q_target.v[r] = q_target.v[r] * inverse_sum(present.v[r]);
      decoupled.q_other.v[r] = q_other.v[r] * inverse_sum(present.v[r]);
    }
  }
  StateLanes& state = sides.state;
  LEAVEN_EACH_LANE(r) {
    const float without_student = total.v[r] == 0.0f ? 1.0f : 0.0f;
    const float with_student = student_sum.v[r] == 0.0f ? 0.0f : 1.0f;
    state.masked.v[r] = present.v[r] == 0.0f ? 1.0f : without_student;
    state.compared.v[r] = compared.v[r] == 0.0f ? 0.0f : with_student;
    state.check.v[r] = check.v[r] + total.v[r] + student_sum.v[r];
  }
}

// y of one class per lane, from its logits; `teacher_logits(m)` are teacher m's.
template <bool kStandardise, class Logits>
Lanes find_log_ratios(const GeneralParams& g, const TemperatureLanes& k, const Sides& sides, const Lanes& s,
                      Logits&& teacher_logits) {
  const Lanes logits = s;
  Lanes q{}, top, excess{}, sum{}, before{}, y;
  fill(top, -kInfinity);
  for (int m = 0; m < g.teacher_count; ++m) {
    const RatioLanes<kStandardise> lanes(k, sides.student, sides.teachers[m]);
    const Lanes t = teacher_logits(m), offset = sides.teachers[m].offset_t, weight = sides.teachers[m].weight;
    LEAVEN_EACH_LANE(r) {
      const StudentRow student = lanes.student(r);
      const TeacherRow teacher = lanes.teacher(r);
      const ClassPair pair = class_pair(logits.v[r], t.v[r], student, teacher);
      const float of_t = exp_over(pair.teacher, teacher.scale.temperature) * teacher.inverse_sum;
      const float y_t = raw_log_ratio_t(pair, student, teacher) - offset.v[r];
      const Blend blend = with_teacher({q.v[r], top.v[r], excess.v[r], sum.v[r], before.v[r]}, of_t, y_t, weight.v[r],
                                       lanes.scales.k.at(r));
      q.v[r] = blend.q;
      top.v[r] = blend.top_t;
      excess.v[r] = blend.excess;
      sum.v[r] = blend.sum;
      before.v[r] = blend.weight;
    }
  }
  const TemperatureLanes local = k;
  LEAVEN_EACH_LANE(r) {
    y.v[r] = blended_log_ratio_t({q.v[r], top.v[r], excess.v[r], sum.v[r], before.v[r]}, local.at(r));
  }
  return y;
}
template <class Logits>
Lanes find_any_log_ratios(const GeneralParams& g, const TemperatureLanes& k, const Sides& sides, const Lanes& s,
                          Logits&& teacher_logits) {
  return g.standardise ? find_log_ratios<true>(g, k, sides, s, teacher_logits)
                       : find_log_ratios<false>(g, k, sides, s, teacher_logits);
}

void find_binary_terms(const GeneralParams& g, const TemperatureLanes& k, const Sides& sides, DecoupledLanes& lanes) {
  const Lanes y = find_any_log_ratios(g, k, sides, lanes.student_logit, [&](int m) { return lanes.teacher_logits[m]; });
  const Lanes target = lanes.target, other = lanes.other, log_target = lanes.log_target, log_other = lanes.log_other;
  const Lanes q_target = lanes.q_target, q_other = lanes.q_other;
  const TemperatureLanes local = k;
  BinaryLanes binary;
  LEAVEN_EACH_LANE(r) {
    const Odds odds{target.v[r], other.v[r], log_target.v[r], log_other.v[r], 0.0f};
    const BinaryTerm term = binary_term(odds, q_target.v[r], q_other.v[r], y.v[r], local.at(r));
    binary.term.v[r] = term.term;
    binary.gap_t.v[r] = term.gap_t;
  }
  lanes.binary = binary;
}

// p, q and y of a chunk, of y all but `offset`.
void find_classes(const GeneralParams& g, const LossUnit& u, const Chunk& chunk, const TemperatureLanes& k,
                  const Sides& sides, GeneralScratch& x, Lanes& offset) {
  const auto find_one = [&](int m) {
    if (g.standardise) return find_classes_of<true>(g, u, chunk, m, k, sides, x);
    find_classes_of<false>(g, u, chunk, m, k, sides, x);
  };
  if (g.teacher_count == 1) {
    if (!is_one_chunk(g.loss, u)) find_one(0);
    offset = sides.teachers[0].offset_t;
    return;
  }
  Lanes weight{};
  clear_blend(x.blend_q, x.top, x.excess, x.sum, chunk.groups);
  for (int m = 0; m < g.teacher_count; ++m) {
    if (is_one_chunk(g.loss, u)) {
      load_kept(x.teacher, g.teachers[m].logits, u, chunk);
      if (is_decoupled(g)) exclude_targets(u, chunk, x.teacher);
    }
    find_one(m);
    blend_teacher(x.q, x.y, x.blend_q, x.top, x.excess, x.sum, chunk.groups, sides.teachers[m], weight, k);
    add(weight, sides.teachers[m].weight);
  }
  finish_blend(x.blend_q, x.top, x.excess, x.sum, x.q, x.y, chunk.groups, k);
  fill(offset, 0.0f);
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
