#pragma once

#include <algorithm>
#include <vector>

#include <leaven/augment.hpp>
#include "tests/augment/all_policies_reference.hpp"
#include "tests/augment/mix_reference.hpp"

// The Augmenter's results, and the same from single operations.
namespace leaven::test {

struct Result {
  std::vector<float> images;
  std::vector<std::int32_t> a, b;
  std::vector<float> weight;
  friend bool operator==(const Result&, const Result&) = default;
};

inline Result to_host(const Augmenter::Batch& batch, Stream stream) {
  Result result{batch.to_host(stream), batch.label_a.to_host(stream), batch.label_b.to_host(stream),
                batch.weight_a.to_host(stream)};
  const auto count = static_cast<std::size_t>(batch.count);
  result.a.resize(count);
  result.b.resize(count);
  result.weight.resize(count);
  return result;
}

struct Samples {
  ImageShape shape;
  std::vector<std::uint8_t> images;
  std::vector<std::int64_t> ids;
  std::vector<std::int32_t> labels;
};

inline Samples make_samples(const ImageShape& shape, std::int64_t first_id, std::uint32_t seed) {
  Samples s{shape, noise(shape.size(), seed), ids_from(first_id, shape.count), {}};
  for (const std::int64_t id : s.ids) s.labels.push_back(static_cast<std::int32_t>(id % 10));
  return s;
}

inline Samples pick(const Samples& s, const std::vector<std::int64_t>& places) {
  Samples part{s.shape, {}, {}, {}};
  part.shape.count = static_cast<std::int64_t>(places.size());
  const auto bytes = static_cast<std::size_t>(s.shape.size() / s.shape.count);
  for (const std::int64_t i : places) {
    part.images.insert(part.images.end(), s.images.begin() + i * bytes, s.images.begin() + (i + 1) * bytes);
    part.ids.push_back(s.ids[static_cast<std::size_t>(i)]);
    part.labels.push_back(s.labels[static_cast<std::size_t>(i)]);
  }
  return part;
}

inline Result run(const Augmenter& augment, const Samples& s, RandomKey key, Stream stream) {
  const Buffer<std::uint8_t> in(s.images, stream);
  const Buffer<std::int64_t> ids(s.ids, stream);
  const Buffer<std::int32_t> labels(s.labels, stream);
  Augmenter::Batch batch = augment.make_batch(s.shape.count, stream);
  augment(ImageView<const std::uint8_t>::nhwc(in.data(), s.shape), ids.cspan(), labels.cspan(), key, batch, stream);
  return to_host(batch, stream);
}

// One public operation after the other, image by image, with what is drawn computed here.
inline Result expected(const AugmenterOptions& options, const Samples& s, RandomKey key) {
  ImageShape shape = s.shape;
  std::vector<std::uint8_t> now = s.images;
  if (options.random_resized_crop) {
    const auto& [size, crop] = *options.random_resized_crop;
    shape.height = size.height;
    shape.width = size.width;
    now.resize(static_cast<std::size_t>(shape.size()));
    const Buffer<std::byte> workspace(random_resized_crop_workspace_bytes(s.shape, size, crop.interpolation),
                                      Stream::cpu());
    random_resized_crop(ImageView<const std::uint8_t>::nhwc(s.images.data(), s.shape), s.ids, crop, key,
                        ImageView<std::uint8_t>::nhwc(now.data(), shape), workspace.span(), Stream::cpu());
  }
  std::vector<std::uint8_t> next(now.size());
  for (std::int64_t i = 0; i < shape.count; ++i) {
    const std::int64_t id = s.ids[static_cast<std::size_t>(i)];
    const auto a = ImageView<std::uint8_t>::nhwc(now.data(), shape).slice(i, 1);
    const auto b = ImageView<std::uint8_t>::nhwc(next.data(), shape).slice(i, 1);
    const std::int32_t padding = options.pad_crop ? options.pad_crop->padding : 0;
    const Colour fill = options.pad_crop ? options.pad_crop->fill : Colour{};
    pad_crop(a, padding, fill, expected_offset(key, id, padding), b, Stream::cpu());
    const bool flipped = expected_flip(key, id, options.flip_probability);
    flip(b, flipped ? FlipAxis::left_right : FlipAxis::none, a, Stream::cpu());
  }
  if (options.policy) now = expected_policy(now, shape, s.ids, *options.policy, key);
  if (options.random_erase) {
    const auto view = ImageView<std::uint8_t>::nhwc(now.data(), shape);
    random_erase(view, s.ids, *options.random_erase, key, view, Stream::cpu());
  }
  const Mix mix = options.mix.value_or(CutMixOptions{.probability = 0});
  now = expected_mixed(now, shape, s.ids, mix, key);
  Result result;
  result.images.resize(now.size());
  normalise(ImageView<const std::uint8_t>::nhwc(now.data(), shape), options.normalise,
            ImageView<float>::packed(result.images.data(), shape, options.output_layout), Stream::cpu());
  for (std::size_t i = 0; i < s.ids.size(); ++i) {
    const ExpectedMix drawn = expected_mix(key, s.ids, i, mix, {shape.height, shape.width});
    result.a.push_back(s.labels[i]);
    result.b.push_back(s.labels[drawn.partner]);
    result.weight.push_back(drawn.weight);
  }
  for (float& v : result.images) {
    if (options.output_type == FloatType::f16) v = to_float(to_float16(v));
    if (options.output_type == FloatType::bf16) v = to_float(to_bfloat16(v));
  }
  return result;
}

inline const RandAugmentOptions kPolicy{.num_ops = 2, .magnitude = 9};

inline std::vector<AugmenterOptions> some_options() {
  const RandAugmentOptions interpolated{
      .num_ops = 3, .magnitude = 25, .warp = {.interpolation = Interpolation::bilinear, .fill = {9, 8, 7}}};
  const RandAugmentOptions strong{// more layers than two launches do
                                  .num_ops = 5,
                                  .magnitude = 28,
                                  .warp = {.interpolation = Interpolation::bilinear, .fill = {9, 8, 7}}};
  return {
      {},
      {.output_layout = Layout::nchw},
      {.pad_crop = RandomPadCrop{.padding = 4, .fill = {1, 2, 3}}, .flip_probability = 0.5f},
      {.flip_probability = 1.0f, .mix = CutMixOptions{}},
      {.policy = kPolicy, .normalise = kImageNet},
      {.pad_crop = RandomPadCrop{}, .flip_probability = 0.5f, .policy = kPolicy, .normalise = kImageNet},
      {.pad_crop = RandomPadCrop{.padding = 3, .fill = {1, 2, 3}},
       .flip_probability = 0.5f,
       .policy = RandAugmentOptions{.num_ops = 2, .magnitude = 28, .warp = {.fill = {9, 8, 7}}},
       .mix = CutMixOptions{.alpha = 0.4f},
       .normalise = kImageNet},
      {.policy = TrivialAugmentOptions{.warp = {.fill = 128}}, .normalise = kImageNet},
      {.flip_probability = 0.5f, .policy = AutoAugmentOptions{.set = AutoAugmentSet::cifar10}, .mix = CutMixOptions{}},
      {.policy = strong, .mix = CutMixOptions{}, .normalise = kImageNet},
      {.flip_probability = 0.5f, .policy = interpolated, .mix = CutMixOptions{}},
      {.policy = RandAugmentOptions{.num_ops = 4,
                                    .magnitude = 20,
                                    .warp = {.interpolation = Interpolation::bicubic, .border = Border::reflect}},
       .random_erase = RandomEraseOptions{}},
      {.pad_crop = RandomPadCrop{}, .policy = timm_policy("rand-m9-mstd0.5-inc1"), .output_type = FloatType::bf16},
      {.pad_crop = RandomPadCrop{.padding = 40},
       .flip_probability = 0.3f,
       .policy = strong,
       .mix = CutMixOptions{.alpha = 0.4f, .probability = 0.5f},
       .normalise = kImageNet,
       .output_layout = Layout::nchw},
      {.policy = kPolicy, .mix = MixUpOptions{.alpha = 0.8f}, .normalise = kImageNet},
      {.flip_probability = 0.5f,
       .policy = kPolicy,
       .random_erase = RandomEraseOptions{.probability = 0.7f, .colour = {5, 6, 7}},
       .mix = CutMixOrMixUpOptions{.partner = MixPartner::permuted},
       .output_layout = Layout::nchw},
      {.policy = RandAugmentOptions{.num_ops = 4},
       .mix = CutMixOrMixUpOptions{.partner = MixPartner::mirrored, .draws = MixDraws::per_pair}},
      {.policy = strong,
       .random_erase = RandomEraseOptions{},
       .mix = MixUpOptions{.alpha = 1, .draws = MixDraws::per_batch}},
      {.random_erase = RandomEraseOptions{.probability = 1}},
      {.policy = RandomAffineOptions{.angle_deg = {-30, 30}, .translate_x = 0.1f, .scale = {0.8, 1.2}},
       .mix = CutMixOptions{}},
      {.policy = kPolicy, .mix = MixUpOptions{.alpha = 0.8f}, .normalise = kImageNet, .output_type = FloatType::bf16},
      {.policy = kPolicy, .normalise = kImageNet, .output_layout = Layout::nchw, .output_type = FloatType::f16},
      {.mix = CutMixOptions{}, .output_layout = Layout::nchw, .output_type = FloatType::bf16},
      {.policy = kPolicy, .normalise = kImageNet, .output_type = FloatType::bf16},
      {.policy = strong, .normalise = kImageNet, .output_layout = Layout::nchw, .output_type = FloatType::f16},
      {.policy = strong, .mix = CutMixOptions{}, .output_type = FloatType::bf16},
      {.flip_probability = 0.5f,
       .policy = ColourJitterOptions{.brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f, .hue = 0.1f},
       .mix = CutMixOptions{}},
      {.pad_crop = RandomPadCrop{}, .policy = timm_policy("rand-m9-n3-mstd0.5-inc1")},
      {.flip_probability = 0.5f, .policy = AugMixOptions{}, .random_erase = RandomEraseOptions{}},
      {.random_resized_crop = RandomResizedCrop{.size = {20, 12}}},
      {.random_resized_crop = RandomResizedCrop{.size = {9, 33}, .crop = {.interpolation = Interpolation::bicubic}},
       .flip_probability = 0.5f,
       .policy = kPolicy,
       .mix = CutMixOptions{},
       .normalise = kImageNet},
  };
}

inline AugmenterOptions without_mixing() {
  return {.pad_crop = RandomPadCrop{},
          .flip_probability = 0.5f,
          .policy = kPolicy,
          .normalise = kImageNet,
          .output_layout = Layout::nchw};
}

}  // namespace leaven::test
