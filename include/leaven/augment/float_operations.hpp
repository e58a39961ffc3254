#pragma once

#include <cstdint>

#include <leaven/augment/operations.hpp>

// The operations of operations.hpp on f32 images with values 0 to 255: the same formulae, but nothing is rounded to
// integers; where the 8-bit operation clips, the result is clamped to 0..255. Other values are allowed and follow the
// formulae. Both backends give the same bits. There is no equalize: a histogram needs 8-bit values.
//
// A pixel value that is NaN: operations that clamp (brightness, brightness_offset, contrast, color, grey, autocontrast,
// sharpness) give 0 wherever it enters their formula; all others hand it on. In the mean of contrast it counts as 0,
// and autocontrast does not look at it when it searches the extremes.
namespace leaven {

// ---------------------------------------------------------------------------------------------------- pixel values
// `out` may be the same view as `in`. blend(a, v, f) = clamp(a + f (v - a)) in float32, and clamp(v) for f = 1.

/// blend(0, v, factor). Of factors in device memory, NaN gives black (so in contrast and color).
void brightness(ImageView<const float> in, PerImage<float> factor, ImageView<float> out, Stream stream);

/// clamp(v + offset). An offset in device memory that is NaN gives black.
void brightness_offset(ImageView<const float> in, PerImage<float> offset, ImageView<float> out, Stream stream);

/// blend(m, v, factor), m the mean of the image's luma, not rounded: of luma values clamped to 0..255 and cut to
/// multiples of 2^-20, so that their sum is exact in any order.
void contrast(ImageView<const float> in, PerImage<float> factor, ImageView<float> out, Stream stream);

/// blend(luma of the pixel, v, factor). One channel: a copy.
void color(ImageView<const float> in, PerImage<float> factor, ImageView<float> out, Stream stream);

/// Turns the hue. With V the largest of R, G, B, C = V - the smallest, H in sixths of the circle = (G - B) / C where V
/// is R, else 2 + (B - R) / C where V is G, else 4 + (R - G) / C, and h = H + 6 factor modulo 6: R, G, B become
/// V - C max(0, min(k, 4 - k, 1)) with k = n + h modulo 6, n = 5, 3, 1. So RGB to HSV (S = C / V) and back, nothing
/// quantised. factor -0.5 to 0.5. Of factors in device memory any turns; whole turns, infinities and NaN copy. Pixels
/// with C = 0, with a NaN or with infinities stay, and values out of range stay between the pixel's extremes. One
/// channel: a copy.
void hue(ImageView<const float> in, PerImage<float> factor, ImageView<float> out, Stream stream);

/// Paints a rectangle with a colour. What is outside of the image is not looked at: any rectangle is allowed.
void erase(ImageView<const float> in, PerImage<RectPx> rectangle, Colour colour, ImageView<float> out, Stream stream);

/// The largest multiple of 2^(8 - bits) up to v: floor(v / 2^(8 - bits)) 2^(8 - bits). bits 0 to 8, 8 leaves the whole
/// numbers. Values in device memory are clamped to that range.
void posterize(ImageView<const float> in, PerImage<std::int32_t> bits, ImageView<float> out, Stream stream);

/// 255 - v where not v < threshold. A threshold in device memory that is NaN inverts everything.
void solarize(ImageView<const float> in, PerImage<float> threshold, ImageView<float> out, Stream stream);

/// v + addend where v < threshold (at most 255), else v. addend 0 to 255, threshold 0 to 256; addends in device memory
/// are clamped.
void solarize_add(ImageView<const float> in, PerImage<std::int32_t> addend, std::int32_t threshold,
                  ImageView<float> out, Stream stream);

/// The luma, clamp((19595 R + 38470 G + 7471 B) / 65536), in every channel. One channel: a copy.
void grey(ImageView<const float> in, ImageView<float> out, Stream stream);

/// Each channel's values stretched so that they reach 0 and 255: clamp((v - lowest) 255 / (highest - lowest)). A
/// channel of one value, or whose extremes lie infinitely far apart, stays.
void autocontrast(ImageView<const float> in, ImageView<float> out, Stream stream);

/// blend(smooth, v, factor), smooth the mean of 3x3 pixels with weights 1, in the middle 5; pixels at the border stay.
/// `out` must not overlap `in`. Of factors in device memory, NaN gives black inside the border.
void sharpness(ImageView<const float> in, PerImage<float> factor, ImageView<float> out, Stream stream);

/// The means of the 8-bit operation in float32, not rounded; a NaN reaches every pixel that has it in its window.
void gaussian_blur(ImageView<const float> in, std::int32_t kernel_size, PerImage<double> sigma, ImageView<float> out,
                   Stream stream);

/// 255 - v.
void invert(ImageView<const float> in, ImageView<float> out, Stream stream);

// -------------------------------------------------------------------------------------------------------- geometry
// As in operations.hpp, odd values in device memory too. Nearest takes the same pixel as for 8-bit images and does not
// touch its value. Bilinear and bicubic interpolate in double between the same pixels, 4 or 16, and round to float32; a
// NaN reaches every pixel that has it among them. Bicubic results are clamped to 0..255, unless a warp with
// Border::fill moves by whole pixels, which copies.

void flip(ImageView<const float> in, PerImage<FlipAxis> axis, ImageView<float> out, Stream stream);

void crop(ImageView<const float> in, PerImage<OffsetPx> offset, ImageView<float> out, Stream stream);

void pad_crop(ImageView<const float> in, std::int32_t padding, Colour fill, PerImage<OffsetPx> offset,
              ImageView<float> out, Stream stream);

void affine_warp(ImageView<const float> in, PerImage<AffineMatrix> matrix, const WarpOptions& options,
                 ImageView<float> out, Stream stream);

void perspective_warp(ImageView<const float> in, PerImage<PerspectiveMatrix> matrix, const WarpOptions& options,
                      ImageView<float> out, Stream stream);

void rotate(ImageView<const float> in, PerImage<double> angle_deg, const WarpOptions& options, ImageView<float> out,
            Stream stream);

void shear(ImageView<const float> in, PerImage<Shear> shear, const WarpOptions& options, ImageView<float> out,
           Stream stream);

void translate(ImageView<const float> in, PerImage<TranslationPx> offset, const WarpOptions& options,
               ImageView<float> out, Stream stream);

/// Of resize() of f32 images, for inputs of `in.height` x `in.width`, in.count images at once.
std::int64_t float_resize_workspace_bytes(const ImageShape& in, ImageSize out, Interpolation interpolation);

/// Scales to the size of `out` as Pillow's Image.resize(size, resample, box) does images of mode F: bilinear and
/// bicubic (a = -0.5) with antialiasing, first along the rows, then along the columns; weights in double that sum to 1,
/// sums in double, float32 in between; bicubic results are not clamped. Nearest takes the pixel that the 8-bit resize
/// takes. A pass that keeps size and box does nothing; otherwise a NaN reaches every pixel that has it in its window.
/// Boxes are those of the 8-bit resize. `workspace`: aligned to 8 bytes.
void resize(ImageView<const float> in, PerImage<SourceBox> box, Interpolation interpolation, ImageView<float> out,
            std::span<std::byte> workspace, Stream stream);

}  // namespace leaven
