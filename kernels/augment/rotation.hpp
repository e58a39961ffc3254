#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/augment/image_op.hpp"

// Rotation about the centre as Pillow's Image.rotate computes its matrix. sin and cos of the C library and of CUDA
// differ in last bits, so both backends use the ones below: plain IEEE double arithmetic.
namespace leaven {

struct SinCos {
  double sin, cos;
};

// |x| <= 7. Errors below one unit in the last place. Argument reduction by Cody and Waite, then the minimax polynomials
// of fdlibm (Sun Microsystems 1993, k_sin.c and k_cos.c) with the reduced argument in two parts.
LEAVEN_HD SinCos sin_cos(double x) {
  constexpr double kTwoOverPi = 6.36619772367581382433e-01;
  constexpr double kHalfPi1 = 1.57079632673412561417e+00;   // the first 33 bits of pi / 2,
  constexpr double kHalfPi2 = 6.07710050630396597660e-11;   // the next 33
  constexpr double kHalfPi2t = 2.02226624879595063154e-21;  // and the rest
  const double turns = x * kTwoOverPi;
  const int quarter = static_cast<int>(turns + (turns < 0 ? -0.5 : 0.5));
  const double n = quarter;
  const double high = x - n * kHalfPi1;  // exact
  double low = n * kHalfPi2;             // exact
  const double part = high - low;
  low = n * kHalfPi2t - ((high - part) - low);
  const double r = part - low;
  const double tail = (part - r) - low;  // the reduced argument is r + tail
  const double z = r * r;
  const double ps =
      8.33333333332248946124e-03 +
      z * (-1.98412698298579493134e-04 +
           z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
  const double cube = z * r;
  const double s = r - ((z * (0.5 * tail - cube * ps) - tail) - cube * -1.66666666666666324348e-01);
  const double pc = z * (4.16666666666666019037e-02 +
                         z * (-1.38888888888741095749e-03 +
                              z * (2.48015872894767294178e-05 +
                                   z * (-2.75573143513906633035e-07 +
                                        z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
  const double half = 0.5 * z;
  const double w = 1.0 - half;
  const double c = w + (((1.0 - w) - half) + (z * pc - r * tail));
  switch (quarter & 3) {
    case 0: return {s, c};
    case 1: return {c, -s};
    case 2: return {-s, -c};
    default: return {-c, s};
  }
}

// Python's round(x, 15) for |x| <= 2: the nearest multiple of 1e-15 (ties to even), correctly rounded.
LEAVEN_HD double round_15_decimals(double x) {
  constexpr double kScale = 1e15;
  constexpr double kSplit = 134217729.0;  // 2^27 + 1: Dekker's product gives the error of x * kScale
  const double product = x * kScale;
  const double xs = x * kSplit;
  const double x_high = xs - (xs - x);
  const double x_low = x - x_high;
  constexpr double kScaleHigh = kScale * kSplit - (kScale * kSplit - kScale);
  constexpr double kScaleLow = kScale - kScaleHigh;
  const double error = ((x_high * kScaleHigh - product) + x_high * kScaleLow + x_low * kScaleHigh) + x_low * kScaleLow;
  constexpr double kToInteger = 6755399441055744.0;  // 1.5 * 2^52: adding and subtracting it rounds to even
  const double nearest = (product + kToInteger) - kToInteger;
  const double rest = product - nearest;
  if (error != 0 && (rest == 0.5 || rest == -0.5)) return (product + (error > 0 ? 0.5 : -0.5)) / kScale;
  return nearest / kScale;
}

// Counter-clockwise. A not finite angle gives the fill colour everywhere.
LEAVEN_HD ImageOp rotate_op(double angle_deg, std::int64_t height, std::int64_t width) {
  if (!(angle_deg - angle_deg == 0)) return affine_op(angle_deg, 0, 0, 0, 1, 0);
  double angle = fmod(angle_deg, 360.0);
  if (angle < 0) angle += 360.0;  // may give 360 itself, which is not 0 to Pillow either
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
