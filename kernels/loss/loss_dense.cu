#include "kernels/loss/launch_loss.cuh"

namespace leaven::cuda {

// The cross-entropy with dense targets. The kernels are in several files because they take long to compile.
void launch_dense_cross_entropy(const LossParams& p, CUstream_st* stream) {
  launch_loss<HardPart::dense, false>(p, stream);
}

}  // namespace leaven::cuda
