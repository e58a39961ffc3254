#include <cmath>
#include <functional>
#include <limits>

#include "tests/augment/images.hpp"

// Wrong calls: a named error that says function, argument, expected and got, before anything is written.
namespace leaven::test {
namespace {

using testing::TestWithParam;

constexpr ImageShape kShape{2, 8, 9, 3};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// All functions with good parameters, by name.
struct Function {
  const char* name;
  bool pixel;      // in and out of the same shape, may be one view
  bool same_size;  // out has the size of in
  std::function<void(In, Out, Stream)> call;
};

const std::vector<Function>& functions() {
  static const std::vector<Function> all{
      {"brightness", true, true, [](In in, Out out, Stream s) { brightness(in, 1.5f, out, s); }},
      {"brightness_offset", true, true, [](In in, Out out, Stream s) { brightness_offset(in, 3, out, s); }},
      {"contrast", true, true, [](In in, Out out, Stream s) { contrast(in, 1.5f, out, s); }},
      {"color", true, true, [](In in, Out out, Stream s) { color(in, 1.5f, out, s); }},
      {"hue", true, true, [](In in, Out out, Stream s) { hue(in, 0.1f, out, s); }},
      {"erase", true, true,
       [](In in, Out out, Stream s) {
         erase(in, RectPx{1, 1, 3, 3}, 7, out, s);
       }},
      {"posterize", true, true, [](In in, Out out, Stream s) { posterize(in, 4, out, s); }},
      {"solarize", true, true, [](In in, Out out, Stream s) { solarize(in, 100.0f, out, s); }},
      {"invert", true, true, [](In in, Out out, Stream s) { invert(in, out, s); }},
      {"solarize_add", true, true, [](In in, Out out, Stream s) { solarize_add(in, 110, 128, out, s); }},
      {"grey", true, true, [](In in, Out out, Stream s) { grey(in, out, s); }},
      {"autocontrast", true, true, [](In in, Out out, Stream s) { autocontrast(in, out, s); }},
      {"equalize", true, true, [](In in, Out out, Stream s) { equalize(in, out, s); }},
      {"sharpness", false, true, [](In in, Out out, Stream s) { sharpness(in, 1.5f, out, s); }},
      {"gaussian_blur", false, true, [](In in, Out out, Stream s) { gaussian_blur(in, 5, 1.5, out, s); }},
      {"flip", false, true, [](In in, Out out, Stream s) { flip(in, FlipAxis::both, out, s); }},
      {"crop", false, false, [](In in, Out out, Stream s) { crop(in, OffsetPx{}, out, s); }},
      {"pad_crop", false, false, [](In in, Out out, Stream s) { pad_crop(in, 4, 0, OffsetPx{}, out, s); }},
      {"affine_warp", false, false, [](In in, Out out, Stream s) { affine_warp(in, AffineMatrix{}, {}, out, s); }},
      {"perspective_warp", false, false,
       [](In in, Out out, Stream s) { perspective_warp(in, PerspectiveMatrix{}, {}, out, s); }},
      {"rotate", false, true, [](In in, Out out, Stream s) { rotate(in, 10.0, {}, out, s); }},
      {"shear", false, false, [](In in, Out out, Stream s) { shear(in, Shear{.x = 1}, {}, out, s); }},
      {"translate", false, false, [](In in, Out out, Stream s) { translate(in, TranslationPx{}, {}, out, s); }},
      {"resize", false, false,
       [](In in, Out out, Stream s) {
         const Buffer<std::byte> workspace(65536, s);
         resize(in, SourceBox{}, Interpolation::bilinear, out, workspace.span(), s);
       }},
  };
  return all;
}

class Contract : public BackendTest {
 protected:
  // `call(in, out)` throws InvalidArgument with all of the words, and `out` stays as it is.
  void expect_refused(const std::vector<std::string>& words, const std::function<void(In, Out)>& call) const {
    const Batch in(test_images(kShape, 1), kShape, Memory::nhwc, stream());
    const std::vector<Image> before = test_images(kShape, 2);
    const Batch out(before, kShape, Memory::nhwc, stream());
    const std::string text = message_of<InvalidArgument>([&] { call(in.view(), out.view()); });
    for (const std::string& word : words) {
      EXPECT_NE(text.find(word), std::string::npos) << "\"" << text << "\" does not say \"" << word << "\"";
    }
    expect_same_images(out.images(), before, text + ": the output");
    out.expect_only_images_written();
  }
};
LEAVEN_ON_BOTH_BACKENDS(Contract);

TEST_P(Contract, NullPointersAreRefused) {
  for (const Function& f : functions()) {
    expect_refused({std::string(f.name) + ":", "in is null", "432 values"}, [&](In in, Out out) {
      in.data = nullptr;
      f.call(in, out, stream());
    });
    expect_refused({std::string(f.name) + ":", "out is null", "432 values"}, [&](In in, Out out) {
      out.data = nullptr;
      f.call(in, out, stream());
    });
  }
}

TEST_P(Contract, ShapesMustFit) {
  for (const Function& f : functions()) {
    const std::string name = std::string(f.name) + ":";
    expect_refused({name, "out has", f.same_size ? "2x8x9x3 (the shape of in)" : "expected 2 of 3"},
                   [&](In in, Out out) { f.call(in, out.slice(0, 1), stream()); });
    expect_refused({name, "out has"}, [&](In in, Out out) {
      out.channels = 1;
      f.call(in, out, stream());
    });
    if (f.same_size) {
      expect_refused({name, "out has shape 2x7x9x3, expected 2x8x9x3"}, [&](In in, Out out) {
        out.height = 7;
        f.call(in, out, stream());
      });
    }
  }
}

TEST_P(Contract, SizesAndChannelsMustMakeSense) {
  for (const Function& f : functions()) {
    const std::string name = std::string(f.name) + ":";
    expect_refused({name, "in has 2 channels, expected 1 or 3"}, [&](In in, Out out) {
      in.channels = 2;
      f.call(in, out, stream());
    });
    expect_refused({name, "in has shape -1x8x9x3"}, [&](In in, Out out) {
      in.count = -1;
      f.call(in, out, stream());
    });
    expect_refused({name, "out has shape 2x8x-9x3"}, [&](In in, Out out) {
      out.width = -9;
      f.call(in, out, stream());
    });
    expect_refused({name, "in has shape 2x1073741824x9x3", "below 2^30"}, [&](In in, Out out) {
      in.height = std::int64_t{1} << 30;
      f.call(in, out, stream());
    });
  }
}

TEST_P(Contract, GeometryNeedsStridesAndImagesBelowTwoToThe31) {
  for (const Function& f : functions()) {
    if (f.pixel) continue;
    const std::string name = std::string(f.name) + ":";
    expect_refused({name, "in has row stride 2147483648", "expected less than 2^31"}, [&](In in, Out out) {
      in.row_stride = std::int64_t{1} << 31;
      f.call(in, out, stream());
    });
    expect_refused({name, "out has row stride 27 and pixel stride -3000000000"}, [&](In in, Out out) {
      out.pixel_stride = -3'000'000'000;
      f.call(in, out, stream());
    });
    expect_refused({name, "in has 65536x32768 pixels an image"}, [&](In in, Out out) {
      in.height = out.height = 65536;
      in.width = out.width = 32768;
      f.call(in, out, stream());
    });
  }
}

TEST_P(Contract, OverlapIsRefused) {
  for (const Function& f : functions()) {
    const std::string name = std::string(f.name) + ":";
    const std::string expected = f.pixel ? "expected the same view or memory of its own" : "expected memory of its own";
    expect_refused({name, "out overlaps in", expected}, [&](In, Out out) {
      f.call(
          out.slice(0, 1),
          [&] {
            Out shifted = out.slice(0, 1);
            shifted.data += 5;
            return shifted;
          }(),
          stream());
    });
    if (f.pixel) continue;
    expect_refused({name, "out overlaps in"}, [&](In, Out out) { f.call(out, out, stream()); });
  }
}

TEST_P(Contract, PixelOperationsTakeOneViewButNotTwoOrders) {
  expect_refused({"invert:", "out overlaps in"}, [&](In, Out out) {
    Out upside_down = out.slice(0, 1);
    upside_down.data += 7 * out.row_stride;
    upside_down.row_stride = -out.row_stride;
    invert(out.slice(0, 1), upside_down, stream());
  });
}

TEST_P(Contract, OneValuePerImageNeedsAsManyValuesAsImages) {
  const Buffer<float> three(3, stream());
  const Buffer<std::int32_t> integers(3, stream());
  const Buffer<double> doubles(3, stream());
  const std::string expected = "has 3 values, expected 2 (one per image)";
  expect_refused({"brightness: factor " + expected},
                 [&](In in, Out out) { brightness(in, three.cspan(), out, stream()); });
  expect_refused({"contrast: factor " + expected}, [&](In in, Out out) { contrast(in, three.cspan(), out, stream()); });
  expect_refused({"color: factor " + expected}, [&](In in, Out out) { color(in, three.cspan(), out, stream()); });
  expect_refused({"solarize: threshold " + expected},
                 [&](In in, Out out) { solarize(in, three.cspan(), out, stream()); });
  expect_refused({"posterize: bits " + expected},
                 [&](In in, Out out) { posterize(in, integers.cspan(), out, stream()); });
  expect_refused({"brightness_offset: offset " + expected},
                 [&](In in, Out out) { brightness_offset(in, integers.cspan(), out, stream()); });
  expect_refused({"rotate: angle_deg " + expected},
                 [&](In in, Out out) { rotate(in, doubles.cspan(), {}, out, stream()); });
  expect_refused({"flip: axis has 0 values, expected 2"},
                 [&](In in, Out out) { flip(in, std::span<const FlipAxis>{}, out, stream()); });
  expect_refused({"crop: offset is null, expected 2 values"}, [&](In in, Out out) {
    PerImage<OffsetPx> offsets{OffsetPx{}};
    offsets.size = 2;
    crop(in, offsets, out, stream());
  });
}

TEST_P(Contract, ValuesMustBeInRange) {
  expect_refused({"brightness: factor is nan, expected a finite number"},
                 [&](In in, Out out) { brightness(in, std::nanf(""), out, stream()); });
  expect_refused({"contrast: factor is inf"}, [&](In in, Out out) { contrast(in, float(kInf), out, stream()); });
  expect_refused({"color: factor is -inf"}, [&](In in, Out out) { color(in, float(-kInf), out, stream()); });
  expect_refused({"solarize: threshold is nan"}, [&](In in, Out out) { solarize(in, std::nanf(""), out, stream()); });
  expect_refused({"posterize: bits is 9, expected 0 to 8"}, [&](In in, Out out) { posterize(in, 9, out, stream()); });
  expect_refused({"posterize: bits is -1"}, [&](In in, Out out) { posterize(in, -1, out, stream()); });
  expect_refused({"flip: axis is 4, expected none (0) to both (3)"},
                 [&](In in, Out out) { flip(in, static_cast<FlipAxis>(4), out, stream()); });
  expect_refused({"rotate: angle_deg is inf"}, [&](In in, Out out) { rotate(in, kInf, {}, out, stream()); });
  expect_refused({"shear: shear.x is nan"}, [&](In in, Out out) { shear(in, Shear{kNan, 0}, {}, out, stream()); });
  expect_refused({"shear: shear.y is inf"}, [&](In in, Out out) { shear(in, Shear{0, kInf}, {}, out, stream()); });
  expect_refused({"translate: offset.x is nan"}, [&](In in, Out out) {
    translate(in, TranslationPx{kNan, 0}, {}, out, stream());
  });
  expect_refused({"translate: offset.y is -inf"}, [&](In in, Out out) {
    translate(in, TranslationPx{0, -kInf}, {}, out, stream());
  });
  expect_refused({"affine_warp: an element of matrix is nan"}, [&](In in, Out out) {
    affine_warp(in, AffineMatrix{{1, 0, 0, 0, kNan, 0}}, {}, out, stream());
  });
  expect_refused({"perspective_warp: an element of matrix is inf"}, [&](In in, Out out) {
    perspective_warp(in, PerspectiveMatrix{{1, 0, 0, 0, 1, 0, 0, kInf}}, {}, out, stream());
  });
  expect_refused(
      {"rotate: options.interpolation is 7, expected nearest (0), bilinear (1) or bicubic (2)"},
      [&](In in, Out out) { rotate(in, 1.0, {.interpolation = static_cast<Interpolation>(7)}, out, stream()); });
  expect_refused({"shear: options.border is -1, expected fill (0), edge (1), reflect (2) or wrap (3)"},
                 [&](In in, Out out) { shear(in, Shear{}, {.border = static_cast<Border>(-1)}, out, stream()); });
  for (const float factor : {0.6f, -0.51f, static_cast<float>(kNan)}) {
    expect_refused({"hue: factor is", "expected -0.5 to 0.5"}, [&](In in, Out out) { hue(in, factor, out, stream()); });
  }
  expect_refused({"erase: rectangle is -2x3, expected sides of at least 0"}, [&](In in, Out out) {
    erase(in, RectPx{0, 0, 3, -2}, 0, out, stream());
  });
}

TEST_P(Contract, CropsMustLieInside) {
  const auto smaller = [](Out out) {
    out.height = 5;
    out.width = 4;
    return out;
  };
  expect_refused({"crop: offset.x is 6, expected 0 to 5"}, [&](In in, Out out) {
    crop(in, OffsetPx{6, 0}, smaller(out), stream());
  });
  expect_refused({"crop: offset.y is -1, expected 0 to 3"}, [&](In in, Out out) {
    crop(in, OffsetPx{0, -1}, smaller(out), stream());
  });
  expect_refused({"pad_crop: offset.y is 5, expected 0 to 4"}, [&](In in, Out out) {
    pad_crop(in, 2, 0, OffsetPx{0, 5}, out, stream());
  });
  expect_refused({"pad_crop: padding is -1, expected at least 0"},
                 [&](In in, Out out) { pad_crop(in, -1, 0, OffsetPx{}, out, stream()); });
  expect_refused({"crop: out is 8x9, expected at most 5x4"}, [&](In in, Out out) {
    in.height = 5;
    in.width = 4;
    crop(in, OffsetPx{}, out, stream());
  });
}

TEST(AffineMatrixContract, ParametersMustMakeAMap) {
  const ImageSize size{8, 9};
  const auto text = [&](const AffineParameters& p) {
    return message_of<InvalidArgument>([&] { affine_matrix(p, size); });
  };
  EXPECT_EQ(text({.scale = 0}), "affine_matrix: scale is 0, expected a positive finite number");
  EXPECT_EQ(text({.scale = -2}), "affine_matrix: scale is -2, expected a positive finite number");
  EXPECT_EQ(text({.scale = kNan}), "affine_matrix: scale is nan, expected a positive finite number");
  EXPECT_EQ(text({.angle_deg = kInf}), "affine_matrix: angle_deg is inf, expected a finite number");
  EXPECT_EQ(text({.translate = {0, kNan}}), "affine_matrix: translate.y is nan, expected a finite number");
  EXPECT_EQ(text({.shear_y_deg = kNan}), "affine_matrix: shear_y_deg is nan, expected a finite number");
  EXPECT_NE(text({.scale = 1e-320}).find("affine_matrix: the map cannot be inverted"), std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>([] { affine_matrix({}, {-1, 3}); }).find("size is -1x3"), std::string::npos);
}

TEST(AffineFromPointsContract, ThePointsMustMakeATriangle) {
  const std::array<PointPx, 3> good{{{0, 0}, {1, 0}, {0, 1}}};
  const auto text = [&](const std::array<PointPx, 3>& to) {
    return message_of<InvalidArgument>([&] { affine_from_points(good, to); });
  };
  EXPECT_EQ(text({{{0, 0}, {1, 1}, {3, 3}}}),
            "affine_from_points: the points of to, (0, 0), (1, 1), (3, 3), lie on one line, expected a triangle");
  EXPECT_NE(text({{{5, 5}, {5, 5}, {9, 1}}}).find("one line"), std::string::npos);
  EXPECT_NE(text({{{0, 0}, {0.1, 0.1}, {0.3, 0.3 + 1e-18}}}).find("one line"), std::string::npos);
  EXPECT_NE(text({{{0, 0}, {kNan, 1}, {1, 0}}}).find("a coordinate of to is nan"), std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>([&] {
              affine_from_points({{{kInf, 0}, {1, 0}, {0, 1}}}, good);
            }).find("a coordinate of from is inf"),
            std::string::npos);
}

}  // namespace
}  // namespace leaven::test
