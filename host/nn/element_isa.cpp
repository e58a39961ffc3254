#include "host/nn/loops.hpp"
#include "kernels/nn/activation.hpp"
#include "kernels/nn/dropout.hpp"
#include "kernels/nn/sgd.hpp"

namespace leaven::nn::LEAVEN_ISA {
namespace {

void relu_forward(std::int64_t size, const float* x, float* y) {
  for (std::int64_t i = 0; i < size; ++i) y[i] = relu_element(x[i]);
}

void relu_backward(std::int64_t size, const float* y, const float* dy, float* dx) {
  for (std::int64_t i = 0; i < size; ++i) dx[i] = relu_gradient_element(y[i], dy[i]);
}

// One draw serves four elements of the batch; a slice may begin or end inside such a group.
void dropout(std::int64_t first, std::int64_t size, const DropoutDraw& draw, const float* x, float* y) {
  constexpr std::int64_t kQuads = 64;
  const float scale = dropout_scale(draw.probability);
  std::uint32_t words[4 * kQuads];
  for (std::int64_t done = 0; done < size;) {
    const std::int64_t quad = (first + done) / 4;
    for (std::int64_t k = 0; k < kQuads; ++k) {
      const Philox4 r = dropout_words(draw, quad + k);
      words[4 * k] = r.x, words[4 * k + 1] = r.y, words[4 * k + 2] = r.z, words[4 * k + 3] = r.w;
    }
    const std::int64_t skip = first + done - 4 * quad;
    const std::int64_t n = size - done < 4 * kQuads - skip ? size - done : 4 * kQuads - skip;
    for (std::int64_t i = 0; i < n; ++i) {
      y[done + i] = dropout_element(words[skip + i], draw.probability, scale, x[done + i]);
    }
    done += n;
  }
}

void sgd(std::int64_t size, const SgdStep& step, const float* __restrict gradient, float* __restrict velocity,
         float* __restrict weights) {
  for (std::int64_t i = 0; i < size; ++i) sgd_element(step, gradient[i], velocity[i], weights[i]);
}

void sum_parts(std::int64_t size, std::int64_t parts, std::int64_t stride, const float* __restrict values,
               float* __restrict out) {
  for (std::int64_t i = 0; i < size; ++i) out[i] = values[i];
  for (std::int64_t k = 1; k < parts; ++k) {
    values += stride;
    for (std::int64_t i = 0; i < size; ++i) out[i] += values[i];
  }
}

}  // namespace

const ElementTable element_table{relu_forward, relu_backward, dropout, sgd, sum_parts};

}  // namespace leaven::nn::LEAVEN_ISA
