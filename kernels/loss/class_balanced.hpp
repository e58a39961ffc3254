#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"
#include "kernels/loss/float_math.hpp"

namespace leaven {

// Sorted upwards: class after class, in each the most confident first (0 and -0 are equal), behind all of them what is
// never selected.
LEAVEN_HD std::uint64_t selection_key(std::int32_t label, float confidence, bool accepted, std::int32_t classes) {
  const bool inside = label >= 0 && label < classes;
  const bool selected = accepted && inside && confidence == confidence;
  const std::uint32_t bits = bits_of_float(confidence + 0.0f);
  const std::uint32_t rising = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  const auto group = static_cast<std::uint64_t>(static_cast<std::uint32_t>(selected ? label : classes));
  return group << 32 | static_cast<std::uint64_t>(~rising);
}

LEAVEN_HD std::int64_t key_label(std::uint64_t key) { return static_cast<std::int64_t>(key >> 32); }

}  // namespace leaven
