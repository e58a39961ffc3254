#pragma once

#include <cstdint>

#include "kernels/augment/warp.cuh"

// autocontrast and equalize: for one block on its part of one image.
namespace leaven::cuda {

// A table for each channel, made from the channel's histogram.
struct ChannelTables {
  std::uint32_t counts[3][256];
  std::uint8_t values[3][256];
};

struct ContrastScales {
  double of_range[256];
};
constexpr ContrastScales contrast_scales() {
  ContrastScales scales{};
  for (int range = 1; range < 256; ++range) scales.of_range[range] = 255.0 / range;
  return scales;
}
static __constant__ ContrastScales kContrastScales = contrast_scales();  // a division would be a function call

__device__ inline void clear_counts(ChannelTables& tables) {
  for (unsigned i = threadIdx.x; i < 3 * 256; i += blockDim.x) (&tables.counts[0][0])[i] = 0;
  __syncthreads();
}

template <int kChannels>
__device__ __forceinline__ void count_pixel(ChannelTables& tables, std::uint32_t pixel) {
#pragma unroll
  for (int c = 0; c < kChannels; ++c) atomicAdd(&tables.counts[c][pixel >> (8 * c) & 255], 1u);
}

// The tables of one channel, by one warp.
__device__ inline void make_table(ImageOpKind kind, const std::uint32_t* counts, std::uint8_t* values) {
  const std::uint32_t first = 8 * lane_id();  // of this lane's entries
  std::uint32_t below = 0;                    // counts of all lanes before
  std::int32_t lowest = 256;
  std::int32_t highest = -1;
  for (std::uint32_t i = first; i < first + 8; ++i) {
    below += counts[i];
    if (counts[i] == 0) continue;
    highest = static_cast<std::int32_t>(i);
    lowest = lowest < 256 ? lowest : static_cast<std::int32_t>(i);
  }
  const std::uint32_t own = below;
  for (int step = 1; step < 32; step *= 2) {
    const std::uint32_t other = __shfl_up_sync(~0u, below, step);
    below += lane_id() >= static_cast<unsigned>(step) ? other : 0;
  }
  const std::uint32_t all = __shfl_sync(~0u, below, 31);
  below -= own;
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    lowest = min(lowest, __shfl_xor_sync(~0u, lowest, lanes));
    highest = max(highest, __shfl_xor_sync(~0u, highest, lanes));
  }
  const bool one_value = highest <= lowest;
  const std::uint32_t step = one_value ? 0 : (all - counts[highest]) / 255;
  const double scale = one_value ? 0.0 : kContrastScales.of_range[highest - lowest];
  for (std::uint32_t i = first; i < first + 8; ++i) {
    std::int32_t value = static_cast<std::int32_t>(i);
    if (kind == ImageOpKind::autocontrast) {
      if (!one_value) value = autocontrast_entry(value, lowest, scale);
    } else if (step > 0) {
      value = equalize_entry(below, step);
    }
    values[i] = static_cast<std::uint8_t>(value);
    below += counts[i];
  }
}

// From complete counts. Contains barriers; at least one warp.
template <int kChannels>
__device__ void make_tables(ImageOpKind kind, ChannelTables& tables) {
  __syncthreads();
  for (unsigned c = warp_id(); c < kChannels; c += blockDim.x / 32)
    make_table(kind, tables.counts[c], tables.values[c]);
  __syncthreads();
}

template <int kChannels>
__device__ __forceinline__ std::uint32_t look_up(const std::uint8_t (*values)[256], std::uint32_t pixel) {
  std::uint32_t result = values[0][pixel & 255];
  if (kChannels == 3) {
    result |= static_cast<std::uint32_t>(values[1][pixel >> 8 & 255]) << 8;
    result |= static_cast<std::uint32_t>(values[2][pixel >> 16 & 255]) << 16;
  }
  return result;
}

template <int kChannels>
__device__ void apply_tables(ImageOpKind kind, ChannelTables& tables, const InView& in, const OutView& out, Part part,
                             uint4* stages) {
  clear_counts(tables);
  const auto pixels = static_cast<std::uint32_t>(in.height * in.width);
  Cursor at(threadIdx.x, static_cast<std::uint32_t>(in.width));
  const Cursor::Step step = at.step_of(blockDim.x);
#pragma unroll 4
  for (std::uint32_t i = threadIdx.x; i < pixels; i += blockDim.x, at.advance(step)) {
    count_pixel<kChannels>(tables,
                           pixel_at<kChannels>(in, static_cast<std::int32_t>(at.x), static_cast<std::int32_t>(at.y)));
  }
  make_tables<kChannels>(kind, tables);
  write_pixels<kChannels>(out, part, stages, [&](std::int32_t x, std::int32_t y) {
    return look_up<kChannels>(tables.values, pixel_at<kChannels>(in, x, y));
  });
}

}  // namespace leaven::cuda
