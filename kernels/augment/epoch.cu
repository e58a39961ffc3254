#include "kernels/augment/epoch.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace {

__global__ void advance_epoch_kernel(std::uint32_t* counter) { ++*counter; }

}  // namespace

void advance_epoch_cuda(std::uint32_t* counter, CUstream_st* stream) {
  cuda::launch("advance_epoch", advance_epoch_kernel, dim3(1), dim3(1), 0, stream, counter);
}

}  // namespace leaven
