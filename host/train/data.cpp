#include <leaven/train/data.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

#include "host/core/check.hpp"
#include "kernels/core/philox.hpp"

namespace leaven::train {
namespace {

void check_ids(const char* function, const DataSet& data, std::span<const std::int64_t> ids) {
  for (const std::int64_t id : ids) {
    check(id >= 0 && id < data.size(), "{}: id {} is outside the data set of {} images", function, id, data.size());
  }
}

DataSet pick(const DataSet& data, std::span<const std::int64_t> ids, std::span<const std::int32_t> labels,
             std::vector<std::string> class_names, Stream stream) {
  const std::vector<std::uint8_t> all = data.images.to_host(stream);
  ImageShape shape = data.shape;
  shape.count = 1;
  const std::int64_t bytes = shape.size();
  shape.count = static_cast<std::int64_t>(ids.size());
  std::vector<std::uint8_t> images(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::copy_n(all.begin() + ids[i] * bytes, bytes, images.begin() + static_cast<std::int64_t>(i) * bytes);
  }
  return make_data_set(images, shape, labels, std::move(class_names), stream);
}

}  // namespace

std::vector<std::int64_t> DataSet::ids() const {
  std::vector<std::int64_t> all(static_cast<std::size_t>(size()));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  return all;
}

DataSet make_data_set(std::span<const std::uint8_t> images, const ImageShape& shape,
                      std::span<const std::int32_t> labels, std::vector<std::string> class_names, Stream stream) {
  check(shape.count >= 0 && shape.height >= 1 && shape.width >= 1 && (shape.channels == 1 || shape.channels == 3),
        "make_data_set: shape is {} images of {}x{}x{} (height x width x channels), expected at least 1x1 and 1 or 3 "
        "channels",
        shape.count, shape.height, shape.width, shape.channels);
  check(static_cast<std::int64_t>(images.size()) == shape.size(), "make_data_set: images has {} bytes, expected {}",
        images.size(), shape.size());
  check(static_cast<std::int64_t>(labels.size()) == shape.count, "make_data_set: labels has {} values, expected {}",
        labels.size(), shape.count);
  check(!class_names.empty(), "make_data_set: class_names is empty");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    check(labels[i] == kIgnoreLabel || (labels[i] >= 0 && std::cmp_less(labels[i], class_names.size())),
          "make_data_set: the label of image {} is {}, expected 0 to {} or {} (none)", i, labels[i],
          class_names.size() - 1, kIgnoreLabel);
  }
  return {.shape = shape,
          .class_names = std::move(class_names),
          .images = Buffer<std::uint8_t>(images, stream),
          .labels = Buffer<std::int32_t>(labels, stream),
          .host_labels = {labels.begin(), labels.end()}};
}

DataSet select(const DataSet& data, std::span<const std::int64_t> ids, Stream stream) {
  check_ids("select", data, ids);
  std::vector<std::int32_t> labels;
  for (const std::int64_t id : ids) labels.push_back(data.host_labels[static_cast<std::size_t>(id)]);
  return pick(data, ids, labels, data.class_names, stream);
}

DataSet select_classes(const DataSet& data, std::span<const std::int32_t> classes, Stream stream) {
  std::vector<std::string> class_names;
  std::vector<std::int32_t> new_label(static_cast<std::size_t>(data.classes()), kIgnoreLabel);
  for (const std::int32_t label : classes) {
    check(label >= 0 && label < data.classes(), "select_classes: class {} is outside 0 to {}", label,
          data.classes() - 1);
    const auto index = static_cast<std::size_t>(label);
    check(new_label[index] == kIgnoreLabel, "select_classes: class {} is listed twice", label);
    new_label[index] = static_cast<std::int32_t>(class_names.size());
    class_names.push_back(data.class_names[index]);
  }
  std::vector<std::int64_t> ids;
  std::vector<std::int32_t> labels;
  for (std::size_t i = 0; i < data.host_labels.size(); ++i) {
    const std::int32_t before = data.host_labels[i];
    if (before == kIgnoreLabel || new_label[static_cast<std::size_t>(before)] == kIgnoreLabel) continue;
    ids.push_back(static_cast<std::int64_t>(i));
    labels.push_back(new_label[static_cast<std::size_t>(before)]);
  }
  return pick(data, ids, labels, std::move(class_names), stream);
}

Split split(const DataSet& data, const SplitOptions& options) {
  check(options.labelled_per_class >= 0 && options.validation_per_class >= 0,
        "split: labelled_per_class is {}, validation_per_class {}, expected 0 or more", options.labelled_per_class,
        options.validation_per_class);
  std::vector<std::vector<std::pair<std::uint64_t, std::int64_t>>> classes(static_cast<std::size_t>(data.classes()));
  Split result;
  for (std::int64_t id = 0; id < data.size(); ++id) {
    const std::int32_t label = data.host_labels[static_cast<std::size_t>(id)];
    if (label == kIgnoreLabel) {
      result.unlabelled.push_back(id);
      continue;
    }
    const Philox4 r = draw(options.seed, 0, static_cast<std::uint64_t>(id), DrawSlot::split);
    classes[static_cast<std::size_t>(label)].emplace_back(std::uint64_t{r.x} << 32 | r.y, id);
  }
  for (std::size_t label = 0; label < classes.size(); ++label) {
    auto& drawn = classes[label];
    const auto size = static_cast<std::int64_t>(drawn.size());
    check(size >= options.validation_per_class + options.labelled_per_class,
          "split: class {} ({}) has {} images, expected at least {} + {} (validation and labelled)", label,
          data.class_names[label], size, options.validation_per_class, options.labelled_per_class);
    std::ranges::sort(drawn);
    for (std::int64_t i = 0; i < size; ++i) {
      const bool validation = i < options.validation_per_class;
      const bool labelled = i < options.validation_per_class + options.labelled_per_class;
      std::vector<std::int64_t>& list = validation ? result.validation : labelled ? result.labelled : result.unlabelled;
      list.push_back(drawn[static_cast<std::size_t>(i)].second);
    }
  }
  std::ranges::sort(result.labelled);
  std::ranges::sort(result.unlabelled);
  std::ranges::sort(result.validation);
  return result;
}

}  // namespace leaven::train
