#pragma once

#include <leaven/stream.hpp>
#include "kernels/loss/general_params.hpp"

namespace leaven {

// Runs a call of distillation_loss whose arguments are checked and which the fast kernels do not serve.
void run_general(const GeneralParams& params, Stream stream);

}  // namespace leaven
