#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/reference/nn_cuda_reference.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {

// Tests of the launchers in kernels/nn/layers.hpp, which exist in builds with CUDA only.
class CudaLayerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (require_cuda_or_skip()) stream_ = OwnedStream(Backend::cuda);
  }
  Stream stream() const { return stream_; }
  CUstream_st* handle() const { return stream().cuda_handle(); }

  std::vector<float> normal(std::int64_t size, float mean = 0.0f, float deviation = 1.0f) {
    std::normal_distribution<float> distribution(mean, deviation);
    std::vector<float> values(static_cast<std::size_t>(size));
    for (float& value : values) value = distribution(random_);
    return values;
  }
  GuardedBuffer<float> device(const std::vector<float>& values) const {
    return GuardedBuffer<float>(std::span<const float>(values), stream());
  }
  // Filled with NaN: an element that is not written is seen.
  GuardedBuffer<float> output(std::int64_t size) const {
    return device(std::vector<float>(static_cast<std::size_t>(size), std::numeric_limits<float>::quiet_NaN()));
  }
  GuardedBuffer<std::byte> workspace(std::int64_t size_bytes) const {
    return GuardedBuffer<std::byte>(std::max<std::int64_t>(size_bytes, 16), stream());
  }

 private:
  OwnedStream stream_{Backend::cpu};
  std::mt19937 random_{20240607};
};

// Element by element: |got - want| <= tolerance * scale, where scale is the sum of the absolute terms.
inline void expect_near(const std::vector<float>& got, const std::vector<double>& want,
                        const std::vector<double>& scale, double tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_LE(std::abs(double{got[i]} - want[i]), tolerance * scale[i])
        << what << "[" << i << "] is " << got[i] << ", expected " << want[i];
}

inline void expect_same_bits(const std::vector<float>& one, const std::vector<float>& other, const char* what) {
  ASSERT_EQ(one.size(), other.size());
  ASSERT_TRUE(one.empty() || std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0)
      << what << ": a second run gave other bits";
}

}  // namespace leaven::test
