#include <cstring>

#include "tests/augment/float_cases.hpp"
#include "tests/augment/mix_reference.hpp"

// CutMix and MixUp of f32 images: the draws and labels of 8-bit ones, values that are not rounded.
namespace leaven::test {
namespace {

struct FloatMixed {
  std::vector<FloatImage> images;
  std::vector<std::int32_t> a, b;
  std::vector<float> weight;
};

std::vector<std::int32_t> labels_of(std::int64_t count) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < count; ++i) labels.push_back(static_cast<std::int32_t>(100 + i));
  return labels;
}

template <class From, class To>
void call_mix(From from, std::span<const std::int64_t> ids, std::span<const std::int32_t> labels, const Mix& options,
              RandomKey key, To to, MixedLabels mixed, Stream stream) {
  if (const auto* boxes = std::get_if<CutMixOptions>(&options)) {
    cutmix(from, ids, labels, *boxes, key, to, mixed, stream);
  } else if (const auto* means = std::get_if<MixUpOptions>(&options)) {
    mixup(from, ids, labels, *means, key, to, mixed, stream);
  } else {
    cutmix_or_mixup(from, ids, labels, std::get<CutMixOrMixUpOptions>(options), key, to, mixed, stream);
  }
}

FloatMixed run(const std::vector<FloatImage>& images, const ImageShape& shape, const Mix& options, RandomKey key,
               Stream stream, Memory in_memory, Memory out_memory) {
  const FloatBatch in(images, shape, in_memory, stream);
  const FloatBatch out(shape, out_memory, stream);
  const Buffer<std::int64_t> ids(ids_from(5, shape.count), stream);
  const Buffer<std::int32_t> labels(labels_of(shape.count), stream);
  const GuardedBuffer<std::int32_t> a(shape.count, stream);
  const GuardedBuffer<std::int32_t> b(shape.count, stream);
  const GuardedBuffer<float> weight(shape.count, stream);
  call_mix(FloatIn(in.view()), ids.cspan(), labels.cspan(), options, key, out.view(),
           {.a = a.span(), .b = b.span(), .weight_a = weight.span()}, stream);
  out.expect_only_images_written();
  a.expect_guards_intact();
  b.expect_guards_intact();
  weight.expect_guards_intact();
  return {out.images(), a.to_host(), b.to_host(), weight.to_host()};
}

std::vector<FloatImage> expected_images(const std::vector<FloatImage>& images, const ImageShape& shape,
                                        const Mix& options, RandomKey key) {
  std::vector<FloatImage> expected;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const ExpectedMix mix = expected_mix(key, ids_from(5, shape.count), i, options, {shape.height, shape.width});
    const FloatImage& own = images[i];
    const FloatImage& partners = images[mix.partner];
    expected.push_back(reference::make_float(own.height, own.width, own.channels, [&](int y, int x, int c) -> double {
      const bool inside = y >= mix.top && y < mix.bottom && x >= mix.left && x < mix.right;
      if (!mix.mean) return inside ? partners.at(y, x, c) : own.at(y, x, c);
      return double{mix.weight} * own.at(y, x, c) + (1 - double{mix.weight}) * partners.at(y, x, c);
    }));
  }
  return expected;
}

std::vector<Mix> all_mixes() {
  return {CutMixOptions{}, CutMixOptions{.probability = 0.5f, .partner = MixPartner::permuted},
          MixUpOptions{.alpha = 0.4f, .partner = MixPartner::mirrored, .draws = MixDraws::per_pair},
          MixUpOptions{.probability = 0.0f}, CutMixOrMixUpOptions{.mixup_alpha = 1, .probability = 0.8f}};
}

class FloatMix : public BackendTest {
 protected:
  void expect_definition(const ImageShape& shape, const Mix& options, RandomKey key, Memory in, Memory out) const {
    const std::vector<FloatImage> images = float_images(shape, 7);
    const FloatMixed got = run(images, shape, options, key, stream(), in, out);
    const bool means = !std::holds_alternative<CutMixOptions>(options);
    expect_near(got.images, expected_images(images, shape, options, key), means ? 1e-4 : 0,
                text(shape) + " " + name(in) + " to " + name(out));
    for (std::size_t i = 0; i < got.a.size(); ++i) {
      const ExpectedMix mix = expected_mix(key, ids_from(5, shape.count), i, options, {shape.height, shape.width});
      EXPECT_EQ(got.a[i], static_cast<std::int32_t>(100 + i));
      EXPECT_EQ(got.b[i], static_cast<std::int32_t>(100 + mix.partner));
      EXPECT_FLOAT_EQ(got.weight[i], mix.weight);
    }
  }
};
LEAVEN_ON_BOTH_BACKENDS(FloatMix);

TEST_P(FloatMix, IsItsDefinition) {
  RandomKey key{.seed = 81};
  for (const ImageShape& shape : {ImageShape{9, 28, 28, 1},
                                  {7, 32, 32, 3},
                                  {6, 31, 33, 3},
                                  {5, 1, 1, 3},
                                  {4, 1, 29, 1},
                                  {4, 16, 1, 3},
                                  {1, 8, 8, 3},
                                  {2, 64, 48, 3}}) {
    for (const Mix& options : all_mixes()) {
      ++key.epoch.value;
      expect_definition(shape, options, key, Memory::nhwc, Memory::nhwc);
    }
  }
}

TEST_P(FloatMix, HoldsForAllMemoryLayouts) {
  RandomKey key{.seed = 82};
  for (const ImageShape& shape : {ImageShape{4, 16, 16, 3}, {3, 17, 19, 3}, {3, 16, 18, 1}}) {
    for (const Memory memory : kAllMemories) {
      for (const Mix& options : all_mixes()) {
        ++key.epoch.value;
        expect_definition(shape, options, key, memory, memory);
        expect_definition(shape, options, key, memory, Memory::nhwc);
      }
    }
  }
}

// Of whole numbers, rounded: the 8-bit one. Boxes, labels and weights are the same.
TEST_P(FloatMix, RoundedItIsTheEightBitOne) {
  const ImageShape shape{8, 20, 21, 3};
  const std::vector<Image> bytes = test_images(shape, 9);
  std::vector<FloatImage> floats;
  for (const Image& i : bytes) {
    floats.push_back(
        reference::make_float(i.height, i.width, i.channels, [&](int y, int x, int c) { return i.at(y, x, c); }));
  }
  for (const Mix& options : all_mixes()) {
    const RandomKey key{.seed = 83};
    const FloatMixed got = run(floats, shape, options, key, stream(), Memory::nhwc, Memory::nhwc);
    const Batch in(bytes, shape, Memory::nhwc, stream());
    const Batch out(shape, Memory::nhwc, stream());
    const Buffer<std::int64_t> ids(ids_from(5, shape.count), stream());
    const GuardedBuffer<float> weight(shape.count, stream());
    call_mix(In(in.view()), ids.cspan(), {}, options, key, out.view(), {.a = {}, .b = {}, .weight_a = weight.span()},
             stream());
    EXPECT_EQ(got.weight, weight.to_host());
    const std::vector<Image> expected = out.images();
    for (std::size_t n = 0; n < expected.size(); ++n)
      for (std::size_t i = 0; i < expected[n].values.size(); ++i)
        ASSERT_EQ(std::floor(got.images[n].values[i] + 0.5f), expected[n].values[i]) << n << " " << i;
  }
}

TEST_P(FloatMix, ANanStaysInItsPixel) {
  const ImageShape shape{2, 8, 8, 1};
  std::vector<FloatImage> images = float_images(shape, 4);
  images[0].at(2, 3, 0) = std::nanf("");
  const FloatMixed got =
      run(images, shape, MixUpOptions{.alpha = 5}, {.seed = 1}, stream(), Memory::nhwc, Memory::nhwc);
  for (const FloatImage& image : got.images)
    for (int i = 0; i < 64; ++i) EXPECT_EQ(std::isnan(image.values[static_cast<std::size_t>(i)]), i == 19) << i;
}

TEST_P(FloatMix, RefusesBadArguments) {
  const ImageShape shape{4, 6, 5, 1};
  const FloatBatch in(float_images(shape, 1), shape, Memory::nhwc, stream());
  const FloatBatch out(shape, Memory::nhwc, stream());
  const std::vector<FloatImage> before = out.images();
  const Buffer<std::int64_t> ids(ids_from(0, 4), stream());
  const GuardedBuffer<float> weight(4, stream());
  const auto text_of = [&](const Mix& options, std::size_t id_count, std::size_t weights, FloatOut to) {
    return message_of<InvalidArgument>([&] {
      call_mix(FloatIn(in.view()), ids.cspan().first(id_count), {}, options, {}, to,
               {.a = {}, .b = {}, .weight_a = weight.span().first(weights)}, stream());
    });
  };
  const FloatOut good = out.view();
  FloatOut low = good;
  low.height = 5;
  EXPECT_EQ(text_of(MixUpOptions{.alpha = 0}, 4, 4, good),
            "mixup: options.alpha is 0, expected a finite value above 0");
  EXPECT_EQ(text_of(CutMixOptions{.probability = 2}, 4, 4, good), "cutmix: options.probability is 2, expected 0 to 1");
  EXPECT_EQ(text_of(CutMixOrMixUpOptions{.cutmix_probability = -1}, 4, 4, good),
            "cutmix_or_mixup: options.cutmix_probability is -1, expected 0 to 1");
  EXPECT_EQ(text_of(MixUpOptions{}, 3, 4, good), "mixup: sample_ids has 3 values, expected 4 (one per image)");
  EXPECT_EQ(text_of(MixUpOptions{}, 4, 2, good), "mixup: mixed.weight_a has 2 values, expected 4 (one per image)");
  EXPECT_NE(text_of(MixUpOptions{}, 4, 4, low).find("mixup: out has shape 4x5x5x1"), std::string::npos);
  EXPECT_NE(text_of(CutMixOptions{}, 4, 4, in.view()).find("cutmix: out overlaps in"), std::string::npos);
  expect_near(out.images(), before, 0, "after refused calls");
  out.expect_only_images_written();
}

bool equal_bits(const FloatMixed& a, const FloatMixed& b) {
  for (std::size_t n = 0; n < a.images.size(); ++n) {
    const std::vector<float>& values = a.images[n].values;
    if (std::memcmp(values.data(), b.images[n].values.data(), values.size() * sizeof(float)) != 0) return false;
  }
  return a.weight == b.weight && a.b == b.b;
}

TEST(FloatMixCuda, TheBitsAreThoseOfTheCpu) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream cuda(Backend::cuda);
  for (const ImageShape& shape : {ImageShape{6, 28, 28, 1}, ImageShape{5, 29, 37, 3}, ImageShape{1, 8, 8, 3}}) {
    const std::vector<FloatImage> images = float_images(shape, 3);
    for (const Mix& options : all_mixes()) {
      for (const Memory memory : {Memory::nhwc, Memory::nchw, Memory::padded_odd}) {
        EXPECT_TRUE(equal_bits(run(images, shape, options, {.seed = 6}, cuda, memory, memory),
                               run(images, shape, options, {.seed = 6}, Stream::cpu(), memory, memory)))
            << text(shape) << " " << name(memory);
      }
    }
  }
}

}  // namespace
}  // namespace leaven::test
