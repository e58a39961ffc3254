#include "tests/nn/cuda_layer_test.hpp"

namespace leaven::test {
namespace {

constexpr double kTolerance = 1e-6;  // of the sum of the absolute terms

class LinearCuda : public CudaLayerTest {};

TEST_F(LinearCuda, AgreesWithTheDefinition) {
  const std::int64_t sizes[][3] = {{1, 1, 1},  {1, 4, 4},    {2, 3, 10},    {5, 31, 33},    {7, 64, 10},
                                   {33, 5, 7}, {32, 32, 16}, {65, 128, 10}, {128, 576, 32}, {17, 1000, 130}};
  for (const auto& [batch, in, out] : sizes) {
    SCOPED_TRACE(testing::Message() << batch << "x" << in << " -> " << out);
    const std::vector<float> x = normal(batch * in), w = normal(out * in), bias = normal(out), dy = normal(batch * out);
    reference::Sums y_want(batch * out), dx_want(batch * in), dw_want(out * in), dbias_want(out);
    for (std::int64_t n = 0; n < batch; ++n)
      for (std::int64_t o = 0; o < out; ++o) {
        y_want.add(n * out + o, reference::at(bias, o));
        dbias_want.add(o, reference::at(dy, n * out + o));
        for (std::int64_t i = 0; i < in; ++i) {
          y_want.add(n * out + o, reference::at(x, n * in + i) * reference::at(w, o * in + i));
          dx_want.add(n * in + i, reference::at(dy, n * out + o) * reference::at(w, o * in + i));
          dw_want.add(o * in + i, reference::at(dy, n * out + o) * reference::at(x, n * in + i));
        }
      }
    const auto x_device = device(x), w_device = device(w), bias_device = device(bias), dy_device = device(dy);
    const auto y = output(batch * out), dx = output(batch * in), dw = output(out * in), dbias = output(out);
    const auto scratch = workspace(nn::linear_backward_weights_workspace_bytes(batch, in, out));
    nn::linear_forward_cuda(batch, in, out, x_device.data(), w_device.data(), bias_device.data(), y.data(), handle());
    nn::linear_backward_data_cuda(batch, in, out, dy_device.data(), w_device.data(), dx.data(), handle());
    nn::linear_backward_weights_cuda(batch, in, out, x_device.data(), dy_device.data(), dw.data(), dbias.data(),
                                     scratch.data(), handle());
    expect_near(y.to_host(), y_want.value, y_want.magnitude, kTolerance, "y");
    expect_near(dx.to_host(), dx_want.value, dx_want.magnitude, kTolerance, "dx");
    expect_near(dw.to_host(), dw_want.value, dw_want.magnitude, kTolerance, "dw");
    expect_near(dbias.to_host(), dbias_want.value, dbias_want.magnitude, kTolerance, "dbias");
    for (const auto* buffer : {&y, &dx, &dw, &dbias}) buffer->expect_guards_intact();
    scratch.expect_guards_intact();
  }
}

}  // namespace
}  // namespace leaven::test
