#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

// The trainer's CUDA kernels, one launcher per pass. All tensors are packed f32 on the device; images are NHWC;
// convolution weights are [out][kernel_h][kernel_w][in], linear weights [out][in]. Launchers allocate nothing and do
// not synchronise. Every sum has a fixed order: the same bits run to run. Rows of 16-byte aligned tensors with channels
// % 4 == 0 are moved 16 bytes at a time; anything else works too, slower. A launcher throws CudaError where its launch
// fails, and InvalidArgument where an image or the weights of a convolution have more than 2^29 elements.
namespace leaven::nn {

struct ConvShape {
  std::int64_t batch, in_height, in_width, in_channels, out_channels, kernel, stride, padding;

  std::int64_t out_height() const { return (in_height + 2 * padding - kernel) / stride + 1; }
  std::int64_t out_width() const { return (in_width + 2 * padding - kernel) / stride + 1; }
};

// y = conv(x, w) + bias (bias may be null).
void conv_forward_cuda(const ConvShape& shape, const float* x, const float* w, const float* bias, float* y,
                       CUstream_st* stream);
// dx = conv^T(dy, w).
void conv_backward_data_cuda(const ConvShape& shape, const float* dy, const float* w, float* dx, CUstream_st* stream);
// dw = x (*) dy; dbias = sum of dy (may be null). `workspace` of conv_backward_weights_workspace_bytes.
std::int64_t conv_backward_weights_workspace_bytes(const ConvShape& shape);
void conv_backward_weights_cuda(const ConvShape& shape, const float* x, const float* dy, float* dw, float* dbias,
                                std::byte* workspace, CUstream_st* stream);

// y[batch][out] = x[batch][in] w^T + bias, and its two gradients.
void linear_forward_cuda(std::int64_t batch, std::int64_t in, std::int64_t out, const float* x, const float* w,
                         const float* bias, float* y, CUstream_st* stream);
void linear_backward_data_cuda(std::int64_t batch, std::int64_t in, std::int64_t out, const float* dy, const float* w,
                               float* dx, CUstream_st* stream);
std::int64_t linear_backward_weights_workspace_bytes(std::int64_t batch, std::int64_t in, std::int64_t out);
void linear_backward_weights_cuda(std::int64_t batch, std::int64_t in, std::int64_t out, const float* x,
                                  const float* dy, float* dw, float* dbias, std::byte* workspace, CUstream_st* stream);

enum class Relu { no, yes };  // fused behind the operation

// Batch norm over `pixels` = batch * height * width rows of `channels`. Training: y = gamma (x - mean) inv_std + beta
// with the batch's (biased) variance; saves mean and inv_std; running = (1 - momentum) running + momentum batch (the
// variance there unbiased), as PyTorch. `workspace` of batch_norm_workspace_bytes.
struct BatchNormState {
  const float* gamma;
  const float* beta;
  float* running_mean;
  float* running_variance;
  float* saved_mean;  // written by training forward, read by backward
  float* saved_inv_std;
};
std::int64_t batch_norm_workspace_bytes(std::int64_t pixels, std::int64_t channels);
void batch_norm_forward_train_cuda(std::int64_t pixels, std::int64_t channels, const float* x,
                                   const BatchNormState& state, float momentum, float epsilon, Relu relu, float* y,
                                   std::byte* workspace, CUstream_st* stream);
void batch_norm_forward_eval_cuda(std::int64_t pixels, std::int64_t channels, const float* x,
                                  const BatchNormState& state, float epsilon, Relu relu, float* y, CUstream_st* stream);
// With Relu::yes, dy counts where y > 0 only (y: what forward wrote).
void batch_norm_backward_cuda(std::int64_t pixels, std::int64_t channels, const float* x, const float* y,
                              const float* dy, const BatchNormState& state, Relu relu, float* dx, float* dgamma,
                              float* dbeta, std::byte* workspace, CUstream_st* stream);
// Gradient where batch norm used its running statistics (frozen layers): dx only.
void batch_norm_backward_eval_cuda(std::int64_t pixels, std::int64_t channels, const float* y, const float* dy,
                                   const BatchNormState& state, float epsilon, Relu relu, float* dx,
                                   CUstream_st* stream);

void relu_forward_cuda(std::int64_t size, const float* x, float* y, CUstream_st* stream);  // y may be x
void relu_backward_cuda(std::int64_t size, const float* y, const float* dy, float* dx,
                        CUstream_st* stream);  // dx may be dy

struct PoolShape {
  std::int64_t batch, height, width, channels,
      window;  // 1 to 16; stride = window; a remainder at the edge is dropped, as in PyTorch
};
// Keeps the position of the first maximum inside its window, row-major. A NaN counts as maximum.
void max_pool_forward_cuda(const PoolShape& shape, const float* x, float* y, std::uint8_t* position,
                           CUstream_st* stream);
void max_pool_backward_cuda(const PoolShape& shape, const float* dy, const std::uint8_t* position, float* dx,
                            CUstream_st* stream);
void global_average_pool_forward_cuda(std::int64_t batch, std::int64_t pixels, std::int64_t channels, const float* x,
                                      float* y, CUstream_st* stream);
void global_average_pool_backward_cuda(std::int64_t batch, std::int64_t pixels, std::int64_t channels, const float* dy,
                                       float* dx, CUstream_st* stream);

// Element i is decided by word i % 4 of the draw (seed, step, id = i / 4, slot = dropout + layer): kept where uniform01
// >= probability and then scaled by 1 / (1 - probability), otherwise 0. Backward draws the same again: nothing is
// stored. `layer` separates the dropout layers of a network. Shared with the CPU: kernels/nn/dropout.hpp.
struct DropoutDraw {
  std::uint64_t seed;
  std::uint32_t step;
  std::uint32_t layer;
  float probability;
};
void dropout_cuda(std::int64_t size, const DropoutDraw& draw, const float* x, float* y,
                  CUstream_st* stream);  // y may be x

// Nesterov SGD as PyTorch: g += weight_decay w; v = momentum v + g; w -= learning_rate (g + momentum v).
struct SgdStep {
  float learning_rate, momentum, weight_decay;
};
void sgd_step_cuda(std::int64_t size, const SgdStep& step, const float* gradient, float* velocity, float* weights,
                   CUstream_st* stream);

}  // namespace leaven::nn
