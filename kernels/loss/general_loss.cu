#include "kernels/core/launch.cuh"
#include "kernels/loss/general_row.cuh"
#include "kernels/loss/launchers.hpp"

namespace leaven::cuda {
namespace {

// The student and its teachers; teachers lie in shared memory, the same for all lanes of the row.
struct Sides {
  StudentRow student;
  TeacherRow* teachers;
  float student_sum = 0;
  RowState state{};
  float infinite = 0;  // 1 where a logit is +inf
};

// All that is to be known of teacher m but its weight among the others; its sum of exponentials is returned.
template <int kGroup>
__device__ __forceinline__ float find_teacher(const GeneralParams& g, const RowPlace& at, int m, const Extent& extent,
                                              Sides& sides) {
  const InputRows& logits = g.teachers[m].logits;
  const unsigned bit = kTeacherAligned << m;
  const Temperature& temperature = g.loss.temperature;
  RowMax max;
  RowMax swapped;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four s = exclude(load_row4(g.loss.student, at, column, kStudentAligned), column, at.excluded);
    const Four t = exclude(load_row4(logits, at, column, bit), column, at.excluded);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      max = merge(max, {s.v[j], t.v[j], s.v[j]});
      swapped = merge(swapped, {t.v[j], s.v[j], t.v[j]});
    }
  }
  max = group_reduce<kGroup>(max, Merge{});
  swapped = group_reduce<kGroup>(swapped, Merge{});
  TeacherRow teacher;
  teacher.scale = find_scale<kGroup>(g, logits, at, bit, extent);
  teacher.max = finite_max(max.teacher);
  teacher.at_student_max = swapped.student_at_teacher;
  teacher.reference = teacher_reference(max);
  StudentRow& student = sides.student;
  student.max = finite_max(max.student);
  float student_sum = 0;
  float teacher_sum = 0;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four s = exclude(load_row4(g.loss.student, at, column, kStudentAligned), column, at.excluded);
    const Four t = exclude(load_row4(logits, at, column, bit), column, at.excluded);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      student_sum += exp_over(difference(s.v[j], student.max), student.scale.temperature);
      teacher_sum += exp_over(difference(t.v[j], teacher.max), teacher.scale.temperature);
    }
  }
  sides.student_sum = group_sum<kGroup>(student_sum);
  teacher_sum = group_sum<kGroup>(teacher_sum);
  student.inverse_sum = inverse_sum(sides.student_sum);
  teacher.inverse_sum = inverse_sum(teacher_sum);
  const float ratio = reference_ratio(student, teacher, teacher_sum);
  float shift_t = 0;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four s = exclude(load_row4(g.loss.student, at, column, kStudentAligned), column, at.excluded);
    const Four t = exclude(load_row4(logits, at, column, bit), column, at.excluded);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const ClassPair pair = class_pair(s.v[j], t.v[j], student, teacher);
      const float p = exp_over(pair.student, student.scale.temperature) * student.inverse_sum;
      const float q = exp_over(pair.teacher, teacher.scale.temperature) * teacher.inverse_sum;
      shift_t += soft_shift_t(p, q, raw_log_ratio_t(pair, student, teacher), ratio, temperature);
    }
  }
  shift_t = group_sum<kGroup>(shift_t);
  teacher.offset_t =
      teacher_offset_t(max, shift_t, sides.student_sum, teacher_sum, teacher, student.scale.gain, temperature);
  group_barrier<kGroup>();
  if (threadIdx.x % kGroup == 0) sides.teachers[m] = teacher;
  group_barrier<kGroup>();
  return teacher_sum;
}

// Student and teachers of a row, and the teachers' weights: of those that have classes at all, in DecoupledKl times
// what they leave for the classes beside the target. Returns the term of the target in DecoupledKl.
struct TargetPart {
  Odds student{};
  float q_target = 0;
  float q_other = 0;
};
template <int kGroup>
__device__ __forceinline__ TargetPart find_sides(const GeneralParams& g, const RowPlace& at, const Extent& extent,
                                                 Sides& sides) {
  const LossParams& p = g.loss;
  const bool decoupled = at.excluded >= 0;
  TargetPart part;
  float present = 0;
  float compared = 0;
  float check = 0;
  for (int m = 0; m < g.teacher_count; ++m) {
    const Extent of_teacher = find_extent<kGroup>(g.teachers[m].logits, at, kTeacherAligned << m);
    const float sum = find_teacher<kGroup>(g, at, m, of_teacher, sides);
    const TeacherRow& teacher = sides.teachers[m];
    Odds odds;
    odds.total = sum;
    odds.other = 1.0f;
    if (decoupled) {
      odds =
          find_odds(load_logit(g.teachers[m].logits, at.row, at.excluded), teacher.max, sum, teacher.scale.temperature);
    }
    const float weight = odds.total == 0.0f ? 0.0f : g.teachers[m].weight;
    present += weight;
    part.q_target += weight * odds.target;
    part.q_other += weight * odds.other;
    const float of_others = sum == 0.0f ? 0.0f : weight * odds.other;
    compared += of_others;
    check += odds.total + sum;
    sides.infinite = of_teacher.max == kInfinity ? 1.0f : sides.infinite;
    group_barrier<kGroup>();
    if (threadIdx.x % kGroup == 0) sides.teachers[m].weight = of_others;
  }
  group_barrier<kGroup>();
  float student_total = sides.student_sum;
  if (decoupled) {
    part.student = find_odds(load_logit(p.student, at.row, at.excluded), sides.student.max, sides.student_sum,
                             sides.student.scale.temperature);
    student_total = part.student.total;
  }
  if (threadIdx.x % kGroup < g.teacher_count) sides.teachers[threadIdx.x % kGroup].weight *= inverse_sum(compared);
  group_barrier<kGroup>();
  part.q_target *= inverse_sum(present);
  part.q_other *= inverse_sum(present);
  sides.state.masked = student_total == 0.0f || present == 0.0f ? 1.0f : 0.0f;
  sides.state.compared = sides.student_sum != 0.0f && compared != 0.0f ? 1.0f : 0.0f;
  sides.state.check = check + student_total + sides.student_sum;
  sides.infinite = extent.max == kInfinity ? 1.0f : sides.infinite;
  return part;
}

// y of a class that all teachers see, from its logits.
struct ClassValues {
  float p;
  float q;
  float y_t;
};
__device__ __forceinline__ void add_class_of(const Sides& sides, const TeacherRow& teacher, float s, float t,
                                             const Temperature& temperature, Blend& blend) {
  const ClassPair pair = class_pair(s, t, sides.student, teacher);
  const float q = exp_over(pair.teacher, teacher.scale.temperature) * teacher.inverse_sum;
  const float y_t = raw_log_ratio_t(pair, sides.student, teacher) - teacher.offset_t;
  if (teacher.weight != 0.0f) add_teacher(blend, q, y_t, teacher.weight, temperature);
}
__device__ __forceinline__ ClassValues finish_class(const Sides& sides, float s, const Blend& blend,
                                                    const Temperature& temperature) {
  const Difference gap = difference(s, sides.student.max);
  return {exp_over(gap, sides.student.scale.temperature) * sides.student.inverse_sum, blend.q,
          blended_log_ratio_t(blend, temperature)};
}

__device__ __forceinline__ ClassTerm any_class_term(const ClassValues& x, const Centre& centre,
                                                    const DivergenceParams& d, const Temperature& t) {
  if (d.kind == DivergenceKind::reverse) return class_term<DivergenceKind::reverse>(x.p, x.q, x.y_t, centre, d, t);
  if (d.kind == DivergenceKind::jensen_shannon) {
    return class_term<DivergenceKind::jensen_shannon>(x.p, x.q, x.y_t, centre, d, t);
  }
  return class_term<DivergenceKind::forward>(x.p, x.q, x.y_t, centre, d, t);
}

// The student's largest class as reference of gradients.
__device__ __forceinline__ Centre find_row_centre(const GeneralParams& g, const Sides& sides) {
  const Temperature& t = g.loss.temperature;
  if (g.divergence.kind == DivergenceKind::forward || g.divergence.kind == DivergenceKind::decoupled) return {};
  Blend blend;
  for (int m = 0; m < g.teacher_count; ++m) {
    add_class_of(sides, sides.teachers[m], sides.student.max, sides.teachers[m].at_student_max, t, blend);
  }
  return find_centre(blended_log_ratio_t(blend, t), g.divergence, t);
}

// The four columns at `column` as the student and all teachers see them.
struct FourValues {
  ClassValues v[4];
};
__device__ __forceinline__ FourValues find_values(const GeneralParams& g, const RowPlace& at, const Sides& sides,
                                                  std::int64_t column, const Four& student) {
  const Four s = exclude(student, column, at.excluded);
  Blend blends[4];
  for (int m = 0; m < g.teacher_count; ++m) {
    const Four t = exclude(load_row4(g.teachers[m].logits, at, column, kTeacherAligned << m), column, at.excluded);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      add_class_of(sides, sides.teachers[m], s.v[j], t.v[j], g.loss.temperature, blends[j]);
    }
  }
  FourValues values;
#pragma unroll
  for (int j = 0; j < 4; ++j) values.v[j] = finish_class(sides, s.v[j], blends[j], g.loss.temperature);
  return values;
}

template <int kGroup>
__device__ __forceinline__ DivergenceSums find_divergence(const GeneralParams& g, const RowPlace& at,
                                                          const Sides& sides, const Centre& centre) {
  DivergenceSums sums;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four s = load_row4(g.loss.student, at, column, kStudentAligned);
    const FourValues x = find_values(g, at, sides, column, s);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (column + j >= at.classes || column + j == at.excluded) continue;
      const ClassTerm term = any_class_term(x.v[j], centre, g.divergence, g.loss.temperature);
      const float z = g.standardise ? z_score(s.v[j], sides.student.scale) : 0.0f;
      sums.term += term.term;
      sums.raw += term.raw;
      sums.raw_z = mul_add(term.raw, z, sums.raw_z);
      sums.share_z = mul_add(term.share, z, sums.share_z);
      sums.p_z = mul_add(x.v[j].p, z, sums.p_z);
    }
  }
  sums.term = group_sum<kGroup>(sums.term);
  sums.raw = group_sum<kGroup>(sums.raw);
  if (!g.standardise) return sums;
  return {sums.term, sums.raw, group_sum<kGroup>(sums.raw_z), group_sum<kGroup>(sums.share_z),
          group_sum<kGroup>(sums.p_z)};
}

template <int kGroup>
__device__ __forceinline__ void write_gradient(const GeneralParams& g, const RowPlace& at, const Sides& sides,
                                               const SoftFactors& soft, const GeneralHardPart& hard,
                                               const Centre& centre, float max) {
  const LossParams& p = g.loss;
  for (std::int64_t column = first_column<kGroup>(); column < at.classes; column += kGroup * 4) {
    const Four s = load_row4(p.student, at, column, kStudentAligned);
    const Four dense = load_dense(p, at, column);
    const FourValues x = find_values(g, at, sides, column, s);
    Four gradient;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const ClassTerm term = any_class_term(x.v[j], centre, g.divergence, p.temperature);
      float value = class_gradient(soft, x.v[j].p, term, column + j == at.excluded);
      if (g.standardise) value = standardised_gradient(soft, value, z_score(s.v[j], sides.student.scale));
      gradient.v[j] = value + hard_gradient_at(p, hard, at, column + j, s.v[j], dense.v[j], max);
    }
    store4(p.gradient, at.row, column, at.classes, (at.aligned & kGradientAligned) != 0, gradient);
  }
}

// One row that is not ignored; `scale` multiplies its gradient, the row's weight included.
template <int kGroup>
__device__ __forceinline__ float process_row(const GeneralParams& g, const RowPlace& at, const RowTarget& labels,
                                             float scale, TeacherRow* teachers, std::uint32_t& status) {
  const LossParams& p = g.loss;
  const Extent extent = find_extent<kGroup>(p.student, at, kStudentAligned);
  const GeneralHardPart hard = find_hard_part<kGroup>(p, labels, at, extent, scale, status);
  Sides sides;
  sides.teachers = teachers;
  sides.student.scale = find_scale<kGroup>(g, p.student, at, kStudentAligned, extent);
  const TargetPart part = find_sides<kGroup>(g, at, extent, sides);
  BinaryTerm binary;
  float target_z = 0;
  if (at.excluded >= 0) {
    const float s = load_logit(p.student, at.row, at.excluded);
    Blend blend;
    for (int m = 0; m < g.teacher_count; ++m) {
      add_class_of(sides, teachers[m], s, load_logit(g.teachers[m].logits, at.row, at.excluded), p.temperature, blend);
    }
    binary = binary_term(part.student, part.q_target, part.q_other, blended_log_ratio_t(blend, p.temperature),
                         p.temperature);
    target_z = z_score(s, sides.student.scale);
  }
  const Centre centre = find_row_centre(g, sides);
  const DivergenceSums sums = find_divergence<kGroup>(g, at, sides, centre);
  SoftFactors soft = soft_factors(g.divergence, sums, binary, sides.state, p.soft_weight, scale);
  if (g.standardise) add_standardisation(soft, sums, target_z, extent.unmasked, sides.student.scale.gain);
  if (sides.state.check != sides.state.check) status |= sides.infinite != 0.0f ? kLogitPlusInfinity : kLogitNaN;
  group_barrier<kGroup>();  // the target's logit has been read: the gradient may overwrite it
  if (p.gradient.data != nullptr) {
    write_gradient<kGroup>(g, at, sides, soft, hard, centre, finite_max(extent.max));
  }
  return hard.factors.loss + soft.loss;
}

// what     losses, their sum and gradients for any divergence, several teachers and z-scored rows, with the hard part
// who      a warp per row up to 1,024 classes, a block above
// traffic  each logit once from memory and then about eight times from the caches; writes each gradient once
// limits   none on the number of classes; kMaxTeachers teachers
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads, 2)
    general_rows_kernel(const __grid_constant__ GeneralParams g, unsigned aligned) {
  constexpr int kRows = kBlockThreads / kGroup;
  __shared__ TeacherRow teachers[kRows][kMaxTeachers];
  const LossParams& p = g.loss;
  const bool decoupled = g.divergence.kind == DivergenceKind::decoupled;
  const float divisor = loss_divisor(p);
  LossTotals totals;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    RowPlace at{first + threadIdx.x / kGroup, p.classes, -1, aligned};
    if (at.row >= p.rows) break;
    const float weight = row_weight(p, at.row, totals.status);
    const RowTarget labels = p.hard || decoupled ? find_row_target<kGroup>(p, at) : RowTarget{};
    const bool valid = weight > 0.0f && (!decoupled || labels.valid != 0);
    if (decoupled) at.excluded = labels.a;
    totals.status |= labels.status;
    float loss = 0;
    if (valid) {
      const float scale = divisor > 0.0f ? weight / divisor : 0.0f;
      loss = weight * process_row<kGroup>(g, at, labels, scale, teachers[threadIdx.x / kGroup], totals.status);
    } else {
      clear_gradient<kGroup>(p, at);
    }
    keep_row(p, at.row, loss, valid, threadIdx.x % kGroup == 0, totals);
  }
  finish_loss(p, totals);
}

// what     counts the rows that are not ignored, into the workspace
// who      a thread per row
// traffic  reads each label and row weight once
// limits   none
__global__ void __launch_bounds__(kBlockThreads) count_general_kernel(const __grid_constant__ GeneralParams g) {
  const LossParams& p = g.loss;
  const bool decoupled = g.divergence.kind == DivergenceKind::decoupled;
  int count = 0;
  for (std::int64_t row = std::int64_t{blockIdx.x} * kBlockThreads + threadIdx.x; row < p.rows;
       row += std::int64_t{gridDim.x} * kBlockThreads) {
    const bool labelled = !decoupled || label_target(p.targets, row, static_cast<std::int32_t>(p.classes)).valid != 0;
    std::uint32_t status = 0;  // the losses' kernel reports it
    count += labelled && row_weight(p, row, status) > 0.0f ? 1 : 0;
  }
  count = group_reduce<kBlockThreads>(count, Add{});
  if (threadIdx.x == 0 && count > 0) atomicAdd(&p.workspace->valid, count);
}

}  // namespace

void general_loss(const GeneralParams& params, CUstream_st* stream) {
  constexpr const char* kName = "distillation_loss";
  const LossParams& p = params.loss;
  if (p.divide_by_valid && p.rows > 0) {
    launch(kName, count_general_kernel, grid_for(p.rows, kBlockThreads, 1024), kBlockThreads, 0, stream, params);
  }
  const bool warps = p.classes <= 1024;
  const unsigned blocks = p.rows > 0 ? grid_for(p.rows, warps ? kBlockThreads / 32 : 1, kMaxLossBlocks) : 1;
  launch(kName, warps ? general_rows_kernel<32> : general_rows_kernel<kBlockThreads>, blocks, kBlockThreads, 0, stream,
         params, alignment_bits(params));
}

}  // namespace leaven::cuda
