#pragma once

#include <cstdint>
#include <span>

#include <leaven/augment/operations.hpp>

// Key points and boxes that follow their images. Coordinates are in pixels from the top left corner of the image: the
// centre of pixel (x, y) is at (x + 0.5, y + 0.5).
namespace leaven {

/// A box with fractions of pixels; empty where left >= right.
struct BoundingBox {
  double left = 0, top = 0, right = 0, bottom = 0;
  friend bool operator==(const BoundingBox&, const BoundingBox&) = default;
};

/// Point i, of image image_of[i], goes to where `output_to_input` (as Augmenter::geometry or affine_matrix give it)
/// takes it; it may lie outside then. Where the map cannot be inverted, or there is no such image, both coordinates are
/// NaN. `out` may be the same memory as `in`.
void move_points(std::span<const AffineMatrix> output_to_input, std::span<const std::int64_t> image_of,
                 std::span<const PointPx> in, std::span<PointPx> out, Stream stream);

/// Box i becomes the smallest box round its four moved corners, clipped to images of this size: all zero where nothing
/// is left, or where a point would be NaN.
void move_boxes(std::span<const AffineMatrix> output_to_input, std::span<const std::int64_t> image_of, ImageSize size,
                std::span<const BoundingBox> in, std::span<BoundingBox> out, Stream stream);

}  // namespace leaven
