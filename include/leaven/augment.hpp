#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <variant>

#include <leaven/buffer.hpp>
#include <leaven/error.hpp>
#include <leaven/stream.hpp>
#include <leaven/view.hpp>

// Augmentation of batches of 8-bit images with 1 or 3 channels.
//
// For every function here: `in` and `out` are in the memory of the stream's backend and may have any strides; results
// are the same bytes on both backends and, where Pillow or torchvision have the operation, theirs. No function
// allocates, synchronises or copies from the host. Bad arguments throw InvalidArgument before any work. Values in the
// backend's memory cannot be checked: each function says what the odd ones do.
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

/// 255 - v.
void invert(ImageView<const std::uint8_t> in, ImageView<std::uint8_t> out, Stream stream);

// -------------------------------------------------------------------------------------------------------- geometry
// `out` must not overlap `in`: its values all lie before the first or behind the last one of `in`. Row and pixel
// strides and the pixels of an image must be below 2^31.

/// `bicubic` is resize()'s alone: warps refuse it.
enum class Interpolation : std::int32_t { nearest, bilinear, bicubic };

enum class FlipAxis : std::int32_t { none, left_right, top_bottom, both };

struct WarpOptions {
  Interpolation interpolation = Interpolation::nearest;
  Colour fill = 0;  ///< of output pixels whose source lies outside the input
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

// ------------------------------------------------------------------------------------------------- random operations
// A draw is a pure function of (seed, epoch, sample id): the same sample gets the same operation in any batch, in any
// order, on any backend.

/// How often a sample has been looked at before: a number, or a counter that is read when the work runs, so that the
/// replays of a captured CUDA graph draw anew.
struct Epoch {
  constexpr Epoch(std::uint32_t number = 0) : value(number) {}
  /// `counter`: in the memory of the stream's backend, valid until the work is done.
  static constexpr Epoch counted_by(const std::uint32_t* counter) {
    Epoch epoch;
    epoch.counter = counter;
    return epoch;
  }

  std::uint32_t value = 0;
  const std::uint32_t* counter = nullptr;
};

/// Adds one to a counter, in the order of the stream: the last thing to capture.
void advance_epoch(std::uint32_t* counter, Stream stream);

struct RandomKey {
  std::uint64_t seed = 0;
  Epoch epoch = 0;
};

/// What RandAugment can draw. Magnitudes as torchvision's RandAugment; reference: Cubuk et al. 2019, arXiv:1909.13719.
enum class AugmentOp : std::int32_t {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  autocontrast,
  equalize,
  invert  ///< not in torchvision's list
};

/// A list of at most 16 operations, drawn from uniformly; one may stand in it several times.
class OpList {
 public:
  OpList(std::initializer_list<AugmentOp> ops);
  explicit OpList(std::span<const AugmentOp> ops);
  const AugmentOp* begin() const { return ops_.data(); }
  const AugmentOp* end() const { return ops_.data() + size_; }
  std::int32_t size() const { return size_; }

  static constexpr std::int32_t kMost = 16;

 private:
  std::array<AugmentOp, kMost> ops_{};
  std::int32_t size_ = 0;
};

/// torchvision's list: all of them but invert.
OpList rand_augment_ops();

struct RandAugmentOptions {
  OpList ops = rand_augment_ops();
  std::int32_t num_ops = 2;    ///< operations applied to an image, one after the other
  std::int32_t magnitude = 9;  ///< strength: a bin, 0 .. bins - 1
  std::int32_t bins = 31;
  WarpOptions warp{};
};

std::int64_t rand_augment_workspace_bytes(const ImageShape& shape, const RandAugmentOptions& options);

/// RandAugment: `num_ops` times an operation of the list, its sign drawn too where it has one. Image i is sample
/// sample_ids[i]. `out` must not overlap `in`.
void rand_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const RandAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                  std::span<std::byte> workspace, Stream stream);

/// TrivialAugmentWide (Mueller, Hutter 2021, arXiv:2103.10158): one operation of the list, its strength one of the bins
/// of torchvision's table, its sign drawn too where it has one.
struct TrivialAugmentOptions {
  OpList ops = rand_augment_ops();
  std::int32_t bins = 31;  ///< 2 to 32
  WarpOptions warp{};
};

void trivial_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                     const TrivialAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out, Stream stream);

/// The data that a set of AutoAugment's sub-policies was searched on.
enum class AutoAugmentSet : std::int32_t { imagenet, cifar10, svhn };

/// AutoAugment (Cubuk et al. 2018, arXiv:1805.09501): one of 25 sub-policies, whose two operations happen with their
/// probabilities; sub-policies and strengths are torchvision's.
struct AutoAugmentOptions {
  AutoAugmentSet set = AutoAugmentSet::imagenet;
  WarpOptions warp{};
};

std::int64_t auto_augment_workspace_bytes(const ImageShape& shape);

/// `out` must not overlap `in`.
void auto_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const AutoAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                  std::span<std::byte> workspace, Stream stream);

using Policy = std::variant<RandAugmentOptions, TrivialAugmentOptions, AutoAugmentOptions>;

struct CutMixOptions {
  float alpha = 1.0f;        ///< lambda ~ Beta(alpha, alpha)
  float probability = 1.0f;  ///< that an image is mixed at all
};

/// Two labels with the weight of the first: weight_a for a, 1 - weight_a for b. Leaven's losses take these as they are.
struct MixedLabels {
  std::span<std::int32_t> a;
  std::span<std::int32_t> b;
  std::span<float> weight_a;
};

/// CutMix (Yun et al. 2019, arXiv:1905.04899): a box of the partner, image i - 1 (the last one for image 0), is pasted
/// over image i. Half sides int(sqrt(1 - lambda) / 2 * side), centre uniform over the pixels, clipped to the image;
/// weight_a = 1 - box area / image area, after clipping. A pure function of (seed, epoch, own id, partner's id) and the
/// two images. `labels` and `mixed.a`, `mixed.b` may all be empty (images without labels). `out` must not overlap `in`.
void cutmix(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
            std::span<const std::int32_t> labels, const CutMixOptions& options, RandomKey key,
            ImageView<std::uint8_t> out, MixedLabels mixed, Stream stream);

struct Interval {
  double least = 0;
  double most = 1;
};

struct RandomResizedCropOptions {
  Interval scale{0.08, 1.0};      ///< the crop's area as a part of the image's, uniform
  Interval ratio{0.75, 4.0 / 3};  ///< the crop's width / height, its logarithm uniform
  Interpolation interpolation = Interpolation::bilinear;
};

/// A part of an image in whole pixels.
struct CropPx {
  std::int32_t left = 0, top = 0, width = 0, height = 0;
  friend bool operator==(const CropPx&, const CropPx&) = default;
};

std::int64_t random_resized_crop_workspace_bytes(const ImageShape& in, ImageSize out, Interpolation interpolation);

/// torchvision's RandomResizedCrop: up to ten times an area and a ratio are drawn, until the crop fits in the image; it
/// then lies anywhere with equal probability. If none fits: the largest central crop whose ratio is allowed. The crop
/// alone is then resized to the size of `out`, as by crop() and resize(). Image i is sample sample_ids[i].
/// Szegedy et al. 2015, arXiv:1409.4842.
void random_resized_crop(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                         const RandomResizedCropOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                         std::span<std::byte> workspace, Stream stream);

/// The same for images of different sizes, see resize().
void random_resized_crop(RaggedImages in, std::span<const std::int64_t> sample_ids,
                         const RandomResizedCropOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                         std::span<std::byte> workspace, Stream stream);

/// Where random_resized_crop() crops images of this size, so that masks, boxes and key points can follow.
void random_resized_crop_places(ImageSize size, std::span<const std::int64_t> sample_ids,
                                const RandomResizedCropOptions& options, RandomKey key, std::span<CropPx> places,
                                Stream stream);

/// The same for images of different sizes; 0 x 0 for those that come out black.
void random_resized_crop_places(RaggedImages in, std::span<const std::int64_t> sample_ids,
                                const RandomResizedCropOptions& options, RandomKey key, std::span<CropPx> places,
                                Stream stream);

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

// ----------------------------------------------------------------------------------------------------------- pipeline

/// Zero (fill) padding on all sides, then a crop of the original size at a uniform position.
struct RandomPadCrop {
  std::int32_t padding = 4;
  Colour fill = 0;
};

/// random_resized_crop() to images of this size.
struct RandomResizedCrop {
  ImageSize size{224, 224};
  RandomResizedCropOptions crop{};
};

struct AugmenterOptions {
  std::optional<RandomPadCrop> pad_crop{};
  std::optional<RandomResizedCrop> random_resized_crop{};  ///< instead of pad_crop
  float flip_probability = 0.0f;                           ///< of a left-right flip
  std::optional<Policy> policy{};
  std::optional<CutMixOptions> mix{};
  Normalisation normalise{};
  Layout output_layout = Layout::nhwc;
};

struct AugmenterPlan;  // what the constructor finds out

/// The training pipeline pad-crop or random resized crop, flip, policy, CutMix, normalise, in this order; what is not
/// asked for is left out. Without mixing an image's result is a pure function of (seed, epoch, sample id) and the
/// image.
class Augmenter {
 public:
  /// What one call writes, with its workspace: allocated once, used for every batch of at most `capacity` images.
  struct Batch {
    Buffer<float> images;  ///< packed, in the output layout
    Buffer<std::int32_t> label_a;
    Buffer<std::int32_t> label_b;
    Buffer<float> weight_a;
    Buffer<std::byte> workspace;
    std::int64_t capacity = 0;
    std::int64_t count = 0;  ///< images of the last call
    ImageShape shape{};      ///< of `images`, with the last call's count
    Layout layout = Layout::nhwc;

    ImageView<float> view() const { return ImageView<float>::packed(images.data(), shape, layout); }
  };

  /// `image`: height, width and channels of the images that come in (count is not looked at).
  Augmenter(const AugmenterOptions& options, const ImageShape& image);

  Batch make_batch(std::int64_t capacity, Stream stream) const;

  /// Image i of `in` is sample sample_ids[i] and has the label labels[i] (or no image has one: `labels` empty, then
  /// label_a and label_b are not written).
  void operator()(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  std::span<const std::int32_t> labels, RandomKey key, Batch& out, Stream stream) const;

  /// The same with the batch picked from a data set in the backend's memory: image i is data[sample_ids[i]], its label
  /// data_labels[sample_ids[i]] (or empty). Ids outside the data set are clamped.
  void gather(ImageView<const std::uint8_t> data, std::span<const std::int64_t> sample_ids,
              std::span<const std::int32_t> data_labels, RandomKey key, Batch& out, Stream stream) const;

  const AugmenterOptions& options() const { return options_; }

 private:
  AugmenterOptions options_;
  ImageShape image_;
  std::shared_ptr<const AugmenterPlan> plan_;
};

}  // namespace leaven
