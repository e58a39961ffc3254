#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "tests/augment/images.hpp"
#include "tests/reference/warp_reference.hpp"

// Every operation with its reference, once with one value for the batch and once with one per image.
namespace leaven::test {

struct OpCase {
  std::string name;
  std::function<void(In, Out, Stream)> run;
  std::function<Image(const Image&, std::size_t index)> expected;
  std::function<ImageShape(const ImageShape&)> out_shape = [](const ImageShape& s) { return s; };
  bool in_place = false;  // out may be in
};

// A value per image: they repeat for larger batches.
template <class T>
std::vector<T> repeated(const std::vector<T>& values, std::int64_t count) {
  std::vector<T> all;
  for (std::int64_t i = 0; i < count; ++i) all.push_back(values[static_cast<std::size_t>(i) % values.size()]);
  return all;
}

// Adds a case for each value and one for all of them, one per image. function(in, value(s), out, stream);
// reference(image, value).
template <class T, class Function, class Reference>
void add_cases(std::vector<OpCase>& cases, const std::string& name, const std::vector<T>& values, bool in_place,
               Function function, Reference reference) {
  for (std::size_t k = 0; k < values.size(); ++k) {
    const T value = values[k];
    OpCase single{.name = name + " value " + std::to_string(k),
                  .run = [=](In in, Out out, Stream s) { function(in, PerImage<T>(value), out, s); },
                  .expected = [=](const Image& image, std::size_t) { return reference(image, value); }};
    single.in_place = in_place;
    cases.push_back(single);
  }
  OpCase each{
      .name = name + " per image",
      .run =
          [=](In in, Out out, Stream s) {
            const Buffer<T> device(repeated(values, in.count), s);
            function(in, PerImage<T>(device.cspan()), out, s);
            s.synchronize();
          },
      .expected = [=](const Image& image, std::size_t i) { return reference(image, values[i % values.size()]); }};
  each.in_place = in_place;
  cases.push_back(each);
}

// A function of the library: its name alone stands for those on f32 images too.
template <class T, class Reference>
void add_cases(std::vector<OpCase>& cases, const std::string& name, const std::vector<T>& values, bool in_place,
               void (*function)(In, PerImage<T>, Out, Stream), Reference reference) {
  const auto call = [=](In in, PerImage<T> value, Out out, Stream s) { function(in, value, out, s); };
  add_cases(cases, name, values, in_place, call, reference);
}

inline reference::Sampling sampling_of(const WarpOptions& o) {
  return static_cast<reference::Sampling>(static_cast<int>(o.interpolation));
}
inline reference::Edge edge_of(const WarpOptions& o) {
  return static_cast<reference::Edge>(static_cast<int>(o.border));
}
inline reference::Fill fill_of(const Colour& c) { return {c.red, c.green, c.blue}; }

inline Image warped(const Image& image, const reference::Matrix& m, const WarpOptions& o) {
  if (o.border == Border::fill && o.interpolation != Interpolation::bicubic) {
    return reference::warp(image, m, sampling_of(o), fill_of(o.fill), image.height, image.width);
  }
  return reference::warp_general(image, {m[0], m[1], m[2], m[3], m[4], m[5], 0, 0}, sampling_of(o), edge_of(o),
                                 fill_of(o.fill), image.height, image.width);
}

inline std::vector<RectPx> test_rectangles() {
  return {{0, 0, 2, 3}, {-5, -5, 7, 6}, {1, 1, 0, 4}, {3, 0, 1 << 30, 1 << 30}, {-9, 2, 1 << 30, 1}};
}

inline std::vector<OpCase> pixel_cases() {
  std::vector<OpCase> cases;
  const std::vector<float> factors{0.0f, 1.0f, 0.5f, 1.9f, 0.1f, 3.7f, -0.75f, 1e7f, 0.9999999f};
  add_cases(cases, "brightness", factors, true, brightness, reference::brightness);
  add_cases(cases, "contrast", factors, true, contrast, reference::contrast);
  add_cases(cases, "color", factors, true, color, reference::color);
  add_cases(cases, "hue", std::vector<float>{0.0f, 0.5f, -0.5f, 0.1f, -0.1f, 0.25f, 0.0039f, -0.0041f}, true, hue,
            [](const Image& image, float factor) { return reference::hue(image, factor); });
  add_cases(
      cases, "erase", test_rectangles(), true,
      [](In in, PerImage<RectPx> r, Out out, Stream s) {
        erase(in, r, {9, 200, 30}, out, s);
      },
      [](const Image& image, RectPx r) {
        return reference::erase(image, r.left, r.top, r.width, r.height, {9, 200, 30});
      });
  add_cases(cases, "brightness_offset",
            std::vector<std::int32_t>{0, 1, -1, 40, -40, 255, -255, 256, std::numeric_limits<std::int32_t>::max(),
                                      std::numeric_limits<std::int32_t>::min()},
            true, brightness_offset, reference::brightness_offset);
  add_cases(cases, "posterize", std::vector<std::int32_t>{8, 7, 4, 1, 0}, true, posterize, reference::posterize);
  add_cases(cases, "solarize", std::vector<float>{128.0f, 178.5f, 0.0f, -3.0f, 255.0f, 255.5f, 256.0f, 0.25f}, true,
            solarize, reference::solarize);
  for (const std::int32_t threshold : {128, 0, 256}) {
    add_cases(
        cases, "solarize_add " + std::to_string(threshold), std::vector<std::int32_t>{0, 110, 255}, true,
        [=](In in, PerImage<std::int32_t> addend, Out out, Stream s) { solarize_add(in, addend, threshold, out, s); },
        [=](const Image& image, std::int32_t addend) { return reference::solarize_add(image, addend, threshold); });
  }
  add_cases(cases, "sharpness", factors, false, sharpness, reference::sharpness);
  using Plain = void (*)(In, Out, Stream);
  using Reference = Image (*)(const Image&);
  const std::tuple<const char*, Plain, Reference> plain[] = {{"invert", invert, reference::invert},
                                                             {"grey", grey, reference::grey},
                                                             {"autocontrast", autocontrast, reference::autocontrast},
                                                             {"equalize", equalize, reference::equalize}};
  for (const auto& [name, function, reference_function] : plain) {
    OpCase one{.name = name,
               .run = [function](In in, Out out, Stream s) { function(in, out, s); },
               .expected = [reference_function](const Image& image, std::size_t) { return reference_function(image); }};
    one.in_place = true;
    cases.push_back(one);
  }
  return cases;
}

inline void add_flip_cases(std::vector<OpCase>& cases) {
  add_cases(cases, "flip",
            std::vector<FlipAxis>{FlipAxis::left_right, FlipAxis::top_bottom, FlipAxis::both, FlipAxis::none}, false,
            flip, [](const Image& image, FlipAxis axis) {
              return reference::flip(image, axis == FlipAxis::left_right || axis == FlipAxis::both,
                                     axis == FlipAxis::top_bottom || axis == FlipAxis::both);
            });
}

// Crops of two thirds of each side, so that any image of at least one pixel has them.
inline void add_crop_cases(std::vector<OpCase>& cases, const ImageShape& shape) {
  const auto smaller = [](std::int64_t side) { return (2 * side + 2) / 3; };
  const ImageShape cropped{shape.count, smaller(shape.height), smaller(shape.width), shape.channels};
  const std::int32_t most_x = static_cast<std::int32_t>(shape.width - cropped.width);
  const std::int32_t most_y = static_cast<std::int32_t>(shape.height - cropped.height);
  const std::size_t first = cases.size();
  add_cases(cases, "crop", std::vector<OffsetPx>{{0, 0}, {most_x, most_y}, {most_x / 2, most_y}}, false, crop,
            [=](const Image& image, OffsetPx o) {
              return reference::pad_crop(image, 0, {}, o.x, o.y, static_cast<int>(cropped.height),
                                         static_cast<int>(cropped.width));
            });
  for (std::size_t i = first; i < cases.size(); ++i) cases[i].out_shape = [=](const ImageShape&) { return cropped; };
  constexpr Colour kFill{200, 7, 99};
  add_cases(
      cases, "pad_crop", std::vector<OffsetPx>{{0, 0}, {8, 8}, {4, 4}, {1, 6}}, false,
      [=](In in, PerImage<OffsetPx> o, Out out, Stream s) { pad_crop(in, 4, kFill, o, out, s); },
      [=](const Image& image, OffsetPx o) {
        return reference::pad_crop(image, 4, fill_of(kFill), o.x, o.y, image.height, image.width);
      });
}

// Matrices for each of the nearest paths, at the borders between them, and singular or huge ones.
inline std::vector<AffineMatrix> test_matrices(const ImageShape& s) {
  const double w = static_cast<double>(s.width);
  const double h = static_cast<double>(s.height);
  return {
      {{1, 0, 0, 0, 1, 0}},                               // identity
      {{1, 0, 2, 0, 1, -1}},                              // whole pixels
      {{1, 0, 0.4999999999999999, 0, 1, -0.5000000001}},  // just below a pixel edge
      {{0.1, 0, 0.0, 0, 0.7, -0.35}},                     // sums of tenths
      {{-1, 0, w, 0, -1, h}},                             // mirrored
      {{2, 0, -0.5, 0, 1.0 / 3, 0.25}},                   // scales
      {{0, 0, 1.5, 0, 0, 0.5}},                           // one pixel for all
      {{0.8, 0.3, -1, -0.25, 1.1, 2}},                    // fixed point
      {{1, 0.3, 0, 0, 1, 0}},                             // shears
      {{1, 0, 0, -0.6, 1, 3}},
      {{0.5, -0.5, 2, 0.5, 0.5, -0.5}},                // ties
      {{0, 1, 0, 1, 0, 0}},                            // transposed
      {{1, 1, 0, 1, 1, 0}},                            // onto a line
      {{1, 0.1, -40000, 0.1, 1, -40000}},              // far away
      {{0.9, 70000, -70000 * 0.5 + 1, 0.01, 0.2, 0}},  // running sums in two directions
      {{-70000, 0.7, 70000 * 0.5 + 0.3, 0.001, 1, 0}},
      {{1e300, -1e300, 0, 1e300, 1e300, 5}},
  };
}

inline void add_warp_cases(std::vector<OpCase>& cases, const ImageShape& shape, const WarpOptions& options) {
  const std::string suffix = " interpolation " + std::to_string(static_cast<int>(options.interpolation)) + " border " +
                             std::to_string(static_cast<int>(options.border));
  add_cases(
      cases, "affine_warp" + suffix, test_matrices(shape), false,
      [=](In in, PerImage<AffineMatrix> m, Out out, Stream s) { affine_warp(in, m, options, out, s); },
      [=](const Image& image, const AffineMatrix& m) { return warped(image, m.m, options); });
  add_cases(
      cases, "rotate" + suffix,
      std::vector<double>{17, -17, 45, 0, 90, 180, 270, 360, -90, 719.5, 1e-9, -1e-20, 123456.789}, false,
      [=](In in, PerImage<double> a, Out out, Stream s) { rotate(in, a, options, out, s); },
      [=](const Image& image, double a) {
        return reference::rotate(image, a, [&](const reference::Matrix& m) { return warped(image, m, options); });
      });
  add_cases(
      cases, "shear" + suffix, std::vector<Shear>{{0.3, 0}, {0, -0.2}, {-1, 0.5}, {0, 0}}, false,
      [=](In in, PerImage<Shear> v, Out out, Stream s) { shear(in, v, options, out, s); },
      [=](const Image& image, Shear v) {
        return warped(image, {1, v.x, 0, v.y, 1, 0}, options);
      });
  add_cases(
      cases, "translate" + suffix, std::vector<TranslationPx>{{3, -2}, {-0.3, 0.5}, {1000, 0}, {0, 0}, {-1, 1}}, false,
      [=](In in, PerImage<TranslationPx> v, Out out, Stream s) { translate(in, v, options, out, s); },
      [=](const Image& image, TranslationPx v) {
        return warped(image, {1, 0, -v.x, 0, 1, -v.y}, options);
      });
}

inline std::vector<PerspectiveMatrix> test_perspectives() {
  return {{{1, 0, 0, 0, 1, 0, 0, 0}},
          {{0.9, 0.1, 1, -0.2, 1.1, 2, 0.01, -0.004}},
          {{1, 0.2, -3, 0.1, 0.8, 0, -0.2, 0.003}},  // the horizon crosses the image
          {{2, 0, 0, 0, 2, 0, -2, 0}},               // division by 0 in column 0
          {{0, 0, 1e300, 0, 0, 1, 1e300, 0}}};
}

inline void add_perspective_cases(std::vector<OpCase>& cases, const WarpOptions& options) {
  add_cases(
      cases, "perspective_warp " + std::to_string(static_cast<int>(options.interpolation)), test_perspectives(), false,
      [=](In in, PerImage<PerspectiveMatrix> m, Out out, Stream s) { perspective_warp(in, m, options, out, s); },
      [=](const Image& image, const PerspectiveMatrix& m) {
        return reference::warp_general(image, m.m, sampling_of(options), edge_of(options), fill_of(options.fill),
                                       image.height, image.width);
      });
}

// For images of `shape`, which has at least one pixel.
inline std::vector<OpCase> all_cases(const ImageShape& shape) {
  std::vector<OpCase> cases = pixel_cases();
  add_flip_cases(cases);
  add_crop_cases(cases, shape);
  add_warp_cases(cases, shape, {.fill = {10, 20, 30}});
  add_warp_cases(cases, shape, {.interpolation = Interpolation::bilinear, .fill = 77});
  add_warp_cases(cases, shape, {.interpolation = Interpolation::bicubic, .fill = {1, 2, 250}});
  add_warp_cases(cases, shape, {.border = Border::wrap});
  add_warp_cases(cases, shape, {.interpolation = Interpolation::bilinear, .border = Border::reflect});
  add_warp_cases(cases, shape, {.interpolation = Interpolation::bicubic, .border = Border::edge});
  add_perspective_cases(cases, {.fill = {10, 20, 30}});
  add_perspective_cases(cases, {.interpolation = Interpolation::bilinear, .border = Border::reflect});
  add_perspective_cases(cases, {.interpolation = Interpolation::bicubic});
  return cases;
}

}  // namespace leaven::test
