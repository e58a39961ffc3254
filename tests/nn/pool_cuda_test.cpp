#include "tests/nn/cuda_layer_test.hpp"

namespace leaven::test {
namespace {

using nn::PoolShape;

class PoolCuda : public CudaLayerTest {
 protected:
  void check_max(const PoolShape& shape, const std::vector<float>& x) {
    SCOPED_TRACE(testing::Message() << shape.batch << "x" << shape.height << "x" << shape.width << "x" << shape.channels
                                    << ", window " << shape.window);
    const std::int64_t out_height = shape.height / shape.window, out_width = shape.width / shape.window;
    const std::int64_t out_size = shape.batch * out_height * out_width * shape.channels;
    const std::vector<float> dy = normal(out_size);
    const auto x_device = device(x), dy_device = device(dy), y = output(out_size);
    const auto dx = output(static_cast<std::int64_t>(x.size()));
    const GuardedBuffer<std::uint8_t> position(out_size, stream());
    max_pool_forward_cuda(shape, x_device.data(), y.data(), position.data(), handle());
    max_pool_backward_cuda(shape, dy_device.data(), position.data(), dx.data(), handle());

    const std::vector<float> y_host = y.to_host();
    const std::vector<std::uint8_t> position_host = position.to_host();
    std::vector<float> dx_want(x.size(), 0.0f);
    for (std::int64_t i = 0; i < out_size; ++i) {
      const std::int64_t channel = i % shape.channels, column = i / shape.channels % out_width;
      const std::int64_t row = i / shape.channels / out_width % out_height;
      const std::int64_t image = i / shape.channels / out_width / out_height;
      std::int64_t best = -1, best_from = -1;
      for (std::int64_t tap = 0; tap < shape.window * shape.window; ++tap) {
        const std::int64_t from_row = row * shape.window + tap / shape.window;
        const std::int64_t from_column = column * shape.window + tap % shape.window;
        const std::int64_t from =
            ((image * shape.height + from_row) * shape.width + from_column) * shape.channels + channel;
        const double value = reference::at(x, from);
        const bool first_nan = std::isnan(value) && (best < 0 || !std::isnan(reference::at(x, best_from)));
        if (best < 0 || first_nan || value > reference::at(x, best_from)) best = tap, best_from = from;
      }
      const auto at = static_cast<std::size_t>(i);
      const float want = x[static_cast<std::size_t>(best_from)];
      ASSERT_TRUE(y_host[at] == want || (std::isnan(y_host[at]) && std::isnan(want))) << "y[" << i << "]";
      ASSERT_EQ(position_host[at], best) << "position[" << i << "]";
      dx_want[static_cast<std::size_t>(best_from)] = dy[at];
    }
    const std::vector<float> dx_host = dx.to_host();
    for (std::size_t i = 0; i < dx_want.size(); ++i) ASSERT_EQ(dx_host[i], dx_want[i]) << "dx[" << i << "]";
    y.expect_guards_intact();
    dx.expect_guards_intact();
    position.expect_guards_intact();
  }
};

TEST_F(PoolCuda, MaximumAndItsGradientAgreeWithTheDefinition) {
  for (const std::int64_t channels : {1, 3, 4, 5, 16, 33, 64})
    for (const std::int64_t window : {1, 2, 3, 5}) {
      const PoolShape shape{.batch = 3, .height = 11, .width = 14, .channels = channels, .window = window};
      check_max(shape, normal(shape.batch * shape.height * shape.width * channels));
    }
}

TEST_F(PoolCuda, EqualValuesKeepTheFirstAndNanIsTheMaximum) {
  const PoolShape shape{.batch = 1, .height = 8, .width = 8, .channels = 4, .window = 2};
  check_max(shape, std::vector<float>(256, -1.0f));
  check_max(shape, std::vector<float>(256, -std::numeric_limits<float>::infinity()));
  std::vector<float> x = normal(256);
  for (std::size_t i = 0; i < x.size(); i += 7) x[i] = std::numeric_limits<float>::quiet_NaN();
  check_max(shape, x);
}

TEST_F(PoolCuda, TheLargestWindowHasPositionsUpTo255) {
  const PoolShape shape{.batch = 1, .height = 16, .width = 33, .channels = 4, .window = 16};
  std::vector<float> x(16 * 33 * 4);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  check_max(shape, x);
}

TEST_F(PoolCuda, AnImageSmallerThanTheWindowHasZeroGradient) {
  check_max({.batch = 2, .height = 1, .width = 5, .channels = 4, .window = 2}, normal(40));
}

TEST_F(PoolCuda, GlobalAverageAndItsGradientAgreeWithTheDefinition) {
  for (const std::int64_t channels : {1, 3, 4, 33, 64, 132})
    for (const std::int64_t pixels : {1, 31, 49, 64, 3000}) {
      SCOPED_TRACE(testing::Message() << pixels << " pixels of " << channels << " channels");
      const std::int64_t batch = 3, size = batch * pixels * channels;
      const std::vector<float> x = normal(size), dy = normal(batch * channels);
      reference::Sums want(batch * channels);
      std::vector<double> dx_want(x.size()), dx_scale(x.size());
      for (std::int64_t i = 0; i < size; ++i) {
        const std::int64_t to = i / (pixels * channels) * channels + i % channels;
        want.add(to, reference::at(x, i) / static_cast<double>(pixels));
        dx_want[static_cast<std::size_t>(i)] = reference::at(dy, to) / static_cast<double>(pixels);
        dx_scale[static_cast<std::size_t>(i)] = std::abs(dx_want[static_cast<std::size_t>(i)]);
      }
      const auto x_device = device(x), dy_device = device(dy), y = output(batch * channels), dx = output(size);
      nn::global_average_pool_forward_cuda(batch, pixels, channels, x_device.data(), y.data(), handle());
      nn::global_average_pool_backward_cuda(batch, pixels, channels, dy_device.data(), dx.data(), handle());
      expect_near(y.to_host(), want.value, want.magnitude, 1e-6, "y");
      expect_near(dx.to_host(), dx_want, dx_scale, 2e-7, "dx");
      y.expect_guards_intact();
      dx.expect_guards_intact();
    }
}

}  // namespace
}  // namespace leaven::test
