#include <algorithm>
#include <cmath>

#include "tests/augment/images.hpp"

// What must hold whatever the formulae are.
namespace leaven::test {
namespace {

constexpr ImageShape kShape{3, 31, 33, 3};

class Property : public BackendTest {
 protected:
  // The images after the given steps, each step(in, out).
  template <class... Steps>
  std::vector<Image> after(const std::vector<Image>& images, const ImageShape& shape, const Steps&... steps) const {
    std::vector<Image> current = images;
    (
        [&](const auto& step) {
          const Batch in(current, shape, Memory::nhwc, stream());
          const Batch out(shape, Memory::nhwc, stream());
          step(in.view(), out.view());
          current = out.images();
        }(steps),
        ...);
    return current;
  }
};
LEAVEN_ON_BOTH_BACKENDS(Property);

TEST_P(Property, FlipTwiceIsIdentity) {
  const auto images = test_images(kShape, 1);
  for (const FlipAxis axis : {FlipAxis::left_right, FlipAxis::top_bottom, FlipAxis::both, FlipAxis::none}) {
    const auto step = [&](In in, Out out) { flip(in, axis, out, stream()); };
    expect_same_images(after(images, kShape, step, step), images, "flip twice");
  }
}

TEST_P(Property, BothFlipsAreHalfATurn) {
  const auto images = test_images(kShape, 2);
  const auto both = after(images, kShape, [&](In in, Out out) { flip(in, FlipAxis::both, out, stream()); });
  const auto turned = after(images, kShape, [&](In in, Out out) { rotate(in, 180.0, {}, out, stream()); });
  const auto one_by_one = after(
      images, kShape, [&](In in, Out out) { flip(in, FlipAxis::left_right, out, stream()); },
      [&](In in, Out out) { flip(in, FlipAxis::top_bottom, out, stream()); });
  expect_same_images(turned, both, "rotate by 180");
  expect_same_images(one_by_one, both, "left-right, then top-bottom");
}

TEST_P(Property, FourQuarterTurnsAreIdentity) {
  constexpr ImageShape kSquare{2, 33, 33, 3};
  const auto images = test_images(kSquare, 3);
  const auto left = [&](In in, Out out) { rotate(in, 90.0, {}, out, stream()); };
  const auto right = [&](In in, Out out) { rotate(in, -90.0, {}, out, stream()); };
  expect_same_images(after(images, kSquare, left, left, left, left), images, "four turns");
  expect_same_images(after(images, kSquare, left, right), images, "there and back");
}

TEST_P(Property, NeutralParametersCopy) {
  const auto images = test_images(kShape, 4);
  const auto expect_copy = [&](const char* what, const auto& step) {
    expect_same_images(after(images, kShape, step), images, what);
  };
  expect_copy("brightness 1", [&](In in, Out out) { brightness(in, 1.0f, out, stream()); });
  expect_copy("brightness_offset 0", [&](In in, Out out) { brightness_offset(in, 0, out, stream()); });
  expect_copy("contrast 1", [&](In in, Out out) { contrast(in, 1.0f, out, stream()); });
  expect_copy("sharpness 1", [&](In in, Out out) { sharpness(in, 1.0f, out, stream()); });
  expect_copy("color 1", [&](In in, Out out) { color(in, 1.0f, out, stream()); });
  expect_copy("posterize 8", [&](In in, Out out) { posterize(in, 8, out, stream()); });
  expect_copy("solarize 256", [&](In in, Out out) { solarize(in, 256.0f, out, stream()); });
  expect_copy("crop of all", [&](In in, Out out) { crop(in, OffsetPx{}, out, stream()); });
  expect_copy("pad_crop in the middle", [&](In in, Out out) { pad_crop(in, 5, 9, OffsetPx{5, 5}, out, stream()); });
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bilinear}) {
    const WarpOptions options{.interpolation = interpolation, .fill = 1};
    expect_copy("affine_warp identity",
                [&](In in, Out out) { affine_warp(in, AffineMatrix{}, options, out, stream()); });
    expect_copy("rotate 0", [&](In in, Out out) { rotate(in, 0.0, options, out, stream()); });
    expect_copy("rotate 720", [&](In in, Out out) { rotate(in, 720.0, options, out, stream()); });
    expect_copy("shear 0", [&](In in, Out out) { shear(in, Shear{}, options, out, stream()); });
    expect_copy("translate 0", [&](In in, Out out) { translate(in, TranslationPx{}, options, out, stream()); });
  }
}

TEST_P(Property, InvertTwiceIsIdentityAndSolarizeFromZeroInverts) {
  const auto images = test_images(kShape, 5);
  const auto inverted = [&](In in, Out out) { invert(in, out, stream()); };
  expect_same_images(after(images, kShape, inverted, inverted), images, "invert twice");
  expect_same_images(after(images, kShape, [&](In in, Out out) { solarize(in, 0.0f, out, stream()); }),
                     after(images, kShape, inverted), "solarize 0");
}

TEST_P(Property, ContrastZeroIsTheMeanAndColorZeroIsGrey) {
  const auto images = test_images(kShape, 6);
  for (const Image& image : after(images, kShape, [&](In in, Out out) { contrast(in, 0.0f, out, stream()); })) {
    for (const std::uint8_t v : image.values) ASSERT_EQ(v, image.values[0]);
  }
  const auto grey = after(images, kShape, [&](In in, Out out) { color(in, 0.0f, out, stream()); });
  for (const Image& image : grey) {
    for (std::size_t i = 0; i < image.values.size(); i += 3) {
      ASSERT_EQ(image.values[i], image.values[i + 1]);
      ASSERT_EQ(image.values[i], image.values[i + 2]);
    }
  }
  expect_same_images(after(grey, kShape, [&](In in, Out out) { color(in, 1.7f, out, stream()); }), grey,
                     "color of a grey image");
}

TEST_P(Property, AutocontrastReachesBothEndsAndTwiceIsOnce) {
  const auto images = test_images(kShape, 9);
  const auto dark = [&](In in, Out out) { brightness(in, 0.3f, out, stream()); };
  const auto stretch = [&](In in, Out out) { autocontrast(in, out, stream()); };
  const auto once = after(images, kShape, dark, stretch);
  for (const Image& image : once) {
    const auto [lowest, highest] = std::minmax_element(image.values.begin(), image.values.end());
    EXPECT_EQ(*lowest, 0);
    EXPECT_GE(*highest, 254);  // the last one may be truncated
  }
  expect_same_images(after(once, kShape, stretch), once, "autocontrast twice");
}

TEST_P(Property, EqualizeSpreadsAndKeepsTheOrder) {
  constexpr ImageShape kLarge{1, 64, 64, 1};
  const Image dark = reference::make(64, 64, 1, [](int y, int x, int) { return (y * 64 + x) / 64; });
  const Image spread = after({dark}, kLarge, [&](In in, Out out) { equalize(in, out, stream()); })[0];
  for (int y = 1; y < 64; ++y) ASSERT_GE(spread.at(y, 0, 0), std::min(spread.at(y - 1, 0, 0) + 4, 255)) << y;
  EXPECT_EQ(spread.at(63, 63, 0), 255);
}

TEST_P(Property, TranslationByWholePixelsMovesPixels) {
  const auto images = test_images(kShape, 7);
  const auto moved = after(images, kShape, [&](In in, Out out) {
    translate(in, TranslationPx{4, -3}, {.fill = 8}, out, stream());
  });
  for (std::size_t n = 0; n < images.size(); ++n) {
    for (int y = 0; y < 31; ++y)
      for (int x = 0; x < 33; ++x)
        for (int c = 0; c < 3; ++c) {
          const bool inside = x >= 4 && y + 3 < 31;
          ASSERT_EQ(moved[n].at(y, x, c), inside ? images[n].at(y + 3, x - 4, c) : 8) << y << ", " << x;
        }
  }
}

TEST_P(Property, BrightnessOffsetsAddUpInsideTheRange) {
  const Image ramp = reference::make(16, 16, 1, [](int y, int x, int) { return y * 16 + x; });
  const ImageShape shape{1, 16, 16, 1};
  const auto plus = [&](In in, Out out) { brightness_offset(in, 30, out, stream()); };
  const auto minus = [&](In in, Out out) { brightness_offset(in, -30, out, stream()); };
  const Image up_and_down = after({ramp}, shape, plus, minus)[0];
  for (int v = 0; v < 256; ++v) ASSERT_EQ(up_and_down.values[static_cast<std::size_t>(v)], std::min(v, 225));
}

TEST_P(Property, OneValuePerImageIsThatImageAlone) {
  const auto images = test_images({40, 9, 11, 3}, 8);
  std::vector<double> angles;
  for (int i = 0; i < 40; ++i) angles.push_back(-180.0 + 9.5 * i);
  const Buffer<double> device(angles, stream());
  const ImageShape all{40, 9, 11, 3};
  const auto together = after(images, all, [&](In in, Out out) { rotate(in, device.cspan(), {}, out, stream()); });
  for (std::size_t i = 0; i < 40; ++i) {
    const auto alone =
        after({images[i]}, {1, 9, 11, 3}, [&](In in, Out out) { rotate(in, angles[i], {}, out, stream()); });
    expect_same_images(alone, {together[i]}, "image " + std::to_string(i));
  }
}

}  // namespace
}  // namespace leaven::test
