#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/image_op.hpp"
#include "kernels/augment/image_ops_cuda.hpp"

namespace leaven {

// Applies `op` to the first image of `in` (any strides) and writes the first image of `out`, on the calling thread,
// with the loops of the chosen instruction set. Shapes are the caller's to check: only `affine` may have an output of
// another size. Pixel operations may have the same view as input and output.
void apply_image_op(const ImageOp& op, ImageView<const std::uint8_t> in, const WarpOptions& options,
                    ImageView<std::uint8_t> out);

// The same for all images of the views.
void apply_alike(const ImageOp& op, ImageView<const std::uint8_t> in, const WarpOptions& options,
                 ImageView<std::uint8_t> out);

// Applies source(i), an ImageOp, to image i, for all images, on the threads of the pool.
template <class Source>
void apply_image_ops(const Source& source, const ImageView<const std::uint8_t>& in, const WarpOptions& options,
                     const ImageView<std::uint8_t>& out) {
  const std::int64_t bytes = out.height * out.width * out.channels;
  const std::int64_t grain = bytes >= 32768 ? 1 : 32768 / (bytes + 1);
  parallel_for(in.count, grain, [&](std::int64_t begin, std::int64_t end) {
    if constexpr (requires { source.is_uniform(); }) {
      const std::int64_t count = end - begin;
      if (source.is_uniform()) return apply_alike(source(0), in.slice(begin, count), options, out.slice(begin, count));
    }
    for (std::int64_t i = begin; i < end; ++i) apply_image_op(source(i), in.slice(i, 1), options, out.slice(i, 1));
  });
}

// The same on the stream's backend. For CUDA, a .cu file instantiates image_ops_cuda for the source.
template <class Source>
void run_image_ops(const char* function, const Source& source, const ImageView<const std::uint8_t>& in,
                   const WarpOptions& options, const ImageView<std::uint8_t>& out, Stream stream) {
  if (out.shape().size() == 0) return;
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::image_ops_cuda(function, source, in, options, out, stream.cuda_handle());
    }
  }
  apply_image_ops(source, in, options, out);
}

}  // namespace leaven
