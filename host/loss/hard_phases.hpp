#pragma once

#include "host/loss/lanes.hpp"
#include "kernels/loss/hard_row.hpp"
#include "kernels/loss/near_row.hpp"

// The loops over [group][lane] of the cross-entropy, and the one that puts a gradient together. Only for *_isa.cpp
// files.
namespace leaven::LEAVEN_ISA {
namespace {

void hard_elements(const float* __restrict s, float* __restrict exponential, std::int64_t groups, const Lanes& max,
                   const Ahead& next_s, const Ahead& next_gradient, Lanes& sum_exponentials) {
  const Lanes local = max;
  constexpr Temperature kOne{};
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      next_s.fetch(i);
      next_gradient.fetch(i);
      LEAVEN_EACH_LANE(r) {
        const float value = exp_near(s[i + r] - local.v[r], kOne);
        exponential[i + r] = value;
        part.v[r] += value;
      }
    }
    add(sum_exponentials, part);
  }
}

struct UnmaskedSums {
  Lanes count, mass, gaps;
};
// The last two are weighted with the classes' weights.
void unmasked_gaps(const float* __restrict s, const float* __restrict class_weights, std::int64_t groups,
                   const Lanes& max, UnmaskedSums& sums) {
  const Lanes local = max;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    UnmaskedSums part{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      LEAVEN_EACH_LANE(r) {
        const float logit = s[i + r] == -kInfinity ? local.v[r] : s[i + r];
        const float unmasked = s[i + r] == logit ? 1.0f : 0.0f;
        const float weight = unmasked * class_weights[i + r];
        part.count.v[r] += unmasked;
        part.mass.v[r] += weight;
        part.gaps.v[r] += weight * (local.v[r] - logit);
      }
    }
    add(sums.count, part.count);
    add(sums.mass, part.mass);
    add(sums.gaps, part.gaps);
  }
}

void dense_gaps(const float* __restrict s, const float* __restrict weights, std::int64_t groups, const Lanes& max,
                const Ahead& next_weights, Lanes& mass, Lanes& gaps) {
  const Lanes local = max;
  LEAVEN_EACH_BLOCK(groups, begin, end) {
    Lanes part_mass{}, part_gaps{};
    for (std::int64_t i = begin; i < end; i += kLanes) {
      next_weights.fetch(i);
      LEAVEN_EACH_LANE(r) {
        part_mass.v[r] += weights[i + r];
        part_gaps.v[r] += weighted_gap(weights[i + r], local.v[r] - s[i + r]);
      }
    }
    add(mass, part_mass);
    add(gaps, part_gaps);
  }
}

void multiply(float* __restrict values, const float* __restrict factors, std::int64_t groups) {
  for (std::int64_t i = 0; i < groups * kLanes; ++i) values[i] *= factors[i];
}

struct HardLanes {
  Lanes loss, softmax, target, spread;
};
// factor * (w - q * mean_w) is the gradient of the soft part.
struct SoftLanes {
  Lanes loss, mean_w, factor;
};

// All of it but the labels' share and that of label smoothing. `dense` is null where the targets are labels; `w`
// becomes the gradient.
template <bool kHard, bool kSoft>
void combine_gradient(float* __restrict w, const float* __restrict q, const float* __restrict exponential,
                      std::int64_t groups, const SoftLanes& soft, const HardLanes& hard) {
  const Lanes mean_w = soft.mean_w, factor = soft.factor, softmax = hard.softmax;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) {
      float value = 0.0f;
      if constexpr (kSoft) value = factor.v[r] * near_gradient(w[i + r], q[i + r], mean_w.v[r]);
      if constexpr (kHard) value = mul_add(softmax.v[r], exponential[i + r], value);
      w[i + r] = value;
    }
  }
}
void subtract_targets(float* __restrict gradient, const float* __restrict weights, std::int64_t groups,
                      const Lanes& factor) {
  const Lanes local = factor;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) gradient[i + r] -= local.v[r] * weights[i + r];
  }
}
void subtract_spread(const float* __restrict s, const float* __restrict class_weights, float* __restrict gradient,
                     std::int64_t groups, const Lanes& spread) {
  const Lanes local = spread;
  for (std::int64_t i = 0; i < groups * kLanes; i += kLanes) {
    LEAVEN_EACH_LANE(r) gradient[i + r] -= s[i + r] != -kInfinity ? local.v[r] * class_weights[i + r] : 0.0f;
  }
}

}  // namespace
}  // namespace leaven::LEAVEN_ISA
