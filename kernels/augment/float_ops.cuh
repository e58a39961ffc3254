#pragma once

#include <cstdint>
#include <type_traits>

#include <leaven/augment.hpp>
#include "kernels/augment/float_image.cuh"
#include "kernels/augment/float_ops.hpp"
#include "kernels/augment/float_warp.cuh"
#include "kernels/augment/op_source.hpp"
#include "kernels/core/launch.cuh"

namespace leaven::cuda {

inline constexpr std::uint32_t kFloatTurnKinds =
    kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::flip_left_right) | kind_bit(ImageOpKind::flip_top_bottom) |
    kind_bit(ImageOpKind::flip_both) | kind_bit(ImageOpKind::rotate_90) | kind_bit(ImageOpKind::rotate_270);
inline constexpr std::uint32_t kFloatWarpKinds = kind_bit(ImageOpKind::affine) | kind_bit(ImageOpKind::perspective);
inline constexpr std::uint32_t kFloatMoveKinds = kFloatTurnKinds | kFloatWarpKinds;
inline constexpr std::uint32_t kFloatRgbKinds = kind_bit(ImageOpKind::color) | kind_bit(ImageOpKind::hue);
inline constexpr std::uint32_t kFloatWholeKinds =
    kind_bit(ImageOpKind::contrast) | kind_bit(ImageOpKind::autocontrast);  // look at the whole image
inline constexpr std::uint32_t kFloatStageKinds = kFloatMoveKinds | kFloatRgbKinds | kind_bit(ImageOpKind::contrast);

// What the threads of a block share.
struct Nothing {};
template <std::uint32_t kKinds>
struct FloatState {
  ImageOp op;
  Warp warp;
  std::int64_t warp_sums[kMostWarps];
  std::conditional_t<(kKinds & kind_bit(ImageOpKind::autocontrast)) != 0, ChannelStretches, Nothing> stretches;
  alignas(16) std::conditional_t<(kKinds & kFloatStageKinds) != 0, FloatStage, Nothing> stages;
};

struct FloatJob {
  FloatIn in;
  FloatOut out;
  WarpOptions options;
  double per_luma_unit;
};

// Applies state.op to one image, or to this block's part of it. Only the kinds in kKinds are compiled in; a source
// delivers either moves or one pixel operation.
template <std::uint32_t kKinds, WarpKernel kWarpPaths>
__device__ void apply_float_op(FloatState<kKinds>& state, const FloatJob& job, Part part) {
  const auto& [in, out, options, per_unit] = job;
  const ImageOpKind kind = state.op.kind;
  if constexpr ((kKinds & kFloatWarpKinds) != 0) {
    if ((kind_bit(kind) & kFloatWarpKinds) != 0) {
      const FloatFill fill = float_fill(options.fill);
      if constexpr (kWarpPaths == WarpKernel::sampled) {
        if (in.channels == 1) return sample_float_image<1>(state.warp, in, out, fill, part, state.stages);
        return sample_float_image<3>(state.warp, in, out, fill, part, state.stages);
      }
      if (in.channels == 1) return warp_float_image<1>(state.warp, in, out, fill, part, state.stages);
      return warp_float_image<3>(state.warp, in, out, fill, part, state.stages);
    }
  }
  if constexpr ((kKinds & kFloatTurnKinds) != 0) {
    if (in.channels == 1) return turn_float_image<1>(kind, in, out, part, state.stages);
    return turn_float_image<3>(kind, in, out, part, state.stages);
  }
  if constexpr ((kKinds & kFloatMoveKinds) == 0) {
    if constexpr ((kKinds & kind_bit(ImageOpKind::sharpness)) != 0) {
      return sharpen_float_image(state.op.value, in, out, part);
    } else if constexpr ((kKinds & kind_bit(ImageOpKind::autocontrast)) != 0) {
      return stretch_float_image(in, out, state.stretches);
    } else if constexpr ((kKinds & kind_bit(ImageOpKind::erase)) != 0) {
      return erase_float_image(state.op, in, out, part);
    } else {
      float mean = 0;
      if constexpr ((kKinds & kind_bit(ImageOpKind::color)) != 0) {
        if (in.channels == 3) return map_rgb_image(ColouredPixel{state.op.value}, in, out, part, state.stages);
      }
      if constexpr ((kKinds & kind_bit(ImageOpKind::hue)) != 0) {
        if (in.channels == 3) return map_rgb_image(HuePixel{state.op.value}, in, out, part, state.stages);
      }
      if constexpr ((kKinds & kind_bit(ImageOpKind::contrast)) != 0) {
        mean = float_mean_luma(in, per_unit, state.stages, state.warp_sums);
      }
      map_float_image<kKinds>(float_map(state.op, mean), in, out, part);
    }
  }
}

// What: out[i] = source(i) applied to in[i], f32 images.
// Who: blockIdx.x counts images, blockIdx.y the blocks of an image; thread 0 asks the source and prepares the warp.
// Traffic: pixel operations read and write each value once in 16-byte vectors (contrast and autocontrast read it twice,
// one block an image; autocontrast, sharpness and erase single values); geometry reads values where they lie and writes
// neighbouring ones together.
// Limits: any strides, any count; at most 256 threads; no part of an image depends on another block.
template <class Source, WarpKernel kWarpPaths>
__global__ void __launch_bounds__(kMostThreads, kWarpPaths == WarpKernel::sampled ? 1 : 4)
    float_ops_kernel(Source source, FloatJob job, std::int64_t first_image) {
  constexpr std::uint32_t kKinds = Source::kKinds;
  __shared__ FloatState<kKinds> state;
  const std::int64_t image = first_image + blockIdx.x;
  if (threadIdx.x == 0) {
    state.op = source(image);
    if constexpr ((kKinds & kFloatWarpKinds) != 0) {
      if ((kind_bit(state.op.kind) & kFloatWarpKinds) != 0) {
        state.warp = make_warp(state.op, job.options.interpolation, job.options.border, job.out.height, job.out.width);
      }
    }
  }
  __syncthreads();
  job.in.data += image * job.in.image_stride;
  job.out.data += image * job.out.image_stride;
  apply_float_op<kKinds, kWarpPaths>(state, job, {blockIdx.y, gridDim.y});
}

template <class Source>
auto float_ops_kernel_for(const WarpOptions& options) {
  if constexpr (can_be_sampled<Source>()) {
    if (is_sampled<Source>(options)) return float_ops_kernel<Source, WarpKernel::sampled>;
  }
  constexpr bool kAlways = always_sampled<Source>();
  return float_ops_kernel < Source, kAlways ? WarpKernel::sampled : WarpKernel::usual > ;
}

template <class Source>
void float_ops_cuda(const char* function, const Source& source, const ImageView<const float>& in,
                    const WarpOptions& options, const ImageView<float>& out, CUstream_st* stream) {
  constexpr std::int64_t kPartValues = 4096;
  constexpr std::int64_t kMostBlocks = 0x7fffffff;  // more images than that take a second launch
  const std::int64_t values = out.height * out.width * out.channels;
  if (values == 0) return;
  // An operation that looks at the whole image may be in place: one block reads all before it writes.
  constexpr std::int64_t kMostParts = (Source::kKinds & kFloatWholeKinds) != 0 ? 1 : 65535;
  const unsigned parts = grid_for(values, kPartValues, kMostParts);
  const unsigned threads = values <= 512 ? 64 : (values <= 2048 ? 128 : kMostThreads);
  const FloatJob job{in, out, options, per_luma_unit(in.height, in.width)};
  for (std::int64_t first = 0; first < in.count; first += kMostBlocks) {
    launch(function, float_ops_kernel_for<Source>(options), dim3(grid_for(in.count - first, 1), parts), dim3(threads),
           0, stream, source, job, first);
  }
}

}  // namespace leaven::cuda
