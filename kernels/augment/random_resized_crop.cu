#include "kernels/augment/random_resized_crop.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kThreads = 128;

// What: draws the crops of a batch and writes them as images, or where they are.
// Who: a thread works on one image.
// Traffic: an id in; at most 48 bytes in and out per image.
// Limits: none.
__global__ void __launch_bounds__(kThreads) resized_crops_kernel(ResizedCropJob job) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t image = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; image < job.count; image += step) {
    write_resized_crop(job, image);
  }
}

}  // namespace
}  // namespace cuda

void resized_crops_cuda(const ResizedCropJob& job, CUstream_st* stream) {
  cuda::launch("random_resized_crop", cuda::resized_crops_kernel, dim3(cuda::grid_for(job.count, cuda::kThreads)),
               dim3(cuda::kThreads), 0, stream, job);
}

}  // namespace leaven
