#pragma once

#include <cstdint>

#include <leaven/augment.hpp>

struct CUstream_st;

namespace leaven::cuda {

// Applies source(i), an ImageOp, to image i for all images, in one launch (see op_source.hpp for what a source is).
// Shapes are the caller's to check. Defined in image_op.cuh; .cu files instantiate it for their sources.
template <class Source>
void image_ops_cuda(const char* function, const Source& source, const ImageView<const std::uint8_t>& in,
                    const WarpOptions& options, const ImageView<std::uint8_t>& out, CUstream_st* stream);

}  // namespace leaven::cuda
