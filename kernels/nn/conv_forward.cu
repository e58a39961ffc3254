#include "kernels/nn/conv_gather.cuh"

namespace leaven::nn {

void conv_forward_cuda(const ConvShape& shape, const float* x, const float* w, const float* bias, float* y,
                       CUstream_st* stream) {
  check_conv_size("conv_forward", shape);
  const std::int64_t height = shape.out_height(), width = shape.out_width();
  PatchSource source(x, shape.in_height, shape.in_width, shape.in_channels, shape.kernel, shape.kernel,
                     sum_chunk(shape.in_channels));
  source.step = static_cast<int>(shape.stride);
  source.origin_row = source.origin_column = -static_cast<int>(shape.padding);
  source.direction = 1;
  const int in = source.channels, kernel = static_cast<int>(shape.kernel);
  source.weight_strides = {.tap_row = kernel * in, .tap_column = in, .channel = 1};
  const TileOutput tile{.data = y,
                        .bias = bias,
                        .columns = static_cast<int>(shape.out_channels),
                        .by_four = shape.out_channels % 4 == 0 && aligned_to_16(y)};
  const OutputMap out{.tile = tile,
                      .height = static_cast<int>(height),
                      .width = static_cast<int>(width),
                      .step = 1,
                      .origin_row = 0,
                      .origin_column = 0};
  const bool by_four = shape.in_channels % 4 == 0 && aligned_to_16(x) && aligned_to_16(w);
  launch_conv_gather<Contiguous::along_k>(
      "conv_forward", {PixelGrid(shape.batch, height, width), source, w, source.depth, out}, by_four, stream);
}

}  // namespace leaven::nn
