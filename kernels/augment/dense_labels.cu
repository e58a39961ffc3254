#include "kernels/augment/dense_labels.hpp"

#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kThreads = 256;

// What: mixed labels to dense rows.
// Who: blockIdx.x counts rows, blockIdx.y the parts of a row, a thread takes one value at a time.
// Traffic: the labels of a row from the cache; each value written once, neighbours side by side.
// Limits: none.
__global__ void __launch_bounds__(kThreads) dense_labels_kernel(DenseLabelsJob job) {
  for (std::int64_t row = blockIdx.x; row < job.count; row += gridDim.x) {
    const std::int64_t step = std::int64_t{gridDim.y} * blockDim.x;
    for (std::int64_t c = std::int64_t{blockIdx.y} * blockDim.x + threadIdx.x; c < job.classes; c += step) {
      job.rows[row * job.classes + c] = dense_label(job, row, c);
    }
  }
}

}  // namespace
}  // namespace cuda

void dense_labels_cuda(const DenseLabelsJob& job, CUstream_st* stream) {
  const unsigned threads = job.classes <= 32 ? 32 : (job.classes <= 128 ? 128 : cuda::kThreads);
  const dim3 grid(cuda::grid_for(job.count, 1), cuda::grid_for(job.classes, 4 * threads, 65535));
  cuda::launch("dense_labels", cuda::dense_labels_kernel, grid, dim3(threads), 0, stream, job);
}

}  // namespace leaven
