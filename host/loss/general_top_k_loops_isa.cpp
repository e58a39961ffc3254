#include "host/loss/general_loops.hpp"
#include "host/loss/general_unit.hpp"
#include "kernels/loss/top_k_row.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// A row's events are its listed classes and, behind them, the rest. They lie as classes do: in a tile [event][lane], of
// a single row one after the other, filled up to whole groups by events of probability 0.
constexpr std::int64_t kMostEvents = (kMaxListed + 1) * kLanes;
struct TopKScratch : HardScratch {
  alignas(64) float rest[kScratch];      // the student's logits without the listed classes
  alignas(64) float gradient[kScratch];  // exp((s - rest_max) / T) of the rest at first
  alignas(64) float logits[kMostEvents];
  alignas(64) float log_q[kMostEvents];
  alignas(64) float log_p[kMostEvents];
  alignas(64) float p[kMostEvents];
  alignas(64) float q[kMostEvents];
  alignas(64) float y[kMostEvents];  // the gradient in the end
  alignas(64) std::int32_t listed[kMaxListed * kLanes];
};
std::int64_t event_groups(const TopKParams& top_k, const LossUnit& u) {
  return u.tile ? top_k.k + 1 : (top_k.k + 1 + kLanes - 1) / kLanes;
}
// body(entry, its place, lane) for the entries of the unit's lists.
template <class Body>
LEAVEN_HD void for_each_listed(const TopKParams& top_k, const LossUnit& u, Body&& body) {
  const int lanes = u.tile ? kLanes : 1;
  for (int r = 0; r < lanes; ++r) {
    for (std::int64_t i = 0; i < top_k.k; ++i) body(i, u.tile ? i * kLanes + r : i, r);
  }
}

// Rows with a bad list become ignored ones. Returns bits of LossStatus.
std::uint32_t find_list_status(const GeneralParams& g, LossUnit& u) {
  std::uint32_t status = 0;
  const int lanes = u.tile ? kLanes : 1;
  Lanes good;
  for (int r = 0; r < lanes; ++r) {
    const std::uint32_t bits = top_k_status(g.top_k, u.row_of(r), static_cast<std::int32_t>(g.loss.classes));
    good.v[r] = bits == 0u ? 1.0f : 0.0f;
    status |= bits;
  }
  for (int r = lanes; r < kLanes; ++r) good.v[r] = good.v[0];
  LEAVEN_EACH_LANE(r) u.weight.v[r] *= good.v[r];
  return status;
}

// Classes, logits and log-probabilities of the lists; class 0 where the row is an ignored one.
void load_lists(const GeneralParams& g, const LossUnit& u, TopKScratch& x) {
  const LossParams& p = g.loss;
  const std::int64_t size = event_groups(g.top_k, u) * kLanes;
  for (std::int64_t i = 0; i < size; ++i) x.logits[i] = x.log_q[i] = -kInfinity;
  for_each_listed(g.top_k, u, [&](std::int64_t i, std::int64_t at, int r) {
    const bool ignored = u.weight.v[r] == 0.0f;
    const std::int32_t of_class = ignored ? 0 : listed_class(g.top_k, u.row_of(r), i);
    x.listed[at] = of_class;
    x.log_q[at] = ignored ? 0.0f : listed_log_q(g.top_k, u.row_of(r), i);
    if (u.tile) {
      x.logits[at] = x.student[of_class * kLanes + r];
    } else {
      x.logits[at] = ignored ? 0.0f : load_logit(p.student, u.row, of_class);  // perhaps of another chunk
    }
  });
}
// values[listed class] = value(its place) for those of a chunk.
template <class Value>
LEAVEN_HD void replace_listed(const TopKParams& top_k, const LossUnit& u, const Chunk& chunk, const TopKScratch& x,
                              float* values, Value&& value) {
  for_each_listed(top_k, u, [&](std::int64_t, std::int64_t at, int r) {
    const std::int64_t column = x.listed[at] - chunk.first;
    if (u.tile) {
      values[column * kLanes + r] = value(at);
    } else if (column >= 0 && column < chunk.columns) {
      values[column] = value(at);
    }
  });
}
// Where rows are one chunk, x.student is loaded.
void load_rest(const GeneralParams& g, const LossUnit& u, const Chunk& chunk, TopKScratch& x) {
  if (!is_one_chunk(g.loss, u)) load_kept(x.student, g.loss.student, u, chunk);
  for (std::int64_t i = 0; i < chunk.groups * kLanes; ++i) x.rest[i] = x.student[i];
  replace_listed(g.top_k, u, chunk, x, x.rest, [](std::int64_t) { return -kInfinity; });
}

void add_rest(const float* __restrict s, float* __restrict exponential, std::int64_t groups, const Lanes& max,
              const TemperatureLanes& temperature, Lanes& sum) {
  const Lanes local = max;
  const TemperatureLanes k = temperature;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float value = exp_over(difference(s[i + r], local.v[r]), k.at(r));
        exponential[i + r] = value;
        part.v[r] += value;
      }
    }
    add(sum, part);
  }
}
void add_listed(const float* __restrict logits, const float* __restrict log_q, std::int64_t groups, const Lanes& max,
                const TemperatureLanes& temperature, Lanes& sum, Lanes& sum_q) {
  const Lanes local = max;
  const TemperatureLanes k = temperature;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      sum.v[r] += exp_over(difference(logits[i + r], local.v[r]), k.at(r));
      sum_q.v[r] += exp_over({log_q[i + r], 0.0f}, Temperature{});
    }
  }
}

struct TopKLanes {
  Lanes max, log_total, inverse_total, log_mass, inverse_mass;  // of TopKRow
  Lanes rest_max, inverse_rest;
  Lanes rest_p, rest_q, rest_y, rest_log_p;  // the rest's event
  StateLanes state;
};
// `max` are the largest logits of whole rows.
TopKLanes find_rows(const GeneralParams& g, const LossUnit& u, const Lanes& max, const TemperatureLanes& k,
                    TopKScratch& x) {
  const LossParams& p = g.loss;
  MaxLanes rest_max;
  fill(rest_max.student, -kInfinity);
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    load_rest(g, u, chunk, x);
    find_max<false>(x.rest, nullptr, chunk.groups, rest_max);
  });
  if (!u.tile) max_across(rest_max.student);
  TopKLanes lanes;
  lanes.rest_max = finite_lanes(rest_max.student);
  Lanes rest{}, listed{}, listed_q{}, rest_q;
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    if (!is_one_chunk(p, u)) load_rest(g, u, chunk, x);
    add_rest(x.rest, x.gradient, chunk.groups, lanes.rest_max, k, rest);
  });
  add_listed(x.logits, x.log_q, event_groups(g.top_k, u), finite_lanes(max), k, listed, listed_q);
  if (!u.tile) {
    sum_across(rest);
    sum_across(listed);
    sum_across(listed_q);
  }
  load_lanes(rest_q.v, g.top_k.rest, u);
  const Lanes local_max = max, local_rest_max = rest_max.student;
  LEAVEN_EACH_LANE(r) {
    const TopKSums sums{listed.v[r], rest.v[r], listed_q.v[r]};
    const TopKRow row = top_k_row(local_max.v[r], local_rest_max.v[r], sums, rest_q.v[r], k.at(r));
    const Event event = rest_event(row, k.at(r));
    lanes.max.v[r] = row.max;
    lanes.log_total.v[r] = row.log_total;
    lanes.inverse_total.v[r] = row.inverse_total;
    lanes.log_mass.v[r] = row.log_mass;
    lanes.inverse_mass.v[r] = row.inverse_mass;
    lanes.inverse_rest.v[r] = row.inverse_rest;
    lanes.rest_p.v[r] = event.p;
    lanes.rest_q.v[r] = event.q;
    lanes.rest_y.v[r] = event.y_t;
    lanes.rest_log_p.v[r] = event.log_p;
    lanes.state.masked.v[r] = row.state.masked;
    lanes.state.compared.v[r] = row.state.compared;
    lanes.state.check.v[r] = row.state.check;
    lanes.state.infinite.v[r] = local_max.v[r] == kInfinity ? 1.0f : 0.0f;
  }
  return lanes;
}

void listed_events(const float* __restrict logits, const float* __restrict log_q, float* __restrict p,
                   float* __restrict q, float* __restrict y, float* __restrict log_p, std::int64_t groups,
                   const TopKLanes& lanes, const TemperatureLanes& temperature) {
  const Lanes max = lanes.max, log_total = lanes.log_total, inverse_total = lanes.inverse_total;
  const Lanes log_mass = lanes.log_mass, inverse_mass = lanes.inverse_mass;
  const TemperatureLanes k = temperature;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      TopKRow row;
      row.max = max.v[r];
      row.log_total = log_total.v[r];
      row.inverse_total = inverse_total.v[r];
      row.log_mass = log_mass.v[r];
      row.inverse_mass = inverse_mass.v[r];
      const Event event = listed_event(logits[i + r], log_q[i + r], row, k.at(r));
      p[i + r] = event.p;
      q[i + r] = event.q;
      y[i + r] = event.y_t;
      log_p[i + r] = event.log_p;
    }
  }
}
void find_events(const TopKParams& top_k, const LossUnit& u, const TopKLanes& lanes, const TemperatureLanes& k,
                 TopKScratch& x) {
  listed_events(x.logits, x.log_q, x.p, x.q, x.y, x.log_p, event_groups(top_k, u), lanes, k);
  for (int r = 0; r < (u.tile ? kLanes : 1); ++r) {
    const std::int64_t at = u.tile ? top_k.k * kLanes + r : top_k.k;
    x.p[at] = lanes.rest_p.v[r];
    x.q[at] = lanes.rest_q.v[r];
    x.y[at] = lanes.rest_y.v[r];
    x.log_p[at] = lanes.rest_log_p.v[r];
  }
}
// y of the student's largest event.
Lanes find_largest_y(const LossUnit& u, std::int64_t groups, const TopKScratch& x) {
  MaxLanes max, y;
  fill(max.student, -kInfinity);
  fill(y.student, -kInfinity);
  find_max<false>(x.log_p, nullptr, groups, max);
  if (!u.tile) max_across(max.student);
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      const float of_largest = x.log_p[i + r] == max.student.v[r] ? x.y[i + r] : -kInfinity;
      y.student.v[r] = larger(y.student.v[r], of_largest);
    }
  }
  if (!u.tile) max_across(y.student);
  return y.student;
}

// The gradient of the rest's event, shared out to its classes.
void share_out(float* __restrict exponential, std::int64_t groups, const Lanes& gradient, const Lanes& inverse_rest) {
  const Lanes local = gradient, inverse = inverse_rest;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      const float share = exponential[i + r] * inverse.v[r];
      exponential[i + r] = local.v[r] == 0.0f ? 0.0f : local.v[r] * share;
    }
  }
}

// Losses of the unit's rows to `losses`; gradients to their place. Returns bits of LossStatus.
template <DivergenceKind kKind>
std::uint32_t process(const GeneralParams& g, float scale, const TemperatureLanes& k, LossUnit& u, TopKScratch& x,
                      Lanes& losses) {
  const LossParams& p = g.loss;
  std::uint32_t status = find_row_weights(p, u) | find_list_status(g, u);
  if (p.hard) status |= find_targets(p, u, x);
  const Lanes max = find_largest(p, u, p.student, x.student);
  losses = Lanes{};
  GeneralHard hard;
  if (p.hard) {
    hard = find_hard_part(p, u, max, scale, x, status);
    losses = hard.lanes.loss;
  }
  const std::int64_t groups = event_groups(g.top_k, u);
  load_lists(g, u, x);
  const TopKLanes lanes = find_rows(g, u, max, k, x);
  status |= state_status(lanes.state);
  find_events(g.top_k, u, lanes, k, x);
  const CentreLanes centre = centres_at<kKind>(g.divergence, find_largest_y(u, groups, x), k);
  TermSums sums{};
  add_terms<kKind>(x.p, x.q, x.y, groups, Lanes{}, centre, k, sums);
  if (!u.tile) sums.across();
  const FactorLanes factors = find_factors<kKind>(g, u, scale, sums, lanes.state, {});
  add_soft_losses(u, factors, losses);
  if (p.gradient.data == nullptr) return status;
  soft_gradients(x.p, share_of<kKind>(x.p, x.q), x.y, groups, factors);
  Lanes of_rest;
  LEAVEN_EACH_LANE(r) of_rest.v[r] = x.y[u.tile ? g.top_k.k * kLanes + r : g.top_k.k];
  for_each_chunk(p, u, [&](const Chunk& chunk) {
    if (!is_one_chunk(p, u)) {
      Lanes known{};
      load_rest(g, u, chunk, x);
      add_rest(x.rest, x.gradient, chunk.groups, lanes.rest_max, k, known);
    }
    share_out(x.gradient, chunk.groups, of_rest, lanes.inverse_rest);
    replace_listed(g.top_k, u, chunk, x, x.gradient, [&](std::int64_t at) { return x.y[at]; });
    if (p.hard) add_hard_gradient(p, u, chunk, hard, x, x.gradient);
    store_gradient(p, u, chunk, status, x.gradient);
  });
  return status;
}

template <DivergenceKind kKind>
void top_k_rows_of(const GeneralParams& g, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  const TemperatureLanes k(g.loss.temperature);
  for_each_general_unit<TopKScratch>(g.loss, begin, end, partial, [&](LossUnit& u, TopKScratch& x, Lanes& losses) {
    return process<kKind>(g, scale, k, u, x, losses);
  });
}

void top_k_rows(const GeneralParams& g, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  switch (g.divergence.kind) {
    case DivergenceKind::reverse: return top_k_rows_of<DivergenceKind::reverse>(g, scale, begin, end, partial);
    case DivergenceKind::jensen_shannon:
      return top_k_rows_of<DivergenceKind::jensen_shannon>(g, scale, begin, end, partial);
    default: return top_k_rows_of<DivergenceKind::forward>(g, scale, begin, end, partial);
  }
}

}  // namespace

const GeneralRowsFunction general_top_k_rows = top_k_rows;

}  // namespace leaven::LEAVEN_ISA
