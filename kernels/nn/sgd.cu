#include "kernels/nn/sgd.hpp"

#include "kernels/nn/aligned.hpp"
#include "kernels/nn/map.cuh"

namespace leaven::nn {

namespace {

struct SgdUpdate {
  SgdStep step;
  const float* gradient;
  float* velocity;
  float* weights;

  template <int kWidth>
  __device__ void run(std::int64_t i) const {
    const Pack<kWidth> g = load_pack<kWidth>(gradient + i);
    Pack<kWidth> v = load_pack<kWidth>(velocity + i);
    Pack<kWidth> w = load_pack<kWidth>(weights + i);
#pragma unroll
    for (int c = 0; c < kWidth; ++c) sgd_element(step, g.at[c], v.at[c], w.at[c]);
    store_pack(velocity + i, v);
    store_pack(weights + i, w);
  }
};

}  // namespace

void sgd_step_cuda(std::int64_t size, const SgdStep& step, const float* gradient, float* velocity, float* weights,
                   CUstream_st* stream) {
  const bool by_four = aligned_to_16(gradient) && aligned_to_16(velocity) && aligned_to_16(weights);
  launch_map("sgd_step", SgdUpdate{step, gradient, velocity, weights}, size, by_four, stream);
}

}  // namespace leaven::nn
