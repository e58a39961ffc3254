#pragma once

#include <cuda_runtime.h>

namespace leaven::nn {

// kWidth (1 or 4) neighbouring floats, moved in one access.
template <int kWidth>
struct alignas(4 * kWidth) Pack {
  float at[kWidth];
};

template <int kWidth>
__device__ Pack<kWidth> load_pack(const float* address) {
  if constexpr (kWidth == 4) {
    const float4 all = *reinterpret_cast<const float4*>(address);
    return {{all.x, all.y, all.z, all.w}};
  } else {
    return {{*address}};
  }
}
template <int kWidth>
__device__ void store_pack(float* address, const Pack<kWidth>& pack) {
  if constexpr (kWidth == 4) {
    // A plain assignment is now and then split into four stores.
    __stwb(reinterpret_cast<float4*>(address), make_float4(pack.at[0], pack.at[1], pack.at[2], pack.at[3]));
  } else {
    *address = pack.at[0];
  }
}

}  // namespace leaven::nn
