#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <leaven/train/network.hpp>
#include "tests/reference/nn_reference.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {

inline std::vector<float> random_floats(std::int64_t size, std::uint64_t seed, float low = -1, float high = 1) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& v : values) v = uniform(engine);
  return values;
}

// The network's own NHWC images as the reference's NCHW.
inline reference::Images to_reference(const std::vector<float>& nhwc, const ImageShape& s) {
  reference::Images images(s.count, s.channels, s.height, s.width);
  std::size_t i = 0;
  for (std::int64_t n = 0; n < s.count; ++n)
    for (std::int64_t y = 0; y < s.height; ++y)
      for (std::int64_t x = 0; x < s.width; ++x)
        for (std::int64_t c = 0; c < s.channels; ++c) images.at(n, c, y, x) = nhwc[i++];
  return images;
}

inline reference::Parameters to_reference(const train::Network& network) {
  reference::Parameters parameters;
  for (const auto& info : network.parameters()) {
    const std::vector<float> values = network.parameter(info.name);
    parameters[info.name] = {values.begin(), values.end()};
  }
  return parameters;
}

// Every parameter gets a random value, biases and batch norm's tensors too (running variances above 0).
inline void randomise(train::Network& network, std::uint64_t seed) {
  for (const auto& info : network.parameters()) {
    const bool variance = info.name.ends_with("running_var");
    const bool scale = info.name.starts_with("bn") && info.name.ends_with("weight");
    network.set_parameter(info.name, random_floats(info.size(), ++seed, variance || scale ? 0.5f : -0.5f,
                                                   variance || scale ? 1.5f : 0.5f));
  }
}

inline std::vector<float> run_forward(train::Network& network, const std::vector<float>& images, std::int64_t count,
                                      train::Mode mode, train::DropoutKey key = {}) {
  ImageShape shape = network.input();
  shape.count = count;
  const Buffer<float> in(images, network.stream());
  const MatrixView<float> logits = network.forward(ImageView<const float>::nhwc(in.data(), shape), mode, key);
  std::vector<float> out(static_cast<std::size_t>(count * network.classes()));
  detail::copy(out.data(), Backend::cpu, logits.data, network.stream().backend(), out.size() * sizeof(float),
               network.stream());
  return out;
}

// forward in training mode, then backward from the given gradient of the logits.
inline void run_training(train::Network& network, const std::vector<float>& images,
                         const std::vector<float>& logits_gradient, std::int64_t count, train::DropoutKey key = {}) {
  ImageShape shape = network.input();
  shape.count = count;
  const Buffer<float> in(images, network.stream());
  const Buffer<float> gradient(logits_gradient, network.stream());
  network.forward(ImageView<const float>::nhwc(in.data(), shape), train::Mode::training, key);
  network.backward(MatrixView<const float>::packed(gradient.data(), count, network.classes()));
  network.stream().synchronize();
}

// Per element, relative to the largest value of the tensor: sums of products in float32 next to double.
inline void expect_close(const std::vector<float>& got, const std::vector<double>& expected, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double largest = 0;
  for (const double v : expected) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), expected[i], tolerance * (1e-3 + largest)) << what << " [" << i << "]";
  }
}

// Bytes of all parameters, or of those of one layer.
inline std::string hash_of(const train::Network& network, const std::string& layer = {}) {
  std::vector<std::uint8_t> bytes;
  for (const auto& info : network.parameters()) {
    if (!layer.empty() && info.layer != layer) continue;
    const std::vector<float> values = network.parameter(info.name);
    const auto* data = reinterpret_cast<const std::uint8_t*>(values.data());
    bytes.insert(bytes.end(), data, data + values.size() * sizeof(float));
  }
  return sha256(bytes);
}

}  // namespace leaven::test
