#include "host/augment/parameters.hpp"

#include "host/augment/checks.hpp"
#include "host/core/check.hpp"

namespace leaven {

void check_finite_values(const char* function, const char* argument, const PerImage<float>& values,
                         std::int64_t count) {
  check_values(function, argument, values, count, [&](float value) { check_finite(function, argument, value); });
}

void check_bits(const char* function, const PerImage<std::int32_t>& bits, std::int64_t count) {
  check_values(function, "bits", bits, count, [&](std::int32_t value) {
    check(value >= 0 && value <= 8, "{}: bits is {}, expected 0 to 8", function, value);
  });
}

void check_addend(const char* function, const PerImage<std::int32_t>& addend, std::int32_t threshold,
                  std::int64_t count) {
  check_values(function, "addend", addend, count, [&](std::int32_t value) {
    check(value >= 0 && value <= 255, "{}: addend is {}, expected 0 to 255", function, value);
  });
  check(threshold >= 0 && threshold <= 256, "{}: threshold is {}, expected 0 to 256", function, threshold);
}

void check_hue_factor(const char* function, const PerImage<float>& factor, std::int64_t count) {
  check_values(function, "factor", factor, count, [&](float value) {
    check(value >= -0.5f && value <= 0.5f, "{}: factor is {}, expected -0.5 to 0.5", function, value);
  });
}

void check_rectangle(const char* function, const PerImage<RectPx>& rectangle, std::int64_t count) {
  check_values(function, "rectangle", rectangle, count, [&](const RectPx& value) {
    check(value.width >= 0 && value.height >= 0, "{}: rectangle is {}x{}, expected sides of at least 0", function,
          value.height, value.width);
  });
}

void check_axis(const char* function, const PerImage<FlipAxis>& axis, std::int64_t count) {
  check_values(function, "axis", axis, count, [&](FlipAxis value) {
    check(value >= FlipAxis::none && value <= FlipAxis::both, "{}: axis is {}, expected none (0) to both (3)", function,
          static_cast<std::int32_t>(value));
  });
}

void check_matrix(const char* function, const PerImage<AffineMatrix>& matrix, std::int64_t count) {
  check_values(function, "matrix", matrix, count, [&](const AffineMatrix& value) {
    for (const double element : value.m) check_finite(function, "an element of matrix", element);
  });
}

void check_matrix(const char* function, const PerImage<PerspectiveMatrix>& matrix, std::int64_t count) {
  check_values(function, "matrix", matrix, count, [&](const PerspectiveMatrix& value) {
    for (const double element : value.m) check_finite(function, "an element of matrix", element);
  });
}

void check_angle(const char* function, const PerImage<double>& angle_deg, std::int64_t count) {
  check_values(function, "angle_deg", angle_deg, count,
               [&](double value) { check_finite(function, "angle_deg", value); });
}

void check_shear(const char* function, const PerImage<Shear>& shear, std::int64_t count) {
  check_values(function, "shear", shear, count, [&](const Shear& value) {
    check_finite(function, "shear.x", value.x);
    check_finite(function, "shear.y", value.y);
  });
}

void check_translation(const char* function, const PerImage<TranslationPx>& offset, std::int64_t count) {
  check_values(function, "offset", offset, count, [&](const TranslationPx& value) {
    check_finite(function, "offset.x", value.x);
    check_finite(function, "offset.y", value.y);
  });
}

CropSource checked_crop(const char* function, const ImageShape& in, std::int64_t padding,
                        const PerImage<OffsetPx>& offset, const ImageShape& out) {
  const std::int64_t most_x = in.width + 2 * padding - out.width;
  const std::int64_t most_y = in.height + 2 * padding - out.height;
  check(most_x >= 0 && most_y >= 0, "{}: out is {}x{}, expected at most {}x{} (height x width of the input{})",
        function, out.height, out.width, in.height + 2 * padding, in.width + 2 * padding,
        padding > 0 ? " with its padding" : "");
  check_values(function, "offset", offset, in.count, [&](const OffsetPx& o) {
    check(o.x >= 0 && o.x <= most_x, "{}: offset.x is {}, expected 0 to {}", function, o.x, most_x);
    check(o.y >= 0 && o.y <= most_y, "{}: offset.y is {}, expected 0 to {}", function, o.y, most_y);
  });
  return {offset, most_x, most_y, padding};
}

void check_padding(const char* function, std::int32_t padding) {
  check(padding >= 0 && padding < (1 << 30), "{}: padding is {}, expected at least 0 and below 2^30", function,
        padding);
}

}  // namespace leaven
