#include "kernels/nn/divider.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>

namespace leaven::nn {
namespace {

TEST(Divider, DividesExactlyAtEveryEdge) {
  constexpr std::int64_t kLargest = INT32_MAX;
  std::int64_t divisors[64], count = 0;
  for (const std::int64_t base : {1, 2, 3, 5, 7, 9, 10, 28, 49, 641, 784, 25088, 65535, 65536, 65537, 1 << 30})
    for (const std::int64_t divisor : {base, base + 1, kLargest / base}) divisors[count++] = divisor;
  for (std::int64_t i = 0; i < count; ++i) {
    const Divider divider(divisors[i]);
    for (const std::int64_t quotient : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1000}, kLargest / divisors[i]})
      for (const std::int64_t rest : {-1, 0, 1}) {
        const std::int64_t value = quotient * divisors[i] + rest;
        if (value < 0 || value > kLargest) continue;
        EXPECT_EQ(divider.divide(static_cast<int>(value)), value / divisors[i]) << value << " / " << divisors[i];
        EXPECT_EQ(divider.divide_wide(value), value / divisors[i]);
        EXPECT_EQ(divider.divide_wide(value + (std::int64_t{1} << 40)),
                  (value + (std::int64_t{1} << 40)) / divisors[i]);
      }
  }
}

}  // namespace
}  // namespace leaven::nn
