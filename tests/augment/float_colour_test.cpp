#include <limits>

#include "tests/augment/float_cases.hpp"

// hue, erase and gaussian_blur on f32 images: what they promise beyond their formulae.
namespace leaven::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

class FloatColour : public BackendTest {
 protected:
  std::vector<FloatImage> result(const std::vector<FloatImage>& images, const ImageShape& shape,
                                 const std::function<void(FloatIn, FloatOut)>& call) const {
    const FloatBatch in(images, shape, Memory::nhwc, stream());
    const FloatBatch out(shape, Memory::nhwc, stream());
    call(in.view(), out.view());
    out.expect_only_images_written();
    return out.images();
  }
};
LEAVEN_ON_BOTH_BACKENDS(FloatColour);

TEST_P(FloatColour, HueMovesThePureColoursRound) {
  FloatImage in(1, 6, 3);
  in.values = {200, 20, 20, 200, 200, 20, 20, 200, 20, 20, 200, 200, 20, 20, 200, 200, 20, 200};
  FloatImage turned = in;  // a third of the circle: two of the six colours on
  for (int x = 0; x < 6; ++x)
    for (int c = 0; c < 3; ++c) turned.at(0, x, c) = in.at(0, (x + 2) % 6, c);
  const auto got = result({in}, {1, 1, 6, 3}, [&](FloatIn i, FloatOut o) { hue(i, 1.0f / 3, o, stream()); });
  expect_near(got, {turned}, 1e-4, "a third");
}

TEST_P(FloatColour, HueTwiceByAHalfIsTheImage) {
  const ImageShape shape{3, 31, 33, 3};
  const std::vector<FloatImage> images = float_images(shape, 5);
  const auto half = [&](FloatIn i, FloatOut o) { hue(i, 0.5f, o, stream()); };
  expect_near(result(result(images, shape, half), shape, half), images, 1e-3, "two halves");
}

TEST_P(FloatColour, HueOfOddPixelsLeavesThem) {
  FloatImage in(1, 7, 3);
  in.values = {kNan, 1, 2, 3, kNan, 4, 5, 6, kNan, kInf, 7, 8, 9, -kInf, 10, 3e38f, -3e38f, 0, 50, 50, 50};
  const auto got = result({in}, {1, 1, 7, 3}, [&](FloatIn i, FloatOut o) { hue(i, 0.3f, o, stream()); });
  expect_near(got, {in}, 0, "odd pixels");
}

TEST_P(FloatColour, HueKeepsValuesOutOfRangeWithinThePixelsExtremes) {
  FloatImage in(1, 2, 3);
  in.values = {-1000, 300, 70, 900, 400, 500};
  const auto got = result({in}, {1, 1, 2, 3}, [&](FloatIn i, FloatOut o) { hue(i, 0.13f, o, stream()); });
  expect_near(got, {reference::hue(in, 0.13f)}, 1e-2, "out of range");
}

TEST_P(FloatColour, HueTurnsByAnyFactorInMemory) {
  const std::vector<float> factors{kNan, kInf, -kInf, 1, -3, 16777216, 1.25f, -0.75f, 7.5f};
  const ImageShape shape{9, 5, 7, 3};
  const std::vector<FloatImage> images(9, float_images({1, 5, 7, 3}, 6)[0]);
  const Buffer<float> device(factors, stream());
  const auto got = result(images, shape, [&](FloatIn i, FloatOut o) { hue(i, device.cspan(), o, stream()); });
  std::vector<FloatImage> expected = images;
  for (std::size_t i = 6; i < 9; ++i) expected[i] = reference::hue(images[i], factors[i]);
  expect_near({got.begin(), got.begin() + 6}, {images.begin(), images.begin() + 6}, 0, "copies");
  expect_near(got, expected, 1e-3, "turns");
}

TEST_P(FloatColour, EraseTakesTheWidestRectangles) {
  constexpr std::int32_t kLeast = std::numeric_limits<std::int32_t>::min();
  constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
  const std::vector<RectPx> rectangles{
      {kLeast, kLeast, kMost, kMost}, {kMost, 0, kMost, kMost}, {0, 0, kMost, kMost}, {2, 2, -1, 5}};
  const ImageShape shape{4, 6, 70, 3};
  std::vector<FloatImage> images = float_images(shape, 8);
  for (FloatImage& image : images) image.at(1, 2, 1) = kNan;
  const Buffer<RectPx> device(rectangles, stream());
  const auto got = result(images, shape, [&](FloatIn i, FloatOut o) {
    erase(i, device.cspan(), {1, 2, 3}, o, stream());
  });
  std::vector<FloatImage> expected = images;
  expected[2] = reference::make_float(6, 70, 3, [](int, int, int c) { return c + 1; });
  expect_near(got, expected, 0, "erase");
}

TEST_P(FloatColour, BlurIsTheMeanOfItsDefinition) {
  struct Case {
    ImageShape shape;
    std::int32_t size;
    double sigma;
  };
  for (const Case& one : {Case{{2, 33, 31, 1}, 23, 1.5}, Case{{1, 40, 70, 3}, 23, 4.0}, Case{{1, 32, 35, 3}, 63, 12.0},
                          Case{{1, 66, 32, 1}, 63, 5.0}, Case{{2, 5, 5, 1}, 5, 1e-300}}) {
    const std::vector<FloatImage> images = float_images(one.shape, 3);
    std::vector<FloatImage> expected;
    for (const FloatImage& image : images) expected.push_back(reference::gaussian_blur(image, one.size, one.sigma));
    const auto blur = [&](FloatIn i, FloatOut o) { gaussian_blur(i, one.size, one.sigma, o, stream()); };
    expect_near(result(images, one.shape, blur), expected, 3e-4,
                text(one.shape) + ", kernel_size " + std::to_string(one.size));
  }
}

TEST_P(FloatColour, BlurOfASigmaInMemoryThatMakesNoSenseIsACopy) {
  const std::vector<double> sigmas{kNan, 0.0, -2.0, kInf};
  const ImageShape shape{4, 33, 40, 3};
  const std::vector<FloatImage> images = float_images(shape, 10);
  const Buffer<double> device(sigmas, stream());
  const auto got =
      result(images, shape, [&](FloatIn i, FloatOut o) { gaussian_blur(i, 9, device.cspan(), o, stream()); });
  expect_near(got, images, 0, "odd sigmas");
}

TEST_P(FloatColour, BlurSpreadsANanOverItsWindowAlone) {
  const ImageShape shape{1, 12, 40, 3};
  std::vector<FloatImage> images = float_images(shape, 11);
  images[0].at(5, 20, 1) = kNan;
  const auto got = result(images, shape, [&](FloatIn i, FloatOut o) { gaussian_blur(i, 5, 1.0, o, stream()); });
  for (int y = 0; y < 12; ++y)
    for (int x = 0; x < 40; ++x)
      for (int c = 0; c < 3; ++c)
        ASSERT_EQ(std::isnan(got[0].at(y, x, c)), c == 1 && std::abs(y - 5) <= 2 && std::abs(x - 20) <= 2)
            << y << " " << x << " " << c;
}

}  // namespace
}  // namespace leaven::test
