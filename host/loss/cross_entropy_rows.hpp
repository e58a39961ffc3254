#pragma once

#include "host/loss/hard_part.hpp"
#include "host/loss/max_phases.hpp"

// The cross-entropy alone of rows of many classes: lanes along the row, which is read where it lies and whose gradient
// is written to its place; rows of 16 bits pass through the scratch arrays. A unit is as many rows as the array of
// exponentials holds: what is done once per row is done for all of them side by side. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

// Of up to so many classes sixteen rows are a tile.
inline constexpr std::int64_t kCrossEntropyTileClasses = 40;

// body(i, count): the groups from column i on, `count` of whose lanes exist: a constant but in the last group.
template <class Body>
LEAVEN_HD void for_each_group(std::int64_t begin, std::int64_t end, Body&& body) {
  std::int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) body(i, kLanes);
  if (i < end) body(i, static_cast<int>(end - i));
}

void copy_columns(float* __restrict to, const float* __restrict from, std::int64_t columns) {
  for (std::int64_t i = 0; i < columns; ++i) to[i] = from[i];
}

[[gnu::noinline]] void find_largest(const float* __restrict s, std::int64_t columns, float* __restrict lanes) {
  Lanes max;
  LEAVEN_EACH_LANE(r) max.v[r] = lanes[r];
  for_each_group(0, columns, [&](std::int64_t i, int count) LEAVEN_INLINE {
    LEAVEN_EACH_LANE(r) {
      const float logit = r < count ? s[i + r] : -kInfinity;
      max.v[r] = larger(max.v[r], logit);
    }
  });
  LEAVEN_EACH_LANE(r) lanes[r] = max.v[r];
}

// The lanes of each row of a unit. `across` combines those of a row, halves with halves, to one value per row.
template <class T>
struct RowLanes {
  alignas(64) T v[kLanes][kLanes];

  LEAVEN_HD void set(int row, T value) { LEAVEN_EACH_LANE(r) v[row][r] = value; }
};
template <class T, class Combine>
void across(const RowLanes<T>& rows, T* __restrict values, Combine combine) {
  alignas(64) T halves[kLanes][kLanes / 2];
  alignas(64) T quarters[kLanes][kLanes / 4];
  for (int row = 0; row < kLanes; ++row) {
    for (int r = 0; r < kLanes / 2; ++r) halves[row][r] = combine(rows.v[row][r], rows.v[row][r + kLanes / 2]);
  }
  for (int row = 0; row < kLanes; ++row) {
    for (int r = 0; r < kLanes / 4; ++r) quarters[row][r] = combine(halves[row][r], halves[row][r + kLanes / 4]);
  }
  LEAVEN_EACH_LANE(row) {
    const T* const x = quarters[row];
    values[row] = combine(combine(x[0], x[2]), combine(x[1], x[3]));
  }
}

// What is found of each row of a unit. `bits` are the largest ones of a row's weights.
struct CrossEntropySums {
  RowLanes<float> exponentials, mass, gaps, unmasked;
  RowLanes<std::uint32_t> bits;

  void clear(int row) {
    exponentials.set(row, 0);
    mass.set(row, 0);
    gaps.set(row, 0);
    unmasked.set(row, 0);
    bits.set(row, 0);
  }
};

enum class HardKind { labels, smoothed, dense, dense_weighted };

// The row of the next unit that a row of this one asks for.
struct RowAhead {
  Ahead logits, targets, gradient;
};

// Exponentials to `e`; to `spread` the weights of the classes that label smoothing spreads over.
template <HardKind kKind>
[[gnu::noinline]] void row_sums(const float* __restrict s, const float* __restrict targets,
                                const float* __restrict class_weights, std::int64_t columns, float max,
                                float* __restrict e, float* __restrict spread, const RowAhead& next, int row,
                                CrossEntropySums& sums) {
  constexpr bool kDense = kKind == HardKind::dense || kKind == HardKind::dense_weighted;
  constexpr Temperature kOne{};
  std::uint32_t bits[kLanes];
  LEAVEN_EACH_LANE(r) bits[r] = kDense ? sums.bits.v[row][r] : 0u;
  for (std::int64_t begin = 0; begin < columns; begin += kBlockGroups * kLanes) {
    const std::int64_t rest = columns - begin;
    const std::int64_t end = begin + (rest < kBlockGroups * kLanes ? rest : kBlockGroups * kLanes);
    Lanes exponentials{}, mass{}, gaps{}, unmasked{};
    for_each_group(begin, end, [&](std::int64_t i, int count) LEAVEN_INLINE {
      next.logits.fetch(i);
      next.gradient.fetch(i);
      if constexpr (kDense) next.targets.fetch(i);
      LEAVEN_EACH_LANE(r) {
        const float logit = r < count ? s[i + r] : -kInfinity;
        const float value = exp_near(logit - max, kOne);
        e[i + r] = value;
        exponentials.v[r] += value;
        if constexpr (kDense) {
          const float given = r < count ? targets[i + r] : 0.0f;
          bits[r] = LargerBits{}(bits[r], weight_bits(given));
          const float weight = kKind == HardKind::dense ? given : given * class_weights[i + r];
          mass.v[r] += weight;
          gaps.v[r] += weighted_gap(weight, max - logit);
        }
        if constexpr (kKind == HardKind::smoothed) {
          const float finite = logit == -kInfinity ? max : logit;
          const float exists = logit == finite ? 1.0f : 0.0f;
          const float weight = exists * class_weights[i + r];
          spread[i + r] = weight;
          unmasked.v[r] += exists;
          mass.v[r] += weight;
          gaps.v[r] += weight * (max - finite);
        }
      }
    });
    LEAVEN_EACH_LANE(r) sums.exponentials.v[row][r] += exponentials.v[r];
    if constexpr (kKind == HardKind::labels) continue;
    LEAVEN_EACH_LANE(r) sums.mass.v[row][r] += mass.v[r];
    LEAVEN_EACH_LANE(r) sums.gaps.v[row][r] += gaps.v[r];
    if constexpr (kKind == HardKind::smoothed) LEAVEN_EACH_LANE(r) sums.unmasked.v[row][r] += unmasked.v[r];
  }
  if constexpr (kDense) LEAVEN_EACH_LANE(r) sums.bits.v[row][r] = bits[r];
}

struct RowFactors {
  float softmax, target, spread;
};
// All of the gradient but the labels' share.
template <HardKind kKind>
[[gnu::noinline]] void row_gradient(float* __restrict gradient, const float* __restrict e,
                                    const float* __restrict targets, const float* __restrict class_weights,
                                    const float* __restrict spread, std::int64_t columns, const RowFactors& factors) {
  Lanes softmax, target, share;
  fill(softmax, factors.softmax);
  fill(target, factors.target);
  fill(share, factors.spread);
  for_each_group(0, columns, [&](std::int64_t i, int count) LEAVEN_INLINE {
    LEAVEN_EACH_LANE(r) {
      if (r < count) {
        float value = softmax.v[r] * e[i + r];
        if constexpr (kKind == HardKind::smoothed) value -= share.v[r] * spread[i + r];
        if constexpr (kKind == HardKind::dense)
          value = hard_gradient(softmax.v[r], e[i + r], target.v[r], targets[i + r]);
        if constexpr (kKind == HardKind::dense_weighted) {
          value = hard_gradient(softmax.v[r], e[i + r], target.v[r], targets[i + r] * class_weights[i + r]);
        }
        gradient[i + r] = value;
      }
    }
  });
}

// The rows of a unit; or one row that no scratch array holds, chunk by chunk.
template <HardKind kKind>
struct CrossEntropyRows {
  const LossParams& p;
  LossUnit& u;
  Scratch& x;
  Lanes max;
  HardLaneSums sums;

  CrossEntropyRows(const LossParams& params, LossUnit& unit, Scratch& scratch) : p(params), u(unit), x(scratch) {}

  static constexpr bool kDense = kKind == HardKind::dense || kKind == HardKind::dense_weighted;

  const float* targets(int row, const Chunk& chunk) const {
    return kDense ? p.targets.soft + (u.row + row) * p.targets.soft_stride + chunk.first : nullptr;
  }
  RowAhead next(int row, const Chunk& chunk) const {
    const Ahead logits = ahead(p.student, u, row, chunk.first);
    const Ahead weights = kDense ? ahead(dense_rows(p), u, row, chunk.first) : logits;
    return {logits, weights, gradient_ahead(p, u, row, chunk.first)};
  }
  // In the arrays of exponentials and of spread weights.
  std::int64_t place(int row, const Chunk& chunk) const { return row * chunk.groups * kLanes; }

  bool is_ignored(int row) const { return row >= u.rows || u.targets.valid.v[row] == 0.0f; }
  bool is_wide() const { return chunk_count(p.classes, u) > 1; }

  // The logits as floats: their own, or those of load_narrow.
  const float* logits(int row, const Chunk& chunk) const {
    if (p.student.type != FloatType::f32) return x.student + row * chunk.columns;
    return static_cast<const float*>(p.student.data) + (u.row + row) * p.student.stride + chunk.first;
  }
  void load_narrow(const Chunk& chunk) {
    if (p.student.type == FloatType::f32) return;
    const auto* const from = static_cast<const std::uint16_t*>(p.student.data) + u.row * p.student.stride + chunk.first;
    if (u.rows == 1 || p.student.stride == chunk.columns) {
      return to_floats(x.student, from, u.rows * chunk.columns, p.student.type);
    }
    for (int row = 0; row < u.rows; ++row) {
      to_floats(x.student + row * chunk.columns, from + row * p.student.stride, chunk.columns, p.student.type);
    }
  }

  void find_max() {
    RowLanes<float> lanes;
    if (!is_wide()) load_narrow(chunk_at(p.classes, u, 0));
    for (int row = 0; row < kLanes; ++row) {
      lanes.set(row, -kInfinity);
      if (is_ignored(row)) continue;
      for (std::int64_t i = 0; i < chunk_count(p.classes, u); ++i) {
        const Chunk chunk = chunk_at(p.classes, u, i);
        if (is_wide()) load_narrow(chunk);
        find_largest(logits(row, chunk), chunk.columns, lanes.v[row]);
      }
    }
    across(lanes, max.v, LaneLarger{});
    LEAVEN_EACH_LANE(r) max.v[r] = finite_max(max.v[r]);
  }

  // The exponentials of a wide row wait in its gradient's place where nothing is against it: it is not that of the
  // logits, and the gradient needs nothing else that the scratch arrays held.
  bool keeps_exponentials() const {
    const bool needs_more = kKind == HardKind::smoothed || kKind == HardKind::dense_weighted;
    return is_wide() && !needs_more && p.gradient.data != nullptr && p.gradient.type == FloatType::f32 &&
           p.gradient.data != p.student.data;
  }

  void add_chunk(int row, const Chunk& chunk, CrossEntropySums& lanes) {
    if (is_wide()) {
      load_narrow(chunk);
      if (kKind == HardKind::smoothed || kKind == HardKind::dense_weighted) load_class_weights(p, u, chunk, x);
    }
    const std::int64_t at = place(row, chunk);
    row_sums<kKind>(logits(row, chunk), targets(row, chunk), x.class_weights, chunk.columns, max.v[row],
                    x.exponential + at, x.w + at, next(row, chunk), row, lanes);
  }

  // Sums of ignored rows are 0. Returns bits of LossStatus.
  std::uint32_t find_sums() {
    CrossEntropySums lanes;
    for (int row = 0; row < kLanes; ++row) {
      lanes.clear(row);
      if (is_ignored(row)) continue;
      for (std::int64_t i = 0; i < chunk_count(p.classes, u); ++i) {
        const Chunk chunk = chunk_at(p.classes, u, i);
        add_chunk(row, chunk, lanes);
        if (keeps_exponentials()) copy_columns(gradient(row, chunk), x.exponential, chunk.columns);
      }
    }
    across(lanes.exponentials, sums.exponentials.v, LaneAdd{});
    if (kKind == HardKind::smoothed) {
      across(lanes.unmasked, sums.unmasked.count.v, LaneAdd{});
      across(lanes.mass, sums.unmasked.mass.v, LaneAdd{});
      across(lanes.gaps, sums.unmasked.gaps.v, LaneAdd{});
    }
    return kDense ? find_dense_sums(lanes) : 0u;
  }

  std::uint32_t find_dense_sums(const CrossEntropySums& lanes) {
    std::uint32_t bits[kLanes], status = 0;
    across(lanes.mass, sums.mass.v, LaneAdd{});
    across(lanes.gaps, sums.target_gaps.v, LaneAdd{});
    across(lanes.bits, bits, LargerBits{});
    for (int row = 0; row < kLanes; ++row) {
      status |= is_bad_weight(bits[row]) ? kWeightOutOfRange : 0u;
      if (bits[row] != 0u && !is_bad_weight(bits[row])) continue;
      u.targets.valid.v[row] = 0.0f;
      sums.exponentials.v[row] = 0.0f;
      sums.mass.v[row] = 0.0f;
      sums.target_gaps.v[row] = 0.0f;
    }
    return status;
  }

  Lanes label_logits(const std::int32_t* labels) const {
    Lanes logits = max;
    for (int row = 0; row < u.rows; ++row) {
      if (u.targets.valid.v[row] != 0.0f) logits.v[row] = load_logit(p.student, u.row + row, labels[row]);
    }
    return logits;
  }

  // Where a gradient goes as floats: to its place, or to where store_narrow finds it.
  float* gradient(int row, const Chunk& chunk) const {
    if (p.gradient.type != FloatType::f32) return x.q + row * chunk.columns;
    return static_cast<float*>(p.gradient.data) + (u.row + row) * p.gradient.stride + chunk.first;
  }
  void store_narrow(const Chunk& chunk) const {
    if (p.gradient.type == FloatType::f32) return;
    auto* const to = static_cast<std::uint16_t*>(p.gradient.data) + u.row * p.gradient.stride + chunk.first;
    if (u.rows == 1 || p.gradient.stride == chunk.columns) {
      return from_floats(to, x.q, u.rows * chunk.columns, p.gradient.type);
    }
    for (int row = 0; row < u.rows; ++row) {
      from_floats(to + row * p.gradient.stride, x.q + row * chunk.columns, chunk.columns, p.gradient.type);
    }
  }

  void write_row(int row, const Chunk& chunk, const HardLanes& hard) const {
    float* const to = gradient(row, chunk);
    if (is_ignored(row)) {
      for (std::int64_t c = 0; c < chunk.columns; ++c) to[c] = 0.0f;
      return;
    }
    const RowFactors factors{hard.softmax.v[row], hard.target.v[row], hard.spread.v[row]};
    const std::int64_t at = place(row, chunk);
    row_gradient<kKind>(to, x.exponential + at, targets(row, chunk), x.class_weights, x.w + at, chunk.columns, factors);
    if (!kDense) subtract_labels(row, chunk, factors.target, to);
  }

  void write_gradients(const HardLanes& hard) {
    CrossEntropySums known;
    for (std::int64_t i = 0; i < chunk_count(p.classes, u); ++i) {
      const Chunk chunk = chunk_at(p.classes, u, i);
      if (keeps_exponentials()) {
        copy_columns(x.exponential, gradient(0, chunk), chunk.columns);
      } else if (is_wide() && !is_ignored(0)) {
        known.clear(0);
        add_chunk(0, chunk, known);
      }
      for (int row = 0; row < u.rows; ++row) write_row(row, chunk, hard);
      store_narrow(chunk);
    }
  }

  void subtract_labels(int row, const Chunk& chunk, float factor, float* to) const {
    const TargetLanes& targets = u.targets;
    const std::int64_t a = targets.a[row] - chunk.first;
    if (a >= 0 && a < chunk.columns) to[a] -= factor * targets.weight_a.v[row];
    if (p.targets.b == nullptr) return;
    const std::int64_t b = targets.b[row] - chunk.first;
    if (b >= 0 && b < chunk.columns) to[b] -= factor * targets.weight_b.v[row];
  }

  // Returns bits of LossStatus.
  std::uint32_t process(float scale, Lanes& losses) {
    std::uint32_t status = find_row_weights(p, u);
    if (kDense) {
      fill(u.targets.valid, 1.0f);
    } else {
      status |= find_label_targets(p.targets, static_cast<std::int32_t>(p.classes), u);
    }
    ignore_weightless(u);
    find_max();
    status |= find_sums();
    if (!kDense) {
      const Lanes a = label_logits(u.targets.a);
      add_labels(u, a, p.targets.b != nullptr ? label_logits(u.targets.b) : max, max, sums);
    }
    const HardLanes hard = find_hard_rows(p, u, scale, sums);
    status |= hard_status(max, sums);
    losses = hard.loss;
    if (p.gradient.data != nullptr) write_gradients(hard);
    return status;
  }
};

// body() for the units of the rows begin .. end - 1.
template <class Body>
LEAVEN_HD void for_each_cross_entropy_unit(std::int64_t begin, std::int64_t end, std::int64_t classes, LossUnit& u,
                                           Body&& body) {
  const std::int64_t fit = kScratch / ((classes + kLanes - 1) / kLanes * kLanes);
  const std::int64_t rows = fit < 1 ? 1 : fit < kLanes ? fit : kLanes;
  u.tile = false;
  for (u.row = begin; u.row < end; u.row += u.rows) {
    u.rows = static_cast<int>(end - u.row < rows ? end - u.row : rows);
    u.next = u.row + u.rows < end ? u.row + u.rows : u.row;
    body();
  }
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
