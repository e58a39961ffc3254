#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/core/annotate.hpp"

// Elementary functions for whatever becomes bits: the C library and CUDA differ in last bits, these do not. Sums and
// products in double, each rounded on its own (compile without contraction); neither divisions nor roots, which would
// be calls in a kernel. Relative errors are below 1e-15, except near the zero of cosine.
namespace leaven::exact {

LEAVEN_HD double from_bits(std::uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

LEAVEN_HD std::uint64_t to_bits(double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// 1 / sqrt(x) of a positive normal number: Newton's method, whose error goes 3.4e-2, 1.7e-3, 4.5e-6, 3e-11, 1.4e-21.
LEAVEN_HD double reciprocal_sqrt(double x) {
  double y = from_bits(0x5FE6EB50C7B537A9u - (to_bits(x) >> 1));
  const double half = 0.5 * x;
  for (int i = 0; i < 4; ++i) y = y * (1.5 - half * y * y);
  return y;
}

// Of a normal number or 0.
LEAVEN_HD double sqrt(double x) { return x * reciprocal_sqrt(x); }

// Base-2 logarithm of a positive normal number.
LEAVEN_HD double log2(double x) {
  const std::uint64_t bits = to_bits(x);
  std::int64_t exponent = static_cast<std::int64_t>(bits >> 52) - 1023;
  double m = from_bits((bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  // log m = 2 atanh(s) = 2 (s + s^3 / 3 + s^5 / 5 + ...), |s| < 0.172
  const double r = reciprocal_sqrt(m + 1.0);
  const double s = (m - 1.0) * (r * r);
  const double z = s * s;
  constexpr double kInverse[] = {1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                                 1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3};
  double sum = 0;
  for (int i = 0; i < 11; ++i) sum = (sum + kInverse[i]) * z;
  const double log_m = 2.0 * (s + s * sum);
  return static_cast<double>(exponent) + log_m * 1.4426950408889634;
}

// 2 to the power x, for x <= 0; 0 where that is below 2^-1022.
LEAVEN_HD double exp2_of_negative(double x) {
  if (!(x > -1022.0)) return 0;
  const auto whole = static_cast<std::int64_t>(x - 0.5);  // truncation is towards 0: this is x rounded, for x <= 0
  const double t = (x - static_cast<double>(whole)) * 0.6931471805599453;
  constexpr double kInverse[] = {1.0 / 15, 1.0 / 14, 1.0 / 13, 1.0 / 12, 1.0 / 11, 1.0 / 10, 1.0 / 9, 1.0 / 8,
                                 1.0 / 7,  1.0 / 6,  1.0 / 5,  1.0 / 4,  1.0 / 3,  1.0 / 2,  1.0};
  double sum = 1;
  for (int i = 0; i < 15; ++i) sum = 1.0 + sum * (t * kInverse[i]);
  return sum * from_bits(static_cast<std::uint64_t>(whole + 1023) << 52);
}

// 2 to the power x, for |x| below 1000.
LEAVEN_HD double exp2(double x) {
  const std::int64_t above = x > 0 ? static_cast<std::int64_t>(x) + 1 : 0;
  return exp2_of_negative(x - static_cast<double>(above)) * from_bits(static_cast<std::uint64_t>(above + 1023) << 52);
}

// Cosine of `turn` quarter turns, 0 <= turn <= 1.
LEAVEN_HD double cos_quarter(double turn) {
  const double x = turn * 1.5707963267948966;
  const double z = x * x;
  constexpr double kInverse[] = {1.0 / (24 * 23), 1.0 / (22 * 21), 1.0 / (20 * 19), 1.0 / (18 * 17),
                                 1.0 / (16 * 15), 1.0 / (14 * 13), 1.0 / (12 * 11), 1.0 / (10 * 9),
                                 1.0 / (8 * 7),   1.0 / (6 * 5),   1.0 / (4 * 3),   1.0 / (2 * 1)};
  double sum = 1;
  for (int i = 0; i < 12; ++i) sum = 1.0 - sum * (z * kInverse[i]);
  return sum;
}

}  // namespace leaven::exact
