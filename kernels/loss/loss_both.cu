#include "kernels/loss/launch_loss.cuh"

namespace leaven::cuda {

// Cross-entropy and T^2 KL. The kernels are in three files because they take long to compile.
void launch_loss_both(const LossParams& p, CUstream_st* stream) { launch_loss<true, true>(p, stream); }

}  // namespace leaven::cuda
