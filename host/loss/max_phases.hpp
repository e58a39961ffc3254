#pragma once

#include "host/loss/lanes.hpp"
#include "kernels/loss/row_loss.hpp"

// The first loop over [group][lane] of any loss, and the temperature as all later ones take it. Only for *_isa.cpp
// files.
namespace leaven::LEAVEN_ISA {
namespace {

// The temperature in each lane: compilers keep it in vector registers, where scalars would be spread in each iteration.
struct TemperatureLanes {
  Lanes value, inverse, log2e, ln2_hi, ln2_lo;

  TemperatureLanes() = default;
  explicit TemperatureLanes(const Temperature& t) {
    fill(value, t.value);
    fill(inverse, t.inverse);
    fill(log2e, t.log2e);
    fill(ln2_hi, t.ln2_hi);
    fill(ln2_lo, t.ln2_lo);
  }
  LEAVEN_HD Temperature at(int r) const { return {value.v[r], inverse.v[r], log2e.v[r], ln2_hi.v[r], ln2_lo.v[r]}; }
  LEAVEN_HD void set(int r, const Temperature& t) {
    value.v[r] = t.value;
    inverse.v[r] = t.inverse;
    log2e.v[r] = t.log2e;
    ln2_hi.v[r] = t.ln2_hi;
    ln2_lo.v[r] = t.ln2_lo;
  }
};

struct MaxLanes {
  Lanes student, teacher;
};

// Four groups at a time: a short chain from one iteration to the next. Groups behind the last one repeat it.
template <bool kSoft>
void find_max(const float* __restrict s, const float* __restrict t, std::int64_t groups, MaxLanes& max) {
  MaxLanes local = max;
  const std::int64_t last = (groups - 1) * kLanes;
  for (std::int64_t i = 0; i <= last; i += 4 * kLanes) {
    const std::int64_t j = i + kLanes < last ? i + kLanes : last;
    const std::int64_t k = j + kLanes < last ? j + kLanes : last;
    const std::int64_t l = k + kLanes < last ? k + kLanes : last;
    LEAVEN_EACH_LANE(r) {
      const float ij = larger(s[i + r], s[j + r]);
      const float kl = larger(s[k + r], s[l + r]);
      local.student.v[r] = larger(local.student.v[r], larger(ij, kl));
      if constexpr (kSoft) {
        const float t_ij = larger(t[i + r], t[j + r]);
        const float t_kl = larger(t[k + r], t[l + r]);
        local.teacher.v[r] = larger(local.teacher.v[r], larger(t_ij, t_kl));
      }
    }
  }
  max = local;
}

struct LaneLarger {
  LEAVEN_HD float operator()(float x, float y) const { return larger(x, y); }
};
struct LaneSmaller {
  LEAVEN_HD float operator()(float x, float y) const { return y < x ? y : x; }
};
// All lanes become the largest (the smallest) of them.
LEAVEN_HD void max_across(Lanes& values) {
  Lanes lanes = values;
  fold<kLanes / 2>(lanes.v, LaneLarger{});
  fill(values, lanes.v[0]);
}
LEAVEN_HD void min_across(Lanes& values) {
  Lanes lanes = values;
  fold<kLanes / 2>(lanes.v, LaneSmaller{});
  fill(values, lanes.v[0]);
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
