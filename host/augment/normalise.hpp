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
  void (*run)(const std::uint8_t* in, RunStrides in_strides, std::int64_t pixels, std::int64_t channels,
              const ScaleShift& parameters, float* out, RunStrides out_strides);
};
LEAVEN_DECLARE_ISA_TABLE(NormaliseLoops, normalise_loops)

// @throws InvalidArgument in the name of `function`.
void check_normalisation(const char* function, const Normalisation& normalisation, std::int64_t channels);

// `view` has the shape `expected` and data where there are values.
void check_float_images(const char* function, const char* argument, const ImageView<float>& view,
                        const ImageShape& expected);

// On the CPU: the first image of each view.
void normalise_image(const ImageView<const std::uint8_t>& in, const ScaleShift& parameters,
                     const ImageView<float>& out);

}  // namespace leaven
