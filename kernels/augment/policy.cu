#include "kernels/augment/policy.hpp"

#include "kernels/augment/image_op.cuh"

namespace leaven::cuda {

// Each layer is one launch: what is done to an image is drawn by the block that works on it.
template void image_ops_cuda(const char*, const PolicySource&, const ImageView<const std::uint8_t>&, const WarpOptions&,
                             const ImageView<std::uint8_t>&, CUstream_st*);

}  // namespace leaven::cuda
