#pragma once

#include "kernels/core/annotate.hpp"
#include "kernels/core/elementary.hpp"
#include "kernels/core/philox.hpp"

namespace leaven {

// Rectangles of a uniform area and a uniform logarithm of their sides' ratio.
struct RectangleRange {
  double least_area = 0, area_range = 0;  // as parts of the image
  double least_log2_ratio = 0, log2_ratio_range = 0;

  struct Sides {
    double first, second;  // their ratio is first / second
  };
  LEAVEN_HD Sides draw(double image_area, std::uint32_t area_word, std::uint32_t ratio_word) const {
    const double side = exact::sqrt(image_area * (least_area + area_range * open_uniform(area_word)));
    const double half_log2 = 0.5 * (least_log2_ratio + log2_ratio_range * open_uniform(ratio_word));
    return {side * exact::exp2(half_log2), side * exact::exp2(-half_log2)};
  }
};

}  // namespace leaven
