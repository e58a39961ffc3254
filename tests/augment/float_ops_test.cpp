#include <cstring>
#include <limits>

#include <leaven/cpu.hpp>
#include "tests/augment/float_cases.hpp"

// The operations on f32 images: each against a reference in double, on both backends, with each instruction set.
namespace leaven::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<FloatImage> expected_of(const FloatCase& op, const std::vector<FloatImage>& images) {
  std::vector<FloatImage> expected;
  for (std::size_t i = 0; i < images.size(); ++i) expected.push_back(op.expected(images[i], i));
  return expected;
}

std::vector<FloatImage> result_of(const FloatCase& op, const std::vector<FloatImage>& images, const ImageShape& shape,
                                  Memory in_memory, Memory out_memory, Stream stream) {
  const FloatBatch in(images, shape, in_memory, stream);
  const FloatBatch out(op.out_shape(shape), out_memory, stream);
  op.run(in.view(), out.view(), stream);
  out.expect_only_images_written();
  expect_near(in.images(), images, 0, op.name + ": the input");
  return out.images();
}

void expect_case(const FloatCase& op, const ImageShape& shape, Memory in_memory, Memory out_memory, Stream stream) {
  const std::string what = op.name + " " + text(shape) + " " + name(in_memory) + " to " + name(out_memory);
  const std::vector<FloatImage> images = float_images(shape, 7);
  expect_near(result_of(op, images, shape, in_memory, out_memory, stream), expected_of(op, images), op.tolerance, what);
}

class FloatOps : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(FloatOps);

TEST_P(FloatOps, HoldForAllSizes) {
  for (const ImageShape& shape :
       {ImageShape{3, 1, 1, 1}, {2, 1, 1, 3}, {2, 3, 5, 3}, {4, 3, 5, 1}, {2, 2, 2, 3}, {2, 1, 37, 3}, {2, 37, 1, 1}}) {
    for (const FloatCase& op : all_float_cases(shape)) expect_case(op, shape, Memory::nhwc, Memory::nhwc, stream());
  }
}

TEST_P(FloatOps, HoldForLargerSizes) {
  for (const ImageShape& shape : {ImageShape{9, 28, 28, 1}, {2, 33, 65, 3}, {1, 65, 33, 1}, {3, 32, 32, 3}}) {
    for (const FloatCase& op : all_float_cases(shape)) expect_case(op, shape, Memory::nhwc, Memory::nhwc, stream());
  }
}

TEST_P(FloatOps, HoldForAllMemoryLayouts) {
  for (const ImageShape& shape : {ImageShape{3, 17, 19, 3}, {2, 16, 18, 1}, {2, 8, 12, 3}}) {
    for (const FloatCase& op : all_float_cases(shape)) {
      if (op.name.find("per image") == std::string::npos && op.name.find("value 2") == std::string::npos &&
          op.name.find("value") != std::string::npos) {
        continue;
      }
      for (const Memory memory : kAllMemories) {
        expect_case(op, shape, memory, memory, stream());
        expect_case(op, shape, memory, Memory::nhwc, stream());
        expect_case(op, shape, Memory::nhwc, memory, stream());
      }
    }
  }
}

TEST_P(FloatOps, PixelOperationsWorkInPlace) {
  for (const ImageShape& shape : {ImageShape{3, 31, 33, 3}, ImageShape{2, 28, 28, 1}, ImageShape{1, 70, 71, 3}}) {
    for (const FloatCase& op : float_pixel_cases()) {
      if (!op.in_place) continue;
      for (const Memory memory : {Memory::nhwc, Memory::nchw, Memory::padded_odd}) {
        const std::vector<FloatImage> images = float_images(shape, 3);
        const FloatBatch batch(images, shape, memory, stream());
        op.run(batch.view(), batch.view(), stream());
        expect_near(batch.images(), expected_of(op, images), op.tolerance, op.name + " in place " + name(memory));
        batch.expect_only_images_written();
      }
    }
  }
}

TEST_P(FloatOps, NoImagesAreNoWork) {
  for (const ImageShape& shape : {ImageShape{0, 28, 28, 1}, ImageShape{0, 4, 4, 3}}) {
    for (const FloatCase& op : all_float_cases(shape)) {
      op.run(FloatIn::nhwc(nullptr, shape), FloatOut::nhwc(nullptr, op.out_shape(shape)), stream());
    }
  }
}

// Inputs and outputs of different sizes; an input without pixels is all outside.
TEST_P(FloatOps, WarpsHaveAnyOutputSize) {
  for (const WarpOptions& options : {WarpOptions{.fill = {1, 2, 3}},
                                     {.interpolation = Interpolation::bilinear, .fill = {1, 2, 3}},
                                     {.interpolation = Interpolation::bicubic, .fill = {1, 2, 3}},
                                     {.interpolation = Interpolation::bicubic, .border = Border::wrap}}) {
    for (const ImageShape& shape : {ImageShape{2, 9, 14, 3}, ImageShape{1, 1, 3, 1}, ImageShape{1, 0, 5, 3}}) {
      for (const ImageSize size : {ImageSize{5, 40}, ImageSize{30, 7}, ImageSize{1, 1}}) {
        const std::vector<FloatImage> images = float_images(shape, 5);
        const ImageShape out_shape{shape.count, size.height, size.width, shape.channels};
        for (const AffineMatrix& m : test_matrices(out_shape)) {
          const FloatCase op{.name = "affine_warp to " + text(out_shape),
                             .run = [&](FloatIn in, FloatOut out, Stream s) { affine_warp(in, m, options, out, s); },
                             .expected =
                                 [&](const FloatImage& image, std::size_t) {
                                   return reference::warp(image, m.m, sampling_of(options), edge_of(options),
                                                          fill_of(options.fill), static_cast<int>(size.height),
                                                          static_cast<int>(size.width));
                                 },
                             .tolerance = 2e-4,
                             .out_shape = [&](const ImageShape&) { return out_shape; }};
          expect_case(op, shape, Memory::nhwc, Memory::nhwc, stream());
        }
      }
    }
  }
}

// f32 images that hold the values of 8-bit ones: the 8-bit result is the truncated one. `slack`: what its rounded mean
// (contrast), luma and smooth image may differ by.
struct Pair {
  std::string name;
  double slack;
  std::function<void(In, Out, Stream)> bytes;
  std::function<void(FloatIn, FloatOut, Stream)> floats;
};

template <class Call>
Pair pair_of(const std::string& name, double slack, const Call& call) {
  return {name, slack, [call](In in, Out out, Stream s) { call(in, out, s); },
          [call](FloatIn in, FloatOut out, Stream s) { call(in, out, s); }};
}

std::vector<Pair> pairs() {
  std::vector<Pair> all;
  for (const float f : {0.0f, 0.4f, 1.0f, 1.9f}) {
    const double slack = 0.5 * std::abs(1 - f);
    all.push_back(pair_of("brightness", 0, [=](auto in, auto out, Stream s) { brightness(in, f, out, s); }));
    all.push_back(pair_of("contrast", slack, [=](auto in, auto out, Stream s) { contrast(in, f, out, s); }));
    all.push_back(pair_of("color", slack, [=](auto in, auto out, Stream s) { color(in, f, out, s); }));
    all.push_back(pair_of("sharpness", slack, [=](auto in, auto out, Stream s) { sharpness(in, f, out, s); }));
  }
  all.push_back(
      pair_of("brightness_offset", 0, [](auto in, auto out, Stream s) { brightness_offset(in, -31, out, s); }));
  all.push_back(pair_of("posterize", 0, [](auto in, auto out, Stream s) { posterize(in, 3, out, s); }));
  all.push_back(pair_of("solarize", 0, [](auto in, auto out, Stream s) { solarize(in, 99.5f, out, s); }));
  all.push_back(pair_of("solarize_add", 0, [](auto in, auto out, Stream s) { solarize_add(in, 110, 128, out, s); }));
  all.push_back(pair_of("grey", 0.5, [](auto in, auto out, Stream s) { grey(in, out, s); }));
  all.push_back(pair_of("autocontrast", 0, [](auto in, auto out, Stream s) { autocontrast(in, out, s); }));
  all.push_back(pair_of("invert", 0, [](auto in, auto out, Stream s) { invert(in, out, s); }));
  all.push_back(pair_of("flip", 0, [](auto in, auto out, Stream s) { flip(in, FlipAxis::left_right, out, s); }));
  all.push_back(pair_of("pad_crop", 0, [](auto in, auto out, Stream s) {
    pad_crop(in, 4, 9, OffsetPx{1, 5}, out, s);
  }));
  for (const WarpOptions& options : {WarpOptions{.fill = {1, 2, 3}},
                                     {.interpolation = Interpolation::bilinear, .fill = {1, 2, 3}},
                                     {.interpolation = Interpolation::bicubic, .border = Border::edge},
                                     {.interpolation = Interpolation::bilinear, .border = Border::wrap},
                                     {.border = Border::reflect}}) {
    all.push_back(pair_of("rotate", 0, [=](auto in, auto out, Stream s) { rotate(in, 33.0, options, out, s); }));
    all.push_back(pair_of("shear", 0, [=](auto in, auto out, Stream s) {
      shear(in, Shear{0.3, -0.1}, options, out, s);
    }));
    all.push_back(pair_of("translate", 0, [=](auto in, auto out, Stream s) {
      translate(in, TranslationPx{2.3, -1.6}, options, out, s);
    }));
    all.push_back(pair_of("perspective_warp", 0, [=](auto in, auto out, Stream s) {
      perspective_warp(in, PerspectiveMatrix{{0.9, 0.1, 1, -0.2, 1.1, 2, 0.01, -0.004}}, options, out, s);
    }));
  }
  all.push_back(pair_of("erase", 0, [](auto in, auto out, Stream s) { erase(in, RectPx{3, 4, 9, 5}, 77, out, s); }));
  // The 8-bit H is cut to steps of 1/255 turn, 6 levels each, and goes round after 256; S is cut, values are rounded.
  all.push_back(pair_of("hue", 14, [](auto in, auto out, Stream s) { hue(in, 0.2f, out, s); }));
  all.push_back(pair_of("gaussian_blur", 0.5, [](auto in, auto out, Stream s) { gaussian_blur(in, 7, 1.5, out, s); }));
  return all;
}

TEST_P(FloatOps, TruncatedTheyAreTheEightBitOperations) {
  for (const ImageShape& shape : {ImageShape{3, 29, 31, 3}, ImageShape{3, 28, 28, 1}}) {
    const std::vector<Image> images = test_images(shape, 21);
    std::vector<FloatImage> floats;
    for (const Image& i : images) {
      floats.push_back(
          reference::make_float(i.height, i.width, i.channels, [&](int y, int x, int c) { return i.at(y, x, c); }));
    }
    const Batch in(images, shape, Memory::nhwc, stream());
    const FloatBatch float_in(floats, shape, Memory::nhwc, stream());
    for (const Pair& pair : pairs()) {
      const Batch out(shape, Memory::nhwc, stream());
      const FloatBatch float_out(shape, Memory::nhwc, stream());
      pair.bytes(in.view(), out.view(), stream());
      pair.floats(float_in.view(), float_out.view(), stream());
      const std::vector<Image> bytes = out.images();
      const std::vector<FloatImage> values = float_out.images();
      for (std::size_t n = 0; n < bytes.size(); ++n) {
        for (std::size_t i = 0; i < bytes[n].values.size(); ++i) {
          const double more = double{values[n].values[i]} - bytes[n].values[i];
          ASSERT_TRUE(more >= -1e-3 - pair.slack && more <= 1 + 1e-3 + pair.slack)
              << pair.name << " " << text(shape) << ": image " << n << ", value " << i << " is " << values[n].values[i]
              << ", of 8 bits " << int{bytes[n].values[i]};
        }
      }
    }
  }
}

// What a pixel that is no number, or out of range, gives.
TEST_P(FloatOps, OddPixelsStayWhereTheyAre) {
  const ImageShape shape{1, 4, 6, 3};
  std::vector<FloatImage> images = float_images(shape, 2);
  images[0].at(1, 2, 1) = kNan;
  images[0].at(2, 4, 0) = kInf;
  images[0].at(3, 5, 2) = -1000;
  const FloatBatch in(images, shape, Memory::nhwc, stream());
  const auto result = [&](const std::function<void(FloatIn, FloatOut, Stream)>& call) {
    const FloatBatch out(shape, Memory::nhwc, stream());
    call(in.view(), out.view(), stream());
    out.expect_only_images_written();
    return out.images()[0];
  };
  const FloatImage bright = result([](FloatIn i, FloatOut o, Stream s) { brightness(i, 1.0f, o, s); });
  EXPECT_EQ(bright.at(1, 2, 1), 0);
  EXPECT_EQ(bright.at(2, 4, 0), 255);
  EXPECT_EQ(bright.at(3, 5, 2), 0);
  EXPECT_EQ(bright.at(1, 2, 0), images[0].at(1, 2, 0));
  const FloatImage grey_image = result([](FloatIn i, FloatOut o, Stream s) { grey(i, o, s); });
  for (int c = 0; c < 3; ++c) EXPECT_EQ(grey_image.at(1, 2, c), 0);
  const FloatImage inverted = result([](FloatIn i, FloatOut o, Stream s) { invert(i, o, s); });
  EXPECT_TRUE(std::isnan(inverted.at(1, 2, 1)));
  EXPECT_EQ(inverted.at(3, 5, 2), 1255);
  for (const float v : result([](FloatIn i, FloatOut o, Stream s) { contrast(i, 0.5f, o, s); }).values) {
    EXPECT_TRUE(v >= 0 && v <= 255) << v;
  }
  const FloatImage stretched = result([](FloatIn i, FloatOut o, Stream s) { autocontrast(i, o, s); });
  EXPECT_EQ(stretched.at(1, 2, 1), 0);
  EXPECT_EQ(stretched.at(3, 5, 2), 0);
  EXPECT_EQ(stretched.at(2, 4, 0), kInf) << "a channel whose extremes lie infinitely far apart stays";
  const FloatImage sharp = result([](FloatIn i, FloatOut o, Stream s) { sharpness(i, 2.0f, o, s); });
  EXPECT_EQ(sharp.at(2, 2, 1), 0) << "a neighbour";
  EXPECT_FALSE(std::isnan(sharp.at(2, 2, 0)));
  const FloatImage flipped = result([](FloatIn i, FloatOut o, Stream s) { flip(i, FlipAxis::both, o, s); });
  EXPECT_TRUE(std::isnan(flipped.at(2, 3, 1)));
  const FloatImage warped = result([](FloatIn i, FloatOut o, Stream s) {
    translate(i, TranslationPx{0.5, 0}, {.interpolation = Interpolation::bilinear}, o, s);
  });
  EXPECT_TRUE(std::isnan(warped.at(1, 2, 1)) && std::isnan(warped.at(1, 3, 1)));
  EXPECT_FALSE(std::isnan(warped.at(1, 4, 1)) || std::isnan(warped.at(1, 2, 0)));
}

// Values in the backend's memory that nobody checked.
TEST_P(FloatOps, OddParametersHaveAMeaning) {
  const ImageShape shape{2, 5, 7, 3};
  const std::vector<FloatImage> images = float_images(shape, 4);
  const FloatBatch in(images, shape, Memory::nhwc, stream());
  const FloatBatch out(shape, Memory::nhwc, stream());
  const Buffer<float> odd(std::vector<float>{kNan, kInf}, stream());
  const auto all = [](const FloatImage& image, const auto& holds) {
    for (const float v : image.values) EXPECT_TRUE(holds(v)) << v;
  };
  brightness(in.view(), odd.cspan(), out.view(), stream());
  all(out.images()[0], [](float v) { return v == 0; });
  all(out.images()[1], [](float v) { return v == 0 || v == 255; });
  brightness_offset(in.view(), odd.cspan(), out.view(), stream());
  all(out.images()[0], [](float v) { return v == 0; });
  all(out.images()[1], [](float v) { return v == 255; });
  solarize(in.view(), odd.cspan(), out.view(), stream());
  expect_near(out.images(), {reference::invert(images[0]), images[1]}, 1e-4, "solarize");
  const Buffer<std::int32_t> bits(std::vector<std::int32_t>{99, -5}, stream());
  posterize(in.view(), bits.cspan(), out.view(), stream());
  expect_near(out.images(), {reference::posterize(images[0], 8), reference::posterize(images[1], 0)}, 0, "posterize");
  const Buffer<double> angles(std::vector<double>{std::numeric_limits<double>::quiet_NaN(), 0.0}, stream());
  rotate(in.view(), angles.cspan(), {.fill = 3}, out.view(), stream());
  all(out.images()[0], [](float v) { return v == 3; });
  expect_near({out.images()[1]}, {images[1]}, 0, "rotate by 0");
}

TEST_P(FloatOps, ManySmallImages) {
  const ImageShape shape{70000, 1, 1, 1};
  std::vector<float> values(70000), offsets(70000);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 200);
    offsets[i] = static_cast<float>(i % 7) * 0.5f;
  }
  const Buffer<float> in(values, stream());
  const Buffer<float> each(offsets, stream());
  const Buffer<float> out(shape.count, stream());
  brightness_offset(FloatIn::nhwc(in.data(), shape), each.cspan(), FloatOut::nhwc(out.data(), shape), stream());
  const std::vector<float> got = out.to_host(stream());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], values[i] + offsets[i]) << i;
}

bool same_bits(const std::vector<FloatImage>& a, const std::vector<FloatImage>& b) {
  for (std::size_t n = 0; n < a.size(); ++n) {
    if (std::memcmp(a[n].values.data(), b[n].values.data(), a[n].values.size() * sizeof(float)) != 0) return false;
  }
  return a.size() == b.size();
}

// Values of any size and sign, those that are no numbers left out: their bits are the processor's.
std::vector<FloatImage> wild_images(const ImageShape& shape) {
  std::vector<FloatImage> images = float_images(shape, 9);
  for (FloatImage& image : images) {
    for (std::size_t i = 0; i < image.values.size(); i += 5) image.values[i] = (image.values[i] - 100) * 3.3333f;
    for (std::size_t i = 1; i < image.values.size(); i += 11) image.values[i] *= 1e-3f;
  }
  return images;
}

TEST(FloatOpsCuda, TheBitsAreThoseOfTheCpu) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream cuda(Backend::cuda);
  for (const ImageShape& shape : {ImageShape{2, 29, 37, 3}, ImageShape{3, 28, 28, 1}}) {
    const std::vector<FloatImage> images = wild_images(shape);
    for (const FloatCase& op : all_float_cases(shape)) {
      for (const Memory memory : {Memory::nhwc, Memory::nchw}) {
        EXPECT_TRUE(same_bits(result_of(op, images, shape, memory, memory, cuda),
                              result_of(op, images, shape, memory, memory, Stream::cpu())))
            << op.name << " " << text(shape) << " " << name(memory);
      }
    }
  }
}

class FloatOpsOnIsa : public testing::TestWithParam<CpuIsa> {
 protected:
  void SetUp() override {
    if (GetParam() > best_cpu_isa()) GTEST_SKIP() << "this machine has no " << name(GetParam());
  }
  void TearDown() override { set_cpu_isa(best_cpu_isa()); }
};

TEST_P(FloatOpsOnIsa, TheBitsAreThoseOfTheBaseline) {
  for (const ImageShape& shape : {ImageShape{2, 31, 67, 3}, ImageShape{2, 66, 131, 1}}) {
    const std::vector<FloatImage> images = wild_images(shape);
    for (const FloatCase& op : all_float_cases(shape)) {
      for (const Memory memory : {Memory::nhwc, Memory::nchw, Memory::padded_odd}) {
        set_cpu_isa(CpuIsa::baseline);
        const std::vector<FloatImage> expected = result_of(op, images, shape, memory, memory, Stream::cpu());
        set_cpu_isa(GetParam());
        ASSERT_EQ(cpu_isa(), GetParam());
        EXPECT_TRUE(same_bits(result_of(op, images, shape, memory, memory, Stream::cpu()), expected))
            << op.name << " " << text(shape) << " " << name(memory);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, FloatOpsOnIsa, testing::Values(CpuIsa::avx2, CpuIsa::avx512),
                         [](const auto& test) { return std::string(name(test.param)); });

}  // namespace
}  // namespace leaven::test
