#pragma once

#include <cstdint>

#include <leaven/view.hpp>
#include "kernels/augment/cutmix.hpp"
#include "kernels/augment/normalise.hpp"

struct CUstream_st;

namespace leaven {

void normalise_cuda(ImageView<const std::uint8_t> in, const ScaleShift& parameters, ImageView<float> out,
                    CUstream_st* stream);
void cutmix_cuda(ImageView<const std::uint8_t> in, const CutMixJob& job, ImageView<std::uint8_t> out,
                 CUstream_st* stream);
// cutmix and normalise in one launch.
void cutmix_normalise_cuda(ImageView<const std::uint8_t> in, const CutMixJob& job, const ScaleShift& parameters,
                           ImageView<float> out, CUstream_st* stream);

}  // namespace leaven
