#pragma once

#include <cstdint>

namespace leaven::nn {

// Where this holds for every row of a matrix, kernels move 16 bytes at a time; otherwise 4.
inline bool aligned_to_16(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

}  // namespace leaven::nn
