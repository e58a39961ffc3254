#include "kernels/augment/float_ops.cuh"
#include "kernels/augment/op_source.hpp"

namespace leaven::cuda {

#define LEAVEN_INSTANTIATE(Source)                                                                              \
  template void float_ops_cuda(const char*, const Source&, const FloatIn&, const WarpOptions&, const FloatOut&, \
                               CUstream_st*)

LEAVEN_INSTANTIATE(FlipSource);
LEAVEN_INSTANTIATE(CropSource);
LEAVEN_INSTANTIATE(AffineSource);
LEAVEN_INSTANTIATE(PerspectiveSource);
LEAVEN_INSTANTIATE(RotateSource);
LEAVEN_INSTANTIATE(ShearSource);
LEAVEN_INSTANTIATE(TranslateSource);

#undef LEAVEN_INSTANTIATE

}  // namespace leaven::cuda
