#pragma once

#include <atomic>

// How often the test program has allocated; counted where one of its source files includes allocation_count.hpp.
namespace leaven::test {
inline std::atomic<long> allocations{0};
}  // namespace leaven::test
