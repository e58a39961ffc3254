#pragma once

#include "kernels/core/launch.cuh"
#include "kernels/nn/pack.cuh"

namespace leaven::nn {

// A map over `size` elements: map.run<kWidth>(i) does elements i .. i + kWidth - 1. Four at a time where `by_four`, the
// last size % 4 one by one.
template <class Map, int kWidth>
__global__ void __launch_bounds__(256) map_kernel(const Map map, const std::int64_t size) {
  const std::int64_t thread = std::int64_t{blockIdx.x} * 256 + threadIdx.x;
  const std::int64_t packed = size / kWidth * kWidth;
  for (std::int64_t i = thread * kWidth; i < packed; i += std::int64_t{gridDim.x} * 256 * kWidth)
    map.template run<kWidth>(i);
  if (kWidth > 1 && thread < size - packed) map.template run<1>(packed + thread);
}

template <class Map>
void launch_map(const char* function, const Map& map, std::int64_t size, bool by_four, CUstream_st* stream) {
  if (size == 0) return;
  if (by_four) {
    cuda::launch(function, map_kernel<Map, 4>, dim3(cuda::grid_for(size, 1024)), dim3(256), 0, stream, map, size);
  } else {
    cuda::launch(function, map_kernel<Map, 1>, dim3(cuda::grid_for(size, 256)), dim3(256), 0, stream, map, size);
  }
}

}  // namespace leaven::nn
