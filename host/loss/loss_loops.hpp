#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/loss/loss_params.hpp"

namespace leaven {

// Rows begin .. end - 1 of a call: losses, gradients (times `scale`) and status; their sum and count to `partial`.
using LossRowsFunction = void (*)(const LossParams& params, float scale, std::int64_t begin, std::int64_t end,
                                  LossPartial& partial);
struct LossLoops {
  LossRowsFunction hard;  // cross-entropy alone
  LossRowsFunction soft;  // T^2 KL alone
  LossRowsFunction both;
  // How many of the rows begin .. end - 1 are valid.
  std::int64_t (*count_valid)(const LossParams& params, std::int64_t begin, std::int64_t end);
};
LEAVEN_DECLARE_ISA_TABLE(LossLoops, loss_loops)

}  // namespace leaven
