#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/pad_flip.hpp"
#include "kernels/augment/policy.hpp"
#include "kernels/augment/random_resized_crop.hpp"

struct CUstream_st;

// Where an Augmenter's geometry takes an image, and key points and boxes that follow, the same on host and device.
namespace leaven {

// Continuous coordinates: x_in = m[0] x + m[1] y + m[2], y_in = m[3] x + m[4] y + m[5].
struct PlaneMap {
  double m[6] = {1, 0, 0, 0, 1, 0};

  LEAVEN_HD PointPx operator()(double x, double y) const {
    return {m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]};
  }
};

// first(second(point))
LEAVEN_HD PlaneMap compose(const PlaneMap& first, const PlaneMap& second) {
  PlaneMap both;
  for (int row = 0; row < 2; ++row) {
    const double a = first.m[3 * row];
    const double b = first.m[3 * row + 1];
    both.m[3 * row] = a * second.m[0] + b * second.m[3];
    both.m[3 * row + 1] = a * second.m[1] + b * second.m[4];
    both.m[3 * row + 2] = a * second.m[2] + b * second.m[5] + first.m[3 * row + 2];
  }
  return both;
}

LEAVEN_HD PlaneMap plane_map(const ImageOp& op, double height, double width) {
  switch (op.kind) {
    case ImageOpKind::flip_left_right: return {{-1, 0, width, 0, 1, 0}};
    case ImageOpKind::flip_top_bottom: return {{1, 0, 0, 0, -1, height}};
    case ImageOpKind::flip_both: return {{-1, 0, width, 0, -1, height}};
    case ImageOpKind::rotate_90: return {{0, -1, width, 1, 0, 0}};
    case ImageOpKind::rotate_270: return {{0, 1, 0, -1, 0, width}};
    case ImageOpKind::affine: return {{op.m[0], op.m[1], op.m[2], op.m[3], op.m[4], op.m[5]}};
    default: return {};
  }
}

struct GeometryJob {
  PadFlipJob pad_flip;
  bool resizes = false;
  ResizedCropJob crop;  // its source: of the size of the images, without data
  PolicySource policy;
  std::int64_t height = 0, width = 0;  // of the result
  std::int64_t count = 0;
  AffineMatrix* maps = nullptr;
};

LEAVEN_HD PlaneMap output_to_input(const GeometryJob& job, std::int64_t image) {
  const auto height = static_cast<double>(job.height);
  const auto width = static_cast<double>(job.width);
  PlaneMap map;
  for (std::int32_t layer = job.policy.plan.layers - 1; layer >= 0; --layer) {
    map = compose(plane_map(job.policy.of_layer(image, layer), height, width), map);
  }
  const PadFlipDraw drawn = draw_pad_flip(job.pad_flip, image);
  if (drawn.flipped) map = compose({{-1, 0, width, 0, 1, 0}}, map);
  const std::int32_t padding = job.pad_flip.padding;
  if (padding > 0) {
    map = compose({{1, 0, double(drawn.offset.x) - padding, 0, 1, double(drawn.offset.y) - padding}}, map);
  }
  if (job.resizes) {
    const RectPx crop = draw_resized_crop(job.crop, image, resize_source(job.crop.source, 0));
    map = compose({{crop.width / width, 0, double(crop.left), 0, crop.height / height, double(crop.top)}}, map);
  }
  return map;
}

LEAVEN_HD void write_geometry(const GeometryJob& job, std::int64_t image) {
  const PlaneMap map = output_to_input(job, image);
  auto* to = reinterpret_cast<double*>(job.maps + image);
  for (int i = 0; i < 6; ++i) to[i] = map.m[i];
}

struct TargetsJob {
  const AffineMatrix* maps = nullptr;
  std::int64_t images = 0;
  const std::int64_t* image_of = nullptr;
  std::int64_t count = 0;
  const PointPx* points_in = nullptr;  // points, or boxes
  PointPx* points_out = nullptr;
  const BoundingBox* boxes_in = nullptr;
  BoundingBox* boxes_out = nullptr;
  double height = 0, width = 0;
};

// Input to output; not finite where it does not exist.
LEAVEN_HD PlaneMap input_to_output(const TargetsJob& job, std::int64_t target) {
  const std::int64_t image = job.image_of[target];
  PlaneMap inverse;
  const bool known = image >= 0 && image < job.images;
  const double* m = reinterpret_cast<const double*>(job.maps + (known ? image : 0));
  const double determinant = known ? m[0] * m[4] - m[1] * m[3] : 0.0;
  inverse.m[0] = m[4] / determinant;
  inverse.m[1] = -m[1] / determinant;
  inverse.m[3] = -m[3] / determinant;
  inverse.m[4] = m[0] / determinant;
  inverse.m[2] = -(inverse.m[0] * m[2] + inverse.m[1] * m[5]);
  inverse.m[5] = -(inverse.m[3] * m[2] + inverse.m[4] * m[5]);
  return inverse;
}

LEAVEN_HD double clipped(double v, double most) { return v > 0 ? (v < most ? v : most) : 0.0; }

LEAVEN_HD void move_target(const TargetsJob& job, std::int64_t i) {
  const PlaneMap map = input_to_output(job, i);
  double sum = 0;
  for (int k = 0; k < 6; ++k) sum += map.m[k] - map.m[k];
  const bool exists = sum == 0;
  if (job.points_out != nullptr) {
    const PointPx p = job.points_in[i];
    const PointPx moved = map(p.x, p.y);
    const double nan = sum - sum;  // where there is no map
    job.points_out[i] = exists ? moved : PointPx{nan, nan};
    return;
  }
  const BoundingBox box = job.boxes_in[i];
  BoundingBox hull;
  for (int corner = 0; corner < 4; ++corner) {
    const PointPx p = map(corner % 2 == 0 ? box.left : box.right, corner < 2 ? box.top : box.bottom);
    hull.left = corner == 0 || p.x < hull.left ? p.x : hull.left;
    hull.right = corner == 0 || p.x > hull.right ? p.x : hull.right;
    hull.top = corner == 0 || p.y < hull.top ? p.y : hull.top;
    hull.bottom = corner == 0 || p.y > hull.bottom ? p.y : hull.bottom;
  }
  const BoundingBox seen{clipped(hull.left, job.width), clipped(hull.top, job.height), clipped(hull.right, job.width),
                         clipped(hull.bottom, job.height)};
  job.boxes_out[i] = exists && seen.left < seen.right && seen.top < seen.bottom ? seen : BoundingBox{};
}

void geometry_cuda(const GeometryJob& job, CUstream_st* stream);
void move_targets_cuda(const char* function, const TargetsJob& job, CUstream_st* stream);

}  // namespace leaven
