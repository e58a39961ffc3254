#include <cmath>
#include <random>

#include "tests/augment/images.hpp"
#include "tests/augment/policy_reference.hpp"
#include "tests/augment/statistics.hpp"

// Random resized crops: where they are, against torchvision's definition and its laws, and what they show.
namespace leaven::test {
namespace {

constexpr double kHolds = 1e-3;    // a law is taken for wrong below this
constexpr double kRefuted = 1e-9;  // a fault must be seen as clearly as this
constexpr RandomKey kKey{.seed = 11, .epoch = 3};

// At least one pixel, where torchvision would crop none.
RectPx central(const RandomResizedCropOptions& o, int width, int height) {
  RectPx crop{0, 0, width, height};
  const double ratio = static_cast<double>(width) / height;
  if (ratio < o.ratio.least) crop.height = std::max(1, static_cast<int>(std::lround(width / o.ratio.least)));
  if (ratio > o.ratio.most) crop.width = std::max(1, static_cast<int>(std::lround(height * o.ratio.most)));
  crop.left = (width - crop.width) / 2;
  crop.top = (height - crop.height) / 2;
  return crop;
}

// torchvision's get_params; uniform() on (0, 1), position(n) among n.
template <class Uniform, class Position>
RectPx get_params(const RandomResizedCropOptions& o, int width, int height, const Uniform& uniform,
                  const Position& position) {
  for (int i = 0; i < 10; ++i) {
    const double area = double(width) * height * (o.scale.least + (o.scale.most - o.scale.least) * uniform(i, 0));
    const double low = std::log(o.ratio.least);
    const double ratio = std::exp(low + (std::log(o.ratio.most) - low) * uniform(i, 1));
    const int w = static_cast<int>(std::lround(std::sqrt(area * ratio)));
    const int h = static_cast<int>(std::lround(std::sqrt(area / ratio)));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const int top = position(i, 0, height - h + 1);
    return {position(i, 1, width - w + 1), top, w, h};
  }
  return central(o, width, height);
}

RectPx expected_place(const RandomResizedCropOptions& o, int width, int height, RandomKey key, std::int64_t id) {
  const auto word = [&](int attempt, int which) {
    const Philox4 w = words(key, id, 1024 + static_cast<std::uint32_t>(attempt));
    const std::uint32_t all[] = {w.x, w.y, w.z, w.w};
    return all[which];
  };
  return get_params(
      o, width, height, [&](int i, int which) { return (word(i, which) + 0.5) / 4294967296.0; },
      [&](int i, int which, int n) {
        return static_cast<int>(word(i, 2 + which) * static_cast<std::uint64_t>(n) >> 32);
      });
}

class RandomResizedCropTest : public BackendTest {
 protected:
  std::vector<RectPx> places(ImageSize size, const std::vector<std::int64_t>& ids,
                             const RandomResizedCropOptions& options, RandomKey key = kKey) const {
    const GuardedBuffer<std::int64_t> device_ids(ids, stream());
    const GuardedBuffer<RectPx> out(static_cast<std::int64_t>(ids.size()), stream());
    random_resized_crop_places(size, device_ids.cspan(), options, key, out.span(), stream());
    out.expect_guards_intact();
    return out.to_host();
  }
};
LEAVEN_ON_BOTH_BACKENDS(RandomResizedCropTest);

TEST_P(RandomResizedCropTest, LiesWhereTheDefinitionPutsIt) {
  const std::vector<std::int64_t> ids = ids_from(-20, 400);
  const RandomResizedCropOptions all[] = {{},
                                          {.scale = {0.5, 1}, .ratio = {0.5, 2}},
                                          {.scale = {1, 1}, .ratio = {3, 4}},
                                          {.scale = {0.9, 1}, .ratio = {0.1, 0.2}},
                                          {.scale = {1e-9, 1e-8}}};
  for (const RandomResizedCropOptions& options : all) {
    for (const ImageSize size : {ImageSize{224, 224}, {31, 33}, {1, 1}, {1, 90}, {375, 500}}) {
      const std::vector<RectPx> got = places(size, ids, options);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const RectPx expected =
            expected_place(options, static_cast<int>(size.width), static_cast<int>(size.height), kKey, ids[i]);
        ASSERT_EQ(got[i], expected) << i;
      }
    }
  }
}

TEST_P(RandomResizedCropTest, IsTheCropAloneResized) {
  const ImageShape shape{5, 31, 33, 3};
  const ImageShape out_shape{5, 12, 20, 3};
  const std::vector<Image> images = test_images(shape, 3);
  const std::vector<std::int64_t> ids = ids_from(7, 5);
  const GuardedBuffer<std::int64_t> device_ids(ids, stream());
  const std::vector<RectPx> where = places({31, 33}, ids, {});
  for (const Memory memory : kAllMemories) {
    for (const Interpolation interpolation :
         {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic}) {
      const Batch in(images, shape, memory, stream());
      const Batch out(out_shape, memory, stream());
      const GuardedBuffer<std::byte> workspace(random_resized_crop_workspace_bytes(shape, {12, 20}, interpolation),
                                               stream());
      random_resized_crop(in.view(), device_ids.cspan(), {.interpolation = interpolation}, kKey, out.view(),
                          workspace.span(), stream());
      out.expect_only_images_written();
      workspace.expect_guards_intact();
      std::vector<Image> expected;
      for (std::size_t i = 0; i < images.size(); ++i) {
        const RectPx p = where[i];
        const Image part = reference::make(p.height, p.width, 3,
                                           [&](int y, int x, int c) { return images[i].at(y + p.top, x + p.left, c); });
        const ImageShape part_shape{1, p.height, p.width, 3};
        const Batch part_in({part}, part_shape, Memory::nhwc, stream());
        const Batch part_out({1, 12, 20, 3}, Memory::nhwc, stream());
        resize(part_in.view(), SourceBox{}, interpolation, part_out.view(), workspace.span(), stream());
        expected.push_back(part_out.images()[0]);
      }
      expect_same_images(out.images(), expected, name(memory));
    }
  }
}

TEST_P(RandomResizedCropTest, OfRaggedImagesIsThatOfEachAlone) {
  const ImageShape shapes[] = {{1, 31, 33, 3}, {1, 64, 5, 3}, {1, 65, 5, 3}};
  std::vector<Batch> batches;
  std::vector<ImageRef> refs;
  for (const ImageShape& s : shapes) {
    batches.emplace_back(test_images(s, 5), s, Memory::padded_odd, stream());
    const Out v = batches.back().view();
    refs.push_back({v.data, v.height, v.width, v.row_stride, v.pixel_stride, v.channel_stride});
  }
  const GuardedBuffer<ImageRef> device(refs, stream());
  const RaggedImages ragged{device.cspan(), {64, 33}};
  const GuardedBuffer<std::int64_t> ids(ids_from(40, 3), stream());
  const GuardedBuffer<RectPx> where(3, stream());
  const Batch out({3, 9, 8, 3}, Memory::nhwc, stream());
  const GuardedBuffer<std::byte> workspace(
      random_resized_crop_workspace_bytes({3, 64, 33, 3}, {9, 8}, Interpolation::bilinear), stream());
  random_resized_crop(ragged, ids.cspan(), {}, kKey, out.view(), workspace.span(), stream());
  random_resized_crop_places(ragged, ids.cspan(), {}, kKey, where.span(), stream());
  out.expect_only_images_written();
  workspace.expect_guards_intact();
  std::vector<Image> expected;
  for (std::int64_t i = 0; i < 2; ++i) {
    const ImageShape& s = shapes[i];
    const Batch one({1, 9, 8, 3}, Memory::nhwc, stream());
    random_resized_crop(batches[static_cast<std::size_t>(i)].view(),
                        ids.cspan().subspan(static_cast<std::size_t>(i), 1), {}, kKey, one.view(), workspace.span(),
                        stream());
    expected.push_back(one.images()[0]);
    EXPECT_EQ(where.to_host()[static_cast<std::size_t>(i)], places({s.height, s.width}, {40 + i}, {})[0]);
  }
  expected.emplace_back(9, 8, 3);
  expect_same_images(out.images(), expected, "ragged");
  EXPECT_EQ(where.to_host()[2], RectPx{});
}

TEST_P(RandomResizedCropTest, WrongCallsAreRefused) {
  const ImageShape shape{2, 8, 9, 3};
  const std::vector<Image> before = test_images(shape, 2);
  const Batch in(test_images(shape, 1), shape, Memory::nhwc, stream());
  const Batch out(before, shape, Memory::nhwc, stream());
  const GuardedBuffer<std::byte> workspace(random_resized_crop_workspace_bytes(shape, {8, 9}, Interpolation::bilinear),
                                           stream());
  const GuardedBuffer<std::int64_t> ids(ids_from(0, 3), stream());
  const auto text = [&](const RandomResizedCropOptions& options, std::size_t id_count, std::size_t bytes) {
    return message_of<InvalidArgument>([&] {
      random_resized_crop(in.view(), ids.cspan().first(id_count), options, kKey, out.view(),
                          workspace.span().first(bytes), stream());
    });
  };
  const auto bytes = static_cast<std::size_t>(workspace.size());
  const std::string scale = ", expected a range within 0 (excluded) to 1";
  EXPECT_EQ(text({.scale = {0, 1}}, 2, bytes), "random_resized_crop: options.scale is 0 to 1" + scale);
  EXPECT_EQ(text({.scale = {0.5, 1.5}}, 2, bytes), "random_resized_crop: options.scale is 0.5 to 1.5" + scale);
  EXPECT_EQ(text({.scale = {0.5, 0.4}}, 2, bytes), "random_resized_crop: options.scale is 0.5 to 0.4" + scale);
  EXPECT_EQ(text({.ratio = {-1, 0.4}}, 2, bytes),
            "random_resized_crop: options.ratio is -1 to 0.4, expected a range within 1e-6 to 1e6");
  EXPECT_EQ(text({.interpolation = static_cast<Interpolation>(9)}, 2, bytes),
            "random_resized_crop: interpolation is 9, expected nearest (0), bilinear (1) or bicubic (2)");
  EXPECT_NE(text({}, 3, bytes).find("random_resized_crop: sample_ids has 3 values, expected 2"), std::string::npos);
  EXPECT_EQ(text({}, 2, bytes - 8), "random_resized_crop: workspace has " + std::to_string(bytes - 8) +
                                        " bytes, expected " + std::to_string(bytes));
  const GuardedBuffer<RectPx> where(3, stream());
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              random_resized_crop_places({-1, 4}, ids.cspan(), {}, kKey, where.span(), stream());
            }),
            "random_resized_crop_places: size is -1x4, expected sides of 0 to 2^24");
  expect_same_images(out.images(), before, "after refused calls");
}

std::vector<RectPx> cpu_places(ImageSize size, std::int64_t count, const RandomResizedCropOptions& options) {
  std::vector<RectPx> where(static_cast<std::size_t>(count));
  random_resized_crop_places(size, ids_from(0, count), options, {.seed = 4}, where, Stream::cpu());
  return where;
}

TEST(RandomResizedCropLaw, AreasAndRatiosAreTorchvisions) {
  std::mt19937_64 random(9);
  std::uniform_real_distribution<double> uniform;
  for (const ImageSize size : {ImageSize{300, 300}, ImageSize{200, 500}}) {
    std::vector<double> areas, ratios, expected_areas, expected_ratios;
    const auto whole = static_cast<double>(size.width * size.height);
    for (const RectPx& p : cpu_places(size, 20000, {})) {
      areas.push_back(p.width * static_cast<double>(p.height) / whole);
      ratios.push_back(std::log(static_cast<double>(p.width) / p.height));
    }
    for (int i = 0; i < 20000; ++i) {
      const RectPx p = get_params(
          {}, static_cast<int>(size.width), static_cast<int>(size.height), [&](int, int) { return uniform(random); },
          [&](int, int, int n) { return static_cast<int>(uniform(random) * n); });
      expected_areas.push_back(p.width * static_cast<double>(p.height) / whole);
      expected_ratios.push_back(std::log(static_cast<double>(p.width) / p.height));
    }
    EXPECT_GT(same_law_p(areas, expected_areas, 0, 1, 50), kHolds);
    EXPECT_GT(same_law_p(ratios, expected_ratios, -0.3, 0.3, 50), kHolds);
    for (double& area : areas) area *= area;  // scale of the side taken for that of the area
    EXPECT_LT(same_law_p(areas, expected_areas, 0, 1, 50), kRefuted);
  }
}

TEST(RandomResizedCropLaw, EveryPositionIsEquallyLikely) {
  std::vector<std::int64_t> positions(81);
  for (const RectPx& p : cpu_places({24, 24}, 40000, {.scale = {4.0 / 9, 4.0 / 9}, .ratio = {1, 1}})) {
    ASSERT_EQ(p.width, 16);
    ASSERT_EQ(p.height, 16);
    ++positions[static_cast<std::size_t>(p.top * 9 + p.left)];
  }
  EXPECT_GT(uniform_p(positions), kHolds);
  EXPECT_GT(positions.front(), 0);
  EXPECT_GT(positions.back(), 0);
  for (std::size_t i = 0; i < 9; ++i) positions[i * 9 + i % 8] += std::exchange(positions[i * 9 + 8], 0);
  EXPECT_LT(uniform_p(positions), kRefuted) << "the last column never drawn";
}

}  // namespace
}  // namespace leaven::test
