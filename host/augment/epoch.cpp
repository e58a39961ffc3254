#include "kernels/augment/epoch.hpp"

#include "host/core/check.hpp"
#include "host/core/config.hpp"

namespace leaven {

void advance_epoch(std::uint32_t* counter, Stream stream) {
  check(counter != nullptr, "advance_epoch: counter is null");
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return advance_epoch_cuda(counter, stream.cuda_handle());
  }
  ++*counter;
}

}  // namespace leaven
