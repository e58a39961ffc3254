#include "host/loss/general_loops.hpp"
#include "host/loss/general_row.hpp"
#include "kernels/loss/top_k_row.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// x.whole is the chunk, x.student the same without the listed classes.
void load_rest(const GeneralParams& g, const Unit& u, const Chunk& chunk, GeneralScratch& x) {
  load(x.whole, g.loss.student, u, chunk, -kInfinity);
  for (std::int64_t i = 0; i < chunk.groups * kLanes; ++i) x.student[i] = x.whole[i];
  for (std::int64_t i = 0; i < g.top_k.k; ++i) {
    const std::int64_t at = listed_class(g.top_k, u.row, i) - chunk.first;
    if (at >= 0 && at < chunk.columns) x.student[at] = -kInfinity;
  }
}

TopKRow find_row(const GeneralParams& g, const Unit& u, const Extent& extent, GeneralScratch& x) {
  const LossParams& p = g.loss;
  const Temperature temperature = p.temperature;
  Lanes max;
  fill(max, -kInfinity);
  for_each_chunk(p.classes, u, [&](const Chunk& chunk) {
    load_rest(g, u, chunk, x);
    for (std::int64_t i = 0; i < chunk.groups * kLanes; i += kLanes) {
      LEAVEN_EACH_LANE(r) max.v[r] = larger(max.v[r], x.student[i + r]);
    }
  });
  float rest_max = -kInfinity;
  for (int r = 0; r < kLanes; ++r) rest_max = larger(rest_max, max.v[r]);
  LaneSums<1> rest{};
  const float finite = finite_max(rest_max);
  for_each_chunk(p.classes, u, [&](const Chunk& chunk) {
    load_rest(g, u, chunk, x);
    const float* const s = x.student;
    add_elements(chunk.groups, rest,
                 [&](std::int64_t i) { return Values<1>{{exp_over(difference(s[i], finite), temperature)}}; });
  });
  TopKSums sums;
  sums.rest = lane_sum(rest.v[0]);
  for (std::int64_t i = 0; i < g.top_k.k; ++i) {
    const float logit = load_logit(p.student, u.row, listed_class(g.top_k, u.row, i));
    sums.listed += exp_over(difference(logit, finite_max(extent.max)), temperature);
    sums.listed_q += exp_over({listed_log_q(g.top_k, u.row, i), 0.0f}, Temperature{});
  }
  return top_k_row(extent.max, rest_max, sums, g.top_k.rest[u.row], temperature);
}

// Events 0 .. k - 1 are the listed classes, k is the rest.
Event find_event(const GeneralParams& g, const Unit& u, const TopKRow& row, std::int64_t i) {
  if (i == g.top_k.k) return rest_event(row, g.loss.temperature);
  const float logit = load_logit(g.loss.student, u.row, listed_class(g.top_k, u.row, i));
  return listed_event(logit, listed_log_q(g.top_k, u.row, i), row, g.loss.temperature);
}

float process_row(const GeneralParams& g, const Unit& u, const RowTarget& labels, float scale, GeneralScratch& x,
                  std::uint32_t& status) {
  const LossParams& p = g.loss;
  const DivergenceParams& d = g.divergence;
  const Extent extent = find_extent(p.student, u, p.classes, x.whole);
  const HardPart hard = find_hard_part(p, labels, u, extent, scale, x, status);
  const TopKRow row = find_row(g, u, extent, x);
  float largest = -kInfinity;
  float largest_y_t = 0;
  for (std::int64_t i = 0; i <= g.top_k.k; ++i) {
    const Event event = find_event(g, u, row, i);
    if (event.log_p > largest) {
      largest = event.log_p;
      largest_y_t = event.y_t;
    }
  }
  const Centre centre = find_centre(largest_y_t, d, p.temperature);
  DivergenceSums sums;
  for (std::int64_t i = 0; i <= g.top_k.k; ++i) {
    const ClassTerm term = event_term(find_event(g, u, row, i), centre, d, p.temperature);
    sums.term += term.term;
    sums.raw += term.raw;
  }
  const SoftFactors soft = soft_factors(d, sums, {}, row.state, p.soft_weight, scale);
  if (row.state.check != row.state.check) status |= extent.max == kInfinity ? kLogitPlusInfinity : kLogitNaN;
  float of_listed[kMaxListed];
  for (std::int64_t i = 0; i < g.top_k.k; ++i) {
    of_listed[i] = event_gradient(soft, find_event(g, u, row, i), centre, d, p.temperature);
  }
  const float of_rest = event_gradient(soft, rest_event(row, p.temperature), centre, d, p.temperature);
  const auto write = [&](const Chunk& chunk) {
    load_rest(g, u, chunk, x);
    const Temperature temperature = p.temperature;
    const float rest_max = row.rest_max, inverse_rest = row.inverse_rest;
    for (std::int64_t i = 0; i < chunk.groups * kLanes; ++i) {
      const float share = exp_over(difference(x.student[i], rest_max), temperature) * inverse_rest;
      x.gradient[i] = of_rest == 0.0f ? 0.0f : of_rest * share;
    }
    for (std::int64_t i = 0; i < g.top_k.k; ++i) {
      const std::int64_t at = listed_class(g.top_k, u.row, i) - chunk.first;
      if (at >= 0 && at < chunk.columns) x.gradient[at] = of_listed[i];
    }
    add_hard_gradient(p, hard, u, chunk, finite_max(extent.max), x);
    store(p.gradient, x.gradient, u, chunk);
  };
  if (p.gradient.data != nullptr) for_each_chunk(p.classes, u, write);
  return hard.factors.loss + soft.loss;
}

std::int64_t old_top_k_rows(const GeneralParams& g, float scale, std::int64_t begin, std::int64_t end, float* losses) {
  GeneralScratch x;
  return for_each_row(
      g.loss, scale, begin, end, losses, x, g.loss.hard,
      [&](std::int64_t row, const RowTarget&, std::uint32_t& status) {
        const std::uint32_t bits = top_k_status(g.top_k, row, static_cast<std::int32_t>(g.loss.classes));
        status |= bits;
        return bits == 0u;
      },
      [&](const Unit& u, const RowTarget& labels, float row_scale, std::uint32_t& status) {
        return process_row(g, u, labels, row_scale, x, status);
      });
}

void top_k_rows(const GeneralParams& g, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  float losses[1024];
  partial.valid = static_cast<std::int32_t>(old_top_k_rows(g, scale, begin, end, losses));
  partial.loss = 0;
  for (std::int64_t i = 0; i < end - begin; ++i) {
    partial.loss += losses[i];
    if (g.loss.row_losses != nullptr) g.loss.row_losses[begin + i] = losses[i];
  }
}

}  // namespace

const GeneralRowsFunction general_top_k_rows = top_k_rows;

}  // namespace leaven::LEAVEN_ISA
