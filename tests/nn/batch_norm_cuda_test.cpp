#include "tests/nn/cuda_layer_test.hpp"

namespace leaven::test {
namespace {

using nn::BatchNormState;
using nn::Relu;

constexpr float kEpsilon = 1e-5f, kMomentum = 0.1f;
constexpr double kUnit = 0x1p-24;  // half a unit in the last place of 1

struct Device {
  GuardedBuffer<float> gamma, beta, running_mean, running_variance, saved_mean, saved_inv_std;
  BatchNormState state() const {
    return {gamma.data(),      beta.data(),         running_mean.data(), running_variance.data(),
            saved_mean.data(), saved_inv_std.data()};
  }
};

class BatchNormCuda : public CudaLayerTest {
 protected:
  Device state_of(const std::vector<float>& gamma, const std::vector<float>& beta, const std::vector<float>& mean,
                  const std::vector<float>& variance) {
    const auto channels = static_cast<std::int64_t>(gamma.size());
    return {device(gamma), device(beta), device(mean), device(variance), output(channels), output(channels)};
  }

  void check(std::int64_t pixels, std::int64_t channels, float mean, float deviation, Relu relu) {
    SCOPED_TRACE(testing::Message() << pixels << " pixels of " << channels << " channels, mean " << mean);
    const std::int64_t size = pixels * channels;
    const std::vector<float> x = normal(size, mean, deviation), gamma = normal(channels, 1.0f), beta = normal(channels),
                             dy = normal(size);
    const std::vector<float> running_mean = normal(channels), running_variance = normal(channels, 5.0f, 0.5f);
    const Device norm = state_of(gamma, beta, running_mean, running_variance);
    const auto x_device = device(x), dy_device = device(dy), y = output(size), dx = output(size);
    const auto dgamma = output(channels), dbeta = output(channels);
    const auto scratch = workspace(nn::batch_norm_workspace_bytes(pixels, channels));
    nn::batch_norm_forward_train_cuda(pixels, channels, x_device.data(), norm.state(), kMomentum, kEpsilon, relu,
                                      y.data(), scratch.data(), handle());
    nn::batch_norm_backward_cuda(pixels, channels, x_device.data(), y.data(), dy_device.data(), norm.state(), relu,
                                 dx.data(), dgamma.data(), dbeta.data(), scratch.data(), handle());

    const reference::ChannelStatistics statistics = reference::channel_statistics(pixels, channels, x);
    expect_statistics(norm, statistics, pixels, channels, running_mean, running_variance);
    const std::vector<float> y_host = y.to_host();
    for (std::int64_t i = 0; i < size; ++i) {
      const auto c = static_cast<std::size_t>(i % channels);
      const double scale = double{gamma[c]} / std::sqrt(statistics.variance[c] + double{kEpsilon});
      const double exact = (reference::at(x, i) - statistics.mean[c]) * scale + double{beta[c]};
      const double want = relu == Relu::yes ? std::max(exact, 0.0) : exact;
      // The mean is right to a unit in its last place or so; that error is scaled as the data are.
      const double tolerance = kUnit * (std::abs(scale) * (4 * std::abs(statistics.mean[c]) +
                                                           24 * std::abs(reference::at(x, i) - statistics.mean[c])) +
                                        4);
      ASSERT_NEAR(double{y_host[static_cast<std::size_t>(i)]}, want, tolerance) << "y[" << i << "]";
    }
    const reference::BatchNormGradient want = reference::batch_norm_gradient(
        pixels, channels, x, relu == Relu::yes ? y_host : std::vector<float>{}, dy, gamma, double{kEpsilon});
    expect_near(dgamma.to_host(), want.dgamma.value, want.dgamma.magnitude, 8 * kUnit, "dgamma");
    expect_near(dbeta.to_host(), want.dbeta.value, want.dbeta.magnitude, 8 * kUnit, "dbeta");
    expect_near(dx.to_host(), want.dx.value, want.dx.magnitude, 8 * kUnit, "dx");
    for (const auto* buffer :
         {&y, &dx, &dgamma, &dbeta, &norm.running_mean, &norm.running_variance, &norm.saved_mean, &norm.saved_inv_std})
      buffer->expect_guards_intact();
    scratch.expect_guards_intact();

    const auto again = output(size);
    nn::batch_norm_forward_train_cuda(pixels, channels, x_device.data(), norm.state(), kMomentum, kEpsilon, relu,
                                      again.data(), scratch.data(), handle());
    expect_same_bits(again.to_host(), y_host, "y");
  }

 private:
  static void expect_statistics(const Device& norm, const reference::ChannelStatistics& want, std::int64_t pixels,
                                std::int64_t channels, const std::vector<float>& running_mean,
                                const std::vector<float>& running_variance) {
    const std::vector<float> mean = norm.saved_mean.to_host(), inv_std = norm.saved_inv_std.to_host();
    const std::vector<float> new_mean = norm.running_mean.to_host(), new_variance = norm.running_variance.to_host();
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
      const double n = static_cast<double>(pixels), unbiased = want.variance[c] * n / std::max(n - 1, 1.0);
      const double inverse = 1 / std::sqrt(want.variance[c] + double{kEpsilon});
      ASSERT_NEAR(double{mean[c]}, want.mean[c],
                  4 * kUnit * std::abs(want.mean[c]) + 1e-6 * std::sqrt(want.variance[c]));
      ASSERT_NEAR(double{inv_std[c]}, inverse, 2e-6 * inverse);
      ASSERT_NEAR(double{new_mean[c]}, 0.9 * double{running_mean[c]} + 0.1 * want.mean[c],
                  4 * kUnit * std::abs(want.mean[c]) + 1e-6);
      ASSERT_NEAR(double{new_variance[c]}, 0.9 * double{running_variance[c]} + 0.1 * unbiased,
                  1e-6 * (double{running_variance[c]} + unbiased));
    }
  }
};

TEST_F(BatchNormCuda, AgreesWithTheDefinition) {
  for (const std::int64_t channels : {1, 3, 4, 5, 16, 33, 64, 130, 132})
    for (const std::int64_t pixels : {1, 2, 31, 33, 1000})
      check(pixels, channels, 0.5f, 2.0f, channels % 2 == 0 ? Relu::yes : Relu::no);
}

TEST_F(BatchNormCuda, AgreesOverManyChunks) {
  check(70000, 4, 0.0f, 1.0f, Relu::yes);
  check(9000, 32, -2.0f, 0.1f, Relu::no);
  check(9000, 3, 2.0f, 1.0f, Relu::yes);
}

TEST_F(BatchNormCuda, ADistantMeanCostsNoAccuracy) {
  check(5000, 8, 1000.0f, 1.0f, Relu::no);
  check(5000, 5, 1000.0f, 1.0f, Relu::yes);
  check(777, 64, -30000.0f, 1.0f, Relu::no);
}

TEST_F(BatchNormCuda, AnOutlierInTheFirstPixelCostsNoAccuracy) {
  std::vector<float> x = normal(4000);
  for (std::size_t c = 0; c < 4; ++c) x[c] = 1e4f;
  const Device norm = state_of({1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}, {1, 1, 1, 1});
  const auto x_device = device(x), y = output(4000);
  const auto scratch = workspace(nn::batch_norm_workspace_bytes(1000, 4));
  nn::batch_norm_forward_train_cuda(1000, 4, x_device.data(), norm.state(), kMomentum, kEpsilon, Relu::no, y.data(),
                                    scratch.data(), handle());
  const reference::ChannelStatistics want = reference::channel_statistics(1000, 4, x);
  const std::vector<float> inv_std = norm.saved_inv_std.to_host();
  for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(double{inv_std[c]} * std::sqrt(want.variance[c]), 1.0, 2e-6);
}

TEST_F(BatchNormCuda, ConstantInputGivesBetaAndFiniteGradients) {
  const Device norm = state_of({2, 3}, {5, -7}, {0, 0}, {1, 1});
  const auto x = device(std::vector<float>(64, 3.0f)), dy = device(normal(64)), y = output(64), dx = output(64);
  const auto dgamma = output(2), dbeta = output(2);
  const auto scratch = workspace(nn::batch_norm_workspace_bytes(32, 2));
  nn::batch_norm_forward_train_cuda(32, 2, x.data(), norm.state(), kMomentum, kEpsilon, Relu::no, y.data(),
                                    scratch.data(), handle());
  nn::batch_norm_backward_cuda(32, 2, x.data(), y.data(), dy.data(), norm.state(), Relu::no, dx.data(), dgamma.data(),
                               dbeta.data(), scratch.data(), handle());
  const std::vector<float> y_host = y.to_host();
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(y_host[i], i % 2 == 0 ? 5.0f : -7.0f);
  for (const float value : dx.to_host()) EXPECT_TRUE(std::isfinite(value));
}

TEST_F(BatchNormCuda, RunningStatisticsGiveAnAffineMapAndItsGradient) {
  for (const std::int64_t channels : {1, 4, 5, 36})
    for (const Relu relu : {Relu::no, Relu::yes}) {
      const std::int64_t pixels = 333, size = pixels * channels;
      const std::vector<float> x = normal(size), dy = normal(size), gamma = normal(channels), beta = normal(channels);
      const std::vector<float> mean = normal(channels), variance = normal(channels, 4.0f, 0.5f);
      const Device norm = state_of(gamma, beta, mean, variance);
      const auto x_device = device(x), dy_device = device(dy), y = output(size), dx = output(size);
      nn::batch_norm_forward_eval_cuda(pixels, channels, x_device.data(), norm.state(), kEpsilon, relu, y.data(),
                                       handle());
      nn::batch_norm_backward_eval_cuda(pixels, channels, y.data(), dy_device.data(), norm.state(), kEpsilon, relu,
                                        dx.data(), handle());
      const std::vector<float> y_host = y.to_host(), dx_host = dx.to_host();
      for (std::int64_t i = 0; i < size; ++i) {
        const auto c = static_cast<std::size_t>(i % channels), at = static_cast<std::size_t>(i);
        const double scale = double{gamma[c]} / std::sqrt(double{variance[c]} + double{kEpsilon});
        const double exact = (double{x[at]} - double{mean[c]}) * scale + double{beta[c]};
        const bool passes = relu == Relu::no || y_host[at] > 0;
        ASSERT_NEAR(double{y_host[at]}, relu == Relu::yes ? std::max(exact, 0.0) : exact, 1e-6 * (4 + std::abs(exact)));
        ASSERT_NEAR(double{dx_host[at]}, passes ? scale * double{dy[at]} : 0.0,
                    1e-6 * std::abs(scale * double{dy[at]}));
      }
      y.expect_guards_intact();
      dx.expect_guards_intact();
      for (const float value : norm.saved_mean.to_host()) EXPECT_TRUE(std::isnan(value)) << "saved_mean was written";
    }
}

}  // namespace
}  // namespace leaven::test
