#include "kernels/augment/float_ops.cuh"
#include "kernels/augment/op_source.hpp"

namespace leaven::cuda {

#define LEAVEN_INSTANTIATE(Source)                                                                              \
  template void float_ops_cuda(const char*, const Source&, const FloatIn&, const WarpOptions&, const FloatOut&, \
                               CUstream_st*)

LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::brightness>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::brightness_offset>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::contrast>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::color>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::solarize>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::sharpness>);
LEAVEN_INSTANTIATE(FloatHueSource);
LEAVEN_INSTANTIATE(EraseSource);
LEAVEN_INSTANTIATE(PosterizeSource);
LEAVEN_INSTANTIATE(SolarizeAddSource);
LEAVEN_INSTANTIATE(PlainSource<ImageOpKind::invert>);
LEAVEN_INSTANTIATE(PlainSource<ImageOpKind::autocontrast>);

#undef LEAVEN_INSTANTIATE

}  // namespace leaven::cuda
