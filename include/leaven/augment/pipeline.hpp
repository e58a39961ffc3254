#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include <leaven/augment/random.hpp>

namespace leaven {

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
  std::optional<RandomEraseOptions> random_erase{};
  std::optional<Mix> mix{};
  Normalisation normalise{};
  Layout output_layout = Layout::nhwc;
  FloatType output_type = FloatType::f32;
};

struct AugmenterPlan;  // what the constructor finds out

/// The training pipeline pad-crop or random resized crop, flip, policy, erasing, mixing, normalise, in this order; what
/// is not asked for is left out. Without mixing an image's result is a pure function of (seed, epoch, sample id) and
/// the image.
class Augmenter {
 public:
  /// What one call writes, with its workspace: allocated once, used for every batch of at most `capacity` images.
  struct Batch {
    Buffer<std::byte> images;  ///< packed, in the output layout and type
    Buffer<std::int32_t> label_a;
    Buffer<std::int32_t> label_b;
    Buffer<float> weight_a;
    Buffer<std::byte> workspace;
    std::int64_t capacity = 0;
    std::int64_t count = 0;  ///< images of the last call
    ImageShape shape{};      ///< of `images`, with the last call's count
    Layout layout = Layout::nhwc;
    FloatType type = FloatType::f32;

    /// T: float, Float16 or BFloat16. @throws InvalidArgument where the images are of another type.
    template <class T = float>
    ImageView<T> view() const {
      static_assert(std::is_same_v<T, float> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>);
      check_type(std::is_same_v<T, Float16>    ? FloatType::f16
                 : std::is_same_v<T, BFloat16> ? FloatType::bf16
                                               : FloatType::f32);
      return ImageView<T>::packed(reinterpret_cast<T*>(images.data()), shape, layout);
    }
    /// @throws InvalidArgument where the images are of another type.
    void check_type(FloatType wanted) const;

    /// The values of the last call's images as floats, when the work is done.
    std::vector<float> to_host(Stream stream) const;
  };

  /// `image`: height, width and channels of the images that come in (count is not looked at).
  Augmenter(const AugmenterOptions& options, const ImageShape& image);

  Batch make_batch(std::int64_t capacity, Stream stream) const;

  /// Row and pixel strides of `in` must be below 2^31. Image i of `in` is sample sample_ids[i] and has the label
  /// labels[i] (or no image has one: `labels` empty, then label_a and label_b are not written).
  void operator()(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  std::span<const std::int32_t> labels, RandomKey key, Batch& out, Stream stream) const;

  /// The same with the batch picked from a data set in the backend's memory: image i is data[sample_ids[i]], its label
  /// data_labels[sample_ids[i]] (or empty). Ids outside the data set are clamped.
  void gather(ImageView<const std::uint8_t> data, std::span<const std::int64_t> sample_ids,
              std::span<const std::int32_t> data_labels, RandomKey key, Batch& out, Stream stream) const;

  /// Where the geometry of samples sample_ids[i] goes, for move_points() and move_boxes(). Each map is that of the
  /// whole chain without mixing. AugMix, which lays images of several geometries over each other, is refused.
  void geometry(std::span<const std::int64_t> sample_ids, RandomKey key, std::span<AffineMatrix> output_to_input,
                Stream stream) const;

  /// The images' masks, one or three channels: moved by the draws of their images, with nearest interpolation and
  /// `fill` where the image has a fill colour. CutMix pastes the partner's mask; MixUp and erasing leave masks alone.
  /// Mask i of `in` is that of sample sample_ids[i]. `out` has the size of the results and must not overlap `in`.
  /// AugMix is refused.
  void masks(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids, RandomKey key, Colour fill,
             ImageView<std::uint8_t> out, std::span<std::byte> workspace, Stream stream) const;
  std::int64_t masks_workspace_bytes(const ImageShape& in) const;

  const AugmenterOptions& options() const { return options_; }

 private:
  AugmenterOptions options_;
  ImageShape image_;
  std::shared_ptr<const AugmenterPlan> plan_;
};

}  // namespace leaven
