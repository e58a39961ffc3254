#pragma once

#include <leaven/augment.hpp>
#include "kernels/core/annotate.hpp"
#include "kernels/core/philox.hpp"

struct CUstream_st;

namespace leaven {

LEAVEN_HD std::uint32_t value_of(const Epoch& epoch) { return epoch.counter != nullptr ? *epoch.counter : epoch.value; }

template <class Slot>
LEAVEN_HD Philox4 draw(std::uint64_t seed, const Epoch& epoch, std::uint64_t sample_id, Slot slot) {
  return draw(seed, value_of(epoch), sample_id, slot);
}

void advance_epoch_cuda(std::uint32_t* counter, CUstream_st* stream);

}  // namespace leaven
