#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/nn/layers.hpp"

// The CPU loops round the convolutions: everything that only streams through memory. Images are packed NHWC; `pixels`
// are rows of `channels` values. Each function does one slice of a batch on the calling thread.
namespace leaven::nn {

struct NormTable {
  // Per channel: mean, and the sum of squared differences from it.
  void (*statistics)(const float* x, std::int64_t pixels, std::int64_t channels, double* mean, double* m2);
  // y = scale x + shift, then max(0, .) where `relu` (a NaN stays).
  void (*apply)(const float* x, std::int64_t pixels, std::int64_t channels, const float* scale, const float* shift,
                bool relu, float* y);
  // Sums of g and of g (x - mean) per channel; g is dy, or 0 where `y` is given and not positive.
  void (*backward_sums)(const float* x, const float* y, const float* dy, std::int64_t pixels, std::int64_t channels,
                        const float* mean, double* sum_g, double* sum_gx);
  // dx = scale g + slope (x - mean) + offset
  void (*backward)(const float* x, const float* y, const float* dy, std::int64_t pixels, std::int64_t channels,
                   const float* mean, const float* scale, const float* slope, const float* offset, float* dx);
  // dx = scale g
  void (*backward_frozen)(const float* y, const float* dy, std::int64_t pixels, std::int64_t channels,
                          const float* scale, float* dx);
};

struct PoolTable {
  void (*max_forward)(const PoolShape& shape, const float* x, float* y, std::uint8_t* position);
  void (*max_backward)(const PoolShape& shape, const float* dy, const std::uint8_t* position, float* dx);
  void (*average_forward)(std::int64_t images, std::int64_t pixels, std::int64_t channels, const float* x, float* y);
  void (*average_backward)(std::int64_t images, std::int64_t pixels, std::int64_t channels, const float* dy, float* dx);
};

struct ElementTable {
  void (*relu_forward)(std::int64_t size, const float* x, float* y);
  void (*relu_backward)(std::int64_t size, const float* y, const float* dy, float* dx);  // dx may be dy
  // x[i] is element first + i of the batch.
  void (*dropout)(std::int64_t first, std::int64_t size, const DropoutDraw& draw, const float* x, float* y);
  void (*sgd)(std::int64_t size, const SgdStep& step, const float* gradient, float* velocity, float* weights);
  // out[i] = sum over k of parts[k * stride + i], k ascending
  void (*sum_parts)(std::int64_t size, std::int64_t parts, std::int64_t stride, const float* values, float* out);
};

LEAVEN_DECLARE_ISA_TABLE(NormTable, norm_table)
LEAVEN_DECLARE_ISA_TABLE(PoolTable, pool_table)
LEAVEN_DECLARE_ISA_TABLE(ElementTable, element_table)

}  // namespace leaven::nn
