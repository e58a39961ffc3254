#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/augment/pixel.hpp"

// The inner loops of the pixel operations, once per instruction set. `in` and `out` are the same or do not overlap.
namespace leaven {

// Pixels with three channels, `step` bytes from pixel to pixel.
struct RgbRun {
  const std::uint8_t* red;
  const std::uint8_t* green;
  const std::uint8_t* blue;
  std::int64_t step;
};

struct RgbOutput {
  std::uint8_t* red;
  std::uint8_t* green;
  std::uint8_t* blue;
  std::int64_t step;
};

struct ValueRange {
  std::int32_t lowest = 255;
  std::int32_t highest = 0;
};

struct PixelLoops {
  // out[i] = map(in[i]) for `count` values without gaps, and with gaps.
  void (*map)(const PixelMap& map, const std::uint8_t* in, std::uint8_t* out, std::int64_t count);
  void (*map_strided)(const PixelMap& map, const std::uint8_t* in, std::int64_t in_step, std::uint8_t* out,
                      std::int64_t out_step, std::int64_t count);
  std::uint64_t (*sum)(const std::uint8_t* in, std::int64_t step, std::int64_t count);
  std::uint64_t (*luma_sum)(const RgbRun& in, std::int64_t count);
  void (*color)(float factor, const RgbRun& in, const RgbOutput& out, std::int64_t count);
  // Widens the range to these values.
  void (*range)(const std::uint8_t* in, std::int64_t step, std::int64_t count, ValueRange& range);
  void (*autocontrast_table)(const ValueRange& range, std::uint8_t* table);
  void (*equalize_table)(const std::uint32_t* counts, std::uint8_t* table);
  // Adds to counts[256].
  void (*count)(const std::uint8_t* in, std::int64_t step, std::int64_t count, std::uint32_t* counts);
  // out[i] = table[in[i]].
  void (*look_up)(const std::uint8_t* table, const std::uint8_t* in, std::int64_t in_step, std::uint8_t* out,
                  std::int64_t out_step, std::int64_t count);
  // `count` values of a row with the rows above and below; neighbours in the row lie `distance` apart.
  void (*sharpen)(float factor, const std::uint8_t* const rows[3], std::int64_t distance, std::int64_t in_step,
                  std::uint8_t* out, std::int64_t out_step, std::int64_t count);
};

LEAVEN_DECLARE_ISA_TABLE(PixelLoops, pixel_loops)

}  // namespace leaven
