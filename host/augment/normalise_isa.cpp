#include "host/augment/normalise.hpp"
#include "kernels/core/float16.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

template <class T, FloatType kType>
T normalised(std::uint8_t v, float scale, float shift) {
  return output_value<T>(normalise_value(v, scale, shift), kType);
}

template <class T, FloatType kType>
void plane(const std::uint8_t* __restrict in, std::int64_t pixels, float scale, float shift, T* __restrict out) {
  for (std::int64_t i = 0; i < pixels; ++i) out[i] = normalised<T, kType>(in[i], scale, shift);
}

// Three channels, interleaved on both sides: 16 pixels are 48 values with a fixed pattern of parameters.
template <class T, FloatType kType>
void interleaved(const std::uint8_t* __restrict in, std::int64_t pixels, const ScaleShift& p, T* __restrict out) {
  constexpr int kPeriod = 48;
  alignas(64) float scale[kPeriod];
  alignas(64) float shift[kPeriod];
  for (int i = 0; i < kPeriod; ++i) {
    scale[i] = p.scale[i % 3];
    shift[i] = p.shift[i % 3];
  }
  const std::int64_t size = pixels * 3;
  std::int64_t i = 0;
  for (; i + kPeriod <= size; i += kPeriod) {
    for (int j = 0; j < kPeriod; ++j) out[i + j] = normalised<T, kType>(in[i + j], scale[j], shift[j]);
  }
  for (int j = 0; i + j < size; ++j) out[i + j] = normalised<T, kType>(in[i + j], scale[j], shift[j]);
}

template <class T, FloatType kType>
void interleaved_to_planar(const std::uint8_t* __restrict in, std::int64_t pixels, const ScaleShift& p,
                           T* __restrict red, T* __restrict green, T* __restrict blue) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    red[i] = normalised<T, kType>(in[3 * i], p.scale[0], p.shift[0]);
    green[i] = normalised<T, kType>(in[3 * i + 1], p.scale[1], p.shift[1]);
    blue[i] = normalised<T, kType>(in[3 * i + 2], p.scale[2], p.shift[2]);
  }
}

template <class T, FloatType kType>
void run(const std::uint8_t* in, RunStrides in_strides, std::int64_t pixels, std::int64_t channels, const ScaleShift& p,
         T* out, RunStrides out_strides) {
  const bool in_interleaved = channels == 3 && in_strides.pixel == 3 && in_strides.channel == 1;
  if (in_interleaved && out_strides.pixel == 3 && out_strides.channel == 1) {
    return interleaved<T, kType>(in, pixels, p, out);
  }
  if (in_interleaved && out_strides.pixel == 1) {
    const std::int64_t step = out_strides.channel;
    return interleaved_to_planar<T, kType>(in, pixels, p, out, out + step, out + 2 * step);
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::uint8_t* from = in + c * in_strides.channel;
    T* to = out + c * out_strides.channel;
    if (in_strides.pixel == 1 && out_strides.pixel == 1) {
      plane<T, kType>(from, pixels, p.scale[c], p.shift[c], to);
    } else {
      for (std::int64_t i = 0; i < pixels; ++i) {
        to[i * out_strides.pixel] = normalised<T, kType>(from[i * in_strides.pixel], p.scale[c], p.shift[c]);
      }
    }
  }
}

}  // namespace

extern const NormaliseLoops normalise_loops;
const NormaliseLoops normalise_loops{.f32 = run<float, FloatType::f32>,
                                     .f16 = run<std::uint16_t, FloatType::f16>,
                                     .bf16 = run<std::uint16_t, FloatType::bf16>};

}  // namespace leaven::LEAVEN_ISA
