#pragma once

#include <cstdint>

namespace leaven::nn {

// kWidth neighbouring floats, moved in one access.
template <int kWidth>
struct alignas(4 * kWidth) Pack {
  float at[kWidth];
};

template <int kWidth>
__device__ Pack<kWidth> load_pack(const float* address) {
  return *reinterpret_cast<const Pack<kWidth>*>(address);
}
template <int kWidth>
__device__ void store_pack(float* address, const Pack<kWidth>& pack) {
  *reinterpret_cast<Pack<kWidth>*>(address) = pack;
}

}  // namespace leaven::nn
