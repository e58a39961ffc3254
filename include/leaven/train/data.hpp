#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <leaven/buffer.hpp>
#include <leaven/error.hpp>
#include <leaven/loss.hpp>
#include <leaven/stream.hpp>
#include <leaven/view.hpp>

namespace leaven::train {

/// 8-bit images of one size with a label each, packed NHWC, in the memory of one backend. An image's *id* is its index.
struct DataSet {
  ImageShape shape{};
  std::vector<std::string> class_names{};  ///< the label is the index
  Buffer<std::uint8_t> images{};
  Buffer<std::int32_t> labels{};            ///< kIgnoreLabel: none
  std::vector<std::int32_t> host_labels{};  ///< the same on the host

  std::int64_t size() const { return shape.count; }
  std::int64_t classes() const { return static_cast<std::int64_t>(class_names.size()); }
  ImageView<const std::uint8_t> view() const { return ImageView<const std::uint8_t>::nhwc(images.data(), shape); }
  /// 0, 1, ... size() - 1.
  std::vector<std::int64_t> ids() const;
};

/// From host memory. `images`: packed NHWC. @throws InvalidArgument where sizes disagree or a label is neither
/// kIgnoreLabel nor a class.
DataSet make_data_set(std::span<const std::uint8_t> images, const ImageShape& shape,
                      std::span<const std::int32_t> labels, std::vector<std::string> class_names, Stream stream);

/// An IDX pair as MNIST has it, each gzip or not: u8 images [count, height, width] and u8 labels [count].
/// @throws IoError, its text beginning with the path: missing, wrong magic, truncated, counts that differ.
DataSet read_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                 std::vector<std::string> class_names, Stream stream);

enum class FashionMnist { train, test };

/// $LEAVEN_FASHION_MNIST, otherwise where Debian's dataset-fashion-mnist puts it.
std::filesystem::path fashion_mnist_folder();
/// 60,000 training or 10,000 test images, 28x28x1, ten classes. The files may have the ending .gz or not.
DataSet read_fashion_mnist(const std::filesystem::path& folder, FashionMnist part, Stream stream);

/// A folder with a folder of pictures per class, as torchvision's ImageFolder: classes and pictures sorted by name.
/// @throws IoError: no class, a class without pictures, a picture that cannot be read or has another size or
/// another number of channels than the first.
DataSet read_image_folder(const std::filesystem::path& folder, Stream stream);

/// The images of `ids`, in that order. @throws InvalidArgument for an id outside the data set.
DataSet select(const DataSet& data, std::span<const std::int64_t> ids, Stream stream);

/// The images of `classes`; label i of the result is classes[i] of `data`.
DataSet select_classes(const DataSet& data, std::span<const std::int32_t> classes, Stream stream);

struct SplitOptions {
  std::int64_t labelled_per_class = 20;
  std::int64_t validation_per_class = 0;
  std::uint64_t seed = 0;
};

/// Disjoint lists of ids, each sorted. The images of one class are put in an order drawn from `seed`: the first
/// are validation, then labelled, the rest is unlabelled. So the 10 labelled images of a class are among the 250 of the
/// same seed and validation size.
struct Split {
  std::vector<std::int64_t> labelled;
  std::vector<std::int64_t> unlabelled;
  std::vector<std::int64_t> validation;
};
/// @throws InvalidArgument where a class has too few images.
Split split(const DataSet& data, const SplitOptions& options);

}  // namespace leaven::train
