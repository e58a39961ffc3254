#include "kernels/nn/conv_gather.cuh"

namespace leaven::nn {

namespace {

// The input rows (or columns) i with (i + padding) % stride == phase meet the taps phase, phase + stride, ... only: row
// first + stride r sees tap phase + stride t through output row output - t + r.
struct Phase {
  std::int64_t first, count, taps, output;

  Phase(std::int64_t phase, std::int64_t size, const ConvShape& shape) {
    const std::int64_t stride = shape.stride;
    first = ((phase - shape.padding) % stride + stride) % stride;
    count = first < size ? (size - 1 - first) / stride + 1 : 0;
    taps = phase < shape.kernel ? (shape.kernel - 1 - phase) / stride + 1 : 0;
    output = (first + shape.padding - phase) / stride;
  }
};

}  // namespace

// One launch per pair of phases, stride * stride in all: each is a dense correlation of dy, no tap is wasted.
void conv_backward_data_cuda(const ConvShape& shape, const float* dy, const float* w, float* dx, CUstream_st* stream) {
  check_conv_size("conv_backward_data", shape);
  const int in = static_cast<int>(shape.in_channels), out_channels = static_cast<int>(shape.out_channels);
  const int kernel = static_cast<int>(shape.kernel), stride = static_cast<int>(shape.stride);
  const bool by_four = in % 4 == 0 && out_channels % 4 == 0 && aligned_to_16(dy) && aligned_to_16(w);
  const TileOutput tile{.data = dx, .bias = nullptr, .columns = in, .by_four = in % 4 == 0 && aligned_to_16(dx)};
  for (int phase = 0; phase < stride * stride; ++phase) {
    const Phase row(phase / stride, shape.in_height, shape), column(phase % stride, shape.in_width, shape);
    if (row.count == 0 || column.count == 0) continue;
    PatchSource source(dy, shape.out_height(), shape.out_width(), out_channels, row.taps, column.taps,
                       sum_chunk(out_channels));
    source.step = 1;
    source.origin_row = static_cast<int>(row.output);
    source.origin_column = static_cast<int>(column.output);
    source.direction = -1;
    source.weight_strides = {
        .tap_row = stride * kernel * in, .tap_column = stride * in, .channel = kernel * kernel * in};
    const float* first_tap = w + (phase / stride * kernel + phase % stride) * in;
    const OutputMap out{.tile = tile,
                        .height = static_cast<int>(shape.in_height),
                        .width = static_cast<int>(shape.in_width),
                        .step = stride,
                        .origin_row = static_cast<int>(row.first),
                        .origin_column = static_cast<int>(column.first)};
    launch_conv_gather<Contiguous::across_k>(
        "conv_backward_data", {PixelGrid(shape.batch, row.count, column.count), source, first_tap, 1, out}, by_four,
        stream);
  }
}

}  // namespace leaven::nn
