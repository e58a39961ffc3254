#include "kernels/loss/launch_loss.cuh"

namespace leaven::cuda {

// The cross-entropy alone. The kernels are in three files because they take long to compile.
void launch_loss_hard(const LossParams& p, CUstream_st* stream) { launch_loss<true, false>(p, stream); }

}  // namespace leaven::cuda
