#include "kernels/loss/launch_loss.cuh"

namespace leaven::cuda {

// T^2 KL alone. The kernels are in several files because they take long to compile.
void launch_soft(const LossParams& p, CUstream_st* stream) { launch_loss<HardPart::none, true>(p, stream); }

}  // namespace leaven::cuda
