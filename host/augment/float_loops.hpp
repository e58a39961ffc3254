#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/augment/float_rgb.hpp"

// The inner loops of the operations on f32 images, once per instruction set. For pixel operations `in` and `out` are
// the same or do not overlap.
namespace leaven {

// Pixels with three channels, `step` values from pixel to pixel.
template <class T>
struct RgbValues {
  T* red;
  T* green;
  T* blue;
  std::int64_t step;
};

struct FloatLoops {
  // out[i] = map(in[i])
  void (*map)(const FloatMap& map, const float* in, std::int64_t in_step, float* out, std::int64_t out_step,
              std::int64_t count);
  // Sums of luma units; the first of one channel.
  std::int64_t (*sum)(const float* in, std::int64_t step, std::int64_t count);
  std::int64_t (*luma_sum)(const RgbValues<const float>& in, std::int64_t count);
  void (*color)(float factor, const RgbValues<const float>& in, const RgbValues<float>& out, std::int64_t count);
  void (*hue)(float sixths, const RgbValues<const float>& in, const RgbValues<float>& out, std::int64_t count);
  // Widens the ranges to `count` values of `channels` (1 or 3) channels side by side.
  void (*range)(const float* in, std::int64_t step, std::int64_t channels, std::int64_t count, FloatRange* ranges);
  void (*stretch)(const Stretch* of_channel, std::int64_t channels, const float* in, std::int64_t in_step, float* out,
                  std::int64_t out_step, std::int64_t count);
  // `count` values of a row with the rows above and below; neighbours in the row lie `distance` apart.
  void (*sharpen)(float factor, const float* const rows[3], std::int64_t distance, std::int64_t in_step, float* out,
                  std::int64_t out_step, std::int64_t count);
  // Every path of a warp but `outside` and `shift`; the first image of each view.
  void (*warp)(const Warp& warp, const ImageView<const float>& in, const float* fill, const ImageView<float>& out);
  // Pixels of three channels side by side.
  void (*copy_rgb)(const float* in, std::int64_t in_step, float* out, std::int64_t out_step, std::int64_t count);
};

LEAVEN_DECLARE_ISA_TABLE(FloatLoops, float_loops)

}  // namespace leaven
