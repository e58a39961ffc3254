#include "kernels/augment/targets.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kThreads = 128;

// What: the output-to-input map of each image's geometry.
// Who: a thread works on one image.
// Traffic: an id in, 48 bytes out per image.
// Limits: none.
__global__ void __launch_bounds__(kThreads) geometry_kernel(GeometryJob job) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t image = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; image < job.count; image += step) {
    write_geometry(job, image);
  }
}

// What: key points or boxes, moved by the maps of their images.
// Who: a thread works on one of them.
// Traffic: 16 or 32 bytes in and out, and a map from the cache.
// Limits: none.
__global__ void __launch_bounds__(kThreads) move_targets_kernel(TargetsJob job) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < job.count; i += step) {
    move_target(job, i);
  }
}

}  // namespace
}  // namespace cuda

void geometry_cuda(const GeometryJob& job, CUstream_st* stream) {
  cuda::launch("Augmenter::geometry", cuda::geometry_kernel, dim3(cuda::grid_for(job.count, cuda::kThreads)),
               dim3(cuda::kThreads), 0, stream, job);
}

void move_targets_cuda(const char* function, const TargetsJob& job, CUstream_st* stream) {
  cuda::launch(function, cuda::move_targets_kernel, dim3(cuda::grid_for(job.count, cuda::kThreads)),
               dim3(cuda::kThreads), 0, stream, job);
}

}  // namespace leaven
