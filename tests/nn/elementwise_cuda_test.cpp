#include "kernels/core/philox.hpp"
#include "kernels/nn/dropout.hpp"
#include "kernels/nn/sgd.hpp"
#include "tests/nn/cuda_layer_test.hpp"

namespace leaven::test {
namespace {

constexpr std::int64_t kSizes[] = {0, 1, 31, 32, 33, 1023, 1025, 4099};

class ElementwiseCuda : public CudaLayerTest {};

TEST_F(ElementwiseCuda, ReluCutsAtZeroAndKeepsNan) {
  for (const std::int64_t size : kSizes) {
    std::vector<float> x = normal(size);
    if (size > 3) x[0] = 0.0f, x[1] = std::numeric_limits<float>::quiet_NaN(), x[2] = -INFINITY, x[3] = INFINITY;
    const std::vector<float> dy = normal(size);
    const auto x_device = device(x), dy_device = device(dy), y = output(size), dx = output(size);
    nn::relu_forward_cuda(size, x_device.data(), y.data(), handle());
    nn::relu_backward_cuda(size, y.data(), dy_device.data(), dx.data(), handle());
    const std::vector<float> y_host = y.to_host(), dx_host = dx.to_host();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) {
        EXPECT_TRUE(std::isnan(y_host[i]));
        continue;
      }
      ASSERT_EQ(y_host[i], std::max(x[i], 0.0f)) << i;
      ASSERT_EQ(dx_host[i], x[i] > 0.0f ? dy[i] : 0.0f) << i;
    }
    nn::relu_forward_cuda(size, x_device.data(), x_device.data(), handle());
    nn::relu_backward_cuda(size, y.data(), dy_device.data(), dy_device.data(), handle());
    expect_same_bits(x_device.to_host(), y_host, "y in place");
    expect_same_bits(dy_device.to_host(), dx_host, "dx in place");
    for (const auto* buffer : {&y, &dx, &x_device, &dy_device}) buffer->expect_guards_intact();
  }
}

TEST_F(ElementwiseCuda, ReluTakesTensorsThatAreNot16ByteAligned) {
  const std::vector<float> x = normal(101), dy = normal(101);
  const auto x_device = device(x), dy_device = device(dy), y = output(102), dx = output(102);
  nn::relu_forward_cuda(100, x_device.data() + 1, y.data() + 1, handle());
  nn::relu_backward_cuda(100, y.data() + 1, dy_device.data() + 1, dx.data() + 1, handle());
  const std::vector<float> y_host = y.to_host(), dx_host = dx.to_host();
  for (const auto* values : {&y_host, &dx_host}) EXPECT_TRUE(std::isnan(values->front()) && std::isnan(values->back()));
  for (std::size_t i = 1; i <= 100; ++i) {
    ASSERT_EQ(y_host[i], std::max(x[i], 0.0f)) << i;
    ASSERT_EQ(dx_host[i], x[i] > 0.0f ? dy[i] : 0.0f) << i;
  }
}

TEST_F(ElementwiseCuda, DropoutKeepsWhatItsDrawsSay) {
  const nn::DropoutDraw draw{.seed = 0x123456789abcdefull, .step = 17, .layer = 3, .probability = 0.3f};
  for (const std::int64_t size : kSizes) {
    const std::vector<float> x = normal(size);
    const auto x_device = device(x), y = output(size);
    nn::dropout_cuda(size, draw, x_device.data(), y.data(), handle());
    const std::vector<float> y_host = y.to_host();
    for (std::int64_t i = 0; i < size; ++i) {
      const Philox4 words = leaven::draw(draw.seed, 17, static_cast<std::uint64_t>(i / 4), 64 + 3);
      const std::uint32_t word[] = {words.x, words.y, words.z, words.w};
      const bool kept = static_cast<double>(word[i % 4] >> 8) / 16777216.0 >= double{0.3f};
      ASSERT_EQ(y_host[static_cast<std::size_t>(i)], kept ? x[static_cast<std::size_t>(i)] * (1.0f / 0.7f) : 0.0f) << i;
    }
    y.expect_guards_intact();
    const auto shifted = output(size + 1);
    nn::dropout_cuda(size, draw, x_device.data(), shifted.data() + 1, handle());
    const std::vector<float> all = shifted.to_host();
    expect_same_bits({all.begin() + 1, all.end()}, y_host, "y off alignment");
  }
}

TEST_F(ElementwiseCuda, DropoutDrawsAnewForEachStepLayerAndSeed) {
  const std::int64_t size = 4096;
  const std::vector<float> ones(static_cast<std::size_t>(size), 1.0f);
  const auto x = device(ones), y = output(size);
  std::vector<std::vector<float>> results;
  for (const nn::DropoutDraw& draw : {nn::DropoutDraw{1, 1, 0, 0.5f}, nn::DropoutDraw{1, 2, 0, 0.5f},
                                      nn::DropoutDraw{1, 1, 1, 0.5f}, nn::DropoutDraw{2, 1, 0, 0.5f}}) {
    nn::dropout_cuda(size, draw, x.data(), y.data(), handle());
    results.push_back(y.to_host());
    const auto kept = static_cast<double>(std::count(results.back().begin(), results.back().end(), 2.0f));
    EXPECT_NEAR(kept / static_cast<double>(size), 0.5, 0.04);  // five standard deviations
    for (std::size_t other = 0; other + 1 < results.size(); ++other) EXPECT_NE(results[other], results.back());
  }
}

TEST_F(ElementwiseCuda, DropoutOfProbabilityZeroAndOneKeepsAllAndNothing) {
  std::vector<float> x = normal(33);
  x[5] = INFINITY;
  const auto x_device = device(x), y = output(33);
  nn::dropout_cuda(33, {.seed = 1, .step = 1, .layer = 0, .probability = 0.0f}, x_device.data(), y.data(), handle());
  expect_same_bits(y.to_host(), x, "probability 0");
  nn::dropout_cuda(33, {.seed = 1, .step = 1, .layer = 0, .probability = 1.0f}, x_device.data(), y.data(), handle());
  expect_same_bits(y.to_host(), std::vector<float>(33, 0.0f), "probability 1");
}

TEST_F(ElementwiseCuda, SgdFollowsPyTorchsNesterovStep) {
  const nn::SgdStep step{.learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 5e-4f};
  for (const std::int64_t size : kSizes)
    for (const std::int64_t offset : {0, 1}) {
      const std::vector<float> g = normal(size + offset), v = normal(size + offset), w = normal(size + offset);
      const auto g_device = device(g), v_device = device(v), w_device = device(w);
      nn::sgd_step_cuda(size, step, g_device.data() + offset, v_device.data() + offset, w_device.data() + offset,
                        handle());
      const std::vector<float> v_host = v_device.to_host(), w_host = w_device.to_host();
      for (std::size_t i = 0; i < w.size(); ++i) {
        if (static_cast<std::int64_t>(i) < offset) {
          ASSERT_EQ(w_host[i], w[i]);
          continue;
        }
        const double decayed = double{g[i]} + double{step.weight_decay} * double{w[i]};
        const double velocity = double{step.momentum} * double{v[i]} + decayed;
        const double update = double{step.learning_rate} * (decayed + double{step.momentum} * velocity);
        const double scale = std::abs(double{g[i]}) + std::abs(double{w[i]}) + std::abs(double{v[i]});
        ASSERT_NEAR(double{v_host[i]}, velocity, 2e-7 * scale) << i;
        ASSERT_NEAR(double{w_host[i]}, double{w[i]} - update, 2e-7 * scale) << i;
        float own_velocity = v[i], own_weight = w[i];
        nn::sgd_element(step, g[i], own_velocity, own_weight);
        ASSERT_EQ(w_host[i], own_weight) << "the host's bits differ at " << i;
      }
      v_device.expect_guards_intact();
      w_device.expect_guards_intact();
    }
}

}  // namespace
}  // namespace leaven::test
