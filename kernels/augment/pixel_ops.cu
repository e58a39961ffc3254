#include "kernels/augment/image_op.cuh"
#include "kernels/augment/op_source.hpp"

namespace leaven::cuda {

#define LEAVEN_INSTANTIATE(Source)                                                                            \
  template void image_ops_cuda(const char*, const Source&, const InView&, const WarpOptions&, const OutView&, \
                               CUstream_st*)

LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::brightness>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::contrast>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::color>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::solarize>);
LEAVEN_INSTANTIATE(FactorSource<ImageOpKind::sharpness>);
LEAVEN_INSTANTIATE(OffsetSource);
LEAVEN_INSTANTIATE(HueSource);
LEAVEN_INSTANTIATE(EraseSource);
LEAVEN_INSTANTIATE(PosterizeSource);
LEAVEN_INSTANTIATE(SolarizeAddSource);
LEAVEN_INSTANTIATE(PlainSource<ImageOpKind::invert>);
LEAVEN_INSTANTIATE(PlainSource<ImageOpKind::autocontrast>);
LEAVEN_INSTANTIATE(PlainSource<ImageOpKind::equalize>);

#undef LEAVEN_INSTANTIATE

}  // namespace leaven::cuda
