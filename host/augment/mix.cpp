#include "host/augment/mix.hpp"

#include <cmath>
#include <cstring>
#include <variant>

#include "host/augment/checks.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/dense_labels.hpp"
#include "kernels/augment/finish.hpp"

namespace leaven {
namespace {

constexpr std::int64_t kMostClasses = std::int64_t{1} << 31;

template <class View>
bool is_interleaved(const View& v) {
  return v.pixel_stride == v.channels && (v.channels == 1 || v.channel_stride == 1);
}

// Copies columns left .. right - 1 of rows top .. bottom - 1.
template <class T>
void copy_part(const ImageView<const T>& in, const BoxPx& part, const ImageView<T>& out) {
  const bool interleaved = is_interleaved(in) && is_interleaved(out);
  const auto run_bytes = static_cast<std::size_t>((part.right - part.left) * in.channels) * sizeof(T);
  for (std::int64_t y = part.top; y < part.bottom; ++y) {
    const T* from = in.data + y * in.row_stride + part.left * in.pixel_stride;
    T* to = out.data + y * out.row_stride + part.left * out.pixel_stride;
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

struct Check {
  const char* function;

  void operator()(const CutMixOptions& o) const {
    alpha("alpha", o.alpha);
    common(o);
  }
  void operator()(const MixUpOptions& o) const {
    alpha("alpha", o.alpha);
    common(o);
  }
  void operator()(const CutMixOrMixUpOptions& o) const {
    alpha("cutmix_alpha", o.cutmix_alpha);
    alpha("mixup_alpha", o.mixup_alpha);
    share("cutmix_probability", o.cutmix_probability);
    common(o);
  }

  void alpha(const char* name, float value) const {
    check(std::isfinite(value) && value > 0, "{}: options.{} is {}, expected a finite value above 0", function, name,
          value);
  }
  void share(const char* name, float value) const {
    check(value >= 0 && value <= 1, "{}: options.{} is {}, expected 0 to 1", function, name, value);
  }
  template <class Options>
  void common(const Options& o) const {
    share("probability", o.probability);
    check(o.partner >= MixPartner::previous && o.partner <= MixPartner::permuted,
          "{}: options.partner is {}, expected previous (0), mirrored (1) or permuted (2)", function,
          static_cast<std::int32_t>(o.partner));
    check(o.draws >= MixDraws::per_sample && o.draws <= MixDraws::per_batch,
          "{}: options.draws is {}, expected per_sample (0), per_pair (1) or per_batch (2)", function,
          static_cast<std::int32_t>(o.draws));
    check(o.draws != MixDraws::per_pair || o.partner == MixPartner::mirrored,
          "{}: options.draws is per_pair with partners that are not mirrored, expected mirrored: others make no pairs",
          function);
  }
};

struct Fill {
  MixJob& job;

  void operator()(const CutMixOptions& o) const {
    job.cutmix_inverse_alpha = 1.0 / o.alpha;
    common(o);
  }
  void operator()(const MixUpOptions& o) const {
    job.mixup_inverse_alpha = 1.0 / o.alpha;
    job.cutmix_share = 0;
    common(o);
  }
  void operator()(const CutMixOrMixUpOptions& o) const {
    job.cutmix_inverse_alpha = 1.0 / o.cutmix_alpha;
    job.mixup_inverse_alpha = 1.0 / o.mixup_alpha;
    job.cutmix_share = o.cutmix_probability;
    common(o);
  }

  template <class Options>
  void common(const Options& o) const {
    job.probability = o.probability;
    job.partner = o.partner;
    job.draws = o.draws;
  }
};

void mean_of_run(const std::uint8_t* own, const std::uint8_t* partners, float weight, std::uint8_t* out,
                 std::int64_t count) {
  mix_loops().mean(own, partners, weight, out, count);
}

void mean_of_run(const float* own, const float* partners, float weight, float* out, std::int64_t count) {
  mix_loops().float_mean(own, partners, weight, out, count);
}

// Runs of values side by side are mixed in one go, others value by value.
template <class T>
void take_mean(const ImageView<const T>& own, const ImageView<const T>& partners, float weight,
               const ImageView<T>& out) {
  const bool planar = own.pixel_stride == 1 && partners.pixel_stride == 1 && out.pixel_stride == 1;
  const bool interleaved = is_interleaved(own) && is_interleaved(partners) && is_interleaved(out);
  const std::int64_t planes = interleaved ? 1 : own.channels;
  const std::int64_t run = interleaved ? own.width * own.channels : (planar ? own.width : 1);
  for (std::int64_t c = 0; c < planes; ++c) {
    for (std::int64_t y = 0; y < own.height; ++y) {
      const T* a = own.data + c * own.channel_stride + y * own.row_stride;
      const T* b = partners.data + c * partners.channel_stride + y * partners.row_stride;
      T* to = out.data + c * out.channel_stride + y * out.row_stride;
      if (run > 1 || own.width == 1) {
        mean_of_run(a, b, weight, to, run);
        continue;
      }
      for (std::int64_t x = 0; x < own.width; ++x) {
        to[x * out.pixel_stride] =
            static_cast<T>(mixed_value(a[x * own.pixel_stride], b[x * partners.pixel_stride], weight));
      }
    }
  }
}

template <class T>
void mix_one(const ImageView<const T>& in, std::int64_t image, const MixDraw& drawn, const ImageView<T>& out) {
  const ImageView<const T> own = in.slice(image, 1);
  const ImageView<const T> partners = in.slice(drawn.partner, 1);
  if (drawn.weight < 1) return take_mean(own, partners, drawn.weight, out);
  const BoxPx all{.right = static_cast<std::int32_t>(in.width), .bottom = static_cast<std::int32_t>(in.height)};
  copy_part(own, all, out);
  if (drawn.box.left < drawn.box.right) copy_part(partners, drawn.box, out);
}

template <class T>
void run_mix(const char* function, const ImageView<const T>& in, std::span<const std::int64_t> sample_ids,
             std::span<const std::int32_t> labels, const Mix& options, RandomKey key, const ImageView<T>& out,
             const MixedLabels& mixed, Stream stream) {
  check_image(function, "in", in);
  check_image(function, "out", out);
  check_area(function, "in", in.shape());
  check_same_shape(function, in, out);
  check_no_overlap(function, in, out);
  check_mix(function, options);
  check_span(function, "sample_ids", sample_ids, in.count);
  check_span(function, "mixed.weight_a", mixed.weight_a, in.count);
  if (!labels.empty() || !mixed.a.empty() || !mixed.b.empty()) {
    check_span(function, "labels", labels, in.count);
    check_span(function, "mixed.a", mixed.a, in.count);
    check_span(function, "mixed.b", mixed.b, in.count);
  }
  if (in.count == 0) return;
  check(in.height > 0 && in.width > 0, "{}: in has {}x{} pixels per image, expected at least one", function, in.height,
        in.width);
  MixJob job = mix_job(options, key, sample_ids.data(), in.shape());
  job.labels = labels.empty() ? nullptr : labels.data();
  job.label_a = mixed.a.data();
  job.label_b = mixed.b.data();
  job.weight_a = mixed.weight_a.data();
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return mix_cuda(function, in, job, out, stream.cuda_handle());
  }
  parallel_for(in.count, images_per_range(in.shape()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const MixDraw drawn = draw_mix(job, i);
      mix_one(in, i, drawn, out.slice(i, 1));
      write_labels(job, i, drawn);
    }
  });
}

}  // namespace

void check_mix(const char* function, const Mix& options) { std::visit(Check{function}, options); }

MixJob mix_job(const std::optional<Mix>& options, RandomKey key, const std::int64_t* ids, const ImageShape& shape) {
  MixJob job{.seed = key.seed,
             .epoch = key.epoch,
             .inverse_area = 1.0 / static_cast<double>(shape.height * shape.width),
             .count = shape.count,
             .width = static_cast<std::int32_t>(shape.width),
             .height = static_cast<std::int32_t>(shape.height),
             .ids = ids};
  if (options) std::visit(Fill{job}, *options);
  return job;
}

void mix_image(const ImageView<const std::uint8_t>& in, std::int64_t image, const MixDraw& drawn,
               const ImageView<std::uint8_t>& out) {
  mix_one(in, image, drawn, out);
}

void cutmix(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
            std::span<const std::int32_t> labels, const CutMixOptions& options, RandomKey key,
            ImageView<std::uint8_t> out, MixedLabels mixed, Stream stream) {
  run_mix("cutmix", in, sample_ids, labels, options, key, out, mixed, stream);
}

void mixup(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
           std::span<const std::int32_t> labels, const MixUpOptions& options, RandomKey key,
           ImageView<std::uint8_t> out, MixedLabels mixed, Stream stream) {
  run_mix("mixup", in, sample_ids, labels, options, key, out, mixed, stream);
}

void cutmix_or_mixup(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                     std::span<const std::int32_t> labels, const CutMixOrMixUpOptions& options, RandomKey key,
                     ImageView<std::uint8_t> out, MixedLabels mixed, Stream stream) {
  run_mix("cutmix_or_mixup", in, sample_ids, labels, options, key, out, mixed, stream);
}

void cutmix(ImageView<const float> in, std::span<const std::int64_t> sample_ids, std::span<const std::int32_t> labels,
            const CutMixOptions& options, RandomKey key, ImageView<float> out, MixedLabels mixed, Stream stream) {
  run_mix("cutmix", in, sample_ids, labels, options, key, out, mixed, stream);
}

void mixup(ImageView<const float> in, std::span<const std::int64_t> sample_ids, std::span<const std::int32_t> labels,
           const MixUpOptions& options, RandomKey key, ImageView<float> out, MixedLabels mixed, Stream stream) {
  run_mix("mixup", in, sample_ids, labels, options, key, out, mixed, stream);
}

void cutmix_or_mixup(ImageView<const float> in, std::span<const std::int64_t> sample_ids,
                     std::span<const std::int32_t> labels, const CutMixOrMixUpOptions& options, RandomKey key,
                     ImageView<float> out, MixedLabels mixed, Stream stream) {
  run_mix("cutmix_or_mixup", in, sample_ids, labels, options, key, out, mixed, stream);
}

void dense_labels(std::span<const std::int32_t> a, std::span<const std::int32_t> b, std::span<const float> weight_a,
                  std::int64_t classes, float smoothing, std::span<float> rows, Stream stream) {
  constexpr const char* kName = "dense_labels";
  const auto count = static_cast<std::int64_t>(a.size());
  check_span(kName, "a", a, count);
  check_span(kName, "b", b, count);
  check_span(kName, "weight_a", weight_a, count);
  check(classes >= 1 && classes <= kMostClasses, "{}: classes is {}, expected 1 to {}", kName, classes, kMostClasses);
  check(smoothing >= 0 && smoothing <= 1, "{}: smoothing is {}, expected 0 to 1", kName, smoothing);
  check(static_cast<std::int64_t>(rows.size()) == count * classes,
        "{}: rows has {} values, expected {} ({} labels, {} classes)", kName, rows.size(), count * classes, count,
        classes);
  check(rows.data() != nullptr || rows.empty(), "{}: rows is null, expected {} values", kName, rows.size());
  if (count == 0) return;
  const DenseLabelsJob job{a.data(), b.data(), weight_a.data(), count, classes, smoothing, rows.data()};
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return dense_labels_cuda(job, stream.cuda_handle());
  }
  parallel_for(count, 1 + 16384 / classes, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t c = 0; c < classes; ++c) job.rows[i * classes + c] = dense_label(job, i, c);
    }
  });
}

}  // namespace leaven
