#pragma once

#include "host/loss/max_phases.hpp"
#include "kernels/loss/near_row.hpp"

// The loops over [group][lane] of a near row (kernels/loss/near_row.hpp numbers the steps). Each accumulates in local
// lanes, which no pointer can alias, and adds to the caller's at its end. Only for *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

// What the element loops need of the maxima, per lane.
struct References {
  Lanes student_max, teacher_max, hi, lo;
};
References near_references(const MaxLanes& max) {
  const MaxLanes local = max;
  References lanes;
  LEAVEN_EACH_LANE(r) {
    const Difference reference = difference(local.student.v[r], local.teacher.v[r]);
    lanes.student_max.v[r] = finite_max(local.student.v[r]);
    lanes.teacher_max.v[r] = finite_max(local.teacher.v[r]);
    lanes.hi.v[r] = reference.hi;
    lanes.lo.v[r] = reference.lo;
  }
  return lanes;
}

struct NearSums {
  Lanes q, qd, largest, smallest;

  NearSums() : q{}, qd{} {
    fill(largest, -kInfinity);
    fill(smallest, kInfinity);
  }
};

void near_elements(const float* __restrict s, const float* __restrict t, float* __restrict q, float* __restrict d,
                   std::int64_t groups, const References& references, const TemperatureLanes& temperature,
                   const Ahead& next_s, const Ahead& next_t, NearSums& sums) {
  const References local = references;
  const TemperatureLanes k = temperature;
  Lanes largest = sums.largest, smallest = sums.smallest;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part_q{}, part_qd{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      next_s.fetch(i);
      next_t.fetch(i);
      LEAVEN_EACH_LANE(r) {
        const NearElement e =
            near_element(s[i + r], t[i + r], local.teacher_max.v[r], {local.hi.v[r], local.lo.v[r]}, k.at(r));
        q[i + r] = e.q;
        d[i + r] = e.d;
        part_q.v[r] += e.q;
        part_qd.v[r] = mul_add(e.q, e.d, part_qd.v[r]);
        largest.v[r] = larger(largest.v[r], e.d);
        smallest.v[r] = e.d < smallest.v[r] ? e.d : smallest.v[r];
      }
    }
    add(sums.q, part_q);
    add(sums.qd, part_qd);
  }
  sums.largest = largest;
  sums.smallest = smallest;
}

// The last group of a row, of which only `columns` lanes exist: the others repeat the first, with probability 0.
void near_tail(const float* __restrict s, const float* __restrict t, float* __restrict q, float* __restrict d,
               int columns, const References& references, const TemperatureLanes& k, NearSums& sums) {
  LEAVEN_EACH_LANE(r) {
    const int from = r < columns ? r : 0;
    const NearElement e =
        near_element(s[from], t[from], references.teacher_max.v[r], {references.hi.v[r], references.lo.v[r]}, k.at(r));
    q[r] = r < columns ? e.q : 0.0f;
    d[r] = e.d;
    sums.q.v[r] += q[r];
    sums.qd.v[r] = r < columns ? mul_add(e.q, e.d, sums.qd.v[r]) : sums.qd.v[r];
    sums.largest.v[r] = larger(sums.largest.v[r], e.d);
    sums.smallest.v[r] = e.d < sums.smallest.v[r] ? e.d : sums.smallest.v[r];
  }
}

struct NearTermSums {
  Lanes w, g;
};

// d becomes w.
void near_terms(const float* __restrict q, float* __restrict d, std::int64_t groups, const Lanes& centre,
                const TemperatureLanes& temperature, const Ahead& next_gradient, NearTermSums& sums) {
  const Lanes local = centre;
  const TemperatureLanes k = temperature;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part_w{}, part_g{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      next_gradient.fetch(i);
      LEAVEN_EACH_LANE(r) {
        const NearTerm x = near_term(q[i + r], d[i + r], local.v[r], k.at(r));
        d[i + r] = x.w_t;
        part_w.v[r] += x.w_t;
        part_g.v[r] += x.g_t;
      }
    }
    add(sums.w, part_w);
    add(sums.g, part_g);
  }
}

// w becomes what near_gradient makes of it; returns its sum, 0 but for rounding errors.
Lanes near_residual(const float* __restrict q, float* __restrict w, std::int64_t groups, const Lanes& mean_w) {
  const Lanes local = mean_w;
  Lanes sum{};
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      w[i + r] = near_gradient(w[i + r], q[i + r], local.v[r]);
      sum.v[r] += w[i + r];
    }
  }
  return sum;
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
