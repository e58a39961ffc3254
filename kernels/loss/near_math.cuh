#pragma once

#include "kernels/loss/near_row.hpp"

// Near rows on the device: as near_row.hpp, but with the hardware's 2^x (2 ulp) wherever that is exact enough.
namespace leaven::cuda {

// 2^x; 0 for -inf and below 2^-126, NaN for NaN.
__device__ inline float exp2_fast(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
// exp(x) for x <= 0, of the hard part.
__device__ inline float exp_fast(float x) { return exp2_fast(x * Temperature{}.log2e); }

// The relative error of k.log2e, times ln 2.
__device__ inline float log2e_error(const Temperature& k) {
  return (mul_add(-k.log2e, k.ln2_hi, 1.0f) - k.log2e * k.ln2_lo) * 0x1.62e430p-1f;
}
// exp(x / T) for x <= 0, exact where x / T is large too: what the product has lost is put back. NaN for -inf.
__device__ inline float exp_near_fast(float x, const Temperature& k, float error) {
  const float product = x * k.log2e;
  const float lost = mul_add(x, k.log2e, -product) * 0x1.62e430p-1f;
  const float power = exp2_fast(product);
  return mul_add(power, mul_add(product, error, lost), power);
}

__device__ inline NearElement near_element_fast(float s, float t, float teacher_max, const Difference& reference,
                                                const Temperature& k, float error) {
  const float hi = s - t;
  const float minus_t = hi - s;
  const float lo = (s - (hi - minus_t)) - (t + minus_t);  // hi + lo is s - t exactly
  return {exp_near_fast(t - teacher_max, k, error), (hi - reference.hi) + (lo - reference.lo)};
}

// T expm1(u / T) and T (expm1(u / T) - u / T): a series where |u| < T, otherwise 2^x, whose error is small beside both.
struct NearTermFast {
  float w;
  float g;
};
__device__ inline NearTermFast near_term_fast(float u, const Temperature& k) {
  const float x = u * k.inverse;
  const float square = u * x;
  const float series = square * exp_remainder(x);
  const float elsewhere = mul_add(k.value, exp2_fast(u * k.log2e) - 1.0f, -u);
  const float g = square < k.value ? series : elsewhere;
  return {u + g, g};
}

// near_row, of which only one of the two formulae for the loss is computed. sum_g as near_term_fast gives it.
__device__ inline NearRow near_row_fast(float sum_w, float sum_g, const NearCentre& centre, const Temperature& k) {
  const float mean_w = sum_w * centre.inverse_sum;
  const float c = mean_w * k.inverse;
  const float sum = 1.0f + c;
  float loss;
  if (c > -0.25f && c < 0.375f) {
    const float mean_g = k.value * sum_g * centre.inverse_sum;
    loss = mul_add(-mean_w * mean_w, mul_add(-c, log_series(c), 0.5f), mean_g);
  } else {
    loss = k.value * mul_add(k.value, log_corrected(sum, c - (sum - 1.0f)), -centre.mean_t);
  }
  return {loss < 0.0f ? 0.0f : loss, mean_w, centre.inverse_sum / sum};
}

}  // namespace leaven::cuda
