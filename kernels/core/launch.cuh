#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace leaven::cuda {

// Throws CudaError "function: text of the CUDA error" unless status is cudaSuccess.
void check(cudaError_t status, const char* function);

// The one place where kernels are launched: every launch is checked.
template <class... Parameters, class... Arguments>
void launch(const char* function, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            cudaStream_t stream, Arguments&&... arguments) {
  kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Arguments&&>(arguments)...);
  check(cudaGetLastError(), function);
}

// Blocks of a one-dimensional grid for `items` at `per_block` each, at most `most`: kernels loop by the grid's stride.
inline unsigned grid_for(std::int64_t items, std::int64_t per_block, std::int64_t most = 0x7fffffff) {
  const std::int64_t blocks = (items + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}

}  // namespace leaven::cuda
