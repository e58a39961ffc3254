#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"

namespace leaven::nn {

// Division of 0 .. 2^31 - 1 by a fixed divisor (1 .. 2^31 - 1) with a product and a shift, exactly: Granlund and
// Montgomery, "Division by invariant integers using multiplication", PLDI 1994. Built on the host, used in kernels.
class Divider {
 public:
  Divider() = default;
  explicit Divider(std::int64_t divisor) : divisor_(static_cast<std::uint32_t>(divisor)) {
    int bits = 0;
    while ((std::int64_t{1} << bits) < divisor) ++bits;
    shift_ = 31 + bits;
    const std::uint64_t power = std::uint64_t{1} << shift_;
    multiplier_ = static_cast<std::uint32_t>((power + static_cast<std::uint64_t>(divisor) - 1) / divisor_);
  }

  LEAVEN_HD int divisor() const { return static_cast<int>(divisor_); }
  LEAVEN_HD int divide(int value) const {
    return static_cast<int>((std::uint64_t{static_cast<std::uint32_t>(value)} * multiplier_) >> shift_);
  }
  // Any non-negative value; slow only where it has more than 31 bits.
  LEAVEN_HD std::int64_t divide_wide(std::int64_t value) const {
    return value <= INT32_MAX ? divide(static_cast<int>(value)) : value / divisor_;
  }

 private:
  std::uint32_t divisor_ = 1;
  std::uint32_t multiplier_ = 1u << 31;
  int shift_ = 31;
};

}  // namespace leaven::nn
