#include "host/loss/general_loops.hpp"
#include "host/loss/general_row.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// A row in work. `excluded` is the class that sums leave out (the target of DecoupledKl), or -1.
struct Place {
  Unit unit;
  std::int64_t classes;
  std::int64_t excluded = -1;
};

void exclude(float* chunk_values, const Place& at, const Chunk& chunk) {
  const std::int64_t i = at.excluded - chunk.first;
  if (at.excluded >= 0 && i >= 0 && i < chunk.columns) chunk_values[i] = -kInfinity;
}
void load_student(const LossParams& p, const Place& at, const Chunk& chunk, GeneralScratch& x) {
  load(x.student, p.student, at.unit, chunk, -kInfinity);
  exclude(x.student, at, chunk);
}
void load_teacher(const InputRows& rows, const Place& at, const Chunk& chunk, GeneralScratch& x) {
  load(x.teacher, rows, at.unit, chunk, -kInfinity);
  exclude(x.teacher, at, chunk);
}

RowScale find_scale(const GeneralParams& g, const InputRows& rows, const Unit& u, const Extent& extent, float* logits) {
  if (!g.standardise) return {g.loss.temperature, 1.0f, finite_max(extent.max), 0.0f};
  const float inverse_range = 1.0f / range_of(extent);
  const float inverse_count = extent.unmasked > 0.0f ? 1.0f / extent.unmasked : 0.0f;
  const Extent local = extent;
  LaneSums<1> gaps{};
  for_each_chunk(g.loss.classes, u, [&](const Chunk& chunk) {
    load(logits, rows, u, chunk, -kInfinity);
    const float* const s = logits;
    add_elements(chunk.groups, gaps,
                 [&](std::int64_t i) { return Values<1>{{relative_gap(s[i], local, inverse_range)}}; });
  });
  const float mean = lane_sum(gaps.v[0]) * inverse_count;
  LaneSums<2> rest{};
  for_each_chunk(g.loss.classes, u, [&](const Chunk& chunk) {
    load(logits, rows, u, chunk, -kInfinity);
    const float* const s = logits;
    add_elements(chunk.groups, rest, [&](std::int64_t i) {
      const float gap = s[i] == -kInfinity ? 0.0f : relative_gap(s[i], local, inverse_range) - mean;
      return Values<2>{{gap, gap * gap}};
    });
  });
  return standard_scale(g.loss.temperature, extent, mean, lane_sum(rest.v[0]) * inverse_count,
                        lane_sum(rest.v[1]) * inverse_count);
}

struct Sides {
  StudentRow student{};
  TeacherRow teachers[kMaxTeachers];
  float student_sum = 0;
  RowState state{};
  bool infinite = false;  // a logit is +inf
};

struct MaxPair {
  RowMax max{};
  RowMax swapped{};
};
MaxPair find_max(const GeneralParams& g, const InputRows& rows, const Place& at, GeneralScratch& x) {
  MaxPair lanes[kLanes];
  for_each_chunk(at.classes, at.unit, [&](const Chunk& chunk) {
    load_student(g.loss, at, chunk, x);
    load_teacher(rows, at, chunk, x);
    const float* __restrict s = x.student;
    const float* __restrict t = x.teacher;
    for (std::int64_t i = 0; i < chunk.groups * kLanes; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        lanes[r].max = merge(lanes[r].max, {s[i + r], t[i + r], s[i + r]});
        lanes[r].swapped = merge(lanes[r].swapped, {t[i + r], s[i + r], t[i + r]});
      }
    }
  });
  MaxPair all;
  for (int r = 0; r < kLanes; ++r) {
    all.max = merge(all.max, lanes[r].max);
    all.swapped = merge(all.swapped, lanes[r].swapped);
  }
  return all;
}

// All that is to be known of teacher m but its weight among the others; returns its sum of exponentials.
float find_teacher(const GeneralParams& g, const Place& at, int m, const Extent& extent, Sides& sides,
                   GeneralScratch& x) {
  const InputRows& rows = g.teachers[m].logits;
  const Temperature temperature = g.loss.temperature;
  const MaxPair max = find_max(g, rows, at, x);
  TeacherRow teacher;
  teacher.scale = find_scale(g, rows, at.unit, extent, x.teacher);
  teacher.max = finite_max(max.max.teacher);
  teacher.at_student_max = max.swapped.student_at_teacher;
  teacher.reference = teacher_reference(max.max);
  StudentRow student = sides.student;
  student.max = finite_max(max.max.student);
  const float* const s = x.student;
  const float* const t = x.teacher;
  LaneSums<2> sums{};
  for_each_chunk(at.classes, at.unit, [&](const Chunk& chunk) {
    load_student(g.loss, at, chunk, x);
    load_teacher(rows, at, chunk, x);
    add_elements(chunk.groups, sums, [&](std::int64_t i) {
      return Values<2>{{exp_over(difference(s[i], student.max), student.scale.temperature),
                        exp_over(difference(t[i], teacher.max), teacher.scale.temperature)}};
    });
  });
  sides.student_sum = lane_sum(sums.v[0]);
  const float teacher_sum = lane_sum(sums.v[1]);
  student.inverse_sum = inverse_sum(sides.student_sum);
  teacher.inverse_sum = inverse_sum(teacher_sum);
  const float ratio = reference_ratio(student, teacher, teacher_sum);
  LaneSums<1> shift{};
  for_each_chunk(at.classes, at.unit, [&](const Chunk& chunk) {
    load_student(g.loss, at, chunk, x);
    load_teacher(rows, at, chunk, x);
    add_elements(chunk.groups, shift, [&](std::int64_t i) {
      const ClassPair pair = class_pair(s[i], t[i], student, teacher);
      const float p = exp_over(pair.student, student.scale.temperature) * student.inverse_sum;
      const float q = exp_over(pair.teacher, teacher.scale.temperature) * teacher.inverse_sum;
      return Values<1>{{soft_shift_t(p, q, raw_log_ratio_t(pair, student, teacher), ratio, temperature)}};
    });
  });
  teacher.offset_t = teacher_offset_t(max.max, lane_sum(shift.v[0]), sides.student_sum, teacher_sum, teacher,
                                      student.scale.gain, temperature);
  sides.student = student;
  sides.teachers[m] = teacher;
  return teacher_sum;
}

struct TargetPart {
  Odds student{};
  float q_target = 0;
  float q_other = 0;
};
// Student and teachers of a row, and the teachers' weights: of those that have classes at all, in DecoupledKl times
// what they leave for the classes beside the target.
TargetPart find_sides(const GeneralParams& g, const Place& at, const Extent& extent, Sides& sides, GeneralScratch& x) {
  const LossParams& p = g.loss;
  const std::int64_t row = at.unit.row;
  const bool decoupled = at.excluded >= 0;
  TargetPart part;
  float present = 0;
  float compared = 0;
  float check = 0;
  for (int m = 0; m < g.teacher_count; ++m) {
    const Extent of_teacher = find_extent(g.teachers[m].logits, at.unit, at.classes, x.teacher);
    const float sum = find_teacher(g, at, m, of_teacher, sides, x);
    TeacherRow& teacher = sides.teachers[m];
    Odds odds;
    odds.total = sum;
    odds.other = 1.0f;
    if (decoupled) {
      odds = find_odds(load_logit(g.teachers[m].logits, row, at.excluded), teacher.max, sum, teacher.scale.temperature);
    }
    const float weight = odds.total == 0.0f ? 0.0f : g.teachers[m].weight;
    teacher.weight = sum == 0.0f ? 0.0f : weight * odds.other;
    present += weight;
    part.q_target += weight * odds.target;
    part.q_other += weight * odds.other;
    compared += teacher.weight;
    check += odds.total + sum;
    sides.infinite |= of_teacher.max == kInfinity;
  }
  float student_total = sides.student_sum;
  if (decoupled) {
    part.student = find_odds(load_logit(p.student, row, at.excluded), sides.student.max, sides.student_sum,
                             sides.student.scale.temperature);
    student_total = part.student.total;
  }
  for (int m = 0; m < g.teacher_count; ++m) sides.teachers[m].weight *= inverse_sum(compared);
  part.q_target *= inverse_sum(present);
  part.q_other *= inverse_sum(present);
  sides.state.masked = student_total == 0.0f || present == 0.0f;
  sides.state.compared = sides.student_sum != 0.0f && compared != 0.0f;
  sides.state.check = check + student_total + sides.student_sum;
  sides.infinite |= extent.max == kInfinity;
  return part;
}

// y of one class, from its logits; `logit(m)` is teacher m's.
template <class Logit>
float find_log_ratio_t(const GeneralParams& g, const Sides& sides, float s, Logit&& logit) {
  Blend blend;
  for (int m = 0; m < g.teacher_count; ++m) {
    const TeacherRow& teacher = sides.teachers[m];
    if (teacher.weight == 0.0f) continue;
    const ClassPair pair = class_pair(s, logit(m), sides.student, teacher);
    const float q = exp_over(pair.teacher, teacher.scale.temperature) * teacher.inverse_sum;
    add_teacher(blend, q, raw_log_ratio_t(pair, sides.student, teacher) - teacher.offset_t, teacher.weight,
                g.loss.temperature);
  }
  return blended_log_ratio_t(blend, g.loss.temperature);
}

void add_teacher_to_chunk(const StudentRow& student, const TeacherRow& teacher, float weight_so_far,
                          const Temperature& temperature, std::int64_t size, GeneralScratch& x) {
  const StudentRow of_student = student;
  const TeacherRow of_teacher = teacher;
  const Temperature k = temperature;
  const float* __restrict s = x.student;
  const float* __restrict t = x.teacher;
  float* __restrict q = x.q;
  float* __restrict top = x.top;
  float* __restrict excess = x.excess;
  float* __restrict sum = x.sum;
  for (std::int64_t i = 0; i < size; ++i) {
    const ClassPair pair = class_pair(s[i], t[i], of_student, of_teacher);
    const float of_this = exp_over(pair.teacher, of_teacher.scale.temperature) * of_teacher.inverse_sum;
    const float y_t = raw_log_ratio_t(pair, of_student, of_teacher) - of_teacher.offset_t;
    Blend blend{q[i], top[i], excess[i], sum[i], weight_so_far};
    add_teacher(blend, of_this, y_t, of_teacher.weight, k);
    q[i] = blend.q;
    top[i] = blend.top_t;
    excess[i] = blend.excess;
    sum[i] = blend.sum;
  }
}

// q and y of a chunk from the teacher in x.teacher alone, which needs no mean.
void find_single_teacher(const StudentRow& student, const TeacherRow& teacher, std::int64_t size, GeneralScratch& x) {
  const StudentRow of_student = student;
  const TeacherRow of_teacher = teacher;
  for (std::int64_t i = 0; i < size; ++i) {
    const ClassPair pair = class_pair(x.student[i], x.teacher[i], of_student, of_teacher);
    x.q[i] = exp_over(pair.teacher, of_teacher.scale.temperature) * of_teacher.inverse_sum;
    x.y[i] = raw_log_ratio_t(pair, of_student, of_teacher) - of_teacher.offset_t;
  }
}

void find_mean_of_teachers(const GeneralParams& g, const Place& at, const Chunk& chunk, const Sides& sides,
                           GeneralScratch& x) {
  const std::int64_t size = chunk.groups * kLanes;
  for (std::int64_t i = 0; i < size; ++i) {
    x.q[i] = x.excess[i] = x.sum[i] = 0.0f;
    x.top[i] = -kInfinity;
  }
  float weight = 0;
  for (int m = 0; m < g.teacher_count; ++m) {
    if (sides.teachers[m].weight == 0.0f) continue;
    load_teacher(g.teachers[m].logits, at, chunk, x);
    add_teacher_to_chunk(sides.student, sides.teachers[m], weight, g.loss.temperature, size, x);
    weight += sides.teachers[m].weight;
  }
  const Temperature temperature = g.loss.temperature;
  for (std::int64_t i = 0; i < size; ++i) {
    x.y[i] = blended_log_ratio_t({x.q[i], x.top[i], x.excess[i], x.sum[i], 1.0f}, temperature);
  }
}

// p, q and y of a chunk.
void find_classes(const GeneralParams& g, const Place& at, const Chunk& chunk, const Sides& sides, GeneralScratch& x) {
  load(x.whole, g.loss.student, at.unit, chunk, -kInfinity);
  load_student(g.loss, at, chunk, x);
  const std::int64_t size = chunk.groups * kLanes;
  if (g.teacher_count == 1 && sides.teachers[0].weight != 0.0f) {
    load_teacher(g.teachers[0].logits, at, chunk, x);
    find_single_teacher(sides.student, sides.teachers[0], size, x);
  } else {
    find_mean_of_teachers(g, at, chunk, sides, x);
  }
  const StudentRow student = sides.student;
  for (std::int64_t i = 0; i < size; ++i) {
    x.p[i] = exp_over(difference(x.student[i], student.max), student.scale.temperature) * student.inverse_sum;
  }
}

template <DivergenceKind kKind>
struct Terms {
  static DivergenceSums sums(const GeneralParams& g, const Place& at, const Sides& sides, const Centre& seen_from,
                             GeneralScratch& x) {
    LaneSums<5> lanes{};
    const DivergenceParams d = g.divergence;
    const Centre centre = seen_from;
    const Temperature k = g.loss.temperature;
    const RowScale scale = sides.student.scale;
    const float z_factor = g.standardise ? 1.0f : 0.0f;
    for_each_chunk(at.classes, at.unit, [&](const Chunk& chunk) {
      find_classes(g, at, chunk, sides, x);
      for (std::int64_t i = chunk.columns; i < chunk.groups * kLanes; ++i) x.p[i] = x.q[i] = x.y[i] = 0.0f;
      if (at.excluded >= chunk.first && at.excluded < chunk.first + chunk.columns) {
        const std::int64_t i = at.excluded - chunk.first;
        x.p[i] = x.q[i] = x.y[i] = 0.0f;
      }
      const float* const p = x.p;
      const float* const q = x.q;
      const float* const y = x.y;
      const float* const s = x.whole;
      add_elements(chunk.groups, lanes, [&](std::int64_t i) {
        const ClassTerm term = class_term<kKind>(p[i], q[i], y[i], centre, d, k);
        const float z = z_factor == 0.0f ? 0.0f : z_score(s[i], scale);
        return Values<5>{{term.term, term.raw, term.raw * z, term.share * z, p[i] * z}};
      });
    });
    const Values<5> all = total(lanes);
    return {all.v[0], all.v[1], all.v[2], all.v[3], all.v[4]};
  }

  static void gradient(const GeneralParams& g, const Place& at, const Chunk& chunk, const Sides& sides,
                       const SoftFactors& factors, const Centre& seen_from, GeneralScratch& x) {
    const DivergenceParams d = g.divergence;
    const Centre centre = seen_from;
    const Temperature k = g.loss.temperature;
    const RowScale scale = sides.student.scale;
    const SoftFactors f = factors;
    const bool standardise = g.standardise;
    for (std::int64_t i = 0; i < chunk.groups * kLanes; ++i) {
      const ClassTerm term = class_term<kKind>(x.p[i], x.q[i], x.y[i], centre, d, k);
      const float value = class_gradient(f, x.p[i], term, chunk.first + i == at.excluded);
      x.gradient[i] = standardise ? standardised_gradient(f, value, z_score(x.whole[i], scale)) : value;
    }
  }
};
template <class Call>
void with_kind(DivergenceKind kind, Call&& call) {
  if (kind == DivergenceKind::reverse) return call(Terms<DivergenceKind::reverse>{});
  if (kind == DivergenceKind::jensen_shannon) return call(Terms<DivergenceKind::jensen_shannon>{});
  call(Terms<DivergenceKind::forward>{});
}

// The student's largest class as reference of gradients.
Centre find_row_centre(const GeneralParams& g, const Sides& sides) {
  const DivergenceKind kind = g.divergence.kind;
  if (kind == DivergenceKind::forward || kind == DivergenceKind::decoupled) return {};
  const float y_t =
      find_log_ratio_t(g, sides, sides.student.max, [&](int m) { return sides.teachers[m].at_student_max; });
  return find_centre(y_t, g.divergence, g.loss.temperature);
}

// One row that is not ignored; `scale` multiplies its gradient, the row's weight included.
float process_row(const GeneralParams& g, const Place& at, const RowTarget& labels, float scale, GeneralScratch& x,
                  std::uint32_t& status) {
  const LossParams& p = g.loss;
  const Extent extent = find_extent(p.student, at.unit, at.classes, x.whole);
  const HardPart hard = find_hard_part(p, labels, at.unit, extent, scale, x, status);
  Sides sides;
  sides.student.scale = find_scale(g, p.student, at.unit, extent, x.whole);
  const TargetPart part = find_sides(g, at, extent, sides, x);
  BinaryTerm binary;
  float target_z = 0;
  if (at.excluded >= 0) {
    const float s = load_logit(p.student, at.unit.row, at.excluded);
    const float y_t = find_log_ratio_t(
        g, sides, s, [&](int m) { return load_logit(g.teachers[m].logits, at.unit.row, at.excluded); });
    binary = binary_term(part.student, part.q_target, part.q_other, y_t, p.temperature);
    target_z = z_score(s, sides.student.scale);
  }
  const Centre centre = find_row_centre(g, sides);
  DivergenceSums sums;
  with_kind(g.divergence.kind, [&](auto terms) { sums = terms.sums(g, at, sides, centre, x); });
  SoftFactors soft = soft_factors(g.divergence, sums, binary, sides.state, p.soft_weight, scale);
  if (g.standardise) add_standardisation(soft, sums, target_z, extent.unmasked, sides.student.scale.gain);
  if (sides.state.check != sides.state.check) status |= sides.infinite ? kLogitPlusInfinity : kLogitNaN;
  if (p.gradient.data != nullptr) {
    for_each_chunk(at.classes, at.unit, [&](const Chunk& chunk) {
      if (chunk_count(at.classes, at.unit) > 1) find_classes(g, at, chunk, sides, x);
      with_kind(g.divergence.kind, [&](auto terms) { terms.gradient(g, at, chunk, sides, soft, centre, x); });
      add_hard_gradient(p, hard, at.unit, chunk, finite_max(extent.max), x);
      store(p.gradient, x.gradient, at.unit, chunk);
    });
  }
  return hard.factors.loss + soft.loss;
}

std::int64_t teacher_rows(const GeneralParams& g, float scale, std::int64_t begin, std::int64_t end, float* losses) {
  GeneralScratch x;
  const bool decoupled = g.divergence.kind == DivergenceKind::decoupled;
  return for_each_row(
      g.loss, scale, begin, end, losses, x, g.loss.hard || decoupled,
      [&](std::int64_t, const RowTarget& labels, std::uint32_t&) { return !decoupled || labels.valid != 0; },
      [&](const Unit& u, const RowTarget& labels, float row_scale, std::uint32_t& status) {
        return process_row(g, {u, g.loss.classes, decoupled ? labels.a : std::int64_t{-1}}, labels, row_scale, x,
                           status);
      });
}

}  // namespace

const GeneralRowsFunction general_teacher_rows = teacher_rows;

}  // namespace leaven::LEAVEN_ISA
