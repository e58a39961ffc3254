#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/augment/op_cases.hpp"
#include "tests/support/backend.hpp"

// Random operations with random parameters on images of random shapes in random memory, against the definitions. The
// number of combinations is $LEAVEN_FUZZ_CASES (default: 4,000, on CUDA 150).
namespace leaven::test {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  double real(double low, double high) { return low + (high - low) * static_cast<double>(engine_() >> 11) * 0x1p-53; }
  bool one_in(int n) { return between(1, n) == 1; }
  template <class T>
  T pick(std::initializer_list<T> values) {
    return values.begin()[between(0, static_cast<std::int64_t>(values.size()) - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

ImageShape random_shape(Random& r) {
  const auto side = [&] { return r.one_in(4) ? r.pick<std::int64_t>({1, 2, 3, 16, 17, 32, 33}) : r.between(1, 40); };
  return {r.between(1, 5), side(), side(), r.pick<std::int64_t>({1, 3})};
}

WarpOptions random_warp(Random& r) {
  return {.interpolation = static_cast<Interpolation>(r.between(0, 2)),
          .fill = {static_cast<std::uint8_t>(r.between(0, 255)), static_cast<std::uint8_t>(r.between(0, 255)), 7},
          .border = r.one_in(2) ? Border::fill : static_cast<Border>(r.between(1, 3))};
}

double random_element(Random& r) {
  if (r.one_in(12)) return r.pick({0.0, 1.0, -1.0, 0.5, 1e9, -1e-9, 40000.0});
  return r.real(-2, 2);
}

// Three random values of T, so that "one per image" has different ones.
template <class Make>
auto three(const Make& make) {
  return std::vector{make(), make(), make()};
}

void add_pixel_operation(Random& r, std::int64_t which, std::vector<OpCase>& cases) {
  const auto factors = three([&] { return static_cast<float>(r.one_in(5) ? r.real(-300, 300) : r.real(-0.5, 2.5)); });
  switch (which) {
    case 0: return add_cases(cases, "brightness", factors, true, brightness, reference::brightness);
    case 1: return add_cases(cases, "contrast", factors, true, contrast, reference::contrast);
    case 2: return add_cases(cases, "color", factors, true, color, reference::color);
    case 3: return add_cases(cases, "sharpness", factors, false, sharpness, reference::sharpness);
    case 4: {
      const auto turns = three([&] { return static_cast<float>(r.real(-0.5, 0.5)); });
      return add_cases(cases, "hue", turns, true, hue,
                       [](const Image& image, float factor) { return reference::hue(image, factor); });
    }
    case 5: {
      const auto offsets = three([&] { return static_cast<std::int32_t>(r.between(-300, 300)); });
      return add_cases(cases, "brightness_offset", offsets, true, brightness_offset, reference::brightness_offset);
    }
    case 6: {
      const auto bits = three([&] { return static_cast<std::int32_t>(r.between(0, 8)); });
      return add_cases(cases, "posterize", bits, true, posterize, reference::posterize);
    }
    case 7: {
      const auto thresholds = three([&] { return static_cast<float>(r.real(-10, 270)); });
      return add_cases(cases, "solarize", thresholds, true, solarize, reference::solarize);
    }
    default: {
      const auto rectangles = three([&] {
        return RectPx{static_cast<std::int32_t>(r.between(-20, 40)), static_cast<std::int32_t>(r.between(-20, 40)),
                      static_cast<std::int32_t>(r.between(0, 50)), static_cast<std::int32_t>(r.between(0, 50))};
      });
      return add_cases(
          cases, "erase", rectangles, true,
          [](In in, PerImage<RectPx> p, Out out, Stream s) {
            erase(in, p, {9, 200, 30}, out, s);
          },
          [](const Image& image, RectPx p) {
            return reference::erase(image, p.left, p.top, p.width, p.height, {9, 200, 30});
          });
    }
  }
}

void add_geometry(Random& r, std::int64_t which, const ImageShape& shape, std::vector<OpCase>& cases) {
  const WarpOptions warp = random_warp(r);
  if (which == 0) {
    const auto matrices = three([&] {
      AffineMatrix m;
      for (double& element : m.m) element = random_element(r);
      m.m[2] += r.real(-0.5, 1) * static_cast<double>(shape.width);
      m.m[5] += r.real(-0.5, 1) * static_cast<double>(shape.height);
      return m;
    });
    return add_cases(
        cases, "affine_warp", matrices, false,
        [=](In in, PerImage<AffineMatrix> m, Out out, Stream s) { affine_warp(in, m, warp, out, s); },
        [=](const Image& image, const AffineMatrix& m) { return warped(image, m.m, warp); });
  }
  if (which == 1) {
    const auto matrices = three([&] {
      PerspectiveMatrix m;
      for (double& element : m.m) element = random_element(r);
      m.m[6] = r.real(-0.05, 0.05);
      m.m[7] = r.real(-0.05, 0.05);
      return m;
    });
    return add_cases(
        cases, "perspective_warp", matrices, false,
        [=](In in, PerImage<PerspectiveMatrix> m, Out out, Stream s) { perspective_warp(in, m, warp, out, s); },
        [=](const Image& image, const PerspectiveMatrix& m) {
          return reference::warp_general(image, m.m, sampling_of(warp), edge_of(warp), fill_of(warp.fill), image.height,
                                         image.width);
        });
  }
  if (which == 2) {
    const auto angles =
        three([&] { return r.one_in(4) ? 90.0 * static_cast<double>(r.between(-4, 4)) : r.real(-400, 400); });
    return add_cases(
        cases, "rotate", angles, false,
        [=](In in, PerImage<double> a, Out out, Stream s) { rotate(in, a, warp, out, s); },
        [=](const Image& image, double a) {
          return reference::rotate(image, a, [&](const reference::Matrix& m) { return warped(image, m, warp); });
        });
  }
  const auto offsets = three([&] {
    return TranslationPx{r.one_in(2) ? r.real(-40, 40) : static_cast<double>(r.between(-40, 40)), r.real(-40, 40)};
  });
  add_cases(
      cases, "translate", offsets, false,
      [=](In in, PerImage<TranslationPx> v, Out out, Stream s) { translate(in, v, warp, out, s); },
      [=](const Image& image, TranslationPx v) {
        return warped(image, {1, 0, -v.x, 0, 1, -v.y}, warp);
      });
}

OpCase random_case(Random& r, const ImageShape& shape) {
  std::vector<OpCase> cases;
  const std::int64_t which = r.between(0, 15);
  if (which <= 8) {
    add_pixel_operation(r, which, cases);
  } else if (which <= 12) {
    add_geometry(r, which - 9, shape, cases);
  } else if (which == 13) {
    add_flip_cases(cases);
  } else if (which == 14) {
    add_crop_cases(cases, shape);
  } else {
    const std::pair<void (*)(In, Out, Stream), Image (*)(const Image&)> plain[] = {
        {invert, reference::invert},
        {grey, reference::grey},
        {autocontrast, reference::autocontrast},
        {equalize, reference::equalize}};
    const auto [function, expected] = plain[r.between(0, 3)];
    OpCase one{.name = "without parameters",
               .run = [function = function](In in, Out out, Stream s) { function(in, out, s); },
               .expected = [expected = expected](const Image& image, std::size_t) { return expected(image); }};
    one.in_place = true;
    cases.push_back(one);
  }
  return cases[static_cast<std::size_t>(r.between(0, static_cast<std::int64_t>(cases.size()) - 1))];
}

class FuzzTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(FuzzTest);

TEST_P(FuzzTest, RandomOperationsAreAsDefined) {
  const char* wanted = std::getenv("LEAVEN_FUZZ_CASES");
  const std::int64_t count = wanted != nullptr ? std::atoll(wanted) : (on_cuda() ? 150 : 4000);
  for (std::int64_t i = 0; i < count; ++i) {
    Random r(static_cast<std::uint64_t>(i));
    const ImageShape shape = random_shape(r);
    const OpCase op = random_case(r, shape);
    const auto memory = [&] {
      return r.pick(
          {Memory::nhwc, Memory::nchw, Memory::padded_odd, Memory::four_byte_pixels, Memory::upside_down_bgr});
    };
    const std::vector<Image> images = test_images(shape, static_cast<std::uint32_t>(i));
    const Batch in(images, shape, memory(), stream());
    const bool in_place = op.in_place && r.one_in(3);
    const Batch out(op.out_shape(shape), memory(), stream());
    op.run(in.view(), in_place ? in.view() : out.view(), stream());
    std::vector<Image> expected;
    for (std::size_t k = 0; k < images.size(); ++k) expected.push_back(op.expected(images[k], k));
    const std::string what = "case " + std::to_string(i) + ", " + op.name + ", " + text(shape);
    expect_same_images(in_place ? in.images() : out.images(), expected, what);
    (in_place ? in : out).expect_only_images_written();
    if (!in_place) expect_same_images(in.images(), images, what + ": the input");
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace leaven::test
