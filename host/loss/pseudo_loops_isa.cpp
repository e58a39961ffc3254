#include "host/loss/pseudo_loops.hpp"

#include "host/loss/unit.hpp"
#include "kernels/loss/hard_row.hpp"
#include "kernels/loss/targets.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

struct Scratch {
  alignas(64) float strong[kScratch];
  alignas(64) float weak[kScratch];  // then exponentials, then probabilities
  alignas(64) float exponential[kScratch];
};

// One unit's rows; what lanes hold is the same in all of them where the unit is one row.
struct Rows {
  Lanes weight;
  Lanes weak_max, weak_inverse;
  Lanes max, exponentials, gaps;
  Lanes softmax, target;  // factors of the gradient
};

// Rows of weight 0 become zeros instead of what stands there.
void clear_unweighted(float* values, const Lanes& weight, std::int64_t groups) {
  LEAVEN_EACH_LANE(r) {
    if (weight.v[r] > 0.0f) continue;
    for (std::int64_t c = 0; c < groups; ++c) values[c * kLanes + r] = 0.0f;
  }
}

// Sums are formed in two levels, which keeps their rounding errors small: blocks first.
constexpr std::int64_t kSumBlock = 8 * kLanes;
std::int64_t sum_block_end(std::int64_t begin, std::int64_t size) {
  return begin + kSumBlock < size ? begin + kSumBlock : size;
}

void load_both(const LossParams& p, const Unit& u, const Chunk& chunk, const Rows& rows, Scratch& x) {
  load(x.strong, p.student, u, chunk, -kInfinity);
  load(x.weak, p.teacher, u, chunk, -kInfinity);
  clear_unweighted(x.strong, rows.weight, chunk.groups);
  clear_unweighted(x.weak, rows.weight, chunk.groups);
}

void add_max(const float* __restrict s, std::int64_t groups, Lanes& max) {
  Lanes local = max;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) local.v[r] = larger(local.v[r], s[i + r]);
  }
  max = local;
}

void finish_max(Lanes& max, bool tile) {
  for (int r = 1; r < kLanes && !tile; ++r) max.v[0] = larger(max.v[0], max.v[r]);
  if (!tile) fill(max, max.v[0]);
}

void finite(const Lanes& max, Lanes& result) { LEAVEN_EACH_LANE(r) result.v[r] = finite_max(max.v[r]); }

// The weak logits become exponentials.
void weak_exponentials(float* __restrict t, std::int64_t groups, const Lanes& max, const Temperature& temperature,
                       Lanes& sum) {
  const Lanes local = max;
  const Temperature k = temperature;
  for (std::int64_t begin = 0; begin < groups * kLanes; begin += kSumBlock) {
    const std::int64_t end = sum_block_end(begin, groups * kLanes);
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float value = exp_over(difference(t[i + r], local.v[r]), k);
        t[i + r] = value;
        part.v[r] += value;
      }
    }
    add(sum, part);
  }
}

// Exponentials become probabilities; those of the strong view are summed up.
void strong_sums(const float* __restrict s, float* __restrict q, float* __restrict exponential, std::int64_t groups,
                 const Lanes& max, const Lanes& inverse, Lanes& exponentials, Lanes& gaps) {
  const Lanes local = max, factor = inverse;
  for (std::int64_t begin = 0; begin < groups * kLanes; begin += kSumBlock) {
    const std::int64_t end = sum_block_end(begin, groups * kLanes);
    Lanes part{}, part_gaps{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float gap = local.v[r] - s[i + r];
        const float value = hard_exponential(gap);
        const float probability = q[i + r] * factor.v[r];
        q[i + r] = probability;
        exponential[i + r] = value;
        part.v[r] += value;
        part_gaps.v[r] += weighted_gap(probability, gap);
      }
    }
    add(exponentials, part);
    add(gaps, part_gaps);
  }
}

void make_gradient(const float* __restrict exponential, float* __restrict q, std::int64_t groups, const Rows& rows) {
  const Lanes softmax = rows.softmax, target = rows.target;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) q[i + r] = hard_gradient(softmax.v[r], exponential[i + r], target.v[r], q[i + r]);
  }
}

// Leaves both maxima and the weak sums in `rows`.
void find_weak(const LossParams& p, const Unit& u, Rows& rows, Lanes& strong_max, Scratch& x) {
  const std::int64_t chunks = chunk_count(p.classes, u);
  Lanes weak_max, sum{};
  fill(weak_max, -kInfinity);
  fill(strong_max, -kInfinity);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    load_both(p, u, chunk, rows, x);
    add_max(x.strong, chunk.groups, strong_max);
    add_max(x.weak, chunk.groups, weak_max);
  }
  finish_max(strong_max, u.tile);
  finish_max(weak_max, u.tile);
  finite(strong_max, rows.max);
  finite(weak_max, rows.weak_max);
  for (std::int64_t i = 0; i < chunks; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    if (chunks > 1) load_both(p, u, chunk, rows, x);
    weak_exponentials(x.weak, chunk.groups, rows.weak_max, p.temperature, sum);
  }
  if (!u.tile) sum_across(sum);
  LEAVEN_EACH_LANE(r) rows.weak_inverse.v[r] = inverse_sum(sum.v[r]);
}

// Everything up to the gradient of a chunk; of the only one, its weak exponentials are there.
void find_chunk(const LossParams& p, const Unit& u, const Chunk& chunk, const Rows& rows, bool only,
                Lanes& exponentials, Lanes& gaps, Scratch& x) {
  if (!only) {
    Lanes known{};
    load_both(p, u, chunk, rows, x);
    weak_exponentials(x.weak, chunk.groups, rows.weak_max, p.temperature, known);
  }
  strong_sums(x.strong, x.weak, x.exponential, chunk.groups, rows.max, rows.weak_inverse, exponentials, gaps);
}

// Losses of the unit's rows to `losses`. Returns bits of LossStatus.
std::uint32_t find_losses(const Rows& rows, const Lanes& strong_max, float scale, Lanes& losses, Lanes& softmax,
                          Lanes& target) {
  const Rows local = rows;
  std::uint32_t status = 0;
  LEAVEN_EACH_LANE(r) {
    HardSums sums;
    sums.exponentials = local.exponentials.v[r];
    sums.target_gaps = local.gaps.v[r];
    sums.mass = 1.0f;
    const HardRow row = hard_row(sums, local.weight.v[r] > 0.0f, 0.0f, local.weight.v[r], scale);
    losses.v[r] = row.loss;
    softmax.v[r] = row.softmax;
    target.v[r] = row.target;
  }
  LEAVEN_EACH_LANE(r) {
    const std::uint32_t bits = strong_max.v[r] == kInfinity ? kLogitPlusInfinity : kLogitNaN;
    status |= local.exponentials.v[r] == local.exponentials.v[r] ? 0u : bits;
  }
  return status;
}

std::uint32_t process(const LossParams& p, const Unit& u, float scale, Rows& rows, Lanes& losses, Scratch& x) {
  const std::int64_t chunks = chunk_count(p.classes, u);
  Lanes strong_max;
  find_weak(p, u, rows, strong_max, x);
  rows.exponentials = {};
  rows.gaps = {};
  for (std::int64_t i = 0; i < chunks; ++i) {
    find_chunk(p, u, chunk_at(p.classes, u, i), rows, chunks == 1, rows.exponentials, rows.gaps, x);
  }
  if (!u.tile) {
    sum_across(rows.exponentials);
    sum_across(rows.gaps);
  }
  const std::uint32_t status = find_losses(rows, strong_max, scale, losses, rows.softmax, rows.target);
  for (std::int64_t i = 0; i < chunks && p.gradient.data != nullptr; ++i) {
    const Chunk chunk = chunk_at(p.classes, u, i);
    Lanes known{};
    if (chunks > 1) find_chunk(p, u, chunk, rows, false, known, known, x);
    make_gradient(x.exponential, x.weak, chunk.groups, rows);
    store(p.gradient, x.weak, u, chunk);
  }
  return status;
}

void soft_consistency(const LossParams& p, const float* weights, float scale, LossPartial& partial) {
  Scratch x;
  Unit u;
  Rows rows;
  float total = 0;
  std::int32_t valid = 0;
  std::uint32_t status = 0;
  for_each_unit(0, p.rows, p.classes, u, [&] {
    Lanes losses;
    LEAVEN_EACH_LANE(r) rows.weight.v[r] = weights[u.row_of(r)];
    status |= process(p, u, scale, rows, losses, x);
    for (int r = 0; r < u.rows; ++r) {
      total += losses.v[r];
      valid += rows.weight.v[r] > 0.0f ? 1 : 0;
      if (p.row_losses != nullptr) p.row_losses[u.row + r] = losses.v[r];
    }
  });
  partial.loss = total;
  partial.valid = valid;
  if (status != 0 && p.status != nullptr) __atomic_fetch_or(p.status, status, __ATOMIC_RELAXED);
}

// sums += confidence * exp(x - max) of a part of a row
void add_row(const float* __restrict x, std::int64_t columns, float max, float confidence, float* __restrict sums) {
  constexpr Temperature kOne{};
  for (std::int64_t c = 0; c < columns; ++c) {
    sums[c] = mul_add(exp_over({x[c] - max, 0.0f}, kOne), confidence, sums[c]);
  }
}

void sum_probabilities(const LogitRows& logits, std::int64_t begin, std::int64_t end, const std::int32_t* labels,
                       const float* confidence, float* sums) {
  alignas(64) float converted[kChunkColumns];
  const InputRows& from = logits.rows;
  for (std::int64_t c = 0; c < logits.classes; ++c) sums[c] = 0.0f;
  for (std::int64_t row = begin; row < end; ++row) {
    if (confidence[row] == 0.0f) continue;
    const float max = load_logit(from, row, labels[row]);
    for (std::int64_t first = 0; first < logits.classes; first += kChunkColumns) {
      const std::int64_t rest = logits.classes - first;
      const std::int64_t columns = rest < kChunkColumns ? rest : kChunkColumns;
      const std::int64_t at = row * from.stride + first;
      if (from.type == FloatType::f32) {
        add_row(static_cast<const float*>(from.data) + at, columns, max, confidence[row], sums + first);
      } else {
        to_floats(converted, static_cast<const std::uint16_t*>(from.data) + at, columns, from.type);
        add_row(converted, columns, max, confidence[row], sums + first);
      }
    }
  }
}

}  // namespace

const PseudoLoops pseudo_loops = {soft_consistency, sum_probabilities};

}  // namespace leaven::LEAVEN_ISA
