#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/augment/normalise.hpp"

namespace leaven {

// From one pixel of a run to the next, and from one channel to the next; in elements.
struct RunStrides {
  std::int64_t pixel;
  std::int64_t channel;
};

struct NormaliseLoops {
  // Normalises a run of pixels.
  template <class T>
  using Run = void (*)(const std::uint8_t* in, RunStrides in_strides, std::int64_t pixels, std::int64_t channels,
                       const ScaleShift& parameters, T* out, RunStrides out_strides);
  Run<float> f32;
  Run<std::uint16_t> f16, bf16;
};
LEAVEN_DECLARE_ISA_TABLE(NormaliseLoops, normalise_loops)

// @throws InvalidArgument in the name of `function`.
void check_normalisation(const char* function, const Normalisation& normalisation, std::int64_t channels);

// On the CPU: the first image of each view. T is float or 16 bits of `type`.
template <class T>
void normalise_image(const ImageView<const std::uint8_t>& in, const ScaleShift& parameters, FloatType type,
                     const ImageView<T>& out);

}  // namespace leaven
