#include "host/augment/normalise.hpp"

#include <cmath>

#include "host/augment/checks.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/finish.hpp"

namespace leaven {

void check_normalisation(const char* function, const Normalisation& normalisation, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    check(std::isfinite(normalisation.mean[i]), "{}: normalisation.mean[{}] is {}, expected a finite value", function,
          c, normalisation.mean[i]);
    check(std::isfinite(normalisation.std[i]) && normalisation.std[i] > 0,
          "{}: normalisation.std[{}] is {}, expected a finite value above 0", function, c, normalisation.std[i]);
  }
}

void check_float_images(const char* function, const char* argument, const ImageView<float>& view,
                        const ImageShape& expected) {
  check(view.shape() == expected, "{}: {} has shape {}x{}x{}x{}, expected {}x{}x{}x{}", function, argument, view.count,
        view.height, view.width, view.channels, expected.count, expected.height, expected.width, expected.channels);
  check(view.data != nullptr || expected.size() == 0, "{}: {} is null, expected {} values", function, argument,
        expected.size());
}

void normalise_image(const ImageView<const std::uint8_t>& in, const ScaleShift& parameters,
                     const ImageView<float>& out) {
  const RunStrides in_strides{in.pixel_stride, in.channel_stride};
  const RunStrides out_strides{out.pixel_stride, out.channel_stride};
  const bool one_run = in.row_stride == in.width * in.pixel_stride && out.row_stride == out.width * out.pixel_stride;
  const std::int64_t rows = one_run ? 1 : in.height;
  const std::int64_t pixels = one_run ? in.height * in.width : in.width;
  const NormaliseLoops& loops = normalise_loops();
  for (std::int64_t y = 0; y < rows; ++y) {
    loops.run(in.data + y * in.row_stride, in_strides, pixels, in.channels, parameters, out.data + y * out.row_stride,
              out_strides);
  }
}

void normalise(ImageView<const std::uint8_t> in, const Normalisation& normalisation, ImageView<float> out,
               Stream stream) {
  check_image("normalise", "in", in);
  check_area("normalise", "in", in.shape());
  check_float_images("normalise", "out", out, in.shape());
  check_normalisation("normalise", normalisation, in.channels);
  if (in.shape().size() == 0) return;
  const ScaleShift parameters = scale_shift(normalisation);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return normalise_cuda(in, parameters, out, stream.cuda_handle());
  }
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) normalise_image(in.slice(i, 1), parameters, out.slice(i, 1));
  });
}

}  // namespace leaven
