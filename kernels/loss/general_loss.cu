#include "kernels/loss/general_row.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/top_k_row.hpp"

namespace leaven::cuda {
namespace {

// What is known of a row lies in shared memory, its teachers behind it: in registers it would leave no room for the
// rest.
struct Sides {
  StudentRow student{};
  float student_sum = 0;
  float unmasked = 0;
  float infinite = 0;  // 1 where a logit is +inf
  RowState state{};
  BinaryTerm binary{};  // in DecoupledKl
  float target_z = 0;

  __device__ TeacherRow* teachers() { return reinterpret_cast<TeacherRow*>(this + 1); }
  __device__ const TeacherRow* teachers() const { return reinterpret_cast<const TeacherRow*>(this + 1); }
};

// What a row has of it, in words: an odd number, so that neighbouring rows lie in different banks.
LEAVEN_HD int own_words(int teachers) {
  return static_cast<int>((sizeof(Sides) + teachers * sizeof(TeacherRow)) / sizeof(float)) | 1;
}

// The slots in which a row keeps what its gradient is made of, once its teachers' logits are done with.
inline constexpr int kRawSlot = 1;
inline constexpr int kShareSlot = 2;
inline constexpr int kLeastSlots = 3;

template <class Place>
__device__ __forceinline__ float seen_student(const Place& at, int column) {
  return at.is_target(column) ? -kInfinity : at.student(column);
}
template <class Place>
__device__ __forceinline__ float seen_teacher(const Place& at, int m, int column) {
  return at.is_target(column) ? -kInfinity : at.teacher(m, column);
}

template <class Place, class Logit>
__device__ __forceinline__ void find_standard_scale(const Place& at, const Extent& extent, Logit&& logit,
                                                    RowScale& scale) {
  const float inverse_range = 1.0f / range_of(extent);
  const float inverse_count = extent.unmasked > 0.0f ? 1.0f / extent.unmasked : 0.0f;
  float sum = 0;
  at.for_each_column([&](int column) { sum += relative_gap(logit(column), extent, inverse_range); });
  const float mean = at.sum(sum) * inverse_count;
  float rest = 0;
  float square = 0;
  at.for_each_column([&](int column) {
    const float x = logit(column);
    const float gap = x == -kInfinity ? 0.0f : relative_gap(x, extent, inverse_range) - mean;
    rest += gap;
    square = mul_add(gap, gap, square);
  });
  rest = at.sum(rest) * inverse_count;
  square = at.sum(square) * inverse_count;
  if (at.lane == 0) scale = standard_scale(at.g.loss.temperature, extent, mean, rest, square);
}

// All that is to be known of teacher m but its weight among the others; its sum of exponentials is returned.
template <class Place>
__device__ __forceinline__ float find_teacher(const Place& at, int m, Sides& sides) {
  const Temperature& temperature = at.g.loss.temperature;
  RowMax max;
  RowMax swapped;
  at.for_each_column([&](int column) {
    const float s = seen_student(at, column);
    const float t = seen_teacher(at, m, column);
    max = merge(max, {s, t, s});
    swapped = merge(swapped, {t, s, t});
  });
  max = at.reduce(max, Merge{});
  swapped = at.reduce(swapped, Merge{});
  const auto logit = [&](int column) { return at.teacher(m, column); };
  const bool infinite =
      max.teacher == kInfinity || (Place::kDecoupled && at.target >= 0 && logit(at.target) == kInfinity);
  StudentRow& student = sides.student;
  TeacherRow& teacher = sides.teachers()[m];
  if (at.lane == 0) {
    if (m == 0) student.max = finite_max(max.student);
    if (infinite) sides.infinite = 1.0f;
    teacher.scale = {temperature};
    teacher.max = finite_max(max.teacher);
    teacher.at_student_max = swapped.student_at_teacher;
    teacher.reference = teacher_reference(max);
  }
  if (at.g.standardise) find_standard_scale(at, find_extent(at, logit), logit, teacher.scale);
  at.barrier();
  if (m == 0) {
    float student_sum = 0;
    at.for_each_column([&](int column) {
      student_sum += exp_over(difference(seen_student(at, column), student.max), student.scale.temperature);
    });
    student_sum = at.sum(student_sum);
    if (at.lane == 0) {
      sides.student_sum = student_sum;
      student.inverse_sum = inverse_sum(student_sum);
    }
  }
  float teacher_sum = 0;
  at.for_each_column([&](int column) {
    teacher_sum += exp_over(difference(seen_teacher(at, m, column), teacher.max), teacher.scale.temperature);
  });
  teacher_sum = at.sum(teacher_sum);
  if (at.lane == 0) teacher.inverse_sum = inverse_sum(teacher_sum);
  at.barrier();
  const float ratio = reference_ratio(student, teacher, teacher_sum);
  float shift_t = 0;
  at.for_each_column([&](int column) {
    const ClassPair pair = class_pair(seen_student(at, column), seen_teacher(at, m, column), student, teacher);
    const float p = exp_over(pair.student, student.scale.temperature) * student.inverse_sum;
    const float q = exp_over(pair.teacher, teacher.scale.temperature) * teacher.inverse_sum;
    shift_t += soft_shift_t(p, q, raw_log_ratio_t(pair, student, teacher), ratio, temperature);
  });
  shift_t = at.sum(shift_t);
  if (at.lane == 0) {
    teacher.offset_t =
        teacher_offset_t(max, shift_t, sides.student_sum, teacher_sum, teacher, student.scale.gain, temperature);
  }
  return teacher_sum;
}

// Student and teachers of a row, and the teachers' weights: of those that have classes at all, in DecoupledKl times
// what they leave for the classes beside the target. Returns the term of the target in DecoupledKl.
struct TargetPart {
  Odds student{};
  float q_target = 0;
  float q_other = 0;
};
template <class Place>
__device__ __forceinline__ TargetPart find_sides(const Place& at, Sides& sides) {
  const RowParams& g = at.g;
  const bool targeted = Place::kDecoupled && at.target >= 0;
  TargetPart part;
  float present = 0;
  float compared = 0;
  float check = 0;
#pragma unroll 1
  for (int m = 0; m < g.teacher_count; ++m) {
    const float sum = find_teacher(at, m, sides);
    TeacherRow& teacher = sides.teachers()[m];
    Odds odds;
    odds.total = sum;
    odds.other = 1.0f;
    if (targeted) odds = find_odds(at.teacher(m, at.target), teacher.max, sum, teacher.scale.temperature);
    const float weight = odds.total == 0.0f ? 0.0f : at.teachers[m].weight;
    present += weight;
    part.q_target += weight * odds.target;
    part.q_other += weight * odds.other;
    const float of_others = sum == 0.0f ? 0.0f : weight * odds.other;
    compared += of_others;
    check += odds.total + sum;
    if (at.lane == 0) teacher.weight = of_others;
  }
  if (at.lane == 0) {
    for (int m = 0; m < g.teacher_count; ++m) sides.teachers()[m].weight *= inverse_sum(compared);
  }
  at.barrier();
  float student_total = sides.student_sum;
  if (targeted) {
    part.student =
        find_odds(at.student(at.target), sides.student.max, sides.student_sum, sides.student.scale.temperature);
    student_total = part.student.total;
  }
  part.q_target *= inverse_sum(present);
  part.q_other *= inverse_sum(present);
  if (at.lane == 0) {
    sides.state.masked = student_total == 0.0f || present == 0.0f ? 1.0f : 0.0f;
    sides.state.compared = sides.student_sum != 0.0f && compared != 0.0f ? 1.0f : 0.0f;
    sides.state.check = check + student_total + sides.student_sum;
  }
  return part;
}

// q and y of a class that all teachers see, from its logits. logit(m) is that of teacher m. One teacher needs no blend.
struct TeacherValues {
  float q;
  float y_t;
};
template <class Logit>
__device__ __forceinline__ TeacherValues blend_teachers(const RowParams& g, const Sides& sides, float s,
                                                        Logit&& logit) {
  const Temperature& temperature = g.loss.temperature;
  Blend blend;
#pragma unroll 1
  for (int m = 0; m < g.teacher_count; ++m) {
    const TeacherRow& teacher = sides.teachers()[m];
    const ClassPair pair = class_pair(s, logit(m), sides.student, teacher);
    const float q = exp_over(pair.teacher, teacher.scale.temperature) * teacher.inverse_sum;
    const float y_t = raw_log_ratio_t(pair, sides.student, teacher) - teacher.offset_t;
    if (g.teacher_count == 1) return {teacher.weight * q, y_t};
    if (teacher.weight != 0.0f) add_teacher(blend, q, y_t, teacher.weight, temperature);
  }
  return {blend.q, blended_log_ratio_t(blend, temperature)};
}

// The student's largest class as reference of gradients.
__device__ __forceinline__ Centre find_row_centre(const RowParams& g, const Sides& sides) {
  if (g.divergence.kind != DivergenceKind::reverse && g.divergence.kind != DivergenceKind::jensen_shannon) return {};
  const TeacherValues x =
      blend_teachers(g, sides, sides.student.max, [&](int m) { return sides.teachers()[m].at_student_max; });
  return find_centre(x.y_t, g.divergence, g.loss.temperature);
}

__device__ __forceinline__ float student_probability(const Sides& sides, float logit) {
  return exp_over(difference(logit, sides.student.max), sides.student.scale.temperature) * sides.student.inverse_sum;
}
template <class Place>
__device__ __forceinline__ ClassTerm find_term(const Place& at, const Sides& sides, const Centre& centre, int column,
                                               float p) {
  const TeacherValues x =
      blend_teachers(at.g, sides, seen_student(at, column), [&](int m) { return seen_teacher(at, m, column); });
  return event_term({p, x.q, x.y_t, 0.0f}, centre, at.g.divergence, at.g.loss.temperature);
}

template <class Place>
__device__ __forceinline__ DivergenceSums find_divergence(const Place& at, const Sides& sides, const Centre& centre) {
  const RowParams& g = at.g;
  DivergenceSums sums;
  at.for_each_column([&](int column) {
    const float p = student_probability(sides, seen_student(at, column));
    const ClassTerm term = find_term(at, sides, centre, column, p);
    if (at.is_kept(column)) {
      at.at(kRawSlot, column) = term.raw;
      at.at(kShareSlot, column) = term.share;
    }
    if (at.is_target(column)) return;
    sums.term += term.term;
    sums.raw += term.raw;
    if (!g.standardise) return;
    const float z = z_score(at.student(column), sides.student.scale);
    sums.raw_z = mul_add(term.raw, z, sums.raw_z);
    sums.share_z = mul_add(term.share, z, sums.share_z);
    sums.p_z = mul_add(p, z, sums.p_z);
  });
  sums.term = at.sum(sums.term);
  sums.raw = at.sum(sums.raw);
  if (!g.standardise) return sums;
  return {sums.term, sums.raw, at.sum(sums.raw_z), at.sum(sums.share_z), at.sum(sums.p_z)};
}

template <class Place>
__device__ __forceinline__ void write_gradient(const Place& at, const Sides& sides, const SoftFactors& soft,
                                               const GeneralHardPart& hard, const Centre& centre) {
  at.for_each_column([&](int column) {
    const float s = at.student(column);
    float p = 0;
    if (soft.p_factor != 0.0f || !at.is_kept(column)) p = student_probability(sides, seen_student(at, column));
    ClassTerm term;
    if (at.is_kept(column)) {
      term = {0.0f, at.at(kRawSlot, column), at.at(kShareSlot, column)};
    } else {
      term = find_term(at, sides, centre, column, p);
    }
    float value = class_gradient(soft, p, term, at.is_target(column));
    if (at.g.standardise) value = standardised_gradient(soft, value, z_score(s, sides.student.scale));
    at.set_gradient(column, value + hard_gradient_at(at, hard, column, s, sides.student.scale.max));
  });
}

// One row: its loss, not weighted, and its gradient.
template <class Place>
__device__ __forceinline__ float do_row(const Place& at, bool targeted, float weight, Sides& sides,
                                        std::uint32_t& status) {
  const RowParams& g = at.g;
  const LossParams& p = g.loss;
  const auto logit = [&](int column) { return at.student(column); };
  const Extent extent = find_extent(at, logit);
  if (at.lane == 0) {
    sides = {};
    sides.student.scale = {p.temperature, 1.0f, finite_max(extent.max)};
    sides.unmasked = extent.unmasked;
    sides.infinite = extent.max == kInfinity ? 1.0f : 0.0f;
  }
  if (g.standardise) find_standard_scale(at, extent, logit, sides.student.scale);
  at.barrier();
  const TargetPart part = find_sides(at, sides);
  if (Place::kDecoupled && at.target >= 0) {
    const float s = at.student(at.target);
    const TeacherValues x = blend_teachers(g, sides, s, [&](int m) { return at.teacher(m, at.target); });
    const BinaryTerm binary = binary_term(part.student, part.q_target, part.q_other, x.y_t, p.temperature);
    if (at.lane == 0) {
      sides.binary = binary;
      sides.target_z = z_score(s, sides.student.scale);
    }
  }
  const Centre centre = find_row_centre(g, sides);
  at.barrier();  // the target's logits have been read: their slots may be overwritten
  const DivergenceSums sums = find_divergence(at, sides, centre);
  const float scale = gradient_scale(p, weight);
  SoftFactors soft = soft_factors(g.divergence, sums, sides.binary, sides.state, p.soft_weight, scale);
  if (g.standardise) add_standardisation(soft, sums, sides.target_z, sides.unmasked, sides.student.scale.gain);
  if (sides.state.check != sides.state.check) status |= sides.infinite != 0.0f ? kLogitPlusInfinity : kLogitNaN;
  const GeneralHardPart hard = find_hard_part(at, targeted, sides.student.scale.max, sides.unmasked, scale, status);
  if (p.gradient.data != nullptr) write_gradient(at, sides, soft, hard, centre);
  return hard.factors.loss + soft.loss;
}

// what     losses, their sum and gradients for any divergence, several teachers and z-scored rows, with the hard part
// who      one to 32 lanes or a block per row
// traffic  reads each logit and dense target once and writes each gradient once; of wide rows the columns that find no
//          room in shared memory are read again by each of six passes
// limits   kMaxTeachers teachers
template <int kThreads, bool kWhole, bool kDecoupled>
__global__ void __launch_bounds__(kThreads, kWhole ? 8 : 1)
    general_rows_kernel(const RowParams params, const __grid_constant__ Teachers teachers, const RowSlots given) {
  const RowSlots& slots = share(given);
  RowParams g = params;
  if constexpr (kDecoupled) {
    g.divergence.kind = DivergenceKind::decoupled;
  } else {
    __builtin_assume(g.divergence.kind != DivergenceKind::decoupled);
  }
  extern __shared__ float4 shared[];
  float* const own = reinterpret_cast<float*>(shared) + slots.count * slots.slot_size;
  const auto row = [&](auto& at, int index, const RowTarget& labels, float weight, bool& valid, std::uint32_t& status) {
    valid = valid && (!kDecoupled || labels.valid != 0);
    if (!valid) at.classes = 0;
    if (kDecoupled && valid) at.target = labels.a;
    float* const own_of_row = own + index * own_words(g.teacher_count);
    return do_row(at, valid && labels.valid != 0, weight, *reinterpret_cast<Sides*>(own_of_row), status);
  };
  do_rows<kThreads, kWhole, kDecoupled>(
      g, teachers.all, slots, [](std::int64_t, int) {}, row);
}

// what     counts the rows that are not ignored, into the workspace
// who      a thread per row
// traffic  reads each label and row weight once; a cache's classes as often as there are entries behind them, from L1
// limits   none
__global__ void __launch_bounds__(kBlockThreads) count_general_kernel(const __grid_constant__ GeneralParams g) {
  const LossParams& p = g.loss;
  const auto classes = static_cast<std::int32_t>(p.classes);
  const bool decoupled = g.divergence.kind == DivergenceKind::decoupled;
  int count = 0;
  for (std::int64_t row = std::int64_t{blockIdx.x} * kBlockThreads + threadIdx.x; row < p.rows;
       row += std::int64_t{gridDim.x} * kBlockThreads) {
    const bool labelled = !decoupled || label_target(p.targets, row, classes).valid != 0;
    const bool listed = g.top_k.k == 0 || top_k_status(g.top_k, row, classes) == 0;
    std::uint32_t status = 0;  // the losses' kernel reports it
    count += labelled && listed && row_weight(p, row, status) > 0.0f ? 1 : 0;
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
  if (params.top_k.k > 0) return launch_top_k_rows(params, stream);
  const int teachers = params.teacher_count;
  const auto go = [&](GeneralKernel whole, GeneralKernel wide) {
    launch_rows(kName, whole, wide, params, 1 + teachers, std::max(1 + teachers, kLeastSlots),
                std::int64_t{4} * own_words(teachers), stream);
  };
  if (params.divergence.kind == DivergenceKind::decoupled) {
    go(general_rows_kernel<kRowThreads, true, true>, general_rows_kernel<kWideThreads, false, true>);
  } else {
    go(general_rows_kernel<kRowThreads, true, false>, general_rows_kernel<kWideThreads, false, false>);
  }
}

}  // namespace leaven::cuda
