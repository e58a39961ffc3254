#include "kernels/loss/launch_loss.cuh"

namespace leaven::cuda {

// T^2 KL and the cross-entropy with labels. The kernels are in several files because they take long to compile.
void launch_soft_and_labels(const LossParams& p, CUstream_st* stream) {
  launch_loss<HardPart::labels, true>(p, stream);
}

}  // namespace leaven::cuda
