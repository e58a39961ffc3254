#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/image_op.hpp"
#include "kernels/core/launch.cuh"

namespace leaven::cuda {

// Applies source(i) to image i for all images, in one launch. Source: see op_source.hpp. Shapes are the caller's to check.
template <class Source>
void launch_image_ops(const char* function, const Source& source, const ImageView<const std::uint8_t>& in,
                      const WarpOptions& options, const ImageView<std::uint8_t>& out, cudaStream_t stream);

}  // namespace leaven::cuda
