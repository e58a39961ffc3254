#include "host/loss/probability_loops.hpp"

#include "host/loss/unit.hpp"
#include "kernels/loss/softmax_row.hpp"

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

void find_max(const float* __restrict s, std::int64_t groups, Lanes& max) {
  Lanes local = max;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) local.v[r] = larger(local.v[r], s[i + r]);
  }
  max = local;
}

void max_across(Lanes& max) {
  float all = max.v[0];
  for (int r = 1; r < kLanes; ++r) all = larger(all, max.v[r]);
  fill(max, all);
}

// What is kept of the logits takes their place.
template <ProbabilityScale kScale>
void add_exponentials(float* __restrict s, std::int64_t groups, const Lanes& max, const Temperature& temperature,
                      Lanes& sum) {
  const Lanes local = max;
  const Temperature k = temperature;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const Difference d = difference(s[i + r], local.v[r]);
        const float exponential = exp_over(d, k);
        s[i + r] = kept_element<kScale>(d, exponential, k);
        part.v[r] += exponential;
      }
    }
    add(sum, part);
  }
}

template <ProbabilityScale kScale>
void finish_elements(float* __restrict s, std::int64_t groups, const Lanes& factor) {
  const Lanes local = factor;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) s[i + r] = row_result<kScale>(s[i + r], local.v[r]);
  }
}

// A row of more than one chunk is read three times: for its maximum, its sum and its results.
template <ProbabilityScale kScale>
void softmax(const LogitRows& logits, const Temperature& temperature, const OutputRows& out, std::int64_t begin,
             std::int64_t end) {
  Scratch x;
  Unit u;
  for_each_unit(begin, end, logits.classes, u, [&] {
    const std::int64_t chunks = chunk_count(logits.classes, u);
    Chunk chunk;
    Lanes max, factor, sum{};
    fill(max, -kInfinity);
    for (std::int64_t i = 0; i < chunks; ++i) {
      chunk = load_at(logits, u, i, x);
      find_max(x.logits, chunk.groups, max);
    }
    if (!u.tile) max_across(max);
    LEAVEN_EACH_LANE(r) max.v[r] = finite_max(max.v[r]);
    for (std::int64_t i = 0; i < chunks; ++i) {
      if (chunks > 1) chunk = load_at(logits, u, i, x);
      add_exponentials<kScale>(x.logits, chunk.groups, max, temperature, sum);
    }
    if (!u.tile) sum_across(sum);
    LEAVEN_EACH_LANE(r) factor.v[r] = row_factor<kScale>(sum.v[r]);
    for (std::int64_t i = 0; i < chunks; ++i) {
      if (chunks > 1) {
        Lanes known{};
        chunk = load_at(logits, u, i, x);
        add_exponentials<kScale>(x.logits, chunk.groups, max, temperature, known);
      }
      finish_elements<kScale>(x.logits, chunk.groups, factor);
      store(out, x.logits, u, chunk);
    }
  });
}

// The sums of a unit's exponentials at temperature 1. Its last chunk is loaded.
Lanes find_sums(const LogitRows& logits, const Unit& u, const TopLanes& top, Chunk chunk, Scratch& x) {
  constexpr Temperature kOne{};
  const std::int64_t chunks = chunk_count(logits.classes, u);
  Lanes max, sum{};
  LEAVEN_EACH_LANE(r) max.v[r] = finite_max(top.max.v[r]);
  for (std::int64_t i = 0; i < chunks; ++i) {
    if (chunks > 1) chunk = load_at(logits, u, i, x);
    add_exponentials<ProbabilityScale::linear>(x.logits, chunk.groups, max, kOne, sum);
  }
  if (!u.tile) sum_across(sum);
  return sum;
}

void top(const LogitRows& logits, std::int64_t begin, std::int64_t end, std::int32_t* labels, float* confidence) {
  Scratch x;
  Unit u;
  for_each_unit(begin, end, logits.classes, u, [&] {
    TopLanes found{};
    fill(found.max, -kInfinity);
    Chunk chunk;
    for (std::int64_t i = 0; i < chunk_count(logits.classes, u); ++i) {
      chunk = load_at(logits, u, i, x);
      find_top(x.logits, chunk, u.tile, found);
    }
    if (!u.tile) top_across(found);
    Lanes sum{};
    if (confidence != nullptr) sum = find_sums(logits, u, found, chunk, x);
    for (int r = 0; r < u.rows; ++r) {
      const bool valid = found.nan.v[r] == 0.0f && found.max.v[r] != -kInfinity && sum.v[r] == sum.v[r];
      labels[u.row - begin + r] = valid ? found.column[r] : -1;
      if (confidence != nullptr) confidence[u.row - begin + r] = valid ? 1.0f / sum.v[r] : 0.0f;
    }
  });
}

// The logit of each lane's label, how many come before it, and whether there was a NaN (not 0).
struct RankLanes {
  Lanes logit, nan;
  std::int32_t label[kLanes];
  std::int32_t before[kLanes];
};

// A label that is not a class looks like one whose logit is -inf. The unit's first chunk is loaded.
RankLanes find_labels(const LogitRows& logits, const std::int32_t* labels, const Unit& u, const Scratch& x) {
  const auto classes = static_cast<std::uint32_t>(logits.classes);
  RankLanes rank{};
  if (!u.tile) {
    const std::int32_t label = labels[u.row];
    const bool is_class = static_cast<std::uint32_t>(label) < classes;
    LEAVEN_EACH_LANE(r) rank.label[r] = label;
    fill(rank.logit, is_class ? load_logit(logits.rows, u.row, label) : -kInfinity);
    return rank;
  }
  for (int r = 0; r < kLanes; ++r) rank.label[r] = labels[u.row_of(r)];
  LEAVEN_EACH_LANE(r) {
    const bool is_class = static_cast<std::uint32_t>(rank.label[r]) < classes;
    const float logit = x.logits[(is_class ? rank.label[r] : 0) * kLanes + r];
    rank.logit.v[r] = is_class ? logit : -kInfinity;
  }
  return rank;
}

void count_before(const float* __restrict s, const Chunk& chunk, bool tile, RankLanes& rank) {
  RankLanes local = rank;
  std::int32_t column[kLanes];
  LEAVEN_EACH_LANE(r) column[r] = static_cast<std::int32_t>(chunk.first) + (tile ? 0 : r);
  for (std::int64_t i = 0; i < chunk.groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      const float x = s[i + r];
      const bool tie = (x == local.logit.v[r]) & (column[r] < local.label[r]);
      local.nan.v[r] = x == x ? local.nan.v[r] : 1.0f;
      local.before[r] += (x > local.logit.v[r]) | tie ? 1 : 0;
    }
    LEAVEN_EACH_LANE(r) column[r] += tile ? 1 : kLanes;
  }
  rank = local;
}

void rank(const LogitRows& logits, const std::int32_t* labels, std::int64_t begin, std::int64_t end,
          std::int32_t* ranks) {
  Scratch x;
  Unit u;
  for_each_unit(begin, end, logits.classes, u, [&] {
    Chunk chunk = load_at(logits, u, 0, x);
    RankLanes found = find_labels(logits, labels, u, x);
    count_before(x.logits, chunk, u.tile, found);
    for (std::int64_t i = 1; i < chunk_count(logits.classes, u); ++i) {
      chunk = load_at(logits, u, i, x);
      count_before(x.logits, chunk, u.tile, found);
    }
    if (!u.tile) {
      sum_across(found.nan);
      for (int r = 1; r < kLanes; ++r) found.before[0] += found.before[r];
    }
    for (int r = 0; r < u.rows; ++r) {
      const bool has_rank = found.nan.v[r] == 0.0f && found.logit.v[r] != -kInfinity;
      ranks[u.row - begin + r] = has_rank ? found.before[r] : kNoRank;
    }
  });
}

}  // namespace

const ProbabilityLoops probability_loops = {softmax<ProbabilityScale::linear>, softmax<ProbabilityScale::logarithmic>,
                                            top, rank};

}  // namespace leaven::LEAVEN_ISA
