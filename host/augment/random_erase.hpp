#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/random_erase.hpp"

namespace leaven {

// @throws InvalidArgument in the name of `function`.
void check_random_erase(const char* function, const RandomEraseOptions& options);

RandomEraseSource random_erase_source(const RandomEraseOptions& options, RandomKey key, const std::int64_t* ids,
                                      ImageSize size);

}  // namespace leaven
