#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/float_rgb.hpp"

namespace leaven {

// Applies `op` to the first image of `in` (any strides) and writes the first image of `out`, on the calling thread,
// with the loops of the chosen instruction set. Shapes are the caller's to check: only warps may have an output of
// another size. Pixel operations may have the same view as input and output.
void apply_float_op(const ImageOp& op, ImageView<const float> in, const WarpOptions& options, ImageView<float> out);

// Applies source(i), an ImageOp, to image i, for all images, on the stream's backend. For CUDA, a .cu file instantiates
// float_ops_cuda for the source.
template <class Source>
void run_float_ops(const char* function, const Source& source, const ImageView<const float>& in,
                   const WarpOptions& options, const ImageView<float>& out, Stream stream) {
  if (out.shape().size() == 0) return;
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::float_ops_cuda(function, source, in, options, out, stream.cuda_handle());
    }
  }
  const std::int64_t values = out.height * out.width * out.channels;
  parallel_for(in.count, 1 + 8192 / values, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) apply_float_op(source(i), in.slice(i, 1), options, out.slice(i, 1));
  });
}

}  // namespace leaven
