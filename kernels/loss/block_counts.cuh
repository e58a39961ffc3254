#pragma once

#include <cstdint>

namespace leaven::cuda {

inline constexpr std::int64_t kMaxCountBlocks = 1024;  // each adds its counters up once

using Count = unsigned long long;

// Counters that a block adds to with atomicAdd: up to kFew of them in shared memory first, more in place. Integers: the
// order does not matter. All threads of the block call; begin_counts gives what to add to, end_counts adds that to
// `counts`.
template <int kFew>
__device__ Count* begin_counts(Count (&shared)[kFew], Count* counts, std::int64_t size) {
  if (size > kFew) return counts;
  for (int i = static_cast<int>(threadIdx.x); i < size; i += static_cast<int>(blockDim.x)) shared[i] = 0;
  __syncthreads();
  return shared;
}
template <int kFew>
__device__ void end_counts(const Count (&shared)[kFew], Count* counts, std::int64_t size) {
  if (size > kFew) return;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < size; i += static_cast<int>(blockDim.x)) {
    if (shared[i] != 0) atomicAdd(&counts[i], shared[i]);
  }
}

}  // namespace leaven::cuda
