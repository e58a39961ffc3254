#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/op_source.hpp"

// What the single operations check of their parameters, whatever the images hold. Each throws InvalidArgument with
// function, argument, expected, got. `count`: of the images.
namespace leaven {

void check_finite_values(const char* function, const char* argument, const PerImage<float>& values, std::int64_t count);
void check_bits(const char* function, const PerImage<std::int32_t>& bits, std::int64_t count);
void check_addend(const char* function, const PerImage<std::int32_t>& addend, std::int32_t threshold,
                  std::int64_t count);

void check_hue_factor(const char* function, const PerImage<float>& factor, std::int64_t count);
void check_rectangle(const char* function, const PerImage<RectPx>& rectangle, std::int64_t count);

void check_axis(const char* function, const PerImage<FlipAxis>& axis, std::int64_t count);
void check_matrix(const char* function, const PerImage<AffineMatrix>& matrix, std::int64_t count);
void check_matrix(const char* function, const PerImage<PerspectiveMatrix>& matrix, std::int64_t count);
void check_angle(const char* function, const PerImage<double>& angle_deg, std::int64_t count);
void check_shear(const char* function, const PerImage<Shear>& shear, std::int64_t count);
void check_translation(const char* function, const PerImage<TranslationPx>& offset, std::int64_t count);

// The part of the padded input must be large enough for the output, offsets within it.
CropSource checked_crop(const char* function, const ImageShape& in, std::int64_t padding,
                        const PerImage<OffsetPx>& offset, const ImageShape& out);
void check_padding(const char* function, std::int32_t padding);

}  // namespace leaven
