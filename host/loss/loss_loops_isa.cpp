#include "host/loss/loss_loops.hpp"

#include "host/loss/loss_unit.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

template <TargetKind kKind>
struct Constant {
  static constexpr TargetKind value = kKind;
};

struct HardLaneSums {
  Lanes exponentials, mass, target_gaps, unmasked, unmasked_gaps;
};
struct RowSums {
  MaxLanes max;
  ReferenceLanes references;
  SoftSums soft;
  HardLaneSums hard;

  RowSums() {
    LEAVEN_EACH_LANE(r) max.set(r, RowMax{});
    soft = {};
    hard = {};
  }
};

template <bool kHard, bool kSoft>
void find_sums(const LossParams& p, const LossUnit& u, Scratch& x, RowSums& sums) {
  const std::int64_t chunks = chunk_count(p.classes, u);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    load_inputs<kHard, kSoft>(p, u, chunk, x);
    find_max<kSoft>(x.student, x.teacher, chunk.groups, sums.max);
  }
  if (!u.tile) max_across(sums.max);
  sums.references = find_references(sums.max);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) load_inputs<kHard, kSoft>(p, u, chunk, x);
    if constexpr (kSoft) {
      soft_elements(x.student, x.teacher, x.p, x.q, x.delta, chunk.groups, sums.references, p.temperature, sums.soft);
    }
    if constexpr (kHard) {
      hard_elements(x.student, x.exponential, chunk.groups, sums.references.student_max, sums.hard.exponentials);
      if (p.targets.soft != nullptr) {
        dense_gaps(x.student, x.dense, chunk.groups, sums.references.student_max, sums.hard.mass,
                   sums.hard.target_gaps);
      } else if (p.targets.smoothing > 0.0f) {
        unmasked_gaps(x.student, chunk.groups, sums.references.student_max, sums.hard.unmasked,
                      sums.hard.unmasked_gaps);
      }
    }
  }
  if (u.tile) return;
  if (kSoft) {
    sum_across(sums.soft.student);
    sum_across(sums.soft.teacher);
  }
  if (kHard) {
    sum_across(sums.hard.exponentials);
    sum_across(sums.hard.mass);
    sum_across(sums.hard.target_gaps);
    sum_across(sums.hard.unmasked);
    sum_across(sums.hard.unmasked_gaps);
  }
}

// max - logit of one label per lane.
Lanes label_gaps(const LossParams& p, const LossUnit& u, const Scratch& x, const Lanes& max,
                 const std::int32_t* labels) {
  Lanes logits;
  if (u.tile) {
    LEAVEN_EACH_LANE(r) logits.v[r] = x.student[std::int64_t{labels[r]} * kLanes + r];
  } else {
    fill(logits, load_logit(p.student, u.row, labels[0]));  // perhaps of another chunk
  }
  LEAVEN_EACH_LANE(r) logits.v[r] = max.v[r] - logits.v[r];
  return logits;
}

// Label targets: their mass and the gaps of their logits.
void add_labels(const LossParams& p, const LossUnit& u, const Scratch& x, RowSums& sums) {
  const Lanes gap_a = label_gaps(p, u, x, sums.references.student_max, u.targets.a);
  const Lanes gap_b = p.targets.b != nullptr ? label_gaps(p, u, x, sums.references.student_max, u.targets.b) : Lanes{};
  const Lanes weight_a = u.targets.weight_a;
  const Lanes weight_b = u.targets.weight_b;
  LEAVEN_EACH_LANE(r) {
    sums.hard.mass.v[r] = weight_a.v[r] + weight_b.v[r];
    sums.hard.target_gaps.v[r] = weighted_gap(weight_a.v[r], gap_a.v[r]) + weighted_gap(weight_b.v[r], gap_b.v[r]);
  }
}

HardLanes find_hard_rows(const LossParams& p, const LossUnit& u, const Scratch& x, RowSums& sums, float scale) {
  if (p.targets.soft == nullptr) add_labels(p, u, x, sums);
  const HardLaneSums local = sums.hard;
  const Lanes valid = u.targets.valid;
  const float smoothing = p.targets.smoothing;
  const float weight = p.hard_weight;
  HardLanes lanes;
  LEAVEN_EACH_LANE(r) {
    const HardSums all{local.exponentials.v[r], local.mass.v[r], local.target_gaps.v[r], local.unmasked.v[r],
                       local.unmasked_gaps.v[r]};
    const HardRow row = hard_row(all, valid.v[r] != 0.0f, smoothing, weight, scale);
    lanes.loss.v[r] = row.loss;
    lanes.softmax.v[r] = row.softmax;
    lanes.target.v[r] = row.target;
    lanes.spread.v[r] = row.spread;
  }
  return lanes;
}

// Computes a chunk of a row of several chunks once more: everything up to the shifts.
template <bool kHard, bool kSoft>
void repeat_chunk(const LossParams& p, const LossUnit& u, const Chunk& chunk, const RowSums& sums,
                  const SoftLanes& soft, Scratch& x) {
  SoftSums known_sums{};
  Lanes known{};
  load_inputs<kHard, kSoft>(p, u, chunk, x);
  if constexpr (kHard) hard_elements(x.student, x.exponential, chunk.groups, sums.references.student_max, known);
  if constexpr (kSoft) {
    soft_elements(x.student, x.teacher, x.p, x.q, x.delta, chunk.groups, sums.references, p.temperature, known_sums);
    soft_shifts(x.p, x.q, x.delta, x.shift, chunk.groups, soft, p.temperature, known);
  }
}

// Leaves probabilities and shifts in the scratch arrays where the row is one chunk.
SoftLanes find_soft_rows(const LossParams& p, const LossUnit& u, Scratch& x, RowSums& sums, float scale) {
  const SoftSums local = sums.soft;
  const Lanes reference_hi = sums.references.hi;
  const Lanes reference_lo = sums.references.lo;
  const Temperature temperature = p.temperature;
  const float factor = p.soft_weight * scale;
  SoftLanes lanes{};
  LEAVEN_EACH_LANE(r) {
    const float student = local.student.v[r];
    const float teacher = local.teacher.v[r];
    const SoftRow row = soft_row(student, teacher, {reference_hi.v[r], reference_lo.v[r]}, temperature);
    lanes.inverse_student.v[r] = row.inverse_student;
    lanes.inverse_teacher.v[r] = row.inverse_teacher;
    lanes.ratio.v[r] = row.ratio;
    lanes.factor.v[r] = (student == 0.0f) | (teacher == 0.0f) ? 0.0f : factor;
  }
  const std::int64_t chunks = chunk_count(p.classes, u);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) {
      SoftSums known{};
      load_inputs<false, true>(p, u, chunk, x);
      soft_elements(x.student, x.teacher, x.p, x.q, x.delta, chunk.groups, sums.references, temperature, known);
    }
    soft_shifts(x.p, x.q, x.delta, x.shift, chunk.groups, lanes, temperature, lanes.shift_t);
  }
  if (!u.tile) sum_across(lanes.shift_t);
  LEAVEN_EACH_LANE(r) {
    lanes.offset_t.v[r] = soft_offset_t(lanes.shift_t.v[r], local.student.v[r], local.teacher.v[r],
                                        {reference_hi.v[r], reference_lo.v[r]}, temperature);
  }
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) repeat_chunk<false, true>(p, u, chunk, sums, lanes, x);
    soft_terms(x.p, x.q, x.delta, x.shift, chunk.groups, temperature, lanes);
  }
  if (!u.tile) {
    sum_across(lanes.terms);
    sum_across(lanes.residual);
  }
  return lanes;
}

template <bool kHard, bool kSoft>
void write_gradient(const LossParams& p, const LossUnit& u, const Chunk& chunk, const SoftLanes& soft,
                    const HardLanes& hard, Scratch& x) {
  float* const gradient = x.delta;  // no longer needed
  const TargetLanes& targets = u.targets;
  const GradientSources from{x.shift,   x.q,       x.exponential,    x.dense,
                             targets.a, targets.b, targets.weight_a, targets.weight_b};
  std::int32_t columns[kLanes];
  LEAVEN_EACH_LANE(r) columns[r] = static_cast<std::int32_t>(chunk.first) + (u.tile ? 0 : r);
  const auto combine = [&](auto kind) {
    combine_gradient<decltype(kind)::value, kSoft>(from, gradient, chunk.groups, soft, hard, columns,
                                                   u.tile ? 1 : kLanes);
  };
  if constexpr (!kHard) {
    combine(Constant<TargetKind::none>{});
  } else {
    if (p.targets.soft != nullptr) {
      combine(Constant<TargetKind::dense>{});
    } else if (p.targets.b != nullptr) {
      combine(Constant<TargetKind::two_labels>{});
    } else {
      combine(Constant<TargetKind::one_label>{});
    }
    if (p.targets.smoothing > 0.0f) subtract_spread(x.student, gradient, chunk.groups, hard.spread);
  }
  store(p.gradient, gradient, u, chunk);
}

// Sums are NaN where a logit is NaN or +inf.
template <bool kHard, bool kSoft>
std::uint32_t logit_status(const RowSums& sums) {
  const Lanes student = kSoft ? sums.soft.student : sums.hard.exponentials;
  const Lanes teacher = kSoft ? sums.soft.teacher : sums.hard.exponentials;
  const Lanes student_max = sums.max.student;
  const Lanes teacher_max = kSoft ? sums.max.teacher : sums.max.student;
  std::uint32_t status = 0;
  LEAVEN_EACH_LANE(r) {
    const bool infinite = (student_max.v[r] == kInfinity) | (teacher_max.v[r] == kInfinity);
    const float both = student.v[r] + teacher.v[r];
    const std::uint32_t bits = infinite ? kLogitPlusInfinity : kLogitNaN;
    status |= both == both ? 0u : bits;
  }
  return status;
}

void add_soft_losses(const SoftLanes& soft, const RowSums& sums, float soft_weight, Lanes& losses) {
  const SoftSums local = sums.soft;
  const Lanes terms = soft.terms;
  const Lanes reference = sums.references.hi;
  Lanes total = losses;
  LEAVEN_EACH_LANE(r) {
    const float loss = soft_loss(terms.v[r], local.student.v[r], local.teacher.v[r], {reference.v[r], 0.0f});
    total.v[r] += weighted_gap(soft_weight, loss);
  }
  losses = total;
}

// Losses of the unit's rows to `losses`; gradients to their place. Returns bits of LossStatus.
template <bool kHard, bool kSoft>
std::uint32_t process(const LossParams& p, float scale, LossUnit& u, Scratch& x, Lanes& losses) {
  std::uint32_t status = kHard ? find_targets(p, u, x) : 0u;
  RowSums sums;
  find_sums<kHard, kSoft>(p, u, x, sums);
  HardLanes hard{};
  SoftLanes soft{};
  losses = Lanes{};
  if constexpr (kHard) {
    hard = find_hard_rows(p, u, x, sums, scale);
    losses = hard.loss;
  }
  if constexpr (kSoft) {
    soft = find_soft_rows(p, u, x, sums, scale);
    add_soft_losses(soft, sums, p.soft_weight, losses);
  }
  const std::int64_t chunks = p.gradient.data != nullptr ? chunk_count(p.classes, u) : 0;
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) repeat_chunk<kHard, kSoft>(p, u, chunk, sums, soft, x);
    write_gradient<kHard, kSoft>(p, u, chunk, soft, hard, x);
  }
  return status | logit_status<kHard, kSoft>(sums);
}

// Lanes without a row of their own do not count.
void drop_spare_lanes(const LossUnit& u, Lanes& lanes) {
  if (u.rows == kLanes) return;
  for (int r = u.rows; r < kLanes; ++r) lanes.v[r] = 0.0f;
}

template <bool kHard, bool kSoft>
void loss_rows(const LossParams& p, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  Scratch scratch;
  LossUnit u;
  Lanes total{}, valid{};
  std::uint32_t status = 0;
  for_each_unit(begin, end, p.classes, u, [&] {
    Lanes losses;
    status |= process<kHard, kSoft>(p, scale, u, scratch, losses);
    Lanes counts = u.targets.valid;
    if (kSoft) fill(counts, 1.0f);
    drop_spare_lanes(u, losses);
    drop_spare_lanes(u, counts);
    add(total, losses);
    add(valid, counts);
    if (p.row_losses == nullptr) return;
    for (int r = 0; r < u.rows; ++r) p.row_losses[u.row + r] = losses.v[r];
  });
  partial.loss = lane_sum(total);
  partial.valid = static_cast<std::int32_t>(lane_sum(valid));
  if (status != 0 && p.status != nullptr) __atomic_fetch_or(p.status, status, __ATOMIC_RELAXED);
}

}  // namespace

const LossLoops loss_loops = {loss_rows<true, false>, loss_rows<false, true>, loss_rows<true, true>};

}  // namespace leaven::LEAVEN_ISA
