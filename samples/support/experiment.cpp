#include "samples/support/experiment.hpp"

#include <algorithm>
#include <random>
#include <string_view>
#include <utility>

namespace leaven::samples {
namespace {

// std::uniform_real_distribution is not the same on every standard library; this is.
class Uniform {
 public:
  explicit Uniform(std::uint64_t seed) : bits_(seed) {}
  double operator()(double low, double high) {
    return low + (high - low) * static_cast<double>(bits_() >> 11) * 0x1p-53;
  }

 private:
  std::mt19937_64 bits_;
};

train::DataSet read(const std::filesystem::path& folder, train::FashionMnist part,
                    const std::vector<std::int32_t>& classes, Stream stream) {
  train::DataSet all = train::read_fashion_mnist(folder, part, stream);
  return classes.empty() ? std::move(all) : train::select_classes(all, classes, stream);
}

}  // namespace

std::string describe_network(const std::string& network, std::int64_t classes) {
  const std::vector<std::string> presets = train::preset_names();
  if (std::find(presets.begin(), presets.end(), network) != presets.end()) return train::preset(network, classes);
  constexpr std::string_view kHole = "CLASSES";
  std::string text = network;
  if (const std::size_t at = text.find(kHole); at != std::string::npos) {
    text.replace(at, kHole.size(), std::to_string(classes));
  }
  return text;
}

train::DataSet shifted_copy(const train::DataSet& data, std::uint64_t seed, Stream stream) {
  constexpr std::int32_t kPadding = 2;
  const ImageShape shape = data.shape;
  const auto count = static_cast<std::size_t>(shape.count);
  std::vector<float> factors(count);
  std::vector<AffineMatrix> matrices(count);
  std::vector<OffsetPx> offsets(count);
  Uniform uniform(seed);
  for (std::size_t i = 0; i < count; ++i) {
    factors[i] = static_cast<float>(uniform(0.4, 1.6));
    const double shift = 0.06 * static_cast<double>(shape.width);
    matrices[i] = affine_matrix({.angle_deg = uniform(-25, 25),
                                 .translate = {uniform(-shift, shift), uniform(-shift, shift)},
                                 .scale = uniform(0.85, 1.15),
                                 .shear_x_deg = uniform(-12, 12),
                                 .shear_y_deg = uniform(-12, 12)},
                                {shape.height, shape.width});
    offsets[i] = {static_cast<std::int32_t>(uniform(0, 2 * kPadding + 1)),
                  static_cast<std::int32_t>(uniform(0, 2 * kPadding + 1))};
  }
  const Buffer<float> factor_buffer(std::span<const float>(factors), stream);
  const Buffer<AffineMatrix> matrix_buffer(std::span<const AffineMatrix>(matrices), stream);
  const Buffer<OffsetPx> offset_buffer(std::span<const OffsetPx>(offsets), stream);
  Buffer<std::uint8_t> warped(shape.size(), stream);
  Buffer<std::uint8_t> cropped(shape.size(), stream);
  const auto warped_view = ImageView<std::uint8_t>::nhwc(warped.data(), shape);
  const auto cropped_view = ImageView<std::uint8_t>::nhwc(cropped.data(), shape);
  affine_warp(data.view(), matrix_buffer.cspan(), {.interpolation = Interpolation::bilinear}, warped_view, stream);
  pad_crop(warped_view, kPadding, 0, offset_buffer.cspan(), cropped_view, stream);
  brightness(cropped_view, factor_buffer.cspan(), cropped_view, stream);
  return train::make_data_set(cropped.to_host(stream), shape, data.host_labels, data.class_names, stream);
}

AugmenterOptions light_augmentation() { return {.pad_crop = RandomPadCrop{.padding = 2}, .flip_probability = 0.5f}; }

AugmenterOptions strong_augmentation(std::int32_t magnitude) {
  AugmenterOptions options = light_augmentation();
  options.policy =
      RandAugmentOptions{.num_ops = 3, .magnitude = magnitude, .warp = {.interpolation = Interpolation::bilinear}};
  return options;
}

Experiment::Experiment(const ExperimentOptions& options, Reporter reporter, Stream stream,
                       const std::vector<std::int32_t>& classes)
    : options_(options),
      reporter_(std::move(reporter)),
      stream_(stream),
      data_(read(options.data, train::FashionMnist::train, classes, stream)),
      split_(train::split(data_, {.labelled_per_class = options.labels_per_class,
                                  .validation_per_class = options.validation_per_class,
                                  .seed = options.seed})),
      judges_{.test = read(options.data, train::FashionMnist::test, classes, stream), .shifted = {}} {
  judges_.shifted = shifted_copy(judges_.test, 2024, stream);
  validation_ = train::select(data_, split_.validation, stream);
  shifted_validation_ = shifted_copy(validation_, 2025, stream);
}

train::Network Experiment::make_network(const std::string& network, std::uint64_t seed_offset) const {
  return {{.description = describe_network(network, data_.classes()),
           .input = data_.shape,
           .seed = options_.seed + seed_offset,
           .normalisation = kFashionMnist},
          stream_};
}

train::FitOptions Experiment::fit_options() const {
  return {.image_steps = options_.image_steps,
          .batch = options_.batch,
          .learning_rate = options_.learning_rate,
          .seed = options_.seed};
}

train::FitData Experiment::labelled() const { return {.data = &data_, .samples = split_.labelled}; }

double Experiment::choice_score(train::Network& network) const {
  return 0.5 *
         (train::evaluate(network, validation_).accuracy + train::evaluate(network, shifted_validation_).accuracy);
}

Trained Experiment::run(Row row, train::Network network, const train::FitData& data, train::FitOptions options) {
  options.progress = [&](const train::Progress& p) {
    if (reporter_.progress) reporter_.progress(row.method, p, options.batch);
  };
  if (options_.curve_points > 0 && validation_.size() > 0) {
    const std::int64_t steps = (options.image_steps + options.batch - 1) / options.batch;
    options.evaluation_every = std::max<std::int64_t>(1, steps / options_.curve_points);
    options.evaluation = [&](std::int64_t step) {
      row.curve.push_back({step * options.batch, train::evaluate(network, validation_).accuracy});
    };
  }
  const train::FitResult result = train::fit(network, data, options);
  row.labels = static_cast<std::int64_t>(split_.labelled.size());
  row.image_steps = result.steps * result.batch;
  row.seconds = result.seconds;
  row.validation = validation_.size() > 0 ? choice_score(network) : 0;
  row.test = train::evaluate(network, judges_.test).accuracy;
  row.shifted = train::evaluate(network, judges_.shifted).accuracy;
  if (reporter_.row) reporter_.row(row);
  return {std::move(network), std::move(row)};
}

}  // namespace leaven::samples
