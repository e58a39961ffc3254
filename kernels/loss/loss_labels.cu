#include "kernels/loss/launch_loss.cuh"

namespace leaven::cuda {

// The cross-entropy with labels. The kernels are in several files because they take long to compile.
void launch_cross_entropy(const LossParams& p, CUstream_st* stream) { launch_loss<HardPart::labels, false>(p, stream); }

}  // namespace leaven::cuda
