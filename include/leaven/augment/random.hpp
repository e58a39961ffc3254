#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
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

}  // namespace leaven
