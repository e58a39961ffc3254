#include "samples/support/report_pictures.hpp"

#include <algorithm>
#include <numeric>
#include <span>

#include "samples/support/numbers.hpp"
#include "samples/support/pictures.hpp"

namespace leaven::samples {
namespace {

// A packed NHWC batch of 8-bit pictures as a data set, for pictures_of.
std::vector<io::HostImage> to_pictures(const Buffer<std::uint8_t>& pixels, const train::DataSet& like, Stream stream) {
  const train::DataSet data =
      train::make_data_set(pixels.to_host(stream), like.shape, like.host_labels, like.class_names, stream);
  return pictures_of(data, data.ids(), stream);
}

// `count` labelled ids, one class after the other.
std::vector<std::int64_t> varied(const Experiment& experiment, std::int64_t count) {
  const std::vector<std::int64_t>& labelled = experiment.split().labelled;
  const std::int64_t classes = experiment.data().classes();
  std::vector<std::int64_t> ids;
  std::vector<bool> used(labelled.size());
  for (std::int64_t i = 0; static_cast<std::int64_t>(ids.size()) <
                           std::min<std::int64_t>(count, static_cast<std::int64_t>(labelled.size()));
       ++i) {
    for (std::size_t k = 0; k < labelled.size(); ++k) {
      if (used[k] || experiment.data().host_labels[static_cast<std::size_t>(labelled[k])] != i % classes) continue;
      used[k] = true;
      ids.push_back(labelled[k]);
      break;
    }
  }
  return ids;
}

const std::string& class_name(const Experiment& experiment, std::int32_t label) {
  return experiment.data().class_names[static_cast<std::size_t>(label)];
}

}  // namespace

std::vector<ReportImage> augmented_pictures(const Experiment& experiment, const AugmenterOptions& options,
                                            std::int64_t samples, std::int64_t copies) {
  const Stream stream = experiment.stream();
  const std::vector<std::int64_t> ids = varied(experiment, samples);
  const train::DataSet some = train::select(experiment.data(), ids, stream);
  AugmenterOptions plain = options;
  plain.mix.reset();
  plain.normalise = {};
  const Augmenter augment(plain, some.shape);
  Augmenter::Batch batch = augment.make_batch(some.size(), stream);
  const Buffer<std::int64_t> id_buffer(std::span<const std::int64_t>(ids), stream);
  const std::vector<io::HostImage> originals = pictures_of(experiment.data(), ids, stream);
  std::vector<std::vector<io::HostImage>> augmented;
  for (std::int64_t copy = 0; copy < copies; ++copy) {
    const RandomKey key{.seed = experiment.options().seed, .epoch = static_cast<std::uint32_t>(copy)};
    augment(some.view(), id_buffer.cspan(), {}, key, batch, stream);
    augmented.push_back(pictures_of(batch, plain.normalise, stream));
  }
  std::vector<ReportImage> images;
  for (std::size_t i = 0; i < originals.size(); ++i) {
    const std::string& name = class_name(experiment, some.host_labels[i]);
    images.push_back({.image = originals[i], .caption = name, .alternative = name + ", as photographed"});
    for (const std::vector<io::HostImage>& pictures : augmented) {
      images.push_back({.image = pictures[i], .caption = "augmented", .alternative = name + ", augmented"});
    }
  }
  return images;
}

std::vector<ReportImage> shifted_pictures(const Experiment& experiment, std::int64_t count) {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(std::min(count, experiment.judges().test.size())));
  std::iota(ids.begin(), ids.end(), 0);
  const std::vector<io::HostImage> neat = pictures_of(experiment.judges().test, ids, experiment.stream());
  const std::vector<io::HostImage> shifted = pictures_of(experiment.judges().shifted, ids, experiment.stream());
  std::vector<ReportImage> images;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string& name = class_name(experiment, experiment.judges().test.host_labels[i]);
    images.push_back({.image = neat[i], .caption = name, .alternative = name + ", neat"});
    images.push_back({.image = shifted[i], .caption = "shifted", .alternative = name + ", shifted"});
  }
  return images;
}

std::vector<ReportImage> cutmix_pictures(const Experiment& experiment, std::int64_t count) {
  const Stream stream = experiment.stream();
  const std::vector<std::int64_t> ids = varied(experiment, count);
  const train::DataSet some = train::select(experiment.data(), ids, stream);
  const Buffer<std::int64_t> id_buffer(std::span<const std::int64_t>(ids), stream);
  Buffer<std::uint8_t> mixed(some.shape.size(), stream);
  Buffer<std::int32_t> a(some.size(), stream);
  Buffer<std::int32_t> b(some.size(), stream);
  Buffer<float> weight(some.size(), stream);
  cutmix(some.view(), id_buffer.cspan(), some.labels.cspan(), {}, {.seed = experiment.options().seed},
         ImageView<std::uint8_t>::nhwc(mixed.data(), some.shape),
         {.a = a.span(), .b = b.span(), .weight_a = weight.span()}, stream);
  const std::vector<io::HostImage> pictures = to_pictures(mixed, some, stream);
  const std::vector<std::int32_t> label_a = a.to_host(stream);
  const std::vector<std::int32_t> label_b = b.to_host(stream);
  const std::vector<float> weight_a = weight.to_host(stream);
  std::vector<ReportImage> images;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const std::string caption = percent(weight_a[i], 0) + " " + class_name(experiment, label_a[i]) + ", " +
                                percent(1 - weight_a[i], 0) + " " + class_name(experiment, label_b[i]);
    images.push_back({.image = pictures[i], .caption = caption, .alternative = "CutMix: " + caption});
  }
  return images;
}

std::vector<ReportImage> pseudo_labelled_pictures(const Experiment& experiment,
                                                  const std::vector<PseudoLabelledPicture>& pictures) {
  std::vector<std::int64_t> ids;
  for (const PseudoLabelledPicture& picture : pictures) ids.push_back(picture.id);
  const std::vector<io::HostImage> hosts = pictures_of(experiment.data(), ids, experiment.stream());
  std::vector<ReportImage> images;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const PseudoLabelledPicture& p = pictures[i];
    const bool right = p.predicted == p.truth;
    const std::string& predicted = class_name(experiment, p.predicted);
    const std::string& truth = class_name(experiment, p.truth);
    images.push_back({.image = hosts[i],
                      .caption = predicted + " " + percent(p.confidence, 0) + (right ? "" : ", is: " + truth),
                      .alternative = "pseudo-label " + predicted + ", true label " + truth,
                      .tone = right ? Tone::right : Tone::wrong});
  }
  std::stable_sort(images.begin(), images.end(),
                   [](const ReportImage& x, const ReportImage& y) { return x.tone < y.tone; });
  return images;
}

}  // namespace leaven::samples
