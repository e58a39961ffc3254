#pragma once

#include <cstdint>

#include <leaven/float16.hpp>
#include <leaven/view.hpp>
#include "kernels/augment/mix.hpp"
#include "kernels/augment/normalise.hpp"

struct CUstream_st;

namespace leaven {

// T is float or 16 bits of `type`.
template <class T>
void normalise_cuda(ImageView<const std::uint8_t> in, const ScaleShift& parameters, FloatType type, ImageView<T> out,
                    CUstream_st* stream);
void mix_cuda(const char* function, ImageView<const std::uint8_t> in, const MixJob& job, ImageView<std::uint8_t> out,
              CUstream_st* stream);
void mix_cuda(const char* function, ImageView<const float> in, const MixJob& job, ImageView<float> out,
              CUstream_st* stream);
// Mixing and normalising in one launch.
template <class T>
void mix_normalise_cuda(ImageView<const std::uint8_t> in, const MixJob& job, const ScaleShift& parameters,
                        FloatType type, ImageView<T> out, CUstream_st* stream);

}  // namespace leaven
