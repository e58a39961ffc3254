#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/core/annotate.hpp"

// Exponential, logarithm and their differences as plain float arithmetic: no branches and no library calls, so that
// compilers vectorise loops over them. Coefficients: minimax (Remez) polynomials, errors given in units of the result.
namespace leaven {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

// a * b + c, in one rounding where that is one instruction.
LEAVEN_HD float mul_add(float a, float b, float c) {
#if LEAVEN_HAS_FMA
  return fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

LEAVEN_HD float float_of_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
LEAVEN_HD std::uint32_t bits_of_float(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// hi + lo is exactly a - b (Knuth's two-sum). lo is NaN where hi is not finite, except that hi = -inf has lo = 0.
struct Difference {
  float hi = 0;
  float lo = 0;
};
LEAVEN_HD Difference difference(float a, float b) {
  const float hi = a - b;
  const float minus_b = hi - a;
  const float lo = (a - (hi - minus_b)) - (b + minus_b);
  return {hi, hi == -kInfinity ? 0.0f : lo};
}

// A temperature T as the loops use it. ln 2 * T is split in two, the first with 16 bits: n * ln2_hi is exact.
struct Temperature {
  float value = 1;
  float inverse = 1;
  float log2e = 0x1.715476p+0f;  // log2(e) / T
  float ln2_hi = 0x1.62e4p-1f;   // T ln 2
  float ln2_lo = 0x1.7f7d1cp-20f;
};

// (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2: 3e-9
LEAVEN_HD float exp_series(float r) {
  float series = 0x1.6a21e2p-10f;
  series = mul_add(series, r, 0x1.123b5ap-7f);
  series = mul_add(series, r, 0x1.5558fap-5f);
  series = mul_add(series, r, 0x1.555490p-3f);
  return mul_add(series, r, 0x1.fffffcp-2f);
}

// exp(x / T) for x = hi + lo <= 0, relative error below 2^-22 down to the smallest normal number, 0 below that and for
// -inf; NaN for NaN. The multiple of ln 2 is taken off before the division by T: nothing is lost where x / T is large.
LEAVEN_HD float exp_over(Difference x, const Temperature& t) {
  constexpr float kLowest = -126.0f;
  constexpr float kRound = 0x1.8p23f;  // adding it rounds to an integer, kept in the lowest bits
  const float wanted = x.hi * t.log2e;
  const float rounded = (wanted < kLowest ? kLowest : wanted) + kRound;
  const float n = rounded - kRound;
  const float power = float_of_bits((bits_of_float(rounded) << 23) + 0x3f800000u);  // 2^n
  const float r = (mul_add(-n, t.ln2_lo, mul_add(-n, t.ln2_hi, x.hi)) + x.lo) * t.inverse;
  const float result = mul_add(mul_add(exp_series(r), r, 1.0f), r, 1.0f) * power;
  return wanted < kLowest ? 0.0f : result;
}

// (exp(x) - 1 - x) / x^2 for |x| <= 1: 9e-8. Elsewhere some number (or NaN) that the caller drops.
LEAVEN_HD float exp_remainder(float x) {
  float series = 0x1.a2c5ccp-16f;
  series = mul_add(series, x, 0x1.aa4198p-13f);
  series = mul_add(series, x, 0x1.6c272cp-10f);
  series = mul_add(series, x, 0x1.10fceap-7f);
  series = mul_add(series, x, 0x1.555504p-5f);
  series = mul_add(series, x, 0x1.55557cp-3f);
  return mul_add(series, x, 0.5f);
}

// (log(1 + f) - f + f^2/2) / f^3 for sqrt(1/2) <= 1 + f < sqrt(2): 1e-9
LEAVEN_HD float log_series(float f) {
  float series = 0x1.1b7d72p-4f;
  series = mul_add(series, f, -0x1.e289b6p-4f);
  series = mul_add(series, f, 0x1.e5fe8cp-4f);
  series = mul_add(series, f, -0x1.fb4fe4p-4f);
  series = mul_add(series, f, 0x1.2339e4p-3f);
  series = mul_add(series, f, -0x1.5562b4p-3f);
  series = mul_add(series, f, 0x1.99a4dap-3f);
  series = mul_add(series, f, -0x1.ffffeep-3f);
  return mul_add(series, f, 0x1.555546p-2f);
}

// log(x) + correction for positive normal x and a tiny correction: 1.5 ulp, also near 1. NaN for NaN. log_corrected is
// log(x + correction) for |correction| < 1 ulp of x.
LEAVEN_HD float log_plus(float x, float correction) {
  const std::uint32_t shifted = bits_of_float(x) - 0x3f3504f3u;  // counts from sqrt(1/2)
  const float exponent = static_cast<float>(static_cast<std::int32_t>(shifted) >> 23);
  const float f = float_of_bits((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  const float square = f * f;
  float low = mul_add(log_series(f) * f, square, exponent * 0x1.7f7d1cp-20f);
  low = mul_add(-0.5f, square, low) + correction;
  const float result = mul_add(exponent, 0x1.62e4p-1f, f + low);
  return x == x ? result : x;
}
LEAVEN_HD float log_corrected(float x, float correction) { return log_plus(x, correction / x); }
LEAVEN_HD float log_of(float x) { return log_plus(x, 0.0f); }

}  // namespace leaven
