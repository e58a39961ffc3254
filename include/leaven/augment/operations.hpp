#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <leaven/buffer.hpp>
#include <leaven/error.hpp>
#include <leaven/float16.hpp>
#include <leaven/stream.hpp>
#include <leaven/view.hpp>

// The single operations: what is done is said by the caller, for the batch or for each image. See augment.hpp for what
// all functions promise.
namespace leaven {

/// One value for the whole batch, or one value per image in the memory of the stream's backend (size: in.count).
template <class T>
struct PerImage {
  constexpr PerImage(T one) : value(one) {}
  constexpr PerImage(std::span<const T> each) : values(each.data()), size(static_cast<std::int64_t>(each.size())) {}
  constexpr PerImage(std::span<T> each) : PerImage(std::span<const T>(each)) {}

  T value{};
  const T* values = nullptr;
  std::int64_t size = -1;  ///< -1: `value` counts for every image
};

/// A colour; images with one channel take `red`.
struct Colour {
  constexpr Colour(std::uint8_t grey = 0) : red(grey), green(grey), blue(grey) {}
  constexpr Colour(std::uint8_t r, std::uint8_t g, std::uint8_t b) : red(r), green(g), blue(b) {}
  std::uint8_t red, green, blue;
};

/// A part of an image in whole pixels.
struct RectPx {
  std::int32_t left = 0, top = 0, width = 0, height = 0;
  friend bool operator==(const RectPx&, const RectPx&) = default;
};

// ---------------------------------------------------------------------------------------------------- pixel values
// `out` may be the same view as `in`.

/// Pillow's Brightness: blend(0, v, factor), blend(a, b, f) = clip(a + f (b - a)) in float32, truncated. factor 1: a
/// copy. Of factors in device memory, NaN gives black (so in contrast and color).
void brightness(ImageView<const std::uint8_t> in, PerImage<float> factor, ImageView<std::uint8_t> out, Stream stream);

/// v + offset, clamped to 0..255. Values in device memory may be any integer.
void brightness_offset(ImageView<const std::uint8_t> in, PerImage<std::int32_t> offset, ImageView<std::uint8_t> out,
                       Stream stream);

/// Pillow's Contrast: blend(m, v, factor), m the rounded mean of the image's luma.
void contrast(ImageView<const std::uint8_t> in, PerImage<float> factor, ImageView<std::uint8_t> out, Stream stream);

/// Pillow's Color (saturation): blend(luma of the pixel, v, factor). One channel: a copy.
void color(ImageView<const std::uint8_t> in, PerImage<float> factor, ImageView<std::uint8_t> out, Stream stream);

/// Turns the hue: RGB to HSV in 8 bits, H + int(255 factor) modulo 256, back to RGB, as torchvision's adjust_hue for
/// Pillow images. factor -0.5 to 0.5. Of factors in device memory any turns; NaN copies up to HSV and back. One
/// channel: a copy.
void hue(ImageView<const std::uint8_t> in, PerImage<float> factor, ImageView<std::uint8_t> out, Stream stream);

/// Paints a rectangle with a colour. What is outside of the image is not looked at: any rectangle is allowed.
void erase(ImageView<const std::uint8_t> in, PerImage<RectPx> rectangle, Colour colour, ImageView<std::uint8_t> out,
           Stream stream);

/// Keeps the upper `bits` bits, 0 to 8. Values in device memory are clamped to that range.
void posterize(ImageView<const std::uint8_t> in, PerImage<std::int32_t> bits, ImageView<std::uint8_t> out,
               Stream stream);

/// 255 - v where v >= threshold. A threshold in device memory that is NaN inverts everything.
void solarize(ImageView<const std::uint8_t> in, PerImage<float> threshold, ImageView<std::uint8_t> out, Stream stream);

/// v + addend where v < threshold (at most 255), else v: timm's SolarizeAdd. addend 0 to 255, threshold 0 to 256;
/// addends in device memory are clamped.
void solarize_add(ImageView<const std::uint8_t> in, PerImage<std::int32_t> addend, std::int32_t threshold,
                  ImageView<std::uint8_t> out, Stream stream);

/// Pillow's luma, (19595 R + 38470 G + 7471 B + 32768) >> 16, in every channel. One channel: a copy.
void grey(ImageView<const std::uint8_t> in, ImageView<std::uint8_t> out, Stream stream);

/// Pillow's autocontrast: each channel's values stretched so that they reach 0 and 255. A channel of one value stays.
void autocontrast(ImageView<const std::uint8_t> in, ImageView<std::uint8_t> out, Stream stream);

/// Pillow's equalize: each channel's histogram made flat.
void equalize(ImageView<const std::uint8_t> in, ImageView<std::uint8_t> out, Stream stream);

/// Pillow's Sharpness: blend(smooth, v, factor), smooth the mean of 3x3 pixels with weights 1, in the middle 5; pixels
/// at the border stay. `out` must not overlap `in`. Of factors in device memory, NaN gives black inside the border.
void sharpness(ImageView<const std::uint8_t> in, PerImage<float> factor, ImageView<std::uint8_t> out, Stream stream);

/// torchvision's gaussian_blur: means of kernel_size x kernel_size pixels, weighted by the normal density of standard
/// deviation `sigma` pixels; borders mirrored without repeating the pixel at the edge; rounded half to even. Within one
/// level of torchvision, the same bytes on both backends. kernel_size: odd, 1 to 63, (kernel_size - 1) / 2 less than
/// the images' height and width. sigma: positive, finite; where one in device memory is not, a copy. `out` must not
/// overlap `in`.
void gaussian_blur(ImageView<const std::uint8_t> in, std::int32_t kernel_size, PerImage<double> sigma,
                   ImageView<std::uint8_t> out, Stream stream);

/// 255 - v.
void invert(ImageView<const std::uint8_t> in, ImageView<std::uint8_t> out, Stream stream);

// -------------------------------------------------------------------------------------------------------- geometry
// `out` must not overlap `in`: its values all lie before the first or behind the last one of `in`. Row and pixel
// strides and the pixels of an image must be below 2^31.

enum class Interpolation : std::int32_t { nearest, bilinear, bicubic };

/// What a warp finds outside of the input: a colour, with a hard edge; the nearest pixel; the image mirrored without
/// its border pixel repeated; the image again from the other side.
enum class Border : std::int32_t { fill, edge, reflect, wrap };

enum class FlipAxis : std::int32_t { none, left_right, top_bottom, both };

/// Pillow's warps have Border::fill. For the other borders the place in the input is found in double for nearest too,
/// and each pixel that is interpolated between is taken from inside; places beyond 2^30 pixels count as 2^30. An input
/// without pixels gives `fill` whatever the border.
struct WarpOptions {
  Interpolation interpolation = Interpolation::nearest;
  Colour fill = 0;  ///< of output pixels whose source lies outside the input
  Border border = Border::fill;
};

/// Mirrors. `left_right` swaps left and right. Values in device memory that are no axis copy.
void flip(ImageView<const std::uint8_t> in, PerImage<FlipAxis> axis, ImageView<std::uint8_t> out, Stream stream);

struct OffsetPx {
  std::int32_t x = 0;
  std::int32_t y = 0;
  friend bool operator==(const OffsetPx&, const OffsetPx&) = default;
};

/// The part of size (out.height, out.width) whose top left corner is at `offset`, which must lie inside the input
/// (offsets in device memory are clamped so that it does).
void crop(ImageView<const std::uint8_t> in, PerImage<OffsetPx> offset, ImageView<std::uint8_t> out, Stream stream);

/// crop() of the input padded on all sides by `padding` pixels of colour `fill`; offsets 0 .. in.width + 2 padding -
/// out.width.
void pad_crop(ImageView<const std::uint8_t> in, std::int32_t padding, Colour fill, PerImage<OffsetPx> offset,
              ImageView<std::uint8_t> out, Stream stream);

/// Output-to-input map in pixel coordinates, (x, y) of the pixel's corner: x_in = m[0] (x + .5) + m[1] (y + .5) + m[2],
/// y_in = m[3] (x + .5) + m[4] (y + .5) + m[5]. As Pillow's Image.transform(size, AFFINE, m).
struct AffineMatrix {
  std::array<double, 6> m{1, 0, 0, 0, 1, 0};
  friend bool operator==(const AffineMatrix&, const AffineMatrix&) = default;
};

/// Any affine map, any output size. Not finite values in device memory give `fill`.
void affine_warp(ImageView<const std::uint8_t> in, PerImage<AffineMatrix> matrix, const WarpOptions& options,
                 ImageView<std::uint8_t> out, Stream stream);

/// Output-to-input map: d = m[6] (x + .5) + m[7] (y + .5) + 1, x_in = (m[0] (x + .5) + m[1] (y + .5) + m[2]) / d,
/// y_in = (m[3] (x + .5) + m[4] (y + .5) + m[5]) / d. As Pillow's Image.transform(size, PERSPECTIVE, m).
struct PerspectiveMatrix {
  std::array<double, 8> m{1, 0, 0, 0, 1, 0, 0, 0};
  friend bool operator==(const PerspectiveMatrix&, const PerspectiveMatrix&) = default;
};

/// Any perspective map, any output size. Not finite values in device memory give `fill`, and so does d = 0.
void perspective_warp(ImageView<const std::uint8_t> in, PerImage<PerspectiveMatrix> matrix, const WarpOptions& options,
                      ImageView<std::uint8_t> out, Stream stream);

/// Counter-clockwise about the image's centre; as Pillow's Image.rotate without expand (0 and 180, and 90 and 270 of
/// square images, are exact transposes). `out` has the size of `in`. Not finite angles in device memory give `fill`.
void rotate(ImageView<const std::uint8_t> in, PerImage<double> angle_deg, const WarpOptions& options,
            ImageView<std::uint8_t> out, Stream stream);

struct Shear {
  double x = 0;  ///< pixels of horizontal shift per row
  double y = 0;  ///< pixels of vertical shift per column
};

/// AFFINE with (1, x, 0, y, 1, 0): about the top left corner. Not finite values in device memory give `fill`.
void shear(ImageView<const std::uint8_t> in, PerImage<Shear> shear, const WarpOptions& options,
           ImageView<std::uint8_t> out, Stream stream);

struct TranslationPx {
  double x = 0;  ///< positive: content moves right
  double y = 0;  ///< positive: content moves down
};

/// AFFINE with (1, 0, -x, 0, 1, -y). Not finite values in device memory give `fill`.
void translate(ImageView<const std::uint8_t> in, PerImage<TranslationPx> offset, const WarpOptions& options,
               ImageView<std::uint8_t> out, Stream stream);

/// torchvision's affine(): rotation, translation, scale and shear about the image's centre.
struct AffineParameters {
  double angle_deg = 0;  ///< clockwise, as in torchvision
  TranslationPx translate{};
  double scale = 1;
  double shear_x_deg = 0;
  double shear_y_deg = 0;
};
/// @throws InvalidArgument where a value is not finite, scale is not positive or the map cannot be inverted.
AffineMatrix affine_matrix(const AffineParameters& parameters, ImageSize size);

struct PointPx {
  double x = 0;
  double y = 0;
};
/// The output-to-input matrix that puts `from[i]` of the input at `to[i]` of the output, exactly for three pairs.
/// @throws InvalidArgument where the points of `to` lie on one line.
AffineMatrix affine_from_points(const std::array<PointPx, 3>& from, const std::array<PointPx, 3>& to);

/// The output-to-input matrix that puts `from[i]` of the input at `to[i]` of the output, as torchvision's
/// perspective().
/// @throws InvalidArgument where three points of `to` lie on one line.
PerspectiveMatrix perspective_from_points(const std::array<PointPx, 4>& from, const std::array<PointPx, 4>& to);

/// The part of an image that resize() looks at, in pixels from the top left corner, fractions too. Empty, as it is by
/// default: the whole image.
struct SourceBox {
  float left = 0, top = 0, right = 0, bottom = 0;
  friend bool operator==(const SourceBox&, const SourceBox&) = default;
};

/// One image of a ragged batch, in the memory of the stream's backend; strides as in ImageView.
struct ImageRef {
  const std::uint8_t* data = nullptr;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t row_stride = 0;
  std::int64_t pixel_stride = 0;
  std::int64_t channel_stride = 0;
};

/// Images of different sizes. `images` lies in the memory of the stream's backend, so `largest` says what to expect:
/// images that are higher or wider, or that have no pixels, come out black.
struct RaggedImages {
  std::span<const ImageRef> images;
  ImageSize largest;
};

/// Of resize(), for inputs of at most `in.height` x `in.width`, in.count images at once.
std::int64_t resize_workspace_bytes(const ImageShape& in, ImageSize out, Interpolation interpolation);

/// Scales to the size of `out` as Pillow's Image.resize(size, resample, box): bilinear and bicubic (a = -0.5) with
/// antialiasing, first along the rows, then along the columns, 8 bits in between; nearest without. A box of the batch
/// must be empty or inside the image. Boxes in device memory are clipped to it (a NaN counts as the image's edge).
/// Sides are at most 2^24.
void resize(ImageView<const std::uint8_t> in, PerImage<SourceBox> box, Interpolation interpolation,
            ImageView<std::uint8_t> out, std::span<std::byte> workspace, Stream stream);

/// The same for images of different sizes, as many as `out` has, each with out.channels channels. No image may overlap
/// `out`. A box of the batch is clipped to each image.
void resize(RaggedImages in, PerImage<SourceBox> box, Interpolation interpolation, ImageView<std::uint8_t> out,
            std::span<std::byte> workspace, Stream stream);

// ------------------------------------------------------------------------------------------------------ normalisation

/// Per channel, of values scaled to 0..1.
struct Normalisation {
  std::array<float, 3> mean{0, 0, 0};
  std::array<float, 3> std{1, 1, 1};
};
inline constexpr Normalisation kImageNet{{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
inline constexpr Normalisation kFashionMnist{{0.2860f, 0.2860f, 0.2860f}, {0.3530f, 0.3530f, 0.3530f}};

/// (v / 255 - mean) / std as v * scale + shift with scale = 1 / (255 std), shift = -mean / std (float32, one multiply,
/// one add). Layouts of `in` and `out` may differ.
void normalise(ImageView<const std::uint8_t> in, const Normalisation& normalisation, ImageView<float> out,
               Stream stream);
/// The same, rounded to 16 bits.
void normalise(ImageView<const std::uint8_t> in, const Normalisation& normalisation, ImageView<Float16> out,
               Stream stream);
void normalise(ImageView<const std::uint8_t> in, const Normalisation& normalisation, ImageView<BFloat16> out,
               Stream stream);

}  // namespace leaven
