#pragma once

#ifndef LEAVEN_WITH_CUDA
#define LEAVEN_WITH_CUDA 0
#endif

namespace leaven {

// `if constexpr (kWithCuda)` round a launcher's call keeps a build without CUDA free of its symbol.
inline constexpr bool kWithCuda = LEAVEN_WITH_CUDA != 0;

}  // namespace leaven
