#include "host/augment/float_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// One plain loop per kind of map, for the vectoriser.
template <FloatMap::Kind kKind>
void map_run(FloatMap map, const float* in, std::int64_t in_step, float* out, std::int64_t out_step,
             std::int64_t count) {
  map.kind = kKind;
  if (in_step == 1 && out_step == 1) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count; ++i) out[i] = map_value(map, in[i]);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) out[i * out_step] = map_value(map, in[i * in_step]);
}

void map_values(const FloatMap& map, const float* in, std::int64_t in_step, float* out, std::int64_t out_step,
                std::int64_t count) {
  using Kind = FloatMap::Kind;
  switch (map.kind) {
    case Kind::copy: return map_run<Kind::copy>(map, in, in_step, out, out_step, count);
    case Kind::blend: return map_run<Kind::blend>(map, in, in_step, out, out_step, count);
    case Kind::offset: return map_run<Kind::offset>(map, in, in_step, out, out_step, count);
    case Kind::step: return map_run<Kind::step>(map, in, in_step, out, out_step, count);
    case Kind::solarize: return map_run<Kind::solarize>(map, in, in_step, out, out_step, count);
    case Kind::add_below: return map_run<Kind::add_below>(map, in, in_step, out, out_step, count);
    case Kind::invert: return map_run<Kind::invert>(map, in, in_step, out, out_step, count);
  }
}

// The sum of units(i) for i < count, which fit 32 bits: turns of a fixed length are for the vectoriser.
template <class Units>
[[gnu::always_inline]] inline std::int64_t sum_of_units(std::int64_t count, const Units& units) {
  constexpr std::int64_t kTurn = 128;
  std::int64_t total = 0;
  std::int64_t i = 0;
  for (; i + kTurn <= count; i += kTurn) {
    std::int32_t turn[kTurn];
    for (std::int64_t j = 0; j < kTurn; ++j) turn[j] = units(i + j);
    for (std::int64_t j = 0; j < kTurn; ++j) total += turn[j];
  }
  for (; i < count; ++i) total += units(i);
  return total;
}

std::int64_t sum_values(const float* in, std::int64_t step, std::int64_t count) {
  if (step == 1) return sum_of_units(count, [=](std::int64_t i) { return luma_units(in[i]); });
  return sum_of_units(count, [=](std::int64_t i) { return luma_units(in[i * step]); });
}

// kStep: values from pixel to pixel where known (1: planes, 3: side by side), or 0.
template <int kStep>
std::int64_t luma_sum_of(const RgbValues<const float>& in, std::int64_t count) {
  const float* red = in.red;
  const float* green = kStep == 3 ? red + 1 : in.green;
  const float* blue = kStep == 3 ? red + 2 : in.blue;
  return sum_of_units(count, [=](std::int64_t i) {
    const std::int64_t at = i * (kStep > 0 ? kStep : in.step);
    return luma_units(luma_of(red[at], green[at], blue[at]));
  });
}

template <class T>
bool side_by_side(const RgbValues<T>& v) {
  return v.step == 3 && v.green == v.red + 1 && v.blue == v.red + 2;
}

std::int64_t luma_sum(const RgbValues<const float>& in, std::int64_t count) {
  if (side_by_side(in)) return luma_sum_of<3>(in, count);
  return in.step == 1 ? luma_sum_of<1>(in, count) : luma_sum_of<0>(in, count);
}

template <int kStep, class PixelMap>
void map_rgb_of(const PixelMap& map, const RgbValues<const float>& in, const RgbValues<float>& out,
                std::int64_t count) {
  const float* red = in.red;
  const float* green = kStep == 3 ? red + 1 : in.green;
  const float* blue = kStep == 3 ? red + 2 : in.blue;
  float* to_red = out.red;
  float* to_green = kStep == 3 ? to_red + 1 : out.green;
  float* to_blue = kStep == 3 ? to_red + 2 : out.blue;
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = i * (kStep > 0 ? kStep : in.step);
    const std::int64_t to = i * (kStep > 0 ? kStep : out.step);
    const FloatRgb pixel = map({red[at], green[at], blue[at]});
    to_red[to] = pixel.r;
    to_green[to] = pixel.g;
    to_blue[to] = pixel.b;
  }
}

template <class PixelMap>
void map_rgb(const PixelMap& map, const RgbValues<const float>& in, const RgbValues<float>& out, std::int64_t count) {
  if (side_by_side(in) && side_by_side(out)) return map_rgb_of<3>(map, in, out, count);
  if (in.step == 1 && out.step == 1) return map_rgb_of<1>(map, in, out, count);
  map_rgb_of<0>(map, in, out, count);
}

void color(float factor, const RgbValues<const float>& in, const RgbValues<float>& out, std::int64_t count) {
  map_rgb(ColouredPixel{factor}, in, out, count);
}

void hue(float sixths, const RgbValues<const float>& in, const RgbValues<float>& out, std::int64_t count) {
  map_rgb(HuePixel{sixths}, in, out, count);
}

// 48 lanes: whole vectors and whole pixels.
constexpr std::int64_t kLanes = 48;

// Values of kChannels channels without gaps.
template <int kChannels>
void range_of_run(const float* in, std::int64_t count, FloatRange* ranges) {
  alignas(64) float lowest[kLanes];
  alignas(64) float highest[kLanes];
  for (std::int64_t j = 0; j < kLanes; ++j) {
    lowest[j] = ranges[j % kChannels].lowest;
    highest[j] = ranges[j % kChannels].highest;
  }
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) {
      lowest[j] = lower_of(in[i + j], lowest[j]);
      highest[j] = higher_of(in[i + j], highest[j]);
    }
  }
  for (std::int64_t j = 0; i + j < count; ++j) {
    lowest[j] = lower_of(in[i + j], lowest[j]);
    highest[j] = higher_of(in[i + j], highest[j]);
  }
  for (std::int64_t j = 0; j < kLanes; ++j) {
    FloatRange& range = ranges[j % kChannels];
    range.lowest = lower_of(lowest[j], range.lowest);
    range.highest = higher_of(highest[j], range.highest);
  }
}

void range(const float* in, std::int64_t step, std::int64_t channels, std::int64_t count, FloatRange* ranges) {
  if (channels == 3) return range_of_run<3>(in, count, ranges);
  if (step == 1) return range_of_run<1>(in, count, ranges);
  for (std::int64_t i = 0; i < count; ++i) {
    ranges[0].lowest = lower_of(in[i * step], ranges[0].lowest);
    ranges[0].highest = higher_of(in[i * step], ranges[0].highest);
  }
}

template <int kChannels>
void stretch_run(const Stretch* of_channel, const float* in, float* out, std::int64_t count) {
  alignas(64) float lowest[kLanes];
  alignas(64) float highest[kLanes];
  alignas(64) float scale[kLanes];
  for (std::int64_t j = 0; j < kLanes; ++j) {
    lowest[j] = of_channel[j % kChannels].lowest;
    highest[j] = of_channel[j % kChannels].highest;
    scale[j] = of_channel[j % kChannels].scale;
  }
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
#pragma GCC ivdep
    for (std::int64_t j = 0; j < kLanes; ++j) out[i + j] = stretched(in[i + j], {lowest[j], highest[j], scale[j]});
  }
  for (std::int64_t j = 0; i + j < count; ++j) out[i + j] = stretched(in[i + j], {lowest[j], highest[j], scale[j]});
}

void stretch(const Stretch* of_channel, std::int64_t channels, const float* in, std::int64_t in_step, float* out,
             std::int64_t out_step, std::int64_t count) {
  if (channels == 3) return stretch_run<3>(of_channel, in, out, count);
  if (in_step == 1 && out_step == 1) return stretch_run<1>(of_channel, in, out, count);
  for (std::int64_t i = 0; i < count; ++i) out[i * out_step] = stretched(in[i * in_step], of_channel[0]);
}

template <bool kDense>
void sharpen_values(float factor, const float* const rows[3], std::int64_t distance, std::int64_t in_step, float* out,
                    std::int64_t out_step, std::int64_t count) {
  const float* __restrict above = rows[0];
  const float* __restrict row = rows[1];
  const float* __restrict below = rows[2];
  float* __restrict to = out;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = kDense ? i : i * in_step;
    const auto three = [&](const float* p) { return sum_of_three(p[at - distance], p[at], p[at + distance]); };
    to[kDense ? i : i * out_step] = sharpened(three(above), three(row), three(below), row[at], factor);
  }
}

void sharpen(float factor, const float* const rows[3], std::int64_t distance, std::int64_t in_step, float* out,
             std::int64_t out_step, std::int64_t count) {
  if (in_step == 1 && out_step == 1) return sharpen_values<true>(factor, rows, distance, 1, out, 1, count);
  sharpen_values<false>(factor, rows, distance, in_step, out, out_step, count);
}

// Where up to 64 pixels of a row come from; negative or too large is outside.
constexpr std::int32_t kPlaces = 64;
struct Places {
  std::int32_t x[kPlaces], y[kPlaces];
};

void find_fixed(const Warp& warp, std::int32_t x, std::int32_t y, std::int32_t count, Places& places) {
  const std::int64_t x_in = warp.a2 + std::int64_t{warp.a0} * x + std::int64_t{warp.a1} * y;
  const std::int64_t y_in = warp.a5 + std::int64_t{warp.a3} * x + std::int64_t{warp.a4} * y;
  for (std::int32_t i = 0; i < count; ++i) {
    places.x[i] = static_cast<std::int32_t>((x_in + std::int64_t{warp.a0} * i) >> 16);
    places.y[i] = static_cast<std::int32_t>((y_in + std::int64_t{warp.a3} * i) >> 16);
  }
}

void find_serial(const Warp& w, const ImageView<const float>& in, std::int32_t x, std::int32_t y, std::int32_t count,
                 Places& places) {
  for (std::int32_t i = 0; i < count; ++i) {
    places.x[i] = serial_coordinate(w.start_x, w.m[1], y, w.m[0], x + i, w.relative_error, in.width);
    places.y[i] = serial_coordinate(w.start_y, w.m[4], y, w.m[3], x + i, w.relative_error, in.height);
  }
}

// Pixels of kChannels channels, side by side in both where kDense.
template <int kChannels, bool kDense>
struct Pixels {
  const ImageView<const float>& in;
  const float* fill;
  const ImageView<float>& out;

  std::int64_t in_step() const { return kDense ? 1 : in.channel_stride; }
  std::int64_t out_step() const { return kDense ? 1 : out.channel_stride; }

  void pick(const Places& places, std::int32_t count, float* to) const {
    const auto width = static_cast<std::uint32_t>(in.width);
    const auto height = static_cast<std::uint32_t>(in.height);
    for (std::int32_t i = 0; i < count; ++i, to += out.pixel_stride) {
      const std::int32_t x = places.x[i];
      const std::int32_t y = places.y[i];
      const bool inside = (static_cast<std::uint32_t>(x) < width) & (static_cast<std::uint32_t>(y) < height);
      const float* from = inside ? in.data + y * in.row_stride + x * in.pixel_stride : fill;
      const std::int64_t step = inside ? in_step() : 1;
      for (int c = 0; c < kChannels; ++c) to[c * out_step()] = from[c * step];
    }
  }

  void bilinear_row(const Warp& warp, std::int32_t y) const {
    float* to = out.data + y * out.row_stride;
    for (std::int32_t x = 0; x < static_cast<std::int32_t>(out.width); ++x, to += out.pixel_stride) {
      const BilinearPlace place = bilinear_place(warp, in, x, y);
      for (int c = 0; c < kChannels; ++c) {
        to[c * out_step()] = place.inside ? bilinear_value(place, in.data + c * in_step()) : fill[c];
      }
    }
  }

  void nearest_row(const Warp& warp, std::int32_t y) const {
    const auto width = static_cast<std::int32_t>(out.width);
    for (std::int32_t x = 0; x < width; x += kPlaces) {
      const std::int32_t count = width - x < kPlaces ? width - x : kPlaces;
      Places places;
      if (warp.path == WarpPath::fixed) {
        find_fixed(warp, x, y, count, places);
      } else {
        find_serial(warp, in, x, y, count, places);
      }
      pick(places, count, out.data + y * out.row_stride + x * out.pixel_stride);
    }
  }

  void warp(const Warp& warp) const {
    for (std::int32_t y = 0; y < static_cast<std::int32_t>(out.height); ++y) {
      warp.path == WarpPath::bilinear ? bilinear_row(warp, y) : nearest_row(warp, y);
    }
  }
};

void warp(const Warp& warp, const ImageView<const float>& in, const float* fill, const ImageView<float>& out) {
  if (in.channels == 1) return Pixels<1, true>{in, fill, out}.warp(warp);
  if (in.channel_stride == 1 && out.channel_stride == 1) return Pixels<3, true>{in, fill, out}.warp(warp);
  Pixels<3, false>{in, fill, out}.warp(warp);
}

void copy_rgb(const float* in, std::int64_t in_step, float* out, std::int64_t out_step, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i, in += in_step, out += out_step) {
    const float r = in[0];
    const float g = in[1];
    const float b = in[2];
    out[0] = r;
    out[1] = g;
    out[2] = b;
  }
}

}  // namespace

extern const FloatLoops float_loops;
const FloatLoops float_loops{map_values, sum_values, luma_sum, color, hue, range, stretch, sharpen, warp, copy_rgb};

}  // namespace leaven::LEAVEN_ISA
