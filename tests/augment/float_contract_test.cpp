#include <cmath>
#include <functional>
#include <limits>

#if LEAVEN_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

#include "tests/augment/float_cases.hpp"

// Wrong calls on f32 images: a named error before anything is written. Right ones: nothing but a launch.
namespace leaven::test {
namespace {

constexpr ImageShape kShape{2, 8, 9, 3};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// All functions with good parameters, by name.
struct Function {
  const char* name;
  bool pixel;      // in and out of the same shape, may be one view
  bool same_size;  // out has the size of in
  std::function<void(FloatIn, FloatOut, Stream)> call;
};

const std::vector<Function>& functions() {
  static const std::vector<Function> all{
      {"brightness", true, true, [](FloatIn in, FloatOut out, Stream s) { brightness(in, 1.5f, out, s); }},
      {"brightness_offset", true, true, [](FloatIn in, FloatOut out, Stream s) { brightness_offset(in, 3, out, s); }},
      {"contrast", true, true, [](FloatIn in, FloatOut out, Stream s) { contrast(in, 1.5f, out, s); }},
      {"color", true, true, [](FloatIn in, FloatOut out, Stream s) { color(in, 1.5f, out, s); }},
      {"hue", true, true, [](FloatIn in, FloatOut out, Stream s) { hue(in, 0.1f, out, s); }},
      {"erase", true, true,
       [](FloatIn in, FloatOut out, Stream s) {
         erase(in, RectPx{1, 1, 3, 3}, 9, out, s);
       }},
      {"posterize", true, true, [](FloatIn in, FloatOut out, Stream s) { posterize(in, 4, out, s); }},
      {"solarize", true, true, [](FloatIn in, FloatOut out, Stream s) { solarize(in, 100.0f, out, s); }},
      {"invert", true, true, [](FloatIn in, FloatOut out, Stream s) { invert(in, out, s); }},
      {"solarize_add", true, true, [](FloatIn in, FloatOut out, Stream s) { solarize_add(in, 110, 128, out, s); }},
      {"grey", true, true, [](FloatIn in, FloatOut out, Stream s) { grey(in, out, s); }},
      {"autocontrast", true, true, [](FloatIn in, FloatOut out, Stream s) { autocontrast(in, out, s); }},
      {"sharpness", false, true, [](FloatIn in, FloatOut out, Stream s) { sharpness(in, 1.5f, out, s); }},
      {"gaussian_blur", false, true, [](FloatIn in, FloatOut out, Stream s) { gaussian_blur(in, 5, 1.0, out, s); }},
      {"flip", false, true, [](FloatIn in, FloatOut out, Stream s) { flip(in, FlipAxis::both, out, s); }},
      {"crop", false, false, [](FloatIn in, FloatOut out, Stream s) { crop(in, OffsetPx{}, out, s); }},
      {"pad_crop", false, false, [](FloatIn in, FloatOut out, Stream s) { pad_crop(in, 4, 0, OffsetPx{}, out, s); }},
      {"affine_warp", false, false,
       [](FloatIn in, FloatOut out, Stream s) { affine_warp(in, AffineMatrix{}, {}, out, s); }},
      {"perspective_warp", false, false,
       [](FloatIn in, FloatOut out, Stream s) { perspective_warp(in, PerspectiveMatrix{}, {}, out, s); }},
      {"rotate", false, true, [](FloatIn in, FloatOut out, Stream s) { rotate(in, 10.0, {}, out, s); }},
      {"shear", false, false, [](FloatIn in, FloatOut out, Stream s) { shear(in, Shear{.x = 1}, {}, out, s); }},
      {"translate", false, false,
       [](FloatIn in, FloatOut out, Stream s) { translate(in, TranslationPx{}, {}, out, s); }},
  };
  return all;
}

class FloatContract : public BackendTest {
 protected:
  // `call(in, out)` throws InvalidArgument with all of the words, and `out` stays as it is.
  void expect_refused(const std::vector<std::string>& words, const std::function<void(FloatIn, FloatOut)>& call) const {
    const FloatBatch in(float_images(kShape, 1), kShape, Memory::nhwc, stream());
    const std::vector<FloatImage> before = float_images(kShape, 2);
    const FloatBatch out(before, kShape, Memory::nhwc, stream());
    const std::string text = message_of<InvalidArgument>([&] { call(in.view(), out.view()); });
    for (const std::string& word : words) {
      EXPECT_NE(text.find(word), std::string::npos) << "\"" << text << "\" does not say \"" << word << "\"";
    }
    expect_near(out.images(), before, 0, text + ": the output");
    out.expect_only_images_written();
  }
};
LEAVEN_ON_BOTH_BACKENDS(FloatContract);

TEST_P(FloatContract, NullPointersAreRefused) {
  for (const Function& f : functions()) {
    expect_refused({std::string(f.name) + ":", "in is null", "432 values"}, [&](FloatIn in, FloatOut out) {
      in.data = nullptr;
      f.call(in, out, stream());
    });
    expect_refused({std::string(f.name) + ":", "out is null", "432 values"}, [&](FloatIn in, FloatOut out) {
      out.data = nullptr;
      f.call(in, out, stream());
    });
  }
}

TEST_P(FloatContract, ShapesMustFit) {
  for (const Function& f : functions()) {
    const std::string name = std::string(f.name) + ":";
    expect_refused({name, "out has", f.same_size ? "2x8x9x3 (the shape of in)" : "expected 2 of 3"},
                   [&](FloatIn in, FloatOut out) { f.call(in, out.slice(0, 1), stream()); });
    expect_refused({name, "in has 2 channels, expected 1 or 3"}, [&](FloatIn in, FloatOut out) {
      in.channels = 2;
      f.call(in, out, stream());
    });
    expect_refused({name, "in has shape -1x8x9x3"}, [&](FloatIn in, FloatOut out) {
      in.count = -1;
      f.call(in, out, stream());
    });
    if (!f.same_size) continue;
    expect_refused({name, "out has shape 2x7x9x3, expected 2x8x9x3"}, [&](FloatIn in, FloatOut out) {
      out.height = 7;
      f.call(in, out, stream());
    });
  }
}

TEST_P(FloatContract, GeometryNeedsStridesAndImagesBelowTwoToThe31) {
  for (const Function& f : functions()) {
    if (f.pixel) continue;
    const std::string name = std::string(f.name) + ":";
    expect_refused({name, "in has row stride 2147483648", "expected less than 2^31"}, [&](FloatIn in, FloatOut out) {
      in.row_stride = std::int64_t{1} << 31;
      f.call(in, out, stream());
    });
    expect_refused({name, "in has 65536x32768 pixels an image"}, [&](FloatIn in, FloatOut out) {
      in.height = out.height = 65536;
      in.width = out.width = 32768;
      f.call(in, out, stream());
    });
  }
}

// The last value of one view and the first of the other are neighbours, or one.
TEST_P(FloatContract, OverlapIsRefusedToTheValue) {
  for (const Function& f : functions()) {
    const std::string name = std::string(f.name) + ":";
    expect_refused({name, "out overlaps in"}, [&](FloatIn, FloatOut out) {
      FloatOut later = out.slice(0, 1);
      later.data += 215;
      f.call(out.slice(0, 1), later, stream());
    });
    expect_refused({name, "out overlaps in"}, [&](FloatIn, FloatOut out) {
      FloatOut later = out.slice(0, 1);
      later.data += 215;
      f.call(later, out.slice(0, 1), stream());
    });
    const FloatBatch two(float_images(kShape, 3), kShape, Memory::nhwc, stream());
    EXPECT_NO_THROW(f.call(two.view().slice(0, 1), two.view().slice(1, 1), stream())) << name;
    if (!f.pixel) expect_refused({name, "out overlaps in"}, [&](FloatIn, FloatOut out) { f.call(out, out, stream()); });
  }
}

TEST_P(FloatContract, OneValuePerImageNeedsAsManyValuesAsImages) {
  const Buffer<float> three(3, stream());
  const Buffer<std::int32_t> integers(3, stream());
  const std::string expected = "has 3 values, expected 2 (one per image)";
  const auto refuse = [&](const std::string& what, const auto& call) {
    expect_refused({what + " " + expected}, [&](FloatIn in, FloatOut out) { call(in, out, stream()); });
  };
  refuse("brightness: factor", [&](FloatIn i, FloatOut o, Stream s) { brightness(i, three.cspan(), o, s); });
  refuse("contrast: factor", [&](FloatIn i, FloatOut o, Stream s) { contrast(i, three.cspan(), o, s); });
  refuse("brightness_offset: offset",
         [&](FloatIn i, FloatOut o, Stream s) { brightness_offset(i, three.cspan(), o, s); });
  refuse("posterize: bits", [&](FloatIn i, FloatOut o, Stream s) { posterize(i, integers.cspan(), o, s); });
  expect_refused({"flip: axis has 0 values, expected 2"},
                 [&](FloatIn in, FloatOut out) { flip(in, std::span<const FlipAxis>{}, out, stream()); });
  expect_refused({"rotate: angle_deg is null, expected 2 values"}, [&](FloatIn in, FloatOut out) {
    PerImage<double> angles{1.0};
    angles.size = 2;
    rotate(in, angles, {}, out, stream());
  });
}

TEST_P(FloatContract, ValuesMustBeInRange) {
  const auto refuse = [&](const std::string& words, const auto& call) {
    expect_refused({words}, [&](FloatIn in, FloatOut out) { call(in, out, stream()); });
  };
  const float infinite = static_cast<float>(kInf);
  refuse("brightness: factor is nan, expected a finite number",
         [](FloatIn i, FloatOut o, Stream s) { brightness(i, std::nanf(""), o, s); });
  refuse("brightness_offset: offset is inf",
         [=](FloatIn i, FloatOut o, Stream s) { brightness_offset(i, infinite, o, s); });
  refuse("contrast: factor is inf", [=](FloatIn i, FloatOut o, Stream s) { contrast(i, infinite, o, s); });
  refuse("color: factor is -inf", [=](FloatIn i, FloatOut o, Stream s) { color(i, -infinite, o, s); });
  refuse("hue: factor is 0.6, expected -0.5 to 0.5", [](FloatIn i, FloatOut o, Stream s) { hue(i, 0.6f, o, s); });
  refuse("erase: rectangle is 4x-1, expected sides of at least 0",
         [](FloatIn i, FloatOut o, Stream s) { erase(i, RectPx{.width = -1, .height = 4}, 0, o, s); });
  refuse("gaussian_blur: kernel_size is 4, expected an odd number from 1 to 63",
         [](FloatIn i, FloatOut o, Stream s) { gaussian_blur(i, 4, 1.0, o, s); });
  refuse("gaussian_blur: kernel_size is 17, expected at most 15 for images of 8x9",
         [](FloatIn i, FloatOut o, Stream s) { gaussian_blur(i, 17, 1.0, o, s); });
  refuse("gaussian_blur: sigma is nan, expected a positive finite number",
         [](FloatIn i, FloatOut o, Stream s) { gaussian_blur(i, 3, kNan, o, s); });
  refuse("perspective_warp: an element of matrix is inf", [](FloatIn i, FloatOut o, Stream s) {
    perspective_warp(i, PerspectiveMatrix{{1, 0, 0, 0, 1, 0, kInf, 0}}, {}, o, s);
  });
  refuse("rotate: options.border is 4, expected fill (0), edge (1), reflect (2) or wrap (3)",
         [](FloatIn i, FloatOut o, Stream s) { rotate(i, 1.0, {.border = static_cast<Border>(4)}, o, s); });
  refuse("sharpness: factor is inf", [=](FloatIn i, FloatOut o, Stream s) { sharpness(i, infinite, o, s); });
  refuse("solarize: threshold is nan", [](FloatIn i, FloatOut o, Stream s) { solarize(i, std::nanf(""), o, s); });
  refuse("posterize: bits is 9, expected 0 to 8", [](FloatIn i, FloatOut o, Stream s) { posterize(i, 9, o, s); });
  refuse("solarize_add: addend is 256, expected 0 to 255",
         [](FloatIn i, FloatOut o, Stream s) { solarize_add(i, 256, 128, o, s); });
  refuse("solarize_add: threshold is -1, expected 0 to 256",
         [](FloatIn i, FloatOut o, Stream s) { solarize_add(i, 1, -1, o, s); });
  refuse("flip: axis is 4, expected none (0) to both (3)",
         [](FloatIn i, FloatOut o, Stream s) { flip(i, static_cast<FlipAxis>(4), o, s); });
  refuse("crop: offset.x is 1, expected 0 to 0", [](FloatIn i, FloatOut o, Stream s) {
    crop(i, OffsetPx{1, 0}, o, s);
  });
  refuse("pad_crop: padding is -1", [](FloatIn i, FloatOut o, Stream s) { pad_crop(i, -1, 0, OffsetPx{}, o, s); });
  refuse("rotate: angle_deg is inf", [](FloatIn i, FloatOut o, Stream s) { rotate(i, kInf, {}, o, s); });
  refuse("shear: shear.y is nan", [](FloatIn i, FloatOut o, Stream s) { shear(i, Shear{0, kNan}, {}, o, s); });
  refuse("translate: offset.x is nan", [](FloatIn i, FloatOut o, Stream s) {
    translate(i, TranslationPx{kNan, 0}, {}, o, s);
  });
  refuse("affine_warp: an element of matrix is nan", [](FloatIn i, FloatOut o, Stream s) {
    affine_warp(i, AffineMatrix{{1, 0, 0, 0, kNan, 0}}, {}, o, s);
  });
  const WarpOptions options{.interpolation = static_cast<Interpolation>(7)};
  const std::string text = ": options.interpolation is 7, expected nearest (0), bilinear (1) or bicubic (2)";
  refuse("rotate" + text, [=](FloatIn i, FloatOut o, Stream s) { rotate(i, 1.0, options, o, s); });
  refuse("shear" + text, [=](FloatIn i, FloatOut o, Stream s) { shear(i, Shear{}, options, o, s); });
  refuse("translate" + text, [=](FloatIn i, FloatOut o, Stream s) { translate(i, TranslationPx{}, options, o, s); });
  refuse("affine_warp" + text, [=](FloatIn i, FloatOut o, Stream s) { affine_warp(i, AffineMatrix{}, options, o, s); });
}

#if LEAVEN_WITH_CUDA
TEST(FloatOpsCuda, EveryOperationRunsFromAGraph) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const Stream s = stream;
  const ImageShape shape{2, 31, 33, 3};
  const std::vector<FloatImage> images = float_images(shape, 5);
  const FloatBatch in(images, shape, Memory::nhwc, stream);
  for (const FloatCase& op : all_float_cases(shape)) {
    if (op.name.find("per image") != std::string::npos) continue;  // these fill a buffer of values first
    const FloatBatch out(op.out_shape(shape), Memory::nhwc, stream);
    ASSERT_EQ(cudaStreamBeginCapture(s.cuda_handle(), cudaStreamCaptureModeGlobal), cudaSuccess);
    op.run(in.view(), out.view(), stream);
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(s.cuda_handle(), &graph), cudaSuccess) << op.name;
    std::size_t nodes = 0;
    ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
    EXPECT_EQ(nodes, 1u) << op.name << ": one launch";
    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess) << op.name;
    ASSERT_EQ(cudaGraphLaunch(executable, s.cuda_handle()), cudaSuccess) << op.name;
    std::vector<FloatImage> expected;
    for (std::size_t i = 0; i < images.size(); ++i) expected.push_back(op.expected(images[i], i));
    expect_near(out.images(), expected, op.tolerance, op.name + " from a graph");
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
  }
}
#endif

}  // namespace
}  // namespace leaven::test
