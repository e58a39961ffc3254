#include <gtest/gtest.h>

#include <leaven/augment.hpp>
#include <leaven/cpu.hpp>
#include "kernels/core/elementary.hpp"
#include "tests/augment/mix_reference.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

struct Mixed {
  std::vector<std::uint8_t> images;
  std::vector<std::int32_t> a, b;
  std::vector<float> weight;
};

Mixed run(const std::vector<std::uint8_t>& images, const ImageShape& shape, const std::vector<std::int64_t>& ids,
          const std::vector<std::int32_t>& labels, const Mix& options, RandomKey key, Stream stream,
          Layout layout = Layout::nhwc) {
  const Buffer<std::uint8_t> in(images, stream);
  const Buffer<std::int64_t> device_ids(ids, stream);
  const Buffer<std::int32_t> device_labels(labels, stream);
  const GuardedBuffer<std::uint8_t> out(shape.size(), stream);
  const auto label_count = static_cast<std::int64_t>(labels.size());
  const GuardedBuffer<std::int32_t> a(label_count, stream);
  const GuardedBuffer<std::int32_t> b(label_count, stream);
  const GuardedBuffer<float> weight(shape.count, stream);
  const In from = In::packed(in.data(), shape, layout);
  const Out to = Out::packed(out.data(), shape, layout);
  const MixedLabels mixed{.a = a.span(), .b = b.span(), .weight_a = weight.span()};
  if (const auto* boxes = std::get_if<CutMixOptions>(&options)) {
    cutmix(from, device_ids.cspan(), device_labels.cspan(), *boxes, key, to, mixed, stream);
  } else if (const auto* means = std::get_if<MixUpOptions>(&options)) {
    mixup(from, device_ids.cspan(), device_labels.cspan(), *means, key, to, mixed, stream);
  } else {
    cutmix_or_mixup(from, device_ids.cspan(), device_labels.cspan(), std::get<CutMixOrMixUpOptions>(options), key, to,
                    mixed, stream);
  }
  out.expect_guards_intact();
  a.expect_guards_intact();
  b.expect_guards_intact();
  weight.expect_guards_intact();
  return {out.to_host(), a.to_host(), b.to_host(), weight.to_host()};
}

std::vector<std::int32_t> counted(std::int64_t count) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < count; ++i) labels.push_back(static_cast<std::int32_t>(100 + i));
  return labels;
}

void expect_definition(const ImageShape& shape, const std::vector<std::int64_t>& ids, const Mix& options, RandomKey key,
                       Stream stream) {
  const std::vector<std::uint8_t> images = noise(shape.size(), 7);
  const std::vector<std::int32_t> labels = counted(shape.count);
  const Mixed got = run(images, shape, ids, labels, options, key, stream);
  EXPECT_EQ(got.images, expected_mixed(images, shape, ids, options, key));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const ExpectedMix mix = expected_mix(key, ids, i, options, {shape.height, shape.width});
    EXPECT_EQ(got.a[i], labels[i]);
    EXPECT_EQ(got.b[i], labels[mix.partner]);
    EXPECT_FLOAT_EQ(got.weight[i], mix.weight);
  }
}

class MixTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(MixTest);

TEST_P(MixTest, PastesTheDrawnBoxOfThePartner) {
  const ImageShape shapes[] = {{33, 28, 28, 1}, {31, 32, 32, 3}, {8, 31, 33, 3}, {8, 37, 51, 1}, {40, 1, 1, 3},
                               {20, 1, 29, 1},  {20, 64, 1, 3},  {1, 16, 16, 1}, {2, 16, 16, 3}, {2, 80, 96, 3}};
  RandomKey key{.seed = 77};
  for (const ImageShape& shape : shapes) {
    for (const float alpha : {1.0f, 0.2f, 3.0f}) {
      for (const float probability : {1.0f, 0.5f, 0.0f}) {
        SCOPED_TRACE(testing::Message() << shape.height << "x" << shape.width << " alpha " << alpha << " probability "
                                        << probability);
        ++key.epoch.value;
        expect_definition(shape, ids_from(key.epoch.value, shape.count), CutMixOptions{alpha, probability}, key,
                          stream());
      }
    }
  }
}

TEST_P(MixTest, TakesTheMeanAndKnowsAllPartnersAndDraws) {
  const ImageShape shapes[] = {{33, 28, 28, 1}, {8, 31, 33, 3}, {16, 16, 16, 3}, {1, 5, 4, 3}, {2, 6, 6, 1}};
  const MixPartner partners[] = {MixPartner::previous, MixPartner::mirrored, MixPartner::permuted};
  const MixDraws draws[] = {MixDraws::per_sample, MixDraws::per_pair, MixDraws::per_batch};
  RandomKey key{.seed = 78};
  for (const ImageShape& shape : shapes) {
    for (const MixPartner partner : partners) {
      for (const MixDraws per : draws) {
        if (per == MixDraws::per_pair && partner != MixPartner::mirrored) continue;
        SCOPED_TRACE(testing::Message() << shape.height << "x" << shape.width << " partner "
                                        << static_cast<int>(partner) << " draws " << static_cast<int>(per));
        ++key.epoch.value;
        const std::vector<std::int64_t> ids = ids_from(key.epoch.value, shape.count);
        expect_definition(shape, ids, CutMixOptions{.partner = partner, .draws = per}, key, stream());
        expect_definition(shape, ids, MixUpOptions{.alpha = 0.4f, .partner = partner, .draws = per}, key, stream());
        expect_definition(shape, ids,
                          CutMixOrMixUpOptions{.mixup_alpha = 1, .probability = 0.8f, .partner = partner, .draws = per},
                          key, stream());
      }
    }
  }
}

TEST_P(MixTest, DenseLabelsAreTheTripleWrittenOut) {
  const std::vector<std::int32_t> a{0, 2, 1, 4, -1, 3};
  const std::vector<std::int32_t> b{1, 2, 0, 0, 2, 9};
  const std::vector<float> weight{0.25f, 0.6f, 1.0f, 0.0f, 0.5f, 0.75f};
  for (const std::int64_t classes : {1, 5, 1000}) {
    for (const float smoothing : {0.0f, 0.1f}) {
      const Buffer<std::int32_t> first(a, stream());
      const Buffer<std::int32_t> second(b, stream());
      const Buffer<float> weights(weight, stream());
      const GuardedBuffer<float> rows(6 * classes, stream());
      dense_labels(first.cspan(), second.cspan(), weights.cspan(), classes, smoothing, rows.span(), stream());
      rows.expect_guards_intact();
      const std::vector<float> got = rows.to_host();
      for (std::size_t i = 0; i < 6; ++i) {
        for (std::int64_t c = 0; c < classes; ++c) {
          const double target = (a[i] == c) * double{weight[i]} + (b[i] == c) * (1 - double{weight[i]});
          const double expected = (1 - double{smoothing}) * target + double{smoothing} / static_cast<double>(classes);
          EXPECT_NEAR(got[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(c)], expected, 1e-7);
        }
      }
    }
  }
}

TEST_P(MixTest, TakesIdsOfAnySize) {
  const std::vector<std::int64_t> ids = {(std::int64_t{1} << 40) - 1, std::int64_t{1} << 40, -1, INT64_MAX, INT64_MIN};
  expect_definition({5, 20, 20, 1}, ids, CutMixOptions{}, {.seed = ~std::uint64_t{0}, .epoch = ~0u}, stream());
}

TEST_P(MixTest, TakesBatchesOfAnySize) {
  expect_definition({0, 4, 4, 1}, {}, CutMixOptions{}, {}, stream());
  expect_definition({70000, 3, 2, 1}, ids_from(0, 70000), CutMixOptions{}, {.seed = 4}, stream());
}

TEST_P(MixTest, IsAFunctionOfOwnAndPartnersId) {
  const ImageShape shape{4, 24, 24, 3};
  const std::vector<std::uint8_t> pool = noise(shape.size(), 8);
  const auto bytes = static_cast<std::size_t>(shape.size() / shape.count);
  const auto batch_of = [&](const std::vector<std::int64_t>& ids) {
    std::vector<std::uint8_t> images;
    std::vector<std::int32_t> labels;
    for (const std::int64_t id : ids) {
      images.insert(images.end(), pool.begin() + id * bytes, pool.begin() + (id + 1) * bytes);
      labels.push_back(static_cast<std::int32_t>(id));
    }
    const ImageShape part{static_cast<std::int64_t>(ids.size()), 24, 24, 3};
    return run(images, part, ids, labels, CutMixOptions{}, {.seed = 3, .epoch = 2}, stream());
  };
  // (own, partner): (0, 3) (1, 0) (2, 1) (3, 2); then (3, 1) (0, 3) (1, 0): two pairs come again at other places.
  const Mixed first = batch_of({0, 1, 2, 3});
  const Mixed second = batch_of({3, 0, 1});
  const auto row = [&](const Mixed& m, std::size_t i) {
    return std::vector<std::uint8_t>(m.images.begin() + i * bytes, m.images.begin() + (i + 1) * bytes);
  };
  EXPECT_EQ(row(first, 0), row(second, 1));
  EXPECT_EQ(row(first, 1), row(second, 2));
  EXPECT_EQ(first.weight[0], second.weight[1]);
  EXPECT_EQ(first.weight[1], second.weight[2]);
  EXPECT_EQ(first.b[1], second.b[2]);
  EXPECT_NE(row(first, 0), row(first, 1));
}

TEST_P(MixTest, ABatchOfOneIsItsOwnPartner) {
  const std::vector<std::uint8_t> image = noise(3 * 16 * 16, 5);
  const Mixed got = run(image, {1, 16, 16, 3}, {4}, {9}, CutMixOptions{}, {.seed = 1}, stream());
  EXPECT_EQ(got.images, image);
  EXPECT_EQ(got.a, got.b);
}

TEST_P(MixTest, ImagesNeedNoLabels) {
  const ImageShape shape{6, 12, 12, 1};
  const std::vector<std::uint8_t> images = noise(shape.size(), 6);
  const Mixed with = run(images, shape, ids_from(0, 6), counted(6), CutMixOptions{}, {}, stream());
  const Mixed without = run(images, shape, ids_from(0, 6), {}, CutMixOptions{}, {}, stream());
  EXPECT_EQ(with.images, without.images);
  EXPECT_EQ(with.weight, without.weight);
}

TEST_P(MixTest, LayoutsAndStridesDoNotMatter) {
  for (const std::int64_t side : {16, 15}) {
    const ImageShape shape{7, side, side, 3};
    const std::vector<std::uint8_t> images = noise(shape.size(), 9);
    std::vector<std::uint8_t> planar(images.size());
    flip(In::nhwc(images.data(), shape), FlipAxis::none, Out::nchw(planar.data(), shape), Stream::cpu());
    const Mixed got = run(planar, shape, ids_from(0, 7), {}, CutMixOptions{}, {.seed = 2}, stream(), Layout::nchw);
    std::vector<std::uint8_t> back(images.size());
    flip(In::nchw(got.images.data(), shape), FlipAxis::none, Out::nhwc(back.data(), shape), Stream::cpu());
    EXPECT_EQ(back, expected_mixed(images, shape, ids_from(0, 7), CutMixOptions{}, {.seed = 2}));
  }
}

// A base address that is not a multiple of 16, and rows with a gap behind them.
TEST_P(MixTest, TakesUnalignedAndPaddedImages) {
  const ImageShape shape{5, 16, 16, 1};
  const std::vector<std::uint8_t> images = noise(shape.size(), 10);
  std::vector<std::uint8_t> shifted(images.size() + 1);
  std::copy(images.begin(), images.end(), shifted.begin() + 1);
  const Buffer<std::uint8_t> in(shifted, stream());
  const Buffer<std::int64_t> ids(ids_from(0, 5), stream());
  const GuardedBuffer<std::uint8_t> out(5 * 16 * 20, stream());
  const GuardedBuffer<float> weight(5, stream());
  cutmix(In::nhwc(in.data() + 1, shape), ids.cspan(), {}, {}, {.seed = 2}, Out{out.data(), 5, 16, 16, 1, 320, 20, 1, 1},
         {.a = {}, .b = {}, .weight_a = weight.span()}, stream());
  out.expect_guards_intact();
  const std::vector<std::uint8_t> got = out.to_host();
  const std::vector<std::uint8_t> expected =
      expected_mixed(images, shape, ids_from(0, 5), CutMixOptions{}, {.seed = 2});
  for (std::size_t y = 0; y < 80; ++y) {
    for (std::size_t x = 0; x < 20; ++x)
      ASSERT_EQ(got[y * 20 + x], x < 16 ? expected[y * 16 + x] : 0xA5) << y << " " << x;
  }
}

TEST_P(MixTest, RefusesBadArguments) {
  const ImageShape shape{4, 6, 5, 1};
  const Buffer<std::uint8_t> in(noise(shape.size(), 1), stream());
  const GuardedBuffer<std::uint8_t> out(shape.size(), stream());
  const Buffer<std::int64_t> ids(ids_from(0, 4), stream());
  const Buffer<std::int32_t> labels(counted(4), stream());
  const GuardedBuffer<std::int32_t> a(4, stream());
  const GuardedBuffer<std::int32_t> b(4, stream());
  const GuardedBuffer<float> weight(4, stream());
  const MixedLabels mixed{a.span(), b.span(), weight.span()};
  const auto call = [&](const CutMixOptions& options, std::size_t id_count, std::size_t label_count, MixedLabels to,
                        Out images) {
    return message_of<InvalidArgument>([&] {
      cutmix(In::nhwc(in.data(), shape), ids.cspan().first(id_count), labels.cspan().first(label_count), options, {},
             images, to, stream());
    });
  };
  const Out good = Out::nhwc(out.data(), shape);
  EXPECT_EQ(call({.alpha = 0}, 4, 4, mixed, good), "cutmix: options.alpha is 0, expected a finite value above 0");
  EXPECT_EQ(call({.alpha = NAN}, 4, 4, mixed, good), "cutmix: options.alpha is nan, expected a finite value above 0");
  EXPECT_EQ(call({.probability = 1.5f}, 4, 4, mixed, good), "cutmix: options.probability is 1.5, expected 0 to 1");
  EXPECT_EQ(call({.probability = NAN}, 4, 4, mixed, good), "cutmix: options.probability is nan, expected 0 to 1");
  EXPECT_EQ(call({}, 2, 4, mixed, good), "cutmix: sample_ids has 2 values, expected 4 (one per image)");
  EXPECT_EQ(call({}, 4, 3, mixed, good), "cutmix: labels has 3 values, expected 4 (one per image)");
  EXPECT_EQ(call({}, 4, 0, mixed, good), "cutmix: labels has 0 values, expected 4 (one per image)");
  EXPECT_EQ(call({}, 4, 4, {a.span(), {}, weight.span()}, good),
            "cutmix: mixed.b has 0 values, expected 4 (one per image)");
  EXPECT_EQ(call({}, 4, 4, {a.span(), b.span(), {}}, good),
            "cutmix: mixed.weight_a has 0 values, expected 4 (one per image)");
  EXPECT_EQ(call({.partner = static_cast<MixPartner>(5)}, 4, 4, mixed, good),
            "cutmix: options.partner is 5, expected previous (0), mirrored (1) or permuted (2)");
  EXPECT_EQ(call({.draws = static_cast<MixDraws>(-1)}, 4, 4, mixed, good),
            "cutmix: options.draws is -1, expected per_sample (0), per_pair (1) or per_batch (2)");
  EXPECT_NE(call({.draws = MixDraws::per_pair}, 4, 4, mixed, good).find("expected mirrored"), std::string::npos);
  EXPECT_NE(call({}, 4, 4, mixed, Out::nhwc(in.data(), shape)).find("out overlaps in"), std::string::npos);
  EXPECT_NE(call({}, 4, 4, mixed, Out::nhwc(out.data(), {4, 5, 6, 1})).find("out has shape"), std::string::npos);
  for (const std::uint8_t byte : out.to_host()) ASSERT_EQ(byte, 0xA5);
  a.expect_guards_intact();
}

TEST(DenseLabelsContract, NamesWhatIsWrong) {
  const std::vector<std::int32_t> labels{0, 1};
  const std::vector<float> weight{1, 0.5f};
  std::vector<float> rows(6, 7.0f);
  const auto call = [&](std::size_t count, std::int64_t classes, float smoothing, std::size_t size) {
    return message_of<InvalidArgument>([&] {
      dense_labels(labels, std::span(labels).first(count), weight, classes, smoothing, std::span(rows).first(size),
                   Stream::cpu());
    });
  };
  EXPECT_EQ(call(1, 3, 0, 6), "dense_labels: b has 1 values, expected 2 (one per image)");
  EXPECT_EQ(call(2, 0, 0, 6), "dense_labels: classes is 0, expected 1 to 2147483648");
  EXPECT_EQ(call(2, 3, 1.5f, 6), "dense_labels: smoothing is 1.5, expected 0 to 1");
  EXPECT_EQ(call(2, 3, 0, 5), "dense_labels: rows has 5 values, expected 6 (2 labels, 3 classes)");
  EXPECT_EQ(rows, std::vector<float>(6, 7.0f));
}

TEST(Elementary, AgreesWithTheCLibrary) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100000; ++i) {
    const double u = (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53;
    const double wide = std::ldexp(u, static_cast<int>(random() % 600) - 300);
    EXPECT_NEAR(exact::log2(wide), std::log2(wide), 1e-15 * std::abs(std::log2(wide)) + 1e-16) << wide;
    EXPECT_NEAR(exact::sqrt(wide) / std::sqrt(wide), 1, 1e-15) << wide;
    EXPECT_NEAR(exact::exp2_of_negative(-1000 * u) / std::exp2(-1000 * u), 1, 1e-15) << u;
    EXPECT_NEAR(exact::cos_quarter(u), std::cos(u * std::acos(0.0)), 1e-15) << u;
  }
  EXPECT_EQ(exact::exp2_of_negative(0), 1);
  EXPECT_EQ(exact::exp2_of_negative(-1e300), 0);
  EXPECT_EQ(exact::log2(1), 0);
  EXPECT_EQ(exact::log2(0.25), -2);
  EXPECT_EQ(exact::sqrt(0), 0);
  EXPECT_EQ(exact::cos_quarter(0), 1);
}

}  // namespace
}  // namespace leaven::test
