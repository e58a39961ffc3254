#pragma once

#include <cstdint>
#include <type_traits>

#include <leaven/augment.hpp>
#include "kernels/augment/color.cuh"
#include "kernels/augment/image_op.hpp"
#include "kernels/augment/image_ops_cuda.hpp"
#include "kernels/augment/pixel.cuh"
#include "kernels/augment/sharpness.cuh"
#include "kernels/augment/tables.cuh"
#include "kernels/augment/warp.cuh"
#include "kernels/core/launch.cuh"

namespace leaven::cuda {

inline constexpr std::uint32_t kMapKinds = kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::brightness) |
                                           kind_bit(ImageOpKind::brightness_offset) | kind_bit(ImageOpKind::contrast) |
                                           kind_bit(ImageOpKind::color) | kind_bit(ImageOpKind::hue) |
                                           kind_bit(ImageOpKind::posterize) | kind_bit(ImageOpKind::solarize) |
                                           kind_bit(ImageOpKind::solarize_add) | kind_bit(ImageOpKind::invert);
inline constexpr std::uint32_t kWarpKinds = kind_bit(ImageOpKind::affine) | kind_bit(ImageOpKind::perspective);
inline constexpr std::uint32_t kTableKinds = kind_bit(ImageOpKind::autocontrast) | kind_bit(ImageOpKind::equalize);
inline constexpr std::uint32_t kTurnKinds = kind_bit(ImageOpKind::flip_left_right) |
                                            kind_bit(ImageOpKind::flip_top_bottom) | kind_bit(ImageOpKind::flip_both) |
                                            kind_bit(ImageOpKind::rotate_90) | kind_bit(ImageOpKind::rotate_270);

// What the threads of a block share.
struct NoTables {};
template <std::uint32_t kKinds>
struct BlockState {
  ImageOp op;
  Warp warp;
  std::uint64_t warp_sums[kMostWarps];
  std::conditional_t<(kKinds & kTableKinds) != 0, ChannelTables, NoTables> tables;
};

// hue and erase, for write_pixels.
struct HuePixels {
  std::int32_t shift;
  const InView& in;
  __device__ std::uint32_t operator()(std::int32_t x, std::int32_t y) const {
    return hue_pixel(load_pixel(in.data + pixel_offset(in, x, y), in.channel_stride), shift);
  }
};

template <int kChannels>
struct ErasedPixels {
  const ImageOp& op;
  const InView& in;
  __device__ std::uint32_t operator()(std::int32_t x, std::int32_t y) const {
    if (x >= op.m[0] && y >= op.m[1] && x < op.m[2] && y < op.m[3]) return static_cast<std::uint32_t>(op.m[4]);
    return pixel_at<kChannels>(in, x, y);
  }
};

// Applies state.op to one image, or to this block's part of it. Only the kinds in kKinds are compiled in.
template <std::uint32_t kKinds, WarpKernel kWarpPaths>
__device__ __forceinline__ void apply_image_op(BlockState<kKinds>& state, uint4* stages, const InView& in,
                                               const OutView& out, const WarpOptions& options, Part part) {
  const ImageOpKind kind = state.op.kind;
  if constexpr ((kKinds & kWarpKinds) != 0) {
    if ((kind_bit(kind) & kWarpKinds) != 0) {
      if constexpr (kWarpPaths == WarpKernel::sampled) {
        if (in.channels == 1) return sample_image<1>(state.warp, in, out, pixel_word(options.fill), part, stages);
        return sample_image<3>(state.warp, in, out, pixel_word(options.fill), part, stages);
      }
      if (in.channels == 1) return warp_image<1>(state.warp, in, out, pixel_word(options.fill), part, stages);
      return warp_image<3>(state.warp, in, out, pixel_word(options.fill), part, stages);
    }
  }
  if constexpr ((kKinds & kTurnKinds) != 0) {
    if (is_geometry(kind)) {
      if (in.channels == 1) return turn_image<1>(kind, in, out, part, stages);
      return turn_image<3>(kind, in, out, part, stages);
    }
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::sharpness)) != 0) {
    if (kind == ImageOpKind::sharpness) {
      if (in.channels == 1) return sharpen_image<1>(state.op.value, in, out, part, stages);
      return sharpen_image<3>(state.op.value, in, out, part, stages);
    }
  }
  if constexpr ((kKinds & kTableKinds) != 0) {
    if ((kind_bit(kind) & kTableKinds) != 0) {
      if (in.channels == 1) return apply_tables<1>(kind, state.tables, in, out, part, stages);
      return apply_tables<3>(kind, state.tables, in, out, part, stages);
    }
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::color)) != 0) {
    if (kind == ImageOpKind::color && in.channels == 3) return color_image(state.op.value, in, out, part, stages);
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::hue)) != 0) {
    if (kind == ImageOpKind::hue && in.channels == 3) {
      return write_pixels<3>(out, part, stages, HuePixels{static_cast<std::int32_t>(state.op.value), in});
    }
  }
  if constexpr ((kKinds & kind_bit(ImageOpKind::erase)) != 0) {
    if (kind == ImageOpKind::erase) {
      if (in.channels == 1) return write_pixels<1>(out, part, stages, ErasedPixels<1>{state.op, in});
      return write_pixels<3>(out, part, stages, ErasedPixels<3>{state.op, in});
    }
  }
  if constexpr ((kKinds & kMapKinds) != 0) {
    std::int32_t mean = 0;
    if constexpr ((kKinds & kind_bit(ImageOpKind::contrast)) != 0) {
      if (kind == ImageOpKind::contrast) mean = mean_luma(in, stages, state.warp_sums);
    }
    map_image<kKinds>(pixel_map(state.op, mean), in, out, part);
  }
}

// 16-byte vectors of shared memory in which warps put bytes into order.
template <std::uint32_t kKinds>
inline constexpr int kStageVectors = (kKinds & (kind_bit(ImageOpKind::color) | kind_bit(ImageOpKind::contrast))) != 0
                                         ? kMostWarps* kWarpVectors
                                     : (kKinds&(kTurnKinds | kTableKinds | kWarpKinds | kind_bit(ImageOpKind::hue) |
                                                kind_bit(ImageOpKind::erase) | kind_bit(ImageOpKind::sharpness))) != 0
                                         ? kMostWarps* kWarpPixels * 3 / 16
                                         : 1;

// What: out[i] = source(i) applied to in[i].
// Who: blockIdx.x counts images, blockIdx.y the blocks of an image; thread 0 asks the source and prepares the warp.
// Traffic: pixel operations read and write each value once in 16-byte vectors (contrast reads it twice, and each block
// of an image reads all of it); geometry reads bytes where they lie and writes 16-byte vectors.
// Limits: any strides, any count; at most 256 threads; no part of an image depends on another block.
template <class Source, WarpKernel kWarpPaths>
__global__ void __launch_bounds__(kMostThreads, kWarpPaths == WarpKernel::sampled ? 1 : 4)
    image_ops_kernel(Source source, InView in, WarpOptions options, OutView out, std::int64_t first_image) {
  constexpr std::uint32_t kKinds = Source::kKinds;
  __shared__ BlockState<kKinds> state;
  __shared__ uint4 stages[kStageVectors<kKinds>];
  const std::int64_t image = first_image + blockIdx.x;
  if (threadIdx.x == 0) {
    state.op = source(image);
    if constexpr ((kKinds & kWarpKinds) != 0) {
      if ((kind_bit(state.op.kind) & kWarpKinds) != 0) {
        state.warp = make_warp(state.op, options.interpolation, options.border, out.height, out.width);
      }
    }
  }
  __syncthreads();
  in.data += image * in.image_stride;
  out.data += image * out.image_stride;
  apply_image_op<kKinds, kWarpPaths>(state, stages, in, out, options, {blockIdx.y, gridDim.y});
}

template <class Source>
auto image_ops_kernel_for(const WarpOptions& options) {
  if constexpr (can_be_sampled<Source>()) {
    if (is_sampled<Source>(options)) return image_ops_kernel<Source, WarpKernel::sampled>;
  }
  constexpr bool kAlways = always_sampled<Source>();
  return image_ops_kernel < Source, kAlways ? WarpKernel::sampled : WarpKernel::usual > ;
}

template <class Source>
void image_ops_cuda(const char* function, const Source& source, const ImageView<const std::uint8_t>& in,
                    const WarpOptions& options, const ImageView<std::uint8_t>& out, CUstream_st* stream) {
  constexpr std::int64_t kPartBytes = 16384;
  constexpr std::int64_t kMostBlocks = 0x7fffffff;  // more images than that take a second launch
  // Operations that look at the whole image: each block of it does so, and a single operation may be in place.
  constexpr std::uint32_t kWholeKinds = kind_bit(ImageOpKind::contrast) | kTableKinds;
  const std::int64_t bytes = out.height * out.width * out.channels;
  if (bytes == 0) return;
  constexpr bool kOnlyWhole = (Source::kKinds & ~kWholeKinds) == 0;
  const std::int64_t most_parts = kOnlyWhole ? 1 : ((Source::kKinds & kWholeKinds) != 0 ? 4 : 65535);
  const unsigned parts = grid_for(bytes, kPartBytes, most_parts);
  const unsigned threads = bytes <= 1024 ? 64 : (bytes <= 4096 ? 128 : kMostThreads);
  for (std::int64_t first = 0; first < in.count; first += kMostBlocks) {
    launch(function, image_ops_kernel_for<Source>(options), dim3(grid_for(in.count - first, 1), parts), dim3(threads),
           0, stream, source, in, options, out, first);
  }
}

}  // namespace leaven::cuda
