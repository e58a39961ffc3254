#include "host/loss/probability_loops.hpp"

#include "host/loss/unit.hpp"
#include "kernels/loss/row_loss.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

struct Scratch {
  alignas(64) float logits[kScratch];
};

Chunk load_at(const LogitRows& logits, const Unit& u, std::int64_t index, Scratch& x) {
  const Chunk chunk = chunk_at(logits.classes, u, index);
  load(x.logits, logits.rows, u, chunk, -kInfinity);
  return chunk;
}

// The largest logit, its column and whether there was a NaN (not 0), per lane.
struct TopLanes {
  Lanes max, nan;
  std::int32_t column[kLanes];
};

void find_top(const float* __restrict s, const Chunk& chunk, bool tile, TopLanes& top) {
  TopLanes local = top;
  std::int32_t column[kLanes];
  LEAVEN_EACH_LANE(r) column[r] = static_cast<std::int32_t>(chunk.first) + (tile ? 0 : r);
  for (std::int64_t i = 0; i < chunk.groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      const float x = s[i + r];
      local.nan.v[r] = x == x ? local.nan.v[r] : 1.0f;
      local.column[r] = x > local.max.v[r] ? column[r] : local.column[r];
      local.max.v[r] = larger(local.max.v[r], x);
    }
    LEAVEN_EACH_LANE(r) column[r] += tile ? 1 : kLanes;
  }
  top = local;
}

void top_across(TopLanes& top) {
  for (int r = 1; r < kLanes; ++r) {
    const bool tie = top.max.v[r] == top.max.v[0] && top.column[r] < top.column[0];
    if (top.max.v[r] > top.max.v[0] || tie) {
      top.max.v[0] = top.max.v[r];
      top.column[0] = top.column[r];
    }
  }
  fill(top.max, top.max.v[0]);
  sum_across(top.nan);
}

void add_exponentials(float* __restrict s, std::int64_t groups, const Lanes& max, const Temperature& temperature,
                      Lanes& sum) {
  const Lanes local = max;
  const Temperature k = temperature;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float value = exp_over(difference(s[i + r], local.v[r]), k);
        s[i + r] = value;
        part.v[r] += value;
      }
    }
    add(sum, part);
  }
}

void scale(float* __restrict s, std::int64_t groups, const Lanes& factor) {
  const Lanes local = factor;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) s[i + r] *= local.v[r];
  }
}

// Maxima of a unit, and its sums of exponentials where a temperature is given.
TopLanes find_rows(const LogitRows& logits, const Unit& u, const Temperature* temperature, Scratch& x, Lanes& sum) {
  const std::int64_t chunks = chunk_count(logits.classes, u);
  TopLanes top{};
  fill(top.max, -kInfinity);
  Chunk chunk;
  for (std::int64_t i = 0; i < chunks; ++i) {
    chunk = load_at(logits, u, i, x);
    find_top(x.logits, chunk, u.tile, top);
  }
  if (!u.tile) top_across(top);
  if (temperature == nullptr) return top;
  Lanes max;
  LEAVEN_EACH_LANE(r) max.v[r] = finite_max(top.max.v[r]);
  sum = {};
  for (std::int64_t i = 0; i < chunks; ++i) {
    if (chunks > 1) chunk = load_at(logits, u, i, x);
    add_exponentials(x.logits, chunk.groups, max, *temperature, sum);
  }
  if (!u.tile) sum_across(sum);
  return top;
}

void softmax(const LogitRows& logits, const Temperature& temperature, const OutputRows& out, std::int64_t begin,
             std::int64_t end) {
  Scratch x;
  Unit u;
  for_each_unit(begin, end, logits.classes, u, [&] {
    Lanes sum, inverse, max;
    const TopLanes top = find_rows(logits, u, &temperature, x, sum);
    LEAVEN_EACH_LANE(r) inverse.v[r] = inverse_sum(sum.v[r]);
    LEAVEN_EACH_LANE(r) max.v[r] = finite_max(top.max.v[r]);
    const std::int64_t chunks = chunk_count(logits.classes, u);
    for (std::int64_t i = 0; i < chunks; ++i) {
      Chunk chunk = chunk_at(logits.classes, u, i);
      if (chunks > 1) {
        Lanes known{};
        chunk = load_at(logits, u, i, x);
        add_exponentials(x.logits, chunk.groups, max, temperature, known);
      }
      scale(x.logits, chunk.groups, inverse);
      store(out, x.logits, u, chunk);
    }
  });
}

void top(const LogitRows& logits, std::int64_t begin, std::int64_t end, std::int32_t* labels, float* confidence) {
  constexpr Temperature kOne{};
  Scratch x;
  Unit u;
  for_each_unit(begin, end, logits.classes, u, [&] {
    Lanes sum;
    const TopLanes found = find_rows(logits, u, confidence != nullptr ? &kOne : nullptr, x, sum);
    for (int r = 0; r < u.rows; ++r) {
      const bool sums_up = confidence == nullptr || sum.v[r] == sum.v[r];
      const bool valid = found.nan.v[r] == 0.0f && found.max.v[r] != -kInfinity && sums_up;
      labels[u.row - begin + r] = valid ? found.column[r] : -1;
      if (confidence != nullptr) confidence[u.row - begin + r] = valid ? 1.0f / sum.v[r] : 0.0f;
    }
  });
}

}  // namespace

const ProbabilityLoops probability_loops = {softmax, top};

}  // namespace leaven::LEAVEN_ISA
