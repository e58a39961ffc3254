#include "kernels/loss/launch_loss.cuh"

namespace leaven::cuda {

// T^2 KL and the cross-entropy with dense targets. The kernels are in several files because they take long to compile.
void launch_soft_and_dense(const LossParams& p, CUstream_st* stream) { launch_loss<HardPart::dense, true>(p, stream); }

}  // namespace leaven::cuda
