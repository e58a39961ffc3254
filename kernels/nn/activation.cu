#include "kernels/nn/activation.hpp"

#include "kernels/nn/aligned.hpp"
#include "kernels/nn/layers.hpp"
#include "kernels/nn/map.cuh"

namespace leaven::nn {

namespace {

struct ReluForward {
  const float* x;
  float* y;

  template <int kWidth>
  __device__ void run(std::int64_t i) const {
    Pack<kWidth> pack = load_pack<kWidth>(x + i);
#pragma unroll
    for (float& value : pack.at) value = relu_element(value);
    store_pack(y + i, pack);
  }
};

struct ReluBackward {
  const float* y;
  const float* dy;
  float* dx;

  template <int kWidth>
  __device__ void run(std::int64_t i) const {
    const Pack<kWidth> output = load_pack<kWidth>(y + i);
    Pack<kWidth> gradient = load_pack<kWidth>(dy + i);
#pragma unroll
    for (int c = 0; c < kWidth; ++c) gradient.at[c] = relu_gradient_element(output.at[c], gradient.at[c]);
    store_pack(dx + i, gradient);
  }
};

}  // namespace

void relu_forward_cuda(std::int64_t size, const float* x, float* y, CUstream_st* stream) {
  launch_map("relu_forward", ReluForward{x, y}, size, aligned_to_16(x) && aligned_to_16(y), stream);
}

void relu_backward_cuda(std::int64_t size, const float* y, const float* dy, float* dx, CUstream_st* stream) {
  const bool by_four = aligned_to_16(y) && aligned_to_16(dy) && aligned_to_16(dx);
  launch_map("relu_backward", ReluBackward{y, dy, dx}, size, by_four, stream);
}

}  // namespace leaven::nn
