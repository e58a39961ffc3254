#include "host/loss/loss_loops.hpp"

#include "host/loss/cross_entropy_rows.hpp"
#include "host/loss/far_row.hpp"
#include "host/loss/hard_part.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

struct RowSums {
  MaxLanes max;
  References references;
  NearSums near;
  HardLaneSums hard;

  RowSums() {
    fill(max.student, -kInfinity);
    fill(max.teacher, -kInfinity);
  }
};

void add_near_sums(const LossParams& p, const LossUnit& u, const Chunk& chunk, const References& references,
                   const TemperatureLanes& k, Scratch& x, NearSums& sums) {
  const std::int64_t whole = u.tile ? chunk.groups : chunk.columns / kLanes;
  near_elements(x.student, x.teacher, x.q, x.w, whole, references, k, ahead(p.student, u, 0, chunk.first),
                ahead(p.teacher, u, 0, chunk.first), sums);
  if (whole == chunk.groups) return;
  const std::int64_t at = whole * kLanes;
  near_tail(x.student + at, x.teacher + at, x.q + at, x.w + at, static_cast<int>(chunk.columns - at), references, k,
            sums);
}

template <bool kHard, bool kSoft>
void find_sums(const LossParams& p, const LossUnit& u, const TemperatureLanes& k, Scratch& x, RowSums& sums) {
  const std::int64_t chunks = chunk_count(p.classes, u);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    load_logits<kSoft>(p, u, chunk, x);
    find_max<kSoft>(x.student, x.teacher, chunk.groups, sums.max);
  }
  if (!u.tile) {
    max_across(sums.max.student);
    if (kSoft) max_across(sums.max.teacher);
  }
  sums.references = near_references(sums.max);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) load_logits<kSoft>(p, u, chunk, x);
    if constexpr (kSoft) add_near_sums(p, u, chunk, sums.references, k, x, sums.near);
    if constexpr (kHard) add_hard_sums(p, u, chunk, sums.references.student_max, x, sums.hard);
  }
  if (u.tile) return;
  if (kSoft) {
    sum_across(sums.near.q);
    sum_across(sums.near.qd);
    max_across(sums.near.largest);
    min_across(sums.near.smallest);
  }
  if (kHard) hard_sums_across(sums.hard);
}

struct NearLanes {
  Lanes inverse_sum, centre, mean_t, near;
};
NearLanes find_centres(const RowSums& sums, const TemperatureLanes& k) {
  const NearSums local = sums.near;
  NearLanes lanes;
  LEAVEN_EACH_LANE(r) {
    const NearCentre centre =
        near_centre(local.q.v[r], local.qd.v[r], local.largest.v[r], local.smallest.v[r], k.at(r));
    lanes.inverse_sum.v[r] = centre.inverse_sum;
    lanes.centre.v[r] = centre.d;
    lanes.mean_t.v[r] = centre.mean_t;
    lanes.near.v[r] = centre.near;
  }
  return lanes;
}

// A chunk of a near row of several chunks once more: q and w.
void repeat_near(const LossParams& p, const LossUnit& u, const Chunk& chunk, const RowSums& sums,
                 const NearLanes& centres, const TemperatureLanes& k, Scratch& x, NearTermSums& terms) {
  NearSums known;
  load_logits<true>(p, u, chunk, x);
  add_near_sums(p, u, chunk, sums.references, k, x, known);
  near_terms(x.q, x.w, chunk.groups, centres.centre, k, gradient_ahead(p, u, 0, chunk.first), terms);
}

// As if all lanes were near; leaves q and w in the scratch arrays where the row is one chunk.
SoftLanes find_near_rows(const LossParams& p, const LossUnit& u, const RowSums& sums, const NearLanes& centres,
                         const TemperatureLanes& k, Scratch& x) {
  NearTermSums terms{};
  const std::int64_t chunks = chunk_count(p.classes, u);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) {
      repeat_near(p, u, chunk, sums, centres, k, x, terms);
    } else {
      near_terms(x.q, x.w, chunk.groups, centres.centre, k, gradient_ahead(p, u, 0, chunk.first), terms);
    }
  }
  if (!u.tile) {
    sum_across(terms.w);
    sum_across(terms.g);
  }
  const NearTermSums local = terms;
  const NearLanes at = centres;
  SoftLanes lanes;
  LEAVEN_EACH_LANE(r) {
    const NearCentre centre{at.inverse_sum.v[r], at.centre.v[r], at.mean_t.v[r], 1.0f};
    const NearRow row = near_row(local.w.v[r], local.g.v[r], centre, k.at(r));
    lanes.loss.v[r] = row.loss;
    lanes.mean_w.v[r] = row.mean_w;
    lanes.factor.v[r] = row.factor;
  }
  if (p.classes <= kNearResidualClasses) {
    const Lanes residual = near_residual(x.q, x.w, p.classes, lanes.mean_w);
    LEAVEN_EACH_LANE(r) lanes.mean_w.v[r] = residual.v[r] * at.inverse_sum.v[r];
  }
  return lanes;
}

// Lanes that are not near get the results of the dearer formula, in the scratch arrays too where the row is one chunk.
std::uint32_t find_far_rows(const LossParams& p, const LossUnit& u, const Lanes& near, const TemperatureLanes& k,
                            Scratch& x, FarRow& far, SoftLanes& soft) {
  find_far(p, u, k, x, far);
  const SoftLanes result = far.result;
  LEAVEN_EACH_LANE(r) {
    soft.loss.v[r] = near.v[r] != 0.0f ? soft.loss.v[r] : result.loss.v[r];
    soft.mean_w.v[r] = near.v[r] != 0.0f ? soft.mean_w.v[r] : result.mean_w.v[r];
    soft.factor.v[r] = near.v[r] != 0.0f ? soft.factor.v[r] : result.factor.v[r];
  }
  if (chunk_count(p.classes, u) == 1) {
    const std::int64_t groups = chunk_at(p.classes, u, 0).groups;
    replace_lanes(x.q, x.far_q, groups, near);
    replace_lanes(x.w, x.far_shift, groups, near);
  }
  return far_status(far);
}

template <bool kHard, bool kSoft>
void write_gradient(const LossParams& p, const LossUnit& u, const Chunk& chunk, const SoftLanes& soft,
                    const HardLanes& hard, Scratch& x) {
  float* const gradient = x.w;
  combine_gradient<kHard, kSoft>(gradient, x.q, x.exponential, chunk.groups, soft, hard);
  if constexpr (kHard) subtract_hard_targets(p, u, chunk, hard, x, gradient);
  store(p.gradient, gradient, u, chunk);
}

// A chunk of a row of several chunks once more: all that the gradient needs.
template <bool kHard, bool kSoft>
void repeat_chunk(const LossParams& p, const LossUnit& u, const Chunk& chunk, const RowSums& sums,
                  const NearLanes& centres, const FarRow& far, const TemperatureLanes& k, Scratch& x) {
  if constexpr (kSoft) {
    if (centres.near.v[0] != 0.0f) {
      NearTermSums known{};
      repeat_near(p, u, chunk, sums, centres, k, x, known);
    } else {
      repeat_far(p, u, chunk, far, k, x);
      const Lanes none{};
      replace_lanes(x.q, x.far_q, chunk.groups, none);
      replace_lanes(x.w, x.far_shift, chunk.groups, none);
    }
  } else {
    load_logits<kSoft>(p, u, chunk, x);
  }
  if constexpr (kHard) {
    Lanes known{};
    load_hard_inputs(p, u, chunk, x);
    hard_elements(x.student, x.exponential, chunk.groups, sums.references.student_max,
                  ahead(p.student, u, 0, chunk.first), gradient_ahead(p, u, 0, chunk.first), known);
  }
}

// The rows' weights, in loss and gradient.
void weigh_rows(const LossParams& p, const LossUnit& u, float scale, SoftLanes& soft) {
  SoftLanes local = soft;
  const Lanes row_weight = u.weight;
  const float soft_weight = p.soft_weight;
  LEAVEN_EACH_LANE(r) {
    const float weight = soft_weight * row_weight.v[r];
    local.loss.v[r] = weighted_gap(weight, local.loss.v[r]);
    local.factor.v[r] *= weight * scale;
  }
  soft = local;
}

// Losses of the unit's rows to `losses`; gradients to their place. Returns bits of LossStatus.
template <bool kHard, bool kSoft>
std::uint32_t process(const LossParams& p, float scale, const TemperatureLanes& k, LossUnit& u, Scratch& x,
                      Lanes& losses) {
  std::uint32_t status = find_row_weights(p, u);
  if (kHard) status |= find_targets(p, u, x);
  RowSums sums;
  find_sums<kHard, kSoft>(p, u, k, x, sums);
  HardLanes hard{};
  SoftLanes soft{};
  NearLanes centres;
  FarRow far;
  losses = Lanes{};
  if constexpr (kHard) {
    hard = find_hard_rows(p, u, x, sums.references.student_max, scale, sums.hard);
    status |= hard_status(sums.max.student, sums.hard);
    losses = hard.loss;
  }
  if constexpr (kSoft) {
    centres = find_centres(sums, k);
    if (u.tile || centres.near.v[0] != 0.0f) soft = find_near_rows(p, u, sums, centres, k, x);
    if (!all_lanes(centres.near)) status |= find_far_rows(p, u, centres.near, k, x, far, soft);
    weigh_rows(p, u, scale, soft);
    add(losses, soft.loss);
  }
  const std::int64_t chunks = p.gradient.data != nullptr ? chunk_count(p.classes, u) : 0;
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) repeat_chunk<kHard, kSoft>(p, u, chunk, sums, centres, far, k, x);
    write_gradient<kHard, kSoft>(p, u, chunk, soft, hard, x);
  }
  return status;
}

template <bool kHard, bool kSoft>
void loss_rows(const LossParams& p, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  Scratch scratch;
  LossUnit u;
  u.tile = p.classes <= kTileClasses;
  const TemperatureLanes k(p.temperature);
  Totals totals;
  if (kHard) totals.status |= load_all_class_weights(p, u, scratch);
  for_each_unit(begin, end, p.classes, u, [&] {
    Lanes losses, counts;
    totals.status |= process<kHard, kSoft>(p, scale, k, u, scratch, losses);
    LEAVEN_EACH_LANE(r) counts.v[r] = u.weight.v[r] > 0.0f ? 1.0f : 0.0f;
    totals.add_unit(p, u, losses, kSoft ? counts : u.targets.valid);
  });
  totals.write(p, partial);
}

template <HardKind kKind>
void cross_entropy_rows(const LossParams& p, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  Scratch scratch;
  LossUnit u;
  Totals totals;
  totals.status |= load_all_class_weights(p, u, scratch);
  for_each_cross_entropy_unit(begin, end, p.classes, u, [&] {
    Lanes losses;
    totals.status |= CrossEntropyRows<kKind>(p, u, scratch).process(scale, losses);
    totals.add_unit(p, u, losses, u.targets.valid);
  });
  totals.write(p, partial);
}

void cross_entropy(const LossParams& p, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  const bool dense = p.targets.soft != nullptr;
  const bool weighted = p.targets.class_weights != nullptr;
  if (p.classes <= kCrossEntropyTileClasses) return loss_rows<true, false>(p, scale, begin, end, partial);
  if (dense && weighted) return cross_entropy_rows<HardKind::dense_weighted>(p, scale, begin, end, partial);
  if (dense) return cross_entropy_rows<HardKind::dense>(p, scale, begin, end, partial);
  if (is_smoothed(p)) return cross_entropy_rows<HardKind::smoothed>(p, scale, begin, end, partial);
  return cross_entropy_rows<HardKind::labels>(p, scale, begin, end, partial);
}

std::int64_t count_valid(const LossParams& p, std::int64_t begin, std::int64_t end) {
  Scratch scratch;
  LossUnit u;
  Lanes valid{};
  for_each_unit(begin, end, p.classes, u, [&] {
    find_row_weights(p, u);
    Lanes counts;
    LEAVEN_EACH_LANE(r) counts.v[r] = u.weight.v[r] > 0.0f ? 1.0f : 0.0f;
    if (p.teacher.data == nullptr) {
      find_targets(p, u, scratch);
      counts = u.targets.valid;
    }
    drop_spare_lanes(u, counts);
    add(valid, counts);
  });
  return static_cast<std::int64_t>(lane_sum(valid));
}

}  // namespace

const LossLoops loss_loops = {cross_entropy, loss_rows<false, true>, loss_rows<true, true>, count_valid};

}  // namespace leaven::LEAVEN_ISA
