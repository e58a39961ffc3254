#include "kernels/augment/random_erase.hpp"

#include "kernels/augment/image_op.cuh"

namespace leaven::cuda {

template void image_ops_cuda(const char*, const RandomEraseSource&, const ImageView<const std::uint8_t>&,
                             const WarpOptions&, const ImageView<std::uint8_t>&, CUstream_st*);

}  // namespace leaven::cuda
