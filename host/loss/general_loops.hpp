#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/loss/general_params.hpp"

namespace leaven {

// Rows begin .. end - 1 of a call: losses, gradients (times `scale`) and status; their sum and count to `partial`.
using GeneralRowsFunction = void (*)(const GeneralParams& params, float scale, std::int64_t begin, std::int64_t end,
                                     LossPartial& partial);
LEAVEN_DECLARE_ISA_TABLE(GeneralRowsFunction, general_teacher_rows)
LEAVEN_DECLARE_ISA_TABLE(GeneralRowsFunction, general_top_k_rows)

}  // namespace leaven
