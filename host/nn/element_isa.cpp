#include "host/nn/loops.hpp"
#include "kernels/core/philox.hpp"

namespace leaven::nn::LEAVEN_ISA {
namespace {

void relu_forward(std::int64_t size, const float* x, float* y) {
  for (std::int64_t i = 0; i < size; ++i) y[i] = x[i] < 0 ? 0 : x[i];
}

void relu_backward(std::int64_t size, const float* y, const float* dy, float* dx) {
  for (std::int64_t i = 0; i < size; ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
}

// One draw serves four elements of the batch; a slice may begin or end inside such a group.
void dropout(std::int64_t size, const DropoutSlice& s, const float* x, float* y) {
  constexpr std::int64_t kGroups = 64;
  const float keep = 1.0f / (1.0f - s.probability);
  const std::uint32_t slot = static_cast<std::uint32_t>(DrawSlot::dropout) + s.layer;
  float factors[4 * kGroups];
  for (std::int64_t done = 0; done < size;) {
    const std::int64_t group = (s.first + done) / 4;
    for (std::int64_t k = 0; k < kGroups; ++k) {
      const Philox4 r = draw(s.seed, s.step, static_cast<std::uint64_t>(group + k), slot);
      factors[4 * k] = uniform01(r.x) < s.probability ? 0 : keep;
      factors[4 * k + 1] = uniform01(r.y) < s.probability ? 0 : keep;
      factors[4 * k + 2] = uniform01(r.z) < s.probability ? 0 : keep;
      factors[4 * k + 3] = uniform01(r.w) < s.probability ? 0 : keep;
    }
    const std::int64_t skip = s.first + done - 4 * group;
    const std::int64_t n = size - done < 4 * kGroups - skip ? size - done : 4 * kGroups - skip;
    for (std::int64_t i = 0; i < n; ++i) y[done + i] = x[done + i] * factors[skip + i];
    done += n;
  }
}

void sgd(std::int64_t size, const SgdScalars& s, const float* __restrict gradient, float* __restrict velocity,
         float* __restrict weights) {
  for (std::int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] + s.weight_decay * weights[i];
    velocity[i] = s.momentum * velocity[i] + g;
    weights[i] -= s.learning_rate * (g + s.momentum * velocity[i]);
  }
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
