#include <leaven/train/fit.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include <leaven/loss.hpp>
#include "host/core/check.hpp"
#include "host/train/batch_order.hpp"
#include "host/train/fit_checkpoint.hpp"

namespace leaven::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kBlock = 256;  // steps whose ids go to the device, and whose losses come back, together
constexpr double kProgressSeconds = 0.2;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void check_ids(const char* list, const std::vector<std::int64_t>& ids, const DataSet& data) {
  for (const std::int64_t id : ids) {
    check(id >= 0 && id < data.size(), "fit: {} has id {}, outside the data set of {} images", list, id, data.size());
  }
}

void check_teacher(const Network& network, const Distillation& d) {
  check(d.teacher != nullptr, "fit: distillation.teacher is null");
  check(std::isfinite(d.temperature) && d.temperature > 0,
        "fit: distillation.temperature is {}, expected a finite number above 0", d.temperature);
  check(std::isfinite(d.hard_weight) && d.hard_weight >= 0 && std::isfinite(d.soft_weight) && d.soft_weight >= 0,
        "fit: distillation.hard_weight is {}, soft_weight {}, expected finite numbers, 0 or more", d.hard_weight,
        d.soft_weight);
  const Network& teacher = *d.teacher;
  const NetworkOptions& a = network.options();
  const NetworkOptions& b = teacher.options();
  check(&teacher != &network, "fit: distillation.teacher is the network itself");
  check(teacher.stream() == network.stream(), "fit: distillation.teacher is on another stream than the network");
  check(a.input == b.input && teacher.classes() == network.classes() && a.normalisation.mean == b.normalisation.mean &&
            a.normalisation.std == b.normalisation.std,
        "fit: distillation.teacher has another input, other classes or another normalisation than the network");
}

void check_arguments(const Network& network, const FitData& data, const FitOptions& options) {
  check(data.data != nullptr, "fit: data.data is null");
  const DataSet& set = *data.data;
  const ImageShape& in = network.input();
  check(set.images.backend() == network.stream().backend(),
        "fit: data is on the {} backend, expected {} (the network's)", name(set.images.backend()),
        name(network.stream().backend()));
  check(set.shape.height == in.height && set.shape.width == in.width && set.shape.channels == in.channels,
        "fit: data has images of {}x{}x{} (height x width x channels), expected {}x{}x{} (the network's input)",
        set.shape.height, set.shape.width, set.shape.channels, in.height, in.width, in.channels);
  check(set.classes() <= network.classes(), "fit: data has {} classes, expected at most {} (the network's)",
        set.classes(), network.classes());
  check(!data.samples.empty() || !data.more_samples.empty(), "fit: data has no samples");
  check_ids("samples", data.samples, set);
  check_ids("more_samples", data.more_samples, set);
  check(data.more_share >= 0 && data.more_share <= 1, "fit: more_share is {}, expected 0 to 1", data.more_share);
  check(data.more_labels == nullptr ||
            (data.more_labels->size() == set.size() && data.more_labels->backend() == network.stream().backend()),
        "fit: more_labels must have one label per image of the data set, on the network's backend");
  check(data.more_samples.empty() || data.more_labels != nullptr || options.distillation.has_value(),
        "fit: more_samples have no labels: give more_labels, or distillation with a teacher");
  check((options.steps > 0) != (options.image_steps > 0) && options.steps >= 0 && options.image_steps >= 0,
        "fit: steps is {}, image_steps {}: one of them must be above 0, the other 0", options.steps,
        options.image_steps);
  check(options.augment.output_type == FloatType::f32,
        "fit: augment.output_type is {}, expected f32 (0), which networks take",
        static_cast<std::int32_t>(options.augment.output_type));
  check(options.batch >= 1, "fit: batch is {}, expected 1 or more", options.batch);
  check(options.learning_rate > 0 && std::isfinite(options.learning_rate),
        "fit: learning_rate is {}, expected a finite number above 0", options.learning_rate);
  check(options.warm_up >= 0 && options.warm_up < 1, "fit: warm_up is {}, expected 0 or more, below 1",
        options.warm_up);
  check(options.label_smoothing >= 0 && options.label_smoothing <= 1, "fit: label_smoothing is {}, expected 0 to 1",
        options.label_smoothing);
  check(options.evaluation_every >= 0 && options.checkpoint_every >= 1,
        "fit: evaluation_every is {}, expected 0 or more; checkpoint_every is {}, expected 1 or more",
        options.evaluation_every, options.checkpoint_every);
  const std::vector<LayerInfo> layers = network.layers();
  const auto learns = [&](const ParameterInfo& parameter) {
    return parameter.trainable && !std::ranges::find(layers, parameter.layer, &LayerInfo::name)->frozen;
  };
  check(std::ranges::any_of(network.parameters(), learns), "fit: every layer with weights is frozen");
  if (options.distillation) check_teacher(network, *options.distillation);
}

// One label per image of the data set, kIgnoreLabel for all that may not be looked at.
Buffer<std::int32_t> labels_of(const FitData& data, Stream stream) {
  std::vector<std::int32_t> labels(static_cast<std::size_t>(data.data->size()), kIgnoreLabel);
  if (data.more_labels != nullptr) {
    const std::vector<std::int32_t> more = data.more_labels->to_host(stream);
    for (const std::int64_t id : data.more_samples)
      labels[static_cast<std::size_t>(id)] = more[static_cast<std::size_t>(id)];
  }
  for (const std::int64_t id : data.samples) {
    labels[static_cast<std::size_t>(id)] = data.data->host_labels[static_cast<std::size_t>(id)];
  }
  return Buffer<std::int32_t>(labels, stream);
}

AugmenterOptions augmentation(const Network& network, const FitOptions& options) {
  AugmenterOptions augment = options.augment;
  augment.normalise = network.options().normalisation;
  augment.output_layout = Layout::nhwc;
  return augment;
}

// Everything a step needs, allocated before the first one.
class Trainer {
 public:
  Trainer(Network& network, const FitData& data, const FitOptions& options)
      : network_(network),
        data_(*data.data),
        options_(options),
        stream_(network.stream()),
        order_(data, options.batch, options.seed),
        labels_(labels_of(data, stream_)),
        augmenter_(augmentation(network, options), data.data->shape),
        batch_(augmenter_.make_batch(rows(), stream_)),
        ids_(kBlock * rows(), stream_),
        losses_(Buffer<float>::zeros(kBlock, stream_)),
        gradient_(rows() * network.classes(), stream_),
        workspace_(Buffer<std::byte>::zeros(loss_workspace_bytes(rows()), stream_)),
        sgd_(network, options.sgd) {
    network.reserve(rows(), Mode::training);
    if (options.distillation) options.distillation->teacher->reserve(rows(), Mode::evaluation);
  }

  std::int64_t rows() const { return order_.rows(); }
  const Sgd& sgd() const { return sgd_; }

  // Before the first step of a block, and before the first step at all.
  void begin_block(std::int64_t step, std::int64_t steps) {
    block_begin_ = step;
    ids_.copy_from(order_.ids(step, std::min(steps, (step / kBlock + 1) * kBlock)), stream_);
  }

  void step(std::int64_t step, float learning_rate) {
    const auto rows_wanted = static_cast<std::size_t>(rows());
    const auto first = static_cast<std::size_t>(step - block_begin_) * rows_wanted;
    const auto step32 = static_cast<std::uint32_t>(step);
    augmenter_.gather(data_.view(), ids_.cspan().subspan(first, rows_wanted), labels_.cspan(),
                      {.seed = options_.seed, .epoch = step32}, batch_, stream_);
    const ImageView<const float> images = batch_.view();
    const MatrixView<const float> logits = network_.forward(images, Mode::training, {options_.seed, step32});
    const auto gradient = MatrixView<float>::packed(gradient_.data(), rows(), network_.classes());
    const LossOutput out{.loss = losses_.data() + step % kBlock, .gradient = gradient};
    if (options_.distillation) {
      const Distillation& d = *options_.distillation;
      const MatrixView<const float> teacher = d.teacher->forward(images, Mode::evaluation);
      distillation_loss({.student = logits, .teacher = teacher, .targets = targets()},
                        {.temperature = d.temperature,
                         .hard_weight = d.hard_weight,
                         .soft_weight = d.soft_weight,
                         .label_smoothing = options_.label_smoothing},
                        out, workspace_.span(), stream_);
    } else {
      cross_entropy(logits, targets(), {.label_smoothing = options_.label_smoothing}, out, workspace_.span(), stream_);
    }
    network_.backward(gradient);
    sgd_.step(learning_rate);
  }

  // Of the steps begin .. end - 1 of one block. Waits for them.
  std::vector<float> losses(std::int64_t begin, std::int64_t end) const {
    const std::vector<float> all = losses_.to_host(stream_);
    return {all.begin() + begin % kBlock, all.begin() + begin % kBlock + (end - begin)};
  }

 private:
  Targets targets() const {
    const auto count = static_cast<std::size_t>(rows());
    if (!options_.augment.mix) return HardTargets{batch_.label_a.cspan().first(count)};
    return MixedTargets{batch_.label_a.cspan().first(count), batch_.label_b.cspan().first(count),
                        batch_.weight_a.cspan().first(count)};
  }

  Network& network_;
  const DataSet& data_;
  const FitOptions& options_;
  Stream stream_;
  BatchOrder order_;
  Buffer<std::int32_t> labels_;
  Augmenter augmenter_;
  Augmenter::Batch batch_;
  Buffer<std::int64_t> ids_;  // of the steps from block_begin_ on
  std::int64_t block_begin_ = 0;
  Buffer<float> losses_;  // of step s at s % kBlock
  Buffer<float> gradient_;
  Buffer<std::byte> workspace_;
  Sgd sgd_;
};

}  // namespace

FitResult fit(Network& network, const FitData& data, const FitOptions& options) {
  check_arguments(network, data, options);
  Trainer trainer(network, data, options);
  const std::int64_t rows = trainer.rows();
  const std::int64_t steps = options.steps > 0 ? options.steps : (options.image_steps + rows - 1) / rows;
  const auto warm_up_steps =
      static_cast<std::int64_t>(std::llround(static_cast<double>(options.warm_up) * static_cast<double>(steps)));
  const bool keeps_checkpoint = !options.checkpoint.empty();
  const std::string print = keeps_checkpoint ? fingerprint(data, options, steps, rows) : std::string();
  const std::int64_t first = keeps_checkpoint ? resume_fit(network, trainer.sgd(), print, options.checkpoint) : 0;

  FitResult result{.batch = rows};
  double paused = 0;
  std::int64_t collected = first;  // steps whose losses are in the result
  std::size_t reported = 0;        // losses that a progress call has had
  const Clock::time_point begin = Clock::now();
  Clock::time_point last_report = begin;
  const auto collect = [&](std::int64_t done) {
    const std::vector<float> losses = trainer.losses(collected, done);
    result.losses.insert(result.losses.end(), losses.begin(), losses.end());
    collected = done;
    result.steps = done - first;
    result.seconds = seconds_since(begin) - paused;
    result.images_per_second = static_cast<double>(result.steps * rows) / std::max(result.seconds, 1e-9);
  };
  for (std::int64_t step = first; step < steps; ++step) {
    if (step == first || step % kBlock == 0) trainer.begin_block(step, steps);
    const float learning_rate = cosine_learning_rate(step, steps, warm_up_steps, options.learning_rate);
    trainer.step(step, learning_rate);

    const std::int64_t done = step + 1;
    const bool last = done == steps;
    const bool reports = options.progress && (last || seconds_since(last_report) >= kProgressSeconds);
    if (last || reports || done % kBlock == 0) collect(done);
    if (reports) {
      const auto from = result.losses.begin() + static_cast<std::int64_t>(reported);
      const double mean =
          std::accumulate(from, result.losses.end(), 0.0) / static_cast<double>(result.losses.end() - from);
      options.progress(
          {.step = done,
           .steps = steps,
           .images_per_second = result.images_per_second,
           .seconds_left = static_cast<double>(steps - done) * static_cast<double>(rows) / result.images_per_second,
           .loss = static_cast<float>(mean),
           .learning_rate = learning_rate});
      reported = result.losses.size();
      last_report = Clock::now();
    }
    if (keeps_checkpoint && (last || done % options.checkpoint_every == 0)) {
      save_fit(network, trainer.sgd(), done, print, options.checkpoint);
    }
    if (options.evaluation && options.evaluation_every > 0 && (last || done % options.evaluation_every == 0)) {
      network.stream().synchronize();
      const Clock::time_point pause = Clock::now();
      options.evaluation(done);
      paused += seconds_since(pause);
    }
  }
  return result;
}

}  // namespace leaven::train
