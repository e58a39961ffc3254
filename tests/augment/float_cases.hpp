#pragma once

#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "tests/augment/op_cases.hpp"
#include "tests/reference/float_reference.hpp"

// Batches of f32 images in any memory layout, and every operation on them with its reference.
namespace leaven::test {

using FloatIn = ImageView<const float>;
using FloatOut = ImageView<float>;
using reference::FloatImage;

// Images in a guarded buffer; whatever lies between their values is -7.25 and must stay so.
class FloatBatch {
 public:
  FloatBatch(const ImageShape& shape, Memory memory, Stream stream)
      : shape_(shape), placement_(place(shape, memory)), buffer_(placement_.size, stream) {
    buffer_.set(std::vector<float>(static_cast<std::size_t>(placement_.size), kGap));
  }
  FloatBatch(const std::vector<FloatImage>& images, const ImageShape& shape, Memory memory, Stream stream)
      : FloatBatch(shape, memory, stream) {
    std::vector<float> all(static_cast<std::size_t>(placement_.size), kGap);
    for_each_value(shape, [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
      all[index_of(placement_, n, y, x, c)] =
          images[static_cast<std::size_t>(n)].at(static_cast<int>(y), static_cast<int>(x), static_cast<int>(c));
    });
    buffer_.set(all);
  }

  FloatOut view() const {
    const Out& v = placement_.view;
    return {buffer_.data() + placement_.first,
            v.count,
            v.height,
            v.width,
            v.channels,
            v.image_stride,
            v.row_stride,
            v.pixel_stride,
            v.channel_stride};
  }

  std::vector<FloatImage> images() const {
    const std::vector<float> all = buffer_.to_host();
    std::vector<FloatImage> images(
        static_cast<std::size_t>(shape_.count),
        FloatImage(static_cast<int>(shape_.height), static_cast<int>(shape_.width), static_cast<int>(shape_.channels)));
    for_each_value(shape_, [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
      images[static_cast<std::size_t>(n)].at(static_cast<int>(y), static_cast<int>(x), static_cast<int>(c)) =
          all[index_of(placement_, n, y, x, c)];
    });
    return images;
  }

  void expect_only_images_written() const {
    buffer_.expect_guards_intact();
    std::vector<float> all = buffer_.to_host();
    for_each_value(shape_, [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
      all[index_of(placement_, n, y, x, c)] = kGap;
    });
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], kGap) << "written between the images, value " << i;
  }

 private:
  static constexpr float kGap = -7.25f;
  ImageShape shape_;
  Placement placement_;
  GuardedBuffer<float> buffer_;
};

// Fractions; the images of test_images() with their flat and dark ones.
inline std::vector<FloatImage> float_images(const ImageShape& s, std::uint32_t seed) {
  const std::vector<Image> whole = test_images(s, seed);
  const std::vector<Image> fractions = test_images(s, seed + 1000);
  std::vector<FloatImage> images;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    images.push_back(
        reference::make_float(whole[n].height, whole[n].width, whole[n].channels, [&](int y, int x, int c) {
          const int fraction = n % 4 == 3 ? 0 : fractions[n].at(y, x, c) % 16;
          return std::min(255.0, whole[n].at(y, x, c) + fraction / 16.1);
        }));
  }
  return images;
}

// `tolerance` 0: the same values, NaN for NaN.
inline void expect_near(const std::vector<FloatImage>& got, const std::vector<FloatImage>& expected, double tolerance,
                        const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t n = 0; n < got.size(); ++n) {
    ASSERT_EQ(got[n].values.size(), expected[n].values.size()) << what;
    for (std::size_t i = 0; i < got[n].values.size(); ++i) {
      const float a = got[n].values[i];
      const float b = expected[n].values[i];
      const bool same = a == b || (std::isnan(a) && std::isnan(b)) || std::abs(double{a} - double{b}) <= tolerance;
      ASSERT_TRUE(same) << what << ": image " << n << ", value " << i << ": " << a << ", expected " << b;
    }
  }
}

struct FloatCase {
  std::string name;
  std::function<void(FloatIn, FloatOut, Stream)> run;
  std::function<FloatImage(const FloatImage&, std::size_t index)> expected;
  double tolerance = 0;
  bool in_place = false;
  std::function<ImageShape(const ImageShape&)> out_shape = [](const ImageShape& s) { return s; };
};

// A case for each value and one for all of them, one per image.
template <class T>
void add_float_cases(std::vector<FloatCase>& cases, const std::string& name, const std::vector<T>& values,
                     double tolerance, bool in_place,
                     const std::function<void(FloatIn, PerImage<T>, FloatOut, Stream)>& function,
                     const std::function<FloatImage(const FloatImage&, T)>& reference) {
  for (std::size_t k = 0; k < values.size(); ++k) {
    const T value = values[k];
    cases.push_back({.name = name + " value " + std::to_string(k),
                     .run = [=](FloatIn in, FloatOut out, Stream s) { function(in, PerImage<T>(value), out, s); },
                     .expected = [=](const FloatImage& image, std::size_t) { return reference(image, value); },
                     .tolerance = tolerance,
                     .in_place = in_place});
  }
  cases.push_back(
      {.name = name + " per image",
       .run =
           [=](FloatIn in, FloatOut out, Stream s) {
             const Buffer<T> device(repeated(values, in.count), s);
             function(in, PerImage<T>(device.cspan()), out, s);
             s.synchronize();
           },
       .expected = [=](const FloatImage& image, std::size_t i) { return reference(image, values[i % values.size()]); },
       .tolerance = tolerance,
       .in_place = in_place});
}

// The library's function of this name as a std::function: the types choose the one on f32 images.
#define LEAVEN_FLOAT_OP(function) \
  [](FloatIn in, const auto& value, FloatOut out, Stream s) { function(in, value, out, s); }
#define LEAVEN_FLOAT_REFERENCE(function) [](const FloatImage& image, auto value) { return function(image, value); }

inline std::vector<FloatCase> float_pixel_cases() {
  std::vector<FloatCase> cases;
  const std::vector<float> factors{0.0f, 1.0f, 0.5f, 1.9f, -0.75f, 3.7f};
  constexpr double kNear = 2e-4;  // some roundings of values below 1024
  add_float_cases<float>(cases, "brightness", factors, kNear, true, LEAVEN_FLOAT_OP(brightness),
                         LEAVEN_FLOAT_REFERENCE(reference::brightness));
  add_float_cases<float>(cases, "contrast", factors, kNear, true, LEAVEN_FLOAT_OP(contrast),
                         LEAVEN_FLOAT_REFERENCE(reference::contrast));
  add_float_cases<float>(cases, "color", factors, kNear, true, LEAVEN_FLOAT_OP(color),
                         LEAVEN_FLOAT_REFERENCE(reference::color));
  add_float_cases<float>(cases, "sharpness", factors, kNear, false, LEAVEN_FLOAT_OP(sharpness),
                         LEAVEN_FLOAT_REFERENCE(reference::sharpness));
  add_float_cases<float>(cases, "brightness_offset", {0.0f, 0.3f, -40.5f, 255.0f, -1e30f}, kNear, true,
                         LEAVEN_FLOAT_OP(brightness_offset), LEAVEN_FLOAT_REFERENCE(reference::brightness_offset));
  add_float_cases<std::int32_t>(cases, "posterize", {8, 7, 4, 1, 0}, 0, true, LEAVEN_FLOAT_OP(posterize),
                                LEAVEN_FLOAT_REFERENCE(reference::posterize));
  add_float_cases<float>(cases, "solarize", {128.0f, 178.5f, -3.0f, 255.0f, 256.0f}, kNear, true,
                         LEAVEN_FLOAT_OP(solarize), LEAVEN_FLOAT_REFERENCE(reference::solarize));
  add_float_cases<std::int32_t>(
      cases, "solarize_add", {0, 110, 255}, kNear, true,
      [](FloatIn in, PerImage<std::int32_t> addend, FloatOut out, Stream s) { solarize_add(in, addend, 128, out, s); },
      [](const FloatImage& image, std::int32_t addend) { return reference::solarize_add(image, addend, 128); });
  add_float_cases<float>(cases, "hue", {0.0f, 0.5f, -0.5f, 0.1f, -0.1f, 0.25f, 1e-6f}, 1e-3, true, LEAVEN_FLOAT_OP(hue),
                         LEAVEN_FLOAT_REFERENCE(reference::hue));
  add_float_cases<RectPx>(
      cases, "erase", test_rectangles(), 0, true,
      [](FloatIn in, PerImage<RectPx> r, FloatOut out, Stream s) {
        erase(in, r, {9, 200, 30}, out, s);
      },
      [](const FloatImage& image, RectPx r) {
        return reference::erase(image, r.left, r.top, r.width, r.height, {9, 200, 30});
      });
  using Plain = void (*)(FloatIn, FloatOut, Stream);
  using Reference = FloatImage (*)(const FloatImage&);
  const std::tuple<const char*, Plain, Reference> plain[] = {{"invert", invert, reference::invert},
                                                             {"grey", grey, reference::grey},
                                                             {"autocontrast", autocontrast, reference::autocontrast}};
  for (const auto& [name, function, reference] : plain) {
    cases.push_back({.name = name,
                     .run = [function](FloatIn in, FloatOut out, Stream s) { function(in, out, s); },
                     .expected = [reference](const FloatImage& image, std::size_t) { return reference(image); },
                     .tolerance = kNear,
                     .in_place = true});
  }
  return cases;
}

inline void add_float_move_cases(std::vector<FloatCase>& cases, const ImageShape& shape) {
  add_float_cases<FlipAxis>(cases, "flip", {FlipAxis::left_right, FlipAxis::top_bottom, FlipAxis::both, FlipAxis::none},
                            0, false, LEAVEN_FLOAT_OP(flip), [](const FloatImage& image, FlipAxis axis) {
                              return reference::moved(image, {}, [&](const Image& i) {
                                return reference::flip(i, axis == FlipAxis::left_right || axis == FlipAxis::both,
                                                       axis == FlipAxis::top_bottom || axis == FlipAxis::both);
                              });
                            });
  const auto smaller = [](std::int64_t side) { return (2 * side + 2) / 3; };
  const ImageShape cropped{shape.count, smaller(shape.height), smaller(shape.width), shape.channels};
  const auto most_x = static_cast<std::int32_t>(shape.width - cropped.width);
  const auto most_y = static_cast<std::int32_t>(shape.height - cropped.height);
  const auto part = [](const FloatImage& image, int padding, reference::Fill fill, OffsetPx o, std::int64_t height,
                       std::int64_t width) {
    return reference::moved(image, fill, [&](const Image& i) {
      return reference::pad_crop(i, padding, {}, o.x, o.y, static_cast<int>(height), static_cast<int>(width));
    });
  };
  const std::size_t first = cases.size();
  add_float_cases<OffsetPx>(
      cases, "crop", {{0, 0}, {most_x, most_y}, {most_x / 2, most_y}}, 0, false, LEAVEN_FLOAT_OP(crop),
      [=](const FloatImage& image, OffsetPx o) { return part(image, 0, {}, o, cropped.height, cropped.width); });
  for (std::size_t i = first; i < cases.size(); ++i) cases[i].out_shape = [=](const ImageShape&) { return cropped; };
  constexpr Colour kFill{200, 7, 99};
  add_float_cases<OffsetPx>(
      cases, "pad_crop", {{0, 0}, {8, 8}, {4, 4}, {1, 6}}, 0, false,
      [](FloatIn in, PerImage<OffsetPx> o, FloatOut out, Stream s) { pad_crop(in, 4, kFill, o, out, s); },
      [=](const FloatImage& image, OffsetPx o) {
        return part(image, 4, fill_of(kFill), o, image.height, image.width);
      });
}

inline FloatImage warped(const FloatImage& image, const reference::Matrix& m, const WarpOptions& o) {
  return reference::warp(image, m, sampling_of(o), edge_of(o), fill_of(o.fill), image.height, image.width);
}
inline double tolerance_of(const WarpOptions& o) { return o.interpolation == Interpolation::nearest ? 0 : 2e-4; }

inline void add_float_warp_cases(std::vector<FloatCase>& cases, const ImageShape& shape, const WarpOptions& options) {
  const std::string suffix = " interpolation " + std::to_string(static_cast<int>(options.interpolation)) + " border " +
                             std::to_string(static_cast<int>(options.border));
  const double tolerance = tolerance_of(options);
  add_float_cases<AffineMatrix>(
      cases, "affine_warp" + suffix, test_matrices(shape), tolerance, false,
      [=](FloatIn in, PerImage<AffineMatrix> m, FloatOut out, Stream s) { affine_warp(in, m, options, out, s); },
      [=](const FloatImage& image, const AffineMatrix& m) { return warped(image, m.m, options); });
  add_float_cases<double>(
      cases, "rotate" + suffix, {17, -17, 45, 0, 90, 180, 270, 719.5, 1e-9}, tolerance, false,
      [=](FloatIn in, PerImage<double> a, FloatOut out, Stream s) { rotate(in, a, options, out, s); },
      [=](const FloatImage& image, double a) {
        return reference::rotate(image, a, [&](const reference::Matrix& m) { return warped(image, m, options); });
      });
  add_float_cases<Shear>(
      cases, "shear" + suffix, {{0.3, 0}, {0, -0.2}, {-1, 0.5}}, tolerance, false,
      [=](FloatIn in, PerImage<Shear> v, FloatOut out, Stream s) { shear(in, v, options, out, s); },
      [=](const FloatImage& image, Shear v) {
        return warped(image, {1, v.x, 0, v.y, 1, 0}, options);
      });
  add_float_cases<TranslationPx>(
      cases, "translate" + suffix, {{3, -2}, {-0.3, 0.5}, {1000, 0}, {-1, 1}}, tolerance, false,
      [=](FloatIn in, PerImage<TranslationPx> v, FloatOut out, Stream s) { translate(in, v, options, out, s); },
      [=](const FloatImage& image, TranslationPx v) {
        return warped(image, {1, 0, -v.x, 0, 1, -v.y}, options);
      });
}

inline void add_float_perspective_cases(std::vector<FloatCase>& cases, const WarpOptions& options) {
  add_float_cases<PerspectiveMatrix>(
      cases, "perspective_warp " + std::to_string(static_cast<int>(options.interpolation)), test_perspectives(),
      tolerance_of(options), false,
      [=](FloatIn in, PerImage<PerspectiveMatrix> m, FloatOut out, Stream s) {
        perspective_warp(in, m, options, out, s);
      },
      [=](const FloatImage& image, const PerspectiveMatrix& m) {
        return reference::float_general(image, m.m, sampling_of(options), edge_of(options), fill_of(options.fill),
                                        image.height, image.width);
      });
}

inline void add_float_blur_cases(std::vector<FloatCase>& cases) {
  add_float_cases<double>(
      cases, "gaussian_blur", {0.7, 2.0, 1e6}, 2e-4, false,
      [](FloatIn in, PerImage<double> sigma, FloatOut out, Stream s) { gaussian_blur(in, 5, sigma, out, s); },
      [](const FloatImage& image, double sigma) { return reference::gaussian_blur(image, 5, sigma); });
}

// For images of `shape`, which has at least one pixel.
inline std::vector<FloatCase> all_float_cases(const ImageShape& shape) {
  std::vector<FloatCase> cases = float_pixel_cases();
  add_float_move_cases(cases, shape);
  add_float_warp_cases(cases, shape, {.fill = {10, 20, 30}});
  add_float_warp_cases(cases, shape, {.interpolation = Interpolation::bilinear, .fill = 77});
  add_float_warp_cases(cases, shape, {.interpolation = Interpolation::bicubic, .fill = {1, 2, 250}});
  add_float_warp_cases(cases, shape, {.border = Border::wrap});
  add_float_warp_cases(cases, shape, {.interpolation = Interpolation::bilinear, .border = Border::reflect});
  add_float_warp_cases(cases, shape, {.interpolation = Interpolation::bicubic, .border = Border::edge});
  add_float_perspective_cases(cases, {.fill = {10, 20, 30}});
  add_float_perspective_cases(cases, {.interpolation = Interpolation::bilinear, .border = Border::reflect});
  add_float_perspective_cases(cases, {.interpolation = Interpolation::bicubic});
  if (std::min(shape.height, shape.width) > 2) add_float_blur_cases(cases);
  return cases;
}

}  // namespace leaven::test
