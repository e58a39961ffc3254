#include "kernels/nn/dropout.hpp"

#include "kernels/nn/aligned.hpp"
#include "kernels/nn/map.cuh"

namespace leaven::nn {

namespace {

struct Dropout {
  const float* x;
  float* y;
  DropoutDraw draw;
  float scale;

  template <int kWidth>
  __device__ void run(std::int64_t i) const {
    const Philox4 words = dropout_words(draw, i / 4);
    const std::uint32_t word[4] = {words.x, words.y, words.z, words.w};
    Pack<kWidth> pack = load_pack<kWidth>(x + i);
    if constexpr (kWidth == 4) {
#pragma unroll
      for (int c = 0; c < 4; ++c) pack.at[c] = dropout_element(word[c], draw.probability, scale, pack.at[c]);
    } else {
      const int c = static_cast<int>(i % 4);
      const std::uint32_t own = c < 2 ? (c == 0 ? word[0] : word[1]) : (c == 2 ? word[2] : word[3]);
      pack.at[0] = dropout_element(own, draw.probability, scale, pack.at[0]);
    }
    store_pack(y + i, pack);
  }
};

}  // namespace

void dropout_cuda(std::int64_t size, const DropoutDraw& draw, const float* x, float* y, CUstream_st* stream) {
  launch_map("dropout", Dropout{x, y, draw, dropout_scale(draw.probability)}, size,
             aligned_to_16(x) && aligned_to_16(y), stream);
}

}  // namespace leaven::nn
