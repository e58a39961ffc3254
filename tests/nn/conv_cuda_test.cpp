#include <tuple>

#include <leaven/error.hpp>

#include "tests/nn/cuda_layer_test.hpp"

namespace leaven::test {
namespace {

using nn::ConvShape;

// Every element within 1e-6 of the sum of the absolute values of its terms: 16 roundings, where a missing or doubled
// term changes it by 1e-3 or so.
constexpr double kTolerance = 1e-6;

class ConvCuda : public CudaLayerTest {
 protected:
  // `offset`: floats by which each tensor lies off 16-byte alignment.
  void check(const ConvShape& shape, std::int64_t offset = 0, bool with_bias = true) {
    SCOPED_TRACE(testing::Message() << shape.batch << "x" << shape.in_height << "x" << shape.in_width << ", channels "
                                    << shape.in_channels << " -> " << shape.out_channels << ", kernel " << shape.kernel
                                    << ", stride " << shape.stride << ", padding " << shape.padding);
    const std::vector<float> x = normal(shape.batch * shape.in_height * shape.in_width * shape.in_channels);
    const std::vector<float> w = normal(shape.out_channels * shape.kernel * shape.kernel * shape.in_channels);
    const std::vector<float> bias = with_bias ? normal(shape.out_channels) : std::vector<float>{};
    const std::vector<float> dy = normal(shape.batch * shape.out_height() * shape.out_width() * shape.out_channels);
    const reference::Convolution want = reference::convolution(shape, x, w, bias, dy);

    const auto x_device = shifted(x, offset), w_device = shifted(w, offset), dy_device = shifted(dy, offset);
    const auto bias_device = shifted(bias, offset);
    const auto run = [&](const char* what, const reference::Sums& sums, auto&& launch) {
      const auto size = static_cast<std::int64_t>(sums.value.size());
      std::vector<float> first;
      for (int repeat = 0; repeat < 2; ++repeat) {
        const auto out = output(size + offset);
        launch(out.data() + offset);
        const std::vector<float> got = out.to_host();
        out.expect_guards_intact();
        for (std::int64_t i = 0; i < offset; ++i) ASSERT_TRUE(std::isnan(got[static_cast<std::size_t>(i)])) << what;
        const std::vector<float> values(got.begin() + offset, got.end());
        if (repeat > 0) return expect_same_bits(values, first, what);
        expect_near(values, sums.value, sums.magnitude, kTolerance, what);
        first = values;
      }
    };
    run("y", want.y, [&](float* y) {
      conv_forward_cuda(shape, x_device.data() + offset, w_device.data() + offset,
                        with_bias ? bias_device.data() + offset : nullptr, y, handle());
    });
    run("dx", want.dx, [&](float* dx) {
      conv_backward_data_cuda(shape, dy_device.data() + offset, w_device.data() + offset, dx, handle());
    });
    const auto scratch = workspace(conv_backward_weights_workspace_bytes(shape));
    const auto dbias = output(shape.out_channels);
    run("dw", want.dw, [&](float* dw) {
      conv_backward_weights_cuda(shape, x_device.data() + offset, dy_device.data() + offset, dw,
                                 with_bias ? dbias.data() : nullptr, scratch.data(), handle());
    });
    scratch.expect_guards_intact();
    dbias.expect_guards_intact();
    if (with_bias) expect_near(dbias.to_host(), want.dbias.value, want.dbias.magnitude, kTolerance, "dbias");
  }

 private:
  GuardedBuffer<float> shifted(const std::vector<float>& values, std::int64_t offset) const {
    std::vector<float> all(static_cast<std::size_t>(offset), std::numeric_limits<float>::quiet_NaN());
    all.insert(all.end(), values.begin(), values.end());
    return device(all);
  }
};

TEST_F(ConvCuda, AgreesWithTheDefinitionForEveryPairOfChannelCounts) {
  constexpr std::int64_t kChannels[] = {1, 3, 4, 5, 16, 32, 33, 64};
  int i = 0;
  for (const std::int64_t in : kChannels)
    for (const std::int64_t out : kChannels) {
      const std::int64_t kernel = 1 + 2 * (i % 3), stride = 1 + i / 3 % 2, padding = i / 2 % 3;
      check({.batch = 1 + i % 5,
             .in_height = 5 + i % 10,
             .in_width = 5 + i * 7 % 10,
             .in_channels = in,
             .out_channels = out,
             .kernel = kernel,
             .stride = stride,
             .padding = padding},
            0, i % 4 != 1);
      ++i;
    }
}

TEST_F(ConvCuda, AgreesForEveryKernelStrideAndPadding) {
  for (const std::int64_t kernel : {1, 2, 3, 5, 7})
    for (const std::int64_t stride : {1, 2, 3})
      for (const std::int64_t padding : {0, 1, 2})
        check({.batch = 2,
               .in_height = 9,
               .in_width = 8,
               .in_channels = 4,
               .out_channels = kernel == 3 ? 8 : 4,
               .kernel = kernel,
               .stride = stride,
               .padding = padding});
}

// (in channels, out channels, batch): each tile of each pass, once with enough pixels to fill it and one more row.
class ConvTileCuda : public ConvCuda,
                     public testing::WithParamInterface<std::tuple<std::int64_t, std::int64_t, std::int64_t>> {};
INSTANTIATE_TEST_SUITE_P(Tiles, ConvTileCuda,
                         testing::Values(std::tuple{12, 64, 1}, std::tuple{64, 12, 1}, std::tuple{12, 32, 1},
                                         std::tuple{32, 12, 1}, std::tuple{12, 16, 1}, std::tuple{16, 12, 1},
                                         std::tuple{16, 36, 5}, std::tuple{36, 16, 5}, std::tuple{32, 32, 5},
                                         std::tuple{64, 64, 5}, std::tuple{128, 72, 2}, std::tuple{3, 64, 5},
                                         std::tuple{1, 32, 5}));
TEST_P(ConvTileCuda, Agrees) {
  const auto [in, out, batch] = GetParam();
  check({.batch = batch,
         .in_height = 29,
         .in_width = 31,
         .in_channels = in,
         .out_channels = out,
         .kernel = 3,
         .stride = 1,
         .padding = 1});
}

TEST_F(ConvCuda, TakesTensorsThatAreNot16ByteAligned) {
  check({.batch = 2,
         .in_height = 7,
         .in_width = 6,
         .in_channels = 8,
         .out_channels = 12,
         .kernel = 3,
         .stride = 1,
         .padding = 1},
        1);
}

TEST_F(ConvCuda, TakesImagesSmallerThanTheKernel) {
  check({.batch = 3,
         .in_height = 1,
         .in_width = 2,
         .in_channels = 4,
         .out_channels = 4,
         .kernel = 5,
         .stride = 2,
         .padding = 2});
}

TEST_F(ConvCuda, AnEmptyBatchHasZeroGradients) {
  const ConvShape shape{.batch = 0,
                        .in_height = 4,
                        .in_width = 4,
                        .in_channels = 4,
                        .out_channels = 8,
                        .kernel = 3,
                        .stride = 1,
                        .padding = 1};
  check(shape);
}

TEST_F(ConvCuda, AnInfinityReachesOnlyTheSumsItBelongsTo) {
  // Tiles are filled up with zeros: none may meet a neighbour's infinity, which would give NaN.
  for (const std::int64_t channels : {3, 4}) {
    const ConvShape shape{.batch = 2,
                          .in_height = 5,
                          .in_width = 5,
                          .in_channels = channels,
                          .out_channels = channels,
                          .kernel = 3,
                          .stride = 1,
                          .padding = 0};
    std::vector<float> x = normal(50 * channels), dy = normal(18 * channels);
    x[0] = dy[0] = INFINITY;  // the first channel of the first pixel of the first image
    const auto x_device = device(x), dy_device = device(dy), w = device(normal(9 * channels * channels));
    const auto y = output(18 * channels), dx = output(50 * channels), dw = output(9 * channels * channels);
    const auto scratch = workspace(conv_backward_weights_workspace_bytes(shape));
    conv_forward_cuda(shape, x_device.data(), w.data(), nullptr, y.data(), handle());
    conv_backward_data_cuda(shape, dy_device.data(), w.data(), dx.data(), handle());
    x[0] = 0.0f;
    conv_backward_weights_cuda(shape, device(x).data(), dy_device.data(), dw.data(), nullptr, scratch.data(), handle());
    const std::vector<float> y_host = y.to_host(), dx_host = dx.to_host(), dw_host = dw.to_host();
    for (std::int64_t i = 0; i < 18 * channels; ++i)
      EXPECT_EQ(std::isfinite(y_host[static_cast<std::size_t>(i)]), i >= channels) << "y[" << i << "]";
    for (std::int64_t i = 0; i < 50 * channels; ++i) {
      const std::int64_t pixel = i / channels;
      EXPECT_EQ(std::isfinite(dx_host[static_cast<std::size_t>(i)]), pixel >= 25 || pixel / 5 > 2 || pixel % 5 > 2)
          << "dx[" << i << "]";
    }
    for (std::int64_t i = 9 * channels; i < 9 * channels * channels; ++i)
      EXPECT_TRUE(std::isfinite(dw_host[static_cast<std::size_t>(i)])) << "dw[" << i << "]";
  }
}

TEST_F(ConvCuda, RefusesAnImageBeyondItsOffsets) {
  const ConvShape shape{.batch = 1,
                        .in_height = 1 << 15,
                        .in_width = 1 << 15,
                        .in_channels = 2,
                        .out_channels = 1,
                        .kernel = 1,
                        .stride = 1,
                        .padding = 0};
  const std::string text =
      message_of<InvalidArgument>([&] { conv_forward_cuda(shape, nullptr, nullptr, nullptr, nullptr, handle()); });
  EXPECT_NE(text.find("conv_forward"), std::string::npos) << text;
}

}  // namespace
}  // namespace leaven::test
