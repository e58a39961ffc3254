#include "kernels/augment/aug_mix.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kThreads = 256;

// What: out = own weight * image + the weighted chains.
// Who: blockIdx.x counts images, blockIdx.y the parts of an image; thread 0 draws, a thread takes a value at a time.
// Traffic: each value of the image and its chains read once, neighbours side by side where packed; each result written
// once.
// Limits: chains packed, any strides of the rest.
__global__ void __launch_bounds__(kThreads) aug_mix_kernel(AugMixJob job) {
  __shared__ AugMixWeights weights;
  const std::int64_t values = job.in.height * job.in.width * job.in.channels;
  for (std::int64_t image = blockIdx.x; image < job.in.count; image += gridDim.x) {
    __syncthreads();  // nobody still reads the weights of the image before
    if (threadIdx.x == 0) draw_aug_mix(job.policy, image, weights);
    __syncthreads();
    const std::int64_t step = std::int64_t{gridDim.y} * blockDim.x;
    for (std::int64_t i = std::int64_t{blockIdx.y} * blockDim.x + threadIdx.x; i < values; i += step) {
      const std::int64_t pixel = i / job.in.channels;
      const std::int64_t c = i - pixel * job.in.channels;
      const std::int64_t y = pixel / job.in.width;
      const std::int64_t x = pixel - y * job.in.width;
      job.out.data[image * job.out.image_stride + y * job.out.row_stride + x * job.out.pixel_stride +
                   c * job.out.channel_stride] = aug_mix_value(job, weights, image, pixel, c);
    }
  }
}

}  // namespace
}  // namespace cuda

void aug_mix_cuda(const char* function, const AugMixJob& job, CUstream_st* stream) {
  const std::int64_t values = job.in.height * job.in.width * job.in.channels;
  const dim3 grid(cuda::grid_for(job.in.count, 1), cuda::grid_for(values, 4 * cuda::kThreads, 65535));
  cuda::launch(function, cuda::aug_mix_kernel, grid, dim3(cuda::kThreads), 0, stream, job);
}

}  // namespace leaven
