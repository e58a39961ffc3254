#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <variant>

#include <leaven/augment/operations.hpp>

// The random operations: what is done is drawn for each image, where the image lies.
namespace leaven {

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

/// A range that is drawn from uniformly.
struct Interval {
  double least = 0;
  double most = 1;
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
  invert,        ///< not in torchvision's list, nor the following
  solarize_add,  ///< of values below 128
  hue
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

/// timm's fifteen operations.
OpList timm_rand_augment_ops();

/// timm's RandAugment, "rand-m9-mstd0.5-inc1": levels of 0 to 10 instead of bins. Each of `num_ops` layers happens with
/// its probability; its level is drawn from a normal distribution, clipped. Signs are drawn for shear, translation and
/// rotation, and with `increasing` for the enhancements. Unlike timm, which picks bilinear or bicubic by chance, the
/// interpolation is the one that is asked for.
struct TimmRandAugmentOptions {
  OpList ops = timm_rand_augment_ops();
  std::int32_t num_ops = 2;
  float magnitude = 10;      ///< mean level
  float magnitude_std = 0;   ///< infinite: levels are uniform, 0 to `magnitude`
  float magnitude_max = 10;  ///< levels above it are lowered to it
  float probability = 0.5f;  ///< of each layer
  bool increasing = false;   ///< strength rises with the level for all operations, not for some only
  WarpOptions warp{.interpolation = Interpolation::bilinear, .fill = 128};
};

std::int64_t timm_rand_augment_workspace_bytes(const ImageShape& shape, const TimmRandAugmentOptions& options);

/// `out` must not overlap `in`.
void timm_rand_augment(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                       const TimmRandAugmentOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                       std::span<std::byte> workspace, Stream stream);

/// torchvision's thirteen operations of AugMix.
OpList aug_mix_ops();

/// Whose strengths: torchvision's table of ten bins, of which one below `severity` is drawn, or timm's levels, uniform
/// from 0 to `severity`, increasing.
enum class AugMixStrengths : std::int32_t { torchvision, timm };

/// AugMix (Hendrycks et al. 2019, arXiv:1912.02781): `width` chains of operations are applied to the image; with
/// weights w from Dirichlet(alpha, ...) and m from Beta(alpha, alpha) the result is m image + (1 - m) (w_1 chain_1 +
/// ...) in float32, truncated.
struct AugMixOptions {
  OpList ops = aug_mix_ops();
  std::int32_t severity = 3;  ///< 1 to 10
  std::int32_t width = 3;     ///< chains, 1 to 8
  std::int32_t depth = 0;     ///< operations of a chain, 1 to 6; 0: drawn for each chain, 1 to 3
  float alpha = 1;
  AugMixStrengths strengths = AugMixStrengths::torchvision;
  WarpOptions warp{.interpolation = Interpolation::bilinear};
};

std::int64_t aug_mix_workspace_bytes(const ImageShape& shape, const AugMixOptions& options);

/// `out` must not overlap `in`.
void aug_mix(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids, const AugMixOptions& options,
             RandomKey key, ImageView<std::uint8_t> out, std::span<std::byte> workspace, Stream stream);

/// torchvision's ColorJitter: brightness(), contrast(), color() with factors uniform from max(0, 1 - x) to 1 + x, hue()
/// with a factor uniform from -x to x, in an order drawn for each image. What is 0 is left out.
struct ColourJitterOptions {
  float brightness = 0;
  float contrast = 0;
  float saturation = 0;
  float hue = 0;  ///< 0 to 0.5
};

std::int64_t colour_jitter_workspace_bytes(const ImageShape& shape, const ColourJitterOptions& options);

/// `out` must not overlap `in`.
void colour_jitter(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                   const ColourJitterOptions& options, RandomKey key, ImageView<std::uint8_t> out,
                   std::span<std::byte> workspace, Stream stream);

/// torchvision's RandomAffine, and RandomRotation: affine_warp() with the affine_matrix() of drawn parameters.
struct RandomAffineOptions {
  Interval angle_deg{0, 0};  ///< clockwise, as in affine_matrix()
  float translate_x = 0;     ///< uniform within this part of the width, to either side, rounded to whole pixels
  float translate_y = 0;
  Interval scale{1, 1};
  Interval shear_x_deg{0, 0};
  Interval shear_y_deg{0, 0};
  WarpOptions warp{};
};

/// `out` must not overlap `in`.
void random_affine(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                   const RandomAffineOptions& options, RandomKey key, ImageView<std::uint8_t> out, Stream stream);

using Policy = std::variant<RandAugmentOptions, TrivialAugmentOptions, AutoAugmentOptions, TimmRandAugmentOptions,
                            AugMixOptions, ColourJitterOptions, RandomAffineOptions>;

/// The policy that timm means by "rand-m9-mstd0.5-inc1" (m, n, p, mstd, mmax, inc) or "augmix-m5-w4-d2" (m, w, d, a).
/// @throws InvalidArgument that names the first wrong character.
Policy timm_policy(std::string_view text);

// ------------------------------------------------------------------------------------------------------------ mixing

/// The image that image i of a batch of n is mixed with.
enum class MixPartner : std::int32_t {
  previous,  ///< i - 1, the last one for image 0 (as torchvision)
  mirrored,  ///< n - 1 - i (as timm)
  permuted   ///< i's place in a permutation drawn with the id of the batch's first sample; may be i itself
};

/// What one draw (whether to mix, lambda, box) is made for. The draws of a pair, or a batch, are made with the id of
/// its first sample. Pairs exist where partners are mirrored.
enum class MixDraws : std::int32_t { per_sample, per_pair, per_batch };

struct CutMixOptions {
  float alpha = 1.0f;        ///< lambda ~ Beta(alpha, alpha)
  float probability = 1.0f;  ///< that an image is mixed at all
  MixPartner partner = MixPartner::previous;
  MixDraws draws = MixDraws::per_sample;
};

struct MixUpOptions {
  float alpha = 0.2f;        ///< lambda ~ Beta(alpha, alpha)
  float probability = 1.0f;  ///< that an image is mixed at all
  MixPartner partner = MixPartner::previous;
  MixDraws draws = MixDraws::per_sample;
};

/// One of both, as timm's Mixup with a switch probability.
struct CutMixOrMixUpOptions {
  float cutmix_alpha = 1.0f;
  float mixup_alpha = 0.8f;
  float cutmix_probability = 0.5f;  ///< of what is mixed
  float probability = 1.0f;         ///< that an image is mixed at all
  MixPartner partner = MixPartner::previous;
  MixDraws draws = MixDraws::per_sample;
};

using Mix = std::variant<CutMixOptions, MixUpOptions, CutMixOrMixUpOptions>;

/// Two labels with the weight of the first: weight_a for a, 1 - weight_a for b. Leaven's losses take these as they are.
struct MixedLabels {
  std::span<std::int32_t> a;
  std::span<std::int32_t> b;
  std::span<float> weight_a;
};

/// CutMix (Yun et al. 2019, arXiv:1905.04899): a box of the partner is pasted over image i. Half sides
/// int(sqrt(1 - lambda) / 2 * side), centre uniform over the pixels, clipped to the image; weight_a = 1 - box area /
/// image area, after clipping. `labels` and `mixed.a`, `mixed.b` may all be empty (images without labels). `out` must
/// not overlap `in`.
void cutmix(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
            std::span<const std::int32_t> labels, const CutMixOptions& options, RandomKey key,
            ImageView<std::uint8_t> out, MixedLabels mixed, Stream stream);

/// MixUp (Zhang et al. 2017, arXiv:1710.09412): lambda own + (1 - lambda) partner's, rounded to 8 bits; weight_a =
/// lambda. Otherwise as cutmix().
void mixup(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
           std::span<const std::int32_t> labels, const MixUpOptions& options, RandomKey key,
           ImageView<std::uint8_t> out, MixedLabels mixed, Stream stream);

/// What is mixed is mixed in one of the two ways.
void cutmix_or_mixup(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                     std::span<const std::int32_t> labels, const CutMixOrMixUpOptions& options, RandomKey key,
                     ImageView<std::uint8_t> out, MixedLabels mixed, Stream stream);

/// The same of f32 images: lambda own + (1 - lambda) partner's, as partner's + lambda (own - partner's) in float32, is
/// not rounded. The draws, labels and weights are those of 8-bit images of the same shape.
void cutmix(ImageView<const float> in, std::span<const std::int64_t> sample_ids, std::span<const std::int32_t> labels,
            const CutMixOptions& options, RandomKey key, ImageView<float> out, MixedLabels mixed, Stream stream);
void mixup(ImageView<const float> in, std::span<const std::int64_t> sample_ids, std::span<const std::int32_t> labels,
           const MixUpOptions& options, RandomKey key, ImageView<float> out, MixedLabels mixed, Stream stream);
void cutmix_or_mixup(ImageView<const float> in, std::span<const std::int64_t> sample_ids,
                     std::span<const std::int32_t> labels, const CutMixOrMixUpOptions& options, RandomKey key,
                     ImageView<float> out, MixedLabels mixed, Stream stream);

/// The labels as dense rows: rows[i * classes + c] = weight_a[i] where c = a[i], plus 1 - weight_a[i] where c = b[i],
/// else 0, with label smoothing: (1 - smoothing) of that, plus smoothing / classes. Labels outside 0 .. classes - 1 add
/// nothing. For losses of other libraries: Leaven's take MixedLabels.
void dense_labels(std::span<const std::int32_t> a, std::span<const std::int32_t> b, std::span<const float> weight_a,
                  std::int64_t classes, float smoothing, std::span<float> rows, Stream stream);

// ---------------------------------------------------------------------------------------------- erasing and cropping

struct RandomEraseOptions {
  float probability = 0.5f;       ///< that an image has a rectangle erased at all
  Interval scale{0.02, 1.0 / 3};  ///< the rectangle's area as a part of the image's, uniform
  Interval ratio{0.3, 3.3};       ///< the rectangle's height / width, its logarithm uniform
  Colour colour = 0;
};

/// torchvision's RandomErasing (Zhong et al. 2017, arXiv:1708.04896): up to ten times an area and a ratio are drawn,
/// until the rectangle is smaller than the image; it then lies anywhere with equal probability. If none fits nothing is
/// erased. `out` may be the same view as `in`.
void random_erase(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const RandomEraseOptions& options, RandomKey key, ImageView<std::uint8_t> out, Stream stream);

struct RandomResizedCropOptions {
  Interval scale{0.08, 1.0};      ///< the crop's area as a part of the image's, uniform
  Interval ratio{0.75, 4.0 / 3};  ///< the crop's width / height, its logarithm uniform
  Interpolation interpolation = Interpolation::bilinear;
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
                                const RandomResizedCropOptions& options, RandomKey key, std::span<RectPx> places,
                                Stream stream);

/// The same for images of different sizes; 0 x 0 for those that come out black.
void random_resized_crop_places(RaggedImages in, std::span<const std::int64_t> sample_ids,
                                const RandomResizedCropOptions& options, RandomKey key, std::span<RectPx> places,
                                Stream stream);

}  // namespace leaven
