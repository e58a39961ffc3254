#pragma once

#include "host/loss/max_phases.hpp"
#include "kernels/loss/divergence_row.hpp"

// The loops over [group][lane] of the general loss that are about classes (or events) with p, q and y. Only for
// *_isa.cpp files.
namespace leaven::LEAVEN_ISA {
namespace {

struct CentreLanes {
  Lanes y_t, share, rest;
  Lanes beta, one_minus_beta;

  Centre at(int r) const { return {y_t.v[r], share.v[r], rest.v[r]}; }
};
struct TermSums {
  Lanes term, raw, raw_z, share_z, p_z;

  DivergenceSums at(int r) const { return {term.v[r], raw.v[r], raw_z.v[r], share_z.v[r], p_z.v[r]}; }
  void across() {
    sum_across(term);
    sum_across(raw);
    sum_across(raw_z);
    sum_across(share_z);
    sum_across(p_z);
  }
};

template <DivergenceKind kKind>
LEAVEN_HD ClassTerm term_at(float p, float q, float y_t, const CentreLanes& centre, const TemperatureLanes& k, int r) {
  return class_term<kKind>(p, q, y_t, centre.at(r), {kKind, centre.beta.v[r], centre.one_minus_beta.v[r]}, k.at(r));
}

// y, of which `offset` is taken off, becomes ClassTerm's raw.
template <DivergenceKind kKind>
void add_terms(const float* __restrict p, const float* __restrict q, float* __restrict y, std::int64_t groups,
               const Lanes& offset, const CentreLanes& centre, const TemperatureLanes& temperature, TermSums& sums) {
  const CentreLanes seen_from = centre;
  const Lanes local = offset;
  const TemperatureLanes k = temperature;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{}, part_raw{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const ClassTerm x = term_at<kKind>(p[i + r], q[i + r], y[i + r] - local.v[r], seen_from, k, r);
        y[i + r] = x.raw;
        part.v[r] += x.term;
        part_raw.v[r] += x.raw;
      }
    }
    add(sums.term, part);
    add(sums.raw, part_raw);
  }
}
// The same once more, for rows whose sums are known.
template <DivergenceKind kKind>
void find_raw(const float* __restrict p, const float* __restrict q, float* __restrict y, std::int64_t groups,
              const Lanes& offset, const CentreLanes& centre, const TemperatureLanes& temperature) {
  const CentreLanes seen_from = centre;
  const Lanes local = offset;
  const TemperatureLanes k = temperature;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) { y[i + r] = term_at<kKind>(p[i + r], q[i + r], y[i + r] - local.v[r], seen_from, k, r).raw; }
  }
}

struct FactorLanes {
  Lanes loss, scale, moment, p_factor, target, mean_gz, gain;

  SoftFactors at(int r) const {
    return {loss.v[r], scale.v[r], moment.v[r], p_factor.v[r], target.v[r], mean_gz.v[r], gain.v[r]};
  }
  void set(int r, const SoftFactors& f) {
    loss.v[r] = f.loss;
    scale.v[r] = f.scale;
    moment.v[r] = f.moment;
    p_factor.v[r] = f.p_factor;
    target.v[r] = f.target;
    mean_gz.v[r] = f.mean_gz;
    gain.v[r] = f.gain;
  }
};

// raw becomes the gradient of the classes but the target of DecoupledKl.
void soft_gradients(const float* __restrict p, const float* __restrict share, float* __restrict raw,
                    std::int64_t groups, const FactorLanes& factors) {
  const FactorLanes f = factors;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) { raw[i + r] = class_gradient(f.at(r), p[i + r], {0.0f, raw[i + r], share[i + r]}, false); }
  }
}
// The softmax's share, beside the soft gradient.
void add_softmax(float* __restrict gradient, const float* __restrict exponential, std::int64_t groups,
                 const Lanes& softmax) {
  const Lanes local = softmax;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) gradient[i + r] = mul_add(local.v[r], exponential[i + r], gradient[i + r]);
  }
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
