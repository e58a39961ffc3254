#include <cmath>
#include <initializer_list>
#include <limits>

#include "tests/augment/images.hpp"

// Large batches, large strides, and values in the backend's memory that nobody checked.
namespace leaven::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr std::int32_t kLeast = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();

class Edge : public BackendTest {
 protected:
  // One 8x9x3 image per value, through function(in, values, out, stream).
  template <class T, class Function>
  std::vector<Image> with_values(const std::vector<T>& values, const Function& function) const {
    const ImageShape shape{static_cast<std::int64_t>(values.size()), 8, 9, 3};
    const Batch in(std::vector<Image>(values.size(), image()), shape, Memory::nhwc, stream());
    const Batch out(shape, Memory::nhwc, stream());
    const GuardedBuffer<T> device(values, stream());
    function(in.view(), PerImage<T>(device.cspan()), out.view(), stream());
    out.expect_only_images_written();
    return out.images();
  }
  // A function of the library: its name alone stands for those on f32 images too.
  template <class T>
  std::vector<Image> with_values(const std::vector<T>& values, void (*function)(In, PerImage<T>, Out, Stream)) const {
    return with_values(values, [&](In in, PerImage<T> value, Out out, Stream s) { function(in, value, out, s); });
  }
  static Image image() { return test_images({1, 8, 9, 3}, 11)[0]; }
  static Image constant(std::uint8_t value) { return Image(8, 9, 3, value); }
};
LEAVEN_ON_BOTH_BACKENDS(Edge);

TEST_P(Edge, FactorsThatAreNoNumbersGiveBlack) {
  const std::vector<float> values{kNan, -kNan};
  using Function = void (*)(In, PerImage<float>, Out, Stream);
  for (const Function function : std::initializer_list<Function>{brightness, contrast, color}) {
    expect_same_images(with_values(values, function), {constant(0), constant(0)}, "NaN factor");
  }
}

TEST_P(Edge, InfiniteFactorsPushToTheEnds) {
  const auto pushed = [](bool up) { return reference::map(image(), [up](int v) { return up && v > 0 ? 255 : 0; }); };
  expect_same_images(with_values(std::vector<float>{kInf, -kInf}, brightness), {pushed(true), pushed(false)},
                     "brightness");
  const auto by_reference = [](float f) { return std::vector<Image>{reference::contrast(image(), f)}; };
  expect_same_images(with_values(std::vector<float>{kInf}, contrast), by_reference(kInf), "contrast");
  expect_same_images(with_values(std::vector<float>{-kInf}, contrast), by_reference(-kInf), "contrast");
  expect_same_images(with_values(std::vector<float>{kInf}, color), {reference::color(image(), kInf)}, "color");
}

TEST_P(Edge, ThresholdsThatAreNoNumbersInvert) {
  expect_same_images(with_values(std::vector<float>{kNan, -kInf, kInf}, solarize),
                     {reference::invert(image()), reference::invert(image()), image()}, "solarize");
}

TEST_P(Edge, IntegersAreClamped) {
  expect_same_images(with_values(std::vector<std::int32_t>{9, kMost, -1, kLeast}, posterize),
                     {image(), image(), constant(0), constant(0)}, "posterize");
  expect_same_images(with_values(std::vector<std::int32_t>{kMost, kLeast}, brightness_offset),
                     {constant(255), constant(0)}, "brightness_offset");
  const auto add = [](In in, PerImage<std::int32_t> addend, Out out, Stream s) {
    solarize_add(in, addend, 200, out, s);
  };
  expect_same_images(with_values(std::vector<std::int32_t>{kMost, kLeast}, add),
                     {reference::solarize_add(image(), 255, 200), image()}, "solarize_add");
}

TEST_P(Edge, SharpnessThatIsNoNumberGivesBlackInsideTheBorder) {
  const Image expected = reference::make(8, 9, 3, [](int y, int x, int c) -> int {
    return y == 0 || x == 0 || y == 7 || x == 8 ? image().at(y, x, c) : 0;
  });
  expect_same_images(with_values(std::vector<float>{kNan}, sharpness), {expected}, "NaN factor");
}

TEST_P(Edge, UnknownFlipAxesCopy) {
  const std::vector<FlipAxis> values{static_cast<FlipAxis>(4), static_cast<FlipAxis>(-1), static_cast<FlipAxis>(kMost)};
  expect_same_images(with_values(values, flip), {image(), image(), image()}, "flip");
}

TEST_P(Edge, CropOffsetsAreClamped) {
  const auto step = [](In in, PerImage<OffsetPx> offset, Out out, Stream s) { pad_crop(in, 2, 7, offset, out, s); };
  const auto cut = [](int x, int y) { return reference::pad_crop(image(), 2, {7, 7, 7}, x, y, 8, 9); };
  expect_same_images(with_values(std::vector<OffsetPx>{{-1, -5}, {kLeast, 2}, {5, 4}, {kMost, kMost}}, step),
                     {cut(0, 0), cut(0, 2), cut(4, 4), cut(4, 4)}, "pad_crop");
}

TEST_P(Edge, NotFiniteGeometryGivesTheFillColour) {
  const double nan = kNan;
  const double inf = kInf;
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bilinear}) {
    const WarpOptions options{.interpolation = interpolation, .fill = 66};
    const auto all_fill = [](std::size_t n) { return std::vector<Image>(n, constant(66)); };
    const auto rotated = [&](In in, PerImage<double> v, Out out, Stream s) { rotate(in, v, options, out, s); };
    expect_same_images(with_values(std::vector<double>{nan, inf, -inf}, rotated), all_fill(3), "rotate");
    const auto warped = [&](In in, PerImage<AffineMatrix> v, Out out, Stream s) {
      affine_warp(in, v, options, out, s);
    };
    std::vector<AffineMatrix> matrices(6);
    for (std::size_t i = 0; i < 6; ++i) matrices[i].m[i] = i % 2 == 0 ? nan : -inf;
    expect_same_images(with_values(matrices, warped), all_fill(6), "affine_warp");
    const auto sheared = [&](In in, PerImage<Shear> v, Out out, Stream s) { shear(in, v, options, out, s); };
    expect_same_images(with_values(std::vector<Shear>{{nan, 0}, {0, inf}}, sheared), all_fill(2), "shear");
    const auto moved = [&](In in, PerImage<TranslationPx> v, Out out, Stream s) { translate(in, v, options, out, s); };
    expect_same_images(with_values(std::vector<TranslationPx>{{nan, 0}, {0, -inf}}, moved), all_fill(2), "translate");
  }
}

TEST_P(Edge, SeventyThousandImages) {
  constexpr std::int64_t kCount = 70000;
  const ImageShape shape{kCount, 1, 2, 1};
  std::vector<std::uint8_t> values;
  std::vector<FlipAxis> axes;
  std::vector<std::int32_t> offsets;
  for (std::int64_t i = 0; i < kCount; ++i) {
    values.push_back(static_cast<std::uint8_t>(i % 251));
    values.push_back(static_cast<std::uint8_t>(i / 251 % 251));
    axes.push_back(i % 3 == 0 ? FlipAxis::left_right : FlipAxis::top_bottom);
    offsets.push_back(static_cast<std::int32_t>(i % 5));
  }
  const Buffer<std::uint8_t> in(values, stream());
  const Buffer<FlipAxis> device_axes(axes, stream());
  const Buffer<std::int32_t> device_offsets(offsets, stream());
  const GuardedBuffer<std::uint8_t> out(shape.size(), stream());
  const Out view = Out::nhwc(out.data(), shape);
  flip(In::nhwc(in.data(), shape), device_axes.cspan(), view, stream());
  brightness_offset(view, device_offsets.cspan(), view, stream());
  const std::vector<std::uint8_t> got = out.to_host();
  for (std::size_t i = 0; i < kCount; ++i) {
    const bool swapped = i % 3 == 0;
    const auto expected = [&](std::size_t k) {
      return std::min(255, values[2 * i + (swapped ? 1 - k : k)] + static_cast<int>(i % 5));
    };
    ASSERT_EQ(got[2 * i], expected(0)) << "image " << i;
    ASSERT_EQ(got[2 * i + 1], expected(1)) << "image " << i;
  }
  out.expect_guards_intact();
}

// 2^31 + 80 values in place, looked at round the places where 32-bit offsets would wrap.
TEST_P(Edge, MoreThanTwoToThe31Values) {
  constexpr std::int64_t kSize = (std::int64_t{1} << 31) + 80;
  const Buffer<std::uint8_t> buffer = Buffer<std::uint8_t>::zeros(kSize, stream());
  const ImageShape shape{kSize / 16, 4, 4, 1};
  brightness_offset(In::nhwc(buffer.data(), shape), 200, Out::nhwc(buffer.data(), shape), stream());
  const Buffer<std::uint8_t> looked_at(64, stream());
  for (const std::int64_t first : {std::int64_t{0}, (std::int64_t{1} << 31) - 32, kSize - 64}) {
    const ImageShape part{4, 4, 4, 1};
    invert(In::nhwc(buffer.data() + first, part), Out::nhwc(looked_at.data(), part), stream());
    EXPECT_EQ(looked_at.to_host(stream()), std::vector<std::uint8_t>(64, 55)) << "from value " << first;
  }
}

TEST_P(Edge, StridesBeyondTwoToThe31) {
  constexpr std::int64_t kStride = (std::int64_t{1} << 30) + 24;
  const Buffer<std::uint8_t> buffer(2 * kStride + 64, stream());
  const std::vector<Image> images = test_images({3, 4, 4, 1}, 12);
  const Buffer<std::uint8_t> small(48, stream());
  std::vector<std::uint8_t> bytes;
  for (const Image& image : images) bytes.insert(bytes.end(), image.values.begin(), image.values.end());
  const Buffer<std::uint8_t> source(bytes, stream());
  const ImageShape shape{3, 4, 4, 1};
  Out far = Out::nhwc(buffer.data(), shape);
  far.image_stride = kStride;
  flip(In::nhwc(source.data(), shape), FlipAxis::left_right, far, stream());
  contrast(far, 1.0f, far, stream());
  flip(far, FlipAxis::left_right, Out::nhwc(small.data(), shape), stream());
  EXPECT_EQ(small.to_host(stream()), bytes);
}

}  // namespace
}  // namespace leaven::test
