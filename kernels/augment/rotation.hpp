#pragma once

#include <cstdint>

#include "kernels/augment/image_op.hpp"

// Rotation about the centre as Pillow's Image.rotate computes its matrix. sin and cos of the C library and of CUDA
// differ in last bits, and at 45 degrees one bit decides about pixels: both backends use the ones below, in plain IEEE
// double arithmetic without contraction.
namespace leaven {

// A number as the unevaluated sum of two doubles.
struct Pair {
  double high, low;
};

LEAVEN_HD Pair exact_sum(double a, double b) {
  const double sum = a + b;
  const double b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}

// Dekker 1971: exact without a fused multiply-add.
LEAVEN_HD Pair exact_product(double a, double b) {
  constexpr double kSplit = 134217729.0;  // 2^27 + 1
  const double as = a * kSplit;
  const double bs = b * kSplit;
  const double a_high = as - (as - a);
  const double b_high = bs - (bs - b);
  const double a_low = a - a_high;
  const double b_low = b - b_high;
  const double product = a * b;
  return {product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}

LEAVEN_HD Pair add(Pair a, double b) {
  const Pair sum = exact_sum(a.high, b);
  return {sum.high, sum.low + a.low};
}

LEAVEN_HD Pair multiply(Pair a, Pair b) {
  const Pair product = exact_product(a.high, b.high);
  return {product.high, product.low + (a.high * b.low + a.low * b.high)};
}

struct SinCos {
  double sin, cos;
};

// 0 <= x <= 7. Rounded correctly but for about one x in 5,000, and then to the other neighbour: Taylor series whose
// first terms are pairs.
LEAVEN_HD SinCos sin_cos(double x) {
  constexpr double kTwoOverPi = 6.36619772367581382433e-01;
  constexpr double kHalfPi1 = 1.57079632673412561417e+00;  // pi / 2 in three parts, of 33, 33 and 53 bits
  constexpr double kHalfPi2 = 6.07710050630396597660e-11;
  constexpr double kHalfPi3 = 2.02226624879595063154e-21;
  const int quarter = static_cast<int>(x * kTwoOverPi + 0.5);
  const double n = quarter;
  Pair r = exact_sum(x - n * kHalfPi1, -(n * kHalfPi2));  // both products and the difference are exact
  r = exact_sum(r.high, r.low - n * kHalfPi3);
  const Pair zz = multiply(r, r);
  const double z = zz.high;
  const double s5 =
      z * (1.0 / 120 +
           z * (-1.0 / 5040 +
                z * (1.0 / 362880 + z * (-1.0 / 39916800 +
                                         z * (1.0 / 6227020800 +
                                              z * (-1.0 / 1307674368000 +
                                                   z * (1.0 / 355687428096000 + z * (-1.0 / 121645100408832000))))))));
  const Pair s = multiply(r, multiply(zz, add({-1.0 / 6, -9.25185853854297066e-18}, s5)));
  const Pair r_and_s = exact_sum(r.high, s.high);
  const double sine = r_and_s.high + (r_and_s.low + (r.low + s.low));
  const double c6 =
      z * (-1.0 / 720 +
           z * (1.0 / 40320 +
                z * (-1.0 / 3628800 +
                     z * (1.0 / 479001600 +
                          z * (-1.0 / 87178291200 + z * (1.0 / 20922789888000 + z * (-1.0 / 6402373705728000)))))));
  const Pair c = multiply(zz, add(multiply(zz, add({1.0 / 24, 2.31296463463574266e-18}, c6)), -0.5));
  const Pair one_and_c = exact_sum(1.0, c.high);
  const double cosine = one_and_c.high + (one_and_c.low + c.low);
  switch (quarter & 3) {
    case 0: return {sine, cosine};
    case 1: return {cosine, -sine};
    case 2: return {-sine, -cosine};
    default: return {-cosine, sine};
  }
}

// n / 1e15 for an integer n up to 2^51, correctly rounded, without a division (in CUDA a function call): a quotient
// with its remainder. The quotient lies at least 2^-36 of its last place from a tie, the correction errs by 2^-52 of
// it.
LEAVEN_HD double over_1e15(double n) {
  const double quotient = n * 1e-15;
  const Pair product = exact_product(quotient, 1e15);
  return quotient + ((n - product.high) - product.low) * 1e-15;
}

// Python's round(x, 15) for |x| <= 2: the nearest multiple of 1e-15 (ties to even), correctly rounded.
LEAVEN_HD double round_15_decimals(double x) {
  constexpr double kToInteger = 6755399441055744.0;  // 1.5 * 2^52: adding and subtracting it rounds to even
  const Pair scaled = exact_product(x, 1e15);
  const double nearest = (scaled.high + kToInteger) - kToInteger;
  const double rest = scaled.high - nearest;
  if (scaled.low != 0 && (rest == 0.5 || rest == -0.5)) {
    return over_1e15(scaled.high + (scaled.low > 0 ? 0.5 : -0.5));
  }
  return over_1e15(nearest);
}

// Python's angle % 360.0 for finite angles. Every difference is exact. May give 360 itself, which Pillow does not take
// for 0 either.
LEAVEN_HD double modulo_360(double angle) {
  double rest = angle < 0 ? -angle : angle;
  double step = 360;
  while (step <= 0.5 * rest) step *= 2;
  for (; step >= 360; step *= 0.5) {
    if (rest >= step) rest -= step;
  }
  return angle < 0 && rest > 0 ? 360.0 - rest : rest;
}

// Counter-clockwise. A not finite angle gives the fill colour everywhere.
LEAVEN_HD ImageOp rotate_op(double angle_deg, std::int64_t height, std::int64_t width) {
  if (!(angle_deg - angle_deg == 0)) return affine_op(angle_deg, 0, 0, 0, 1, 0);
  const double angle = modulo_360(angle_deg);
  ImageOp op;
  if (angle == 0) return op;
  if (angle == 180) {
    op.kind = ImageOpKind::flip_both;
    return op;
  }
  if (height == width && (angle == 90 || angle == 270)) {
    op.kind = angle == 90 ? ImageOpKind::rotate_90 : ImageOpKind::rotate_270;
    return op;
  }
  const SinCos t = sin_cos(angle * (3.14159265358979323846 / 180.0));
  const double c = round_15_decimals(t.cos);
  const double s = round_15_decimals(t.sin);  // Pillow's angle has the opposite sign
  const double cx = static_cast<double>(width) / 2.0;
  const double cy = static_cast<double>(height) / 2.0;
  return affine_op(c, -s, ((c * -cx + -s * -cy) + 0.0) + cx, s, c, ((s * -cx + c * -cy) + 0.0) + cy);
}

}  // namespace leaven
