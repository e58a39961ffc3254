#include <leaven/train/evaluate.hpp>

#include <algorithm>

#include <leaven/augment.hpp>
#include <leaven/loss.hpp>
#include "host/core/check.hpp"

namespace leaven::train {
namespace {

constexpr std::int64_t kBatch = 128;

void check_data(const char* function, const Network& network, const DataSet& data, std::span<const std::int64_t> ids) {
  const ImageShape& in = network.input();
  check(data.shape.height == in.height && data.shape.width == in.width && data.shape.channels == in.channels,
        "{}: data has images of {}x{}x{} (height x width x channels), expected {}x{}x{} (the network's input)",
        function, data.shape.height, data.shape.width, data.shape.channels, in.height, in.width, in.channels);
  check(data.images.backend() == network.stream().backend(),
        "{}: data is on the {} backend, expected {} (the network's)", function, name(data.images.backend()),
        name(network.stream().backend()));
  for (const std::int64_t id : ids) {
    check(id >= 0 && id < data.size(), "{}: id {} is outside the data set of {} images", function, id, data.size());
  }
}

Buffer<float> logits_of(Network& network, const DataSet& data, std::span<const std::int64_t> ids) {
  const Stream stream = network.stream();
  const auto count = static_cast<std::int64_t>(ids.size());
  const std::int64_t classes = network.classes();
  Buffer<float> logits(count * classes, stream);
  const Buffer<std::int64_t> device_ids(ids, stream);
  const Augmenter normaliser({.normalise = network.options().normalisation}, data.shape);
  Augmenter::Batch batch = normaliser.make_batch(std::min(count, kBatch), stream);
  for (std::int64_t first = 0; first < count; first += kBatch) {
    const std::int64_t rows = std::min(kBatch, count - first);
    normaliser.gather(data.view(), device_ids.cspan().subspan(first, rows), {}, {}, batch, stream);
    const MatrixView<float> rows_logits = network.forward(batch.view(), Mode::evaluation);
    leaven::detail::copy(logits.data() + first * classes, logits.backend(), rows_logits.data, logits.backend(),
                         static_cast<std::size_t>(rows * classes) * sizeof(float), stream);
  }
  return logits;
}

// arg max and the largest probability of each row.
struct Predictions {
  Buffer<std::int32_t> labels;
  Buffer<float> confidence;
  Buffer<std::uint8_t> accepted;
};
Predictions predictions(const Buffer<float>& logits, std::int64_t classes, float threshold, Stream stream) {
  const std::int64_t rows = logits.size() / classes;
  Predictions p{Buffer<std::int32_t>(rows, stream), Buffer<float>(rows, stream), Buffer<std::uint8_t>(rows, stream)};
  leaven::pseudo_label(MatrixView<const float>::packed(logits.data(), rows, classes), threshold,
                       {p.labels.span(), p.confidence.span(), p.accepted.span()}, stream);
  return p;
}

}  // namespace

Buffer<float> predict(Network& network, const DataSet& data) { return predict(network, data, data.ids()); }

Buffer<float> predict(Network& network, const DataSet& data, std::span<const std::int64_t> ids) {
  check_data("predict", network, data, ids);
  return logits_of(network, data, ids);
}

Evaluation evaluate(Network& network, const DataSet& data) { return evaluate(network, data, data.ids()); }

Evaluation evaluate(Network& network, const DataSet& data, std::span<const std::int64_t> ids) {
  check_data("evaluate", network, data, ids);
  check(data.classes() <= network.classes(), "evaluate: data has {} classes, expected at most {} (the network's)",
        data.classes(), network.classes());
  const Stream stream = network.stream();
  const auto rows = static_cast<std::int64_t>(ids.size());
  std::vector<std::int32_t> labels;
  for (const std::int64_t id : ids) labels.push_back(data.host_labels[static_cast<std::size_t>(id)]);
  const Buffer<float> logits = logits_of(network, data, ids);
  const std::vector<std::int32_t> predicted =
      predictions(logits, network.classes(), 0.0f, stream).labels.to_host(stream);
  const Buffer<std::int32_t> device_labels(labels, stream);
  Buffer<float> loss = Buffer<float>::zeros(1, stream);
  Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(rows), stream);
  cross_entropy(MatrixView<const float>::packed(logits.data(), rows, network.classes()),
                HardTargets{device_labels.cspan()}, {}, {.loss = loss.data()}, workspace.span(), stream);

  Evaluation result{.loss = loss.to_host(stream)[0],
                    .classes = std::vector<ClassCount>(static_cast<std::size_t>(data.classes()))};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == kIgnoreLabel) continue;
    ClassCount& count = result.classes[static_cast<std::size_t>(labels[i])];
    ++count.total;
    if (predicted[i] == labels[i]) ++count.right;
  }
  for (const ClassCount& count : result.classes) {
    result.total += count.total;
    result.right += count.right;
  }
  if (result.total > 0) result.accuracy = static_cast<double>(result.right) / static_cast<double>(result.total);
  return result;
}

PseudoLabelled pseudo_label(Network& teacher, const DataSet& data, std::span<const std::int64_t> ids, float threshold) {
  check_data("pseudo_label", teacher, data, ids);
  const Stream stream = teacher.stream();
  const Predictions found = predictions(logits_of(teacher, data, ids), teacher.classes(), threshold, stream);
  PseudoLabelled result{.predicted = found.labels.to_host(stream), .confidence = found.confidence.to_host(stream)};
  const std::vector<std::uint8_t> accepted = found.accepted.to_host(stream);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(data.size()), kIgnoreLabel);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (accepted[i] == 0) continue;
    labels[static_cast<std::size_t>(ids[i])] = result.predicted[i];
    result.accepted.push_back(ids[i]);
  }
  result.labels = Buffer<std::int32_t>(labels, stream);
  return result;
}

}  // namespace leaven::train
