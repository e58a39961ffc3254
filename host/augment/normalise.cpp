#include "host/augment/normalise.hpp"

#include <cmath>
#include <type_traits>

#include "host/augment/checks.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/finish.hpp"

namespace leaven {
namespace {

template <class T>
ImageView<std::uint16_t> bits_of(const ImageView<T>& v) {
  static_assert(sizeof(T) == sizeof(std::uint16_t));
  return {reinterpret_cast<std::uint16_t*>(v.data),
          v.count,
          v.height,
          v.width,
          v.channels,
          v.image_stride,
          v.row_stride,
          v.pixel_stride,
          v.channel_stride};
}

}  // namespace

void check_normalisation(const char* function, const Normalisation& normalisation, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    check(std::isfinite(normalisation.mean[i]), "{}: normalisation.mean[{}] is {}, expected a finite value", function,
          c, normalisation.mean[i]);
    check(std::isfinite(normalisation.std[i]) && normalisation.std[i] > 0,
          "{}: normalisation.std[{}] is {}, expected a finite value above 0", function, c, normalisation.std[i]);
    const ScaleShift p = scale_shift(normalisation);
    check(std::isfinite(p.scale[i] * 255) && std::isfinite(p.shift[i]),
          "{}: normalisation of channel {} (mean {}, std {}) leaves the range of float", function, c,
          normalisation.mean[i], normalisation.std[i]);
  }
}

template <class T>
void normalise_image(const ImageView<const std::uint8_t>& in, const ScaleShift& parameters, FloatType type,
                     const ImageView<T>& out) {
  const RunStrides in_strides{in.pixel_stride, in.channel_stride};
  const RunStrides out_strides{out.pixel_stride, out.channel_stride};
  const bool one_run = in.row_stride == in.width * in.pixel_stride && out.row_stride == out.width * out.pixel_stride;
  const std::int64_t rows = one_run ? 1 : in.height;
  const std::int64_t pixels = one_run ? in.height * in.width : in.width;
  const NormaliseLoops& loops = normalise_loops();
  NormaliseLoops::Run<T> run;
  if constexpr (std::is_same_v<T, float>) {
    run = loops.f32;
  } else {
    run = type == FloatType::bf16 ? loops.bf16 : loops.f16;
  }
  for (std::int64_t y = 0; y < rows; ++y) {
    run(in.data + y * in.row_stride, in_strides, pixels, in.channels, parameters, out.data + y * out.row_stride,
        out_strides);
  }
}
template void normalise_image(const ImageView<const std::uint8_t>&, const ScaleShift&, FloatType,
                              const ImageView<float>&);
template void normalise_image(const ImageView<const std::uint8_t>&, const ScaleShift&, FloatType,
                              const ImageView<std::uint16_t>&);

namespace {

template <class T>
void run_normalise(const ImageView<const std::uint8_t>& in, const Normalisation& normalisation, FloatType type,
                   const ImageView<T>& out, Stream stream) {
  check_image("normalise", "in", in);
  check_area("normalise", "in", in.shape());
  const ImageShape wanted = in.shape();
  check(out.shape() == wanted, "normalise: out has shape {}x{}x{}x{}, expected {}x{}x{}x{}", out.count, out.height,
        out.width, out.channels, wanted.count, wanted.height, wanted.width, wanted.channels);
  check(out.data != nullptr || wanted.size() == 0, "normalise: out is null, expected {} values", wanted.size());
  check_normalisation("normalise", normalisation, in.channels);
  if (in.shape().size() == 0) return;
  const ScaleShift parameters = scale_shift(normalisation);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return normalise_cuda(in, parameters, type, out, stream.cuda_handle());
  }
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) normalise_image(in.slice(i, 1), parameters, type, out.slice(i, 1));
  });
}

}  // namespace

void normalise(ImageView<const std::uint8_t> in, const Normalisation& normalisation, ImageView<float> out,
               Stream stream) {
  run_normalise(in, normalisation, FloatType::f32, out, stream);
}
void normalise(ImageView<const std::uint8_t> in, const Normalisation& normalisation, ImageView<Float16> out,
               Stream stream) {
  run_normalise(in, normalisation, FloatType::f16, bits_of(out), stream);
}
void normalise(ImageView<const std::uint8_t> in, const Normalisation& normalisation, ImageView<BFloat16> out,
               Stream stream) {
  run_normalise(in, normalisation, FloatType::bf16, bits_of(out), stream);
}

}  // namespace leaven
