#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/core/check.hpp"

namespace leaven {
namespace {

double radians(double degrees) { return degrees * (3.14159265358979323846 / 180.0); }

// Twice the signed area of the triangle.
double cross(const std::array<PointPx, 3>& p) {
  return (p[1].x - p[0].x) * (p[2].y - p[0].y) - (p[2].x - p[0].x) * (p[1].y - p[0].y);
}

// The (a, b, c) with a x + b y + c = value[i] at the three points.
std::array<double, 3> plane_through(const std::array<PointPx, 3>& p, double area, double v0, double v1, double v2) {
  const double a = ((v1 - v0) * (p[2].y - p[0].y) - (v2 - v0) * (p[1].y - p[0].y)) / area;
  const double b = ((p[1].x - p[0].x) * (v2 - v0) - (p[2].x - p[0].x) * (v1 - v0)) / area;
  return {a, b, v0 - a * p[0].x - b * p[0].y};
}

// Solves the linear system in place (Gauss, with the largest pivot of each column). False where it has no one solution.
template <std::size_t kSize>
bool solve(std::array<std::array<double, kSize + 1>, kSize>& rows) {
  for (std::size_t k = 0; k < kSize; ++k) {
    double largest = 0;
    for (const double element : rows[k]) largest = std::max(largest, std::abs(element));
    for (double& element : rows[k]) element /= largest > 0 ? largest : 1;
  }
  for (std::size_t k = 0; k < kSize; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < kSize; ++i) {
      if (std::abs(rows[i][k]) > std::abs(rows[pivot][k])) pivot = i;
    }
    std::swap(rows[k], rows[pivot]);
    if (!(std::abs(rows[k][k]) > 1e-13)) return false;
    for (std::size_t i = 0; i < kSize; ++i) {
      if (i == k) continue;
      const double factor = rows[i][k] / rows[k][k];
      for (std::size_t j = k; j <= kSize; ++j) rows[i][j] -= factor * rows[k][j];
    }
  }
  for (std::size_t k = 0; k < kSize; ++k) rows[k][kSize] /= rows[k][k];
  return true;
}

}  // namespace

// The order of the arithmetic is that of torchvision's _get_inverse_affine_matrix: it decides last bits.
AffineMatrix affine_matrix(const AffineParameters& p, ImageSize size) {
  constexpr const char* kName = "affine_matrix";
  check_finite(kName, "angle_deg", p.angle_deg);
  check_finite(kName, "translate.x", p.translate.x);
  check_finite(kName, "translate.y", p.translate.y);
  check_finite(kName, "shear_x_deg", p.shear_x_deg);
  check_finite(kName, "shear_y_deg", p.shear_y_deg);
  check(std::isfinite(p.scale) && p.scale > 0, "affine_matrix: scale is {}, expected a positive finite number",
        p.scale);
  check(size.height >= 0 && size.width >= 0, "affine_matrix: size is {}x{}, expected at least 0", size.height,
        size.width);
  const double rotation = radians(p.angle_deg);
  const double sx = radians(p.shear_x_deg);
  const double sy = radians(p.shear_y_deg);
  const double a = std::cos(rotation - sy) / std::cos(sy);
  const double b = -std::cos(rotation - sy) * std::tan(sx) / std::cos(sy) - std::sin(rotation);
  const double c = std::sin(rotation - sy) / std::cos(sy);
  const double d = -std::sin(rotation - sy) * std::tan(sx) / std::cos(sy) + std::cos(rotation);
  AffineMatrix matrix{{d, -b, 0.0, -c, a, 0.0}};
  std::array<double, 6>& m = matrix.m;
  for (double& element : m) element /= p.scale;
  const double cx = static_cast<double>(size.width) * 0.5;
  const double cy = static_cast<double>(size.height) * 0.5;
  m[2] += m[0] * (-cx - p.translate.x) + m[1] * (-cy - p.translate.y);
  m[5] += m[3] * (-cx - p.translate.x) + m[4] * (-cy - p.translate.y);
  m[2] += cx;
  m[5] += cy;
  for (const double element : m) {
    check(std::isfinite(element),
          "affine_matrix: the map cannot be inverted: angle_deg {}, scale {}, shear_x_deg {}, "
          "shear_y_deg {}",
          p.angle_deg, p.scale, p.shear_x_deg, p.shear_y_deg);
  }
  return matrix;
}

AffineMatrix affine_from_points(const std::array<PointPx, 3>& from, const std::array<PointPx, 3>& to) {
  for (const PointPx& point : from) {
    check_finite("affine_from_points", "a coordinate of from", point.x);
    check_finite("affine_from_points", "a coordinate of from", point.y);
  }
  double extent = 0;
  for (const PointPx& point : to) {
    check_finite("affine_from_points", "a coordinate of to", point.x);
    check_finite("affine_from_points", "a coordinate of to", point.y);
    extent = std::max({extent, std::abs(point.x - to[0].x), std::abs(point.y - to[0].y)});
  }
  const double area = cross(to);
  check(std::abs(area) > 16 * std::numeric_limits<double>::epsilon() * extent * extent,
        "affine_from_points: the points of to, ({}, {}), ({}, {}), ({}, {}), lie on one line, expected a triangle",
        to[0].x, to[0].y, to[1].x, to[1].y, to[2].x, to[2].y);
  const auto row_x = plane_through(to, area, from[0].x, from[1].x, from[2].x);
  const auto row_y = plane_through(to, area, from[0].y, from[1].y, from[2].y);
  return {{row_x[0], row_x[1], row_x[2], row_y[0], row_y[1], row_y[2]}};
}

PerspectiveMatrix perspective_from_points(const std::array<PointPx, 4>& from, const std::array<PointPx, 4>& to) {
  std::array<std::array<double, 9>, 8> rows{};
  for (std::size_t i = 0; i < 4; ++i) {
    for (const auto& [name, point] : {std::pair("from", from[i]), std::pair("to", to[i])}) {
      check(std::isfinite(point.x) && std::isfinite(point.y),
            "perspective_from_points: {}[{}] is ({}, {}), expected finite numbers", name, i, point.x, point.y);
    }
    rows[2 * i] = {to[i].x, to[i].y, 1, 0, 0, 0, -from[i].x * to[i].x, -from[i].x * to[i].y, from[i].x};
    rows[2 * i + 1] = {0, 0, 0, to[i].x, to[i].y, 1, -from[i].y * to[i].x, -from[i].y * to[i].y, from[i].y};
  }
  check(solve(rows),
        "perspective_from_points: no map takes ({}, {}), ({}, {}), ({}, {}), ({}, {}) (to) to from, expected no three "
        "points on one line",
        to[0].x, to[0].y, to[1].x, to[1].y, to[2].x, to[2].y, to[3].x, to[3].y);
  PerspectiveMatrix matrix;
  for (std::size_t i = 0; i < 8; ++i) matrix.m[i] = rows[i][8];
  return matrix;
}

}  // namespace leaven
