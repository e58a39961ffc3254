#include "host/augment/cutmix.hpp"

#include <cmath>
#include <cstring>

#include "host/augment/checks.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/finish.hpp"

namespace leaven {
namespace {

// Copies columns left .. right - 1 of rows top .. bottom - 1.
void copy_part(const ImageView<const std::uint8_t>& in, const BoxPx& part, const ImageView<std::uint8_t>& out) {
  const bool interleaved = in.pixel_stride == in.channels && out.pixel_stride == out.channels &&
                           (in.channels == 1 || (in.channel_stride == 1 && out.channel_stride == 1));
  const auto run_bytes = static_cast<std::size_t>((part.right - part.left) * in.channels);
  for (std::int64_t y = part.top; y < part.bottom; ++y) {
    const std::uint8_t* from = in.data + y * in.row_stride + part.left * in.pixel_stride;
    std::uint8_t* to = out.data + y * out.row_stride + part.left * out.pixel_stride;
    if (interleaved) {
      std::memcpy(to, from, run_bytes);
      continue;
    }
    for (std::int64_t c = 0; c < in.channels; ++c) {
      for (std::int64_t x = 0; x < part.right - part.left; ++x) {
        to[x * out.pixel_stride + c * out.channel_stride] = from[x * in.pixel_stride + c * in.channel_stride];
      }
    }
  }
}

}  // namespace

void check_cutmix(const char* function, const CutMixOptions& options) {
  check(std::isfinite(options.alpha) && options.alpha > 0, "{}: options.alpha is {}, expected a finite value above 0",
        function, options.alpha);
  check(options.probability >= 0 && options.probability <= 1, "{}: options.probability is {}, expected 0 to 1",
        function, options.probability);
}

void mix_image(const ImageView<const std::uint8_t>& in, std::int64_t image, const BoxPx& box,
               const ImageView<std::uint8_t>& out) {
  const BoxPx all{.right = static_cast<std::int32_t>(in.width), .bottom = static_cast<std::int32_t>(in.height)};
  copy_part(in.slice(image, 1), all, out);
  if (box.left < box.right) copy_part(in.slice(partner_of(image, in.count), 1), box, out);
}

void cutmix(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
            std::span<const std::int32_t> labels, const CutMixOptions& options, RandomKey key,
            ImageView<std::uint8_t> out, MixedLabels mixed, Stream stream) {
  check_image("cutmix", "in", in);
  check_image("cutmix", "out", out);
  check_area("cutmix", "in", in.shape());
  check_same_shape("cutmix", in, out);
  check_no_overlap("cutmix", in, out);
  check_cutmix("cutmix", options);
  check_span("cutmix", "sample_ids", sample_ids, in.count);
  check_span("cutmix", "mixed.weight_a", mixed.weight_a, in.count);
  if (!labels.empty() || !mixed.a.empty() || !mixed.b.empty()) {
    check_span("cutmix", "labels", labels, in.count);
    check_span("cutmix", "mixed.a", mixed.a, in.count);
    check_span("cutmix", "mixed.b", mixed.b, in.count);
  }
  if (in.count == 0) return;
  check(in.height > 0 && in.width > 0, "cutmix: in has {}x{} pixels per image, expected at least one", in.height,
        in.width);
  const CutMixJob job{.seed = key.seed,
                      .epoch = key.epoch,
                      .probability = options.probability,
                      .inverse_alpha = 1.0 / options.alpha,
                      .inverse_area = 1.0 / static_cast<double>(in.width * in.height),
                      .count = in.count,
                      .width = static_cast<std::int32_t>(in.width),
                      .height = static_cast<std::int32_t>(in.height),
                      .ids = sample_ids.data(),
                      .labels = labels.empty() ? nullptr : labels.data(),
                      .label_a = mixed.a.data(),
                      .label_b = mixed.b.data(),
                      .weight_a = mixed.weight_a.data()};
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return cutmix_cuda(in, job, out, stream.cuda_handle());
  }
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const CutMixDraw drawn = draw_cutmix(job, i);
      mix_image(in, i, drawn.box, out.slice(i, 1));
      write_labels(job, i, drawn);
    }
  });
}

}  // namespace leaven
