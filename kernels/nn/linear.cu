#include "kernels/nn/layers.hpp"

// A linear layer is a convolution of 1x1 images with 1x1 kernels: the same tiles, no further kernels.
namespace leaven::nn {

namespace {

ConvShape as_convolution(std::int64_t batch, std::int64_t in, std::int64_t out) {
  return {.batch = batch,
          .in_height = 1,
          .in_width = 1,
          .in_channels = in,
          .out_channels = out,
          .kernel = 1,
          .stride = 1,
          .padding = 0};
}

}  // namespace

void linear_forward_cuda(std::int64_t batch, std::int64_t in, std::int64_t out, const float* x, const float* w,
                         const float* bias, float* y, CUstream_st* stream) {
  conv_forward_cuda(as_convolution(batch, in, out), x, w, bias, y, stream);
}

void linear_backward_data_cuda(std::int64_t batch, std::int64_t in, std::int64_t out, const float* dy, const float* w,
                               float* dx, CUstream_st* stream) {
  conv_backward_data_cuda(as_convolution(batch, in, out), dy, w, dx, stream);
}

std::int64_t linear_backward_weights_workspace_bytes(std::int64_t batch, std::int64_t in, std::int64_t out) {
  return conv_backward_weights_workspace_bytes(as_convolution(batch, in, out));
}

void linear_backward_weights_cuda(std::int64_t batch, std::int64_t in, std::int64_t out, const float* x,
                                  const float* dy, float* dw, float* dbias, std::byte* workspace, CUstream_st* stream) {
  conv_backward_weights_cuda(as_convolution(batch, in, out), x, dy, dw, dbias, workspace, stream);
}

}  // namespace leaven::nn
