// Launches each pass of the trainer's CUDA kernels once, for counting what they do (not for timing): under ptxrun
// --profile or a GPU profiler. The layers are those of network `cnn`: 28x28x1, two convolutions of 32 channels, pool,
// two of 64, pool, linear 128, linear 10.
//   leaven_nn_profile CASE [BATCH]      CASE: one of the names that it lists without arguments
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <leaven/buffer.hpp>
#include <leaven/error.hpp>
#include <leaven/stream.hpp>
#include "kernels/nn/layers.hpp"

namespace {

using leaven::Buffer;
using leaven::Stream;

struct Case {
  std::string name;
  std::function<void(std::int64_t batch, Stream stream)> run;
};

Buffer<float> numbers(std::int64_t size, Stream stream) {
  std::vector<float> values(static_cast<std::size_t>(size));
  std::uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
  }
  return {std::span<const float>(values), stream};
}

leaven::nn::ConvShape conv_shape(std::int64_t batch, std::int64_t size, std::int64_t in, std::int64_t out) {
  return {.batch = batch,
          .in_height = size,
          .in_width = size,
          .in_channels = in,
          .out_channels = out,
          .kernel = 3,
          .stride = 1,
          .padding = 1};
}

void add_convolution(std::vector<Case>& cases, std::int64_t size, std::int64_t in, std::int64_t out) {
  const std::string name = "conv" + std::to_string(size) + "x" + std::to_string(in) + "x" + std::to_string(out);
  cases.push_back({name + "_forward", [=](std::int64_t batch, Stream stream) {
                     const auto x = numbers(batch * size * size * in, stream), w = numbers(out * 9 * in, stream);
                     const auto bias = numbers(out, stream);
                     const Buffer<float> y(batch * size * size * out, stream);
                     conv_forward_cuda(conv_shape(batch, size, in, out), x.data(), w.data(), bias.data(), y.data(),
                                       stream.cuda_handle());
                     stream.synchronize();
                   }});
  cases.push_back({name + "_backward_data", [=](std::int64_t batch, Stream stream) {
                     const auto dy = numbers(batch * size * size * out, stream), w = numbers(out * 9 * in, stream);
                     const Buffer<float> dx(batch * size * size * in, stream);
                     conv_backward_data_cuda(conv_shape(batch, size, in, out), dy.data(), w.data(), dx.data(),
                                             stream.cuda_handle());
                     stream.synchronize();
                   }});
  cases.push_back({name + "_backward_weights", [=](std::int64_t batch, Stream stream) {
                     const auto shape = conv_shape(batch, size, in, out);
                     const auto x = numbers(batch * size * size * in, stream);
                     const auto dy = numbers(batch * size * size * out, stream);
                     const Buffer<float> dw(out * 9 * in, stream), dbias(out, stream);
                     const Buffer<std::byte> workspace(conv_backward_weights_workspace_bytes(shape), stream);
                     conv_backward_weights_cuda(shape, x.data(), dy.data(), dw.data(), dbias.data(), workspace.data(),
                                                stream.cuda_handle());
                     stream.synchronize();
                   }});
}

void add_linear(std::vector<Case>& cases, std::int64_t in, std::int64_t out) {
  const std::string name = "linear" + std::to_string(in) + "x" + std::to_string(out);
  cases.push_back(
      {name, [=](std::int64_t batch, Stream stream) {
         const auto x = numbers(batch * in, stream), w = numbers(out * in, stream);
         const auto bias = numbers(out, stream), dy = numbers(batch * out, stream);
         const Buffer<float> y(batch * out, stream), dx(batch * in, stream), dw(out * in, stream), dbias(out, stream);
         const Buffer<std::byte> workspace(leaven::nn::linear_backward_weights_workspace_bytes(batch, in, out), stream);
         CUstream_st* handle = stream.cuda_handle();
         leaven::nn::linear_forward_cuda(batch, in, out, x.data(), w.data(), bias.data(), y.data(), handle);
         leaven::nn::linear_backward_data_cuda(batch, in, out, dy.data(), w.data(), dx.data(), handle);
         leaven::nn::linear_backward_weights_cuda(batch, in, out, x.data(), dy.data(), dw.data(), dbias.data(),
                                                  workspace.data(), handle);
         stream.synchronize();
       }});
}

// Batch norm with ReLU, 2x2 max pooling, global average, ReLU, dropout and SGD on a tensor of this shape.
void add_others(std::vector<Case>& cases, std::int64_t image, std::int64_t channels) {
  const std::string name = "others" + std::to_string(image) + "x" + std::to_string(channels);
  cases.push_back({name, [=](std::int64_t batch, Stream stream) {
                     using namespace leaven::nn;
                     const std::int64_t pixels = batch * image * image, size = pixels * channels;
                     const auto x = numbers(size, stream), dy = numbers(size, stream);
                     const auto gamma = numbers(channels, stream), beta = numbers(channels, stream);
                     const auto mean = numbers(channels, stream), saved_mean = numbers(channels, stream);
                     const auto variance = Buffer<float>::zeros(channels, stream);
                     const auto saved_inv_std = numbers(channels, stream);
                     const Buffer<float> y(size, stream), dx(size, stream), dgamma(channels, stream),
                         dbeta(channels, stream), pooled(size, stream);
                     const Buffer<std::uint8_t> position(size, stream);
                     const Buffer<std::byte> workspace(batch_norm_workspace_bytes(pixels, channels), stream);
                     const BatchNormState state{gamma.data(),    beta.data(),       mean.data(),
                                                variance.data(), saved_mean.data(), saved_inv_std.data()};
                     CUstream_st* handle = stream.cuda_handle();
                     batch_norm_forward_train_cuda(pixels, channels, x.data(), state, 0.1f, 1e-5f, Relu::yes, y.data(),
                                                   workspace.data(), handle);
                     batch_norm_backward_cuda(pixels, channels, x.data(), y.data(), dy.data(), state, Relu::yes,
                                              dx.data(), dgamma.data(), dbeta.data(), workspace.data(), handle);
                     const PoolShape pool{batch, image, image, channels, 2};
                     max_pool_forward_cuda(pool, x.data(), pooled.data(), position.data(), handle);
                     max_pool_backward_cuda(pool, pooled.data(), position.data(), dx.data(), handle);
                     global_average_pool_forward_cuda(batch, image * image, channels, x.data(), pooled.data(), handle);
                     global_average_pool_backward_cuda(batch, image * image, channels, pooled.data(), dx.data(),
                                                       handle);
                     relu_forward_cuda(size, x.data(), y.data(), handle);
                     relu_backward_cuda(size, y.data(), dy.data(), dx.data(), handle);
                     dropout_cuda(size, {1, 1, 0, 0.5f}, x.data(), y.data(), handle);
                     sgd_step_cuda(size, {0.1f, 0.9f, 5e-4f}, dy.data(), dx.data(), y.data(), handle);
                     stream.synchronize();
                   }});
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Case> cases;
  add_convolution(cases, 28, 1, 32);
  add_convolution(cases, 28, 32, 32);
  add_convolution(cases, 14, 32, 64);
  add_convolution(cases, 14, 64, 64);
  add_linear(cases, 3136, 128);
  add_linear(cases, 128, 10);
  add_others(cases, 28, 32);
  add_others(cases, 14, 64);
  if (argc < 2) {
    for (const Case& one : cases) std::cout << one.name << "\n";
    return 0;
  }
  try {
    const leaven::OwnedStream stream(leaven::Backend::cuda);
    for (const Case& one : cases) {
      if (one.name != argv[1]) continue;
      one.run(argc > 2 ? std::atoll(argv[2]) : 32, stream);
      return 0;
    }
  } catch (const leaven::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  std::cerr << "no case is called " << argv[1] << "; without arguments the program lists them\n";
  return 2;
}
