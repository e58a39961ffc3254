#include "samples/support/recipes.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

namespace leaven::samples {
namespace {

// Classes whose pictures a new class can build on: a top, trousers, a shoe, a bag; then the six others.
const std::vector<std::int32_t> kKnownClasses = {0, 1, 7, 8};
const std::vector<std::int32_t> kNewClasses = {2, 3, 4, 5, 6, 9};

Row row_of(const std::string& group, const std::string& method, const std::string& note = {}) {
  return {.group = group, .method = method, .note = note};
}

train::FitOptions with_augmentation(const Experiment& experiment, const AugmenterOptions& augment) {
  train::FitOptions options = experiment.fit_options();
  options.augment = augment;
  return options;
}

}  // namespace

AugmentationStudy study_augmentation(Experiment& experiment) {
  const std::string group = "augmentation";
  AugmentationStudy study;
  double best_score = -1;
  const auto train_with = [&](Row row, const AugmenterOptions& options) {
    const std::string name = row.method;
    const Trained trained = experiment.run(std::move(row), experiment.make_network(experiment.options().network),
                                           experiment.labelled(), with_augmentation(experiment, options));
    if (trained.row.validation > best_score) {
      best_score = trained.row.validation;
      study.best = {name, options};
    }
    return trained.row;
  };
  study.rows.push_back(train_with(row_of(group, "labels only"), {}));
  study.rows.push_back(train_with(row_of(group, "flip, crop"), light_augmentation()));

  std::optional<Row> randaugment;
  std::int32_t magnitude = 0;
  for (const std::int32_t candidate : {10, 20}) {
    Row row = train_with(row_of(group, "flip, crop, RandAugment", "strength " + std::to_string(candidate)),
                         strong_augmentation(candidate));
    if (!randaugment || row.validation > randaugment->validation) {
      randaugment = std::move(row);
      magnitude = candidate;
    }
  }
  study.rows.push_back(*randaugment);

  AugmenterOptions cutmix = light_augmentation();
  cutmix.mix = CutMixOptions{};
  study.rows.push_back(train_with(row_of(group, "flip, crop, CutMix"), cutmix));
  AugmenterOptions both = strong_augmentation(magnitude);
  both.mix = CutMixOptions{.probability = 0.5f};
  study.rows.push_back(train_with(row_of(group, "flip, crop, RandAugment, CutMix", randaugment->note), both));
  return study;
}

std::vector<Row> transfer_learning(const ExperimentOptions& options, const Reporter& reporter, Stream stream,
                                   std::span<const std::int64_t> labels_per_class) {
  ExperimentOptions source_options = options;
  source_options.labels_per_class = options.transfer_source_per_class;
  Experiment source(source_options, reporter, stream, kKnownClasses);
  std::vector<Row> rows;
  const std::string source_group = "four known classes";
  Trained pretrained = source.run(row_of(source_group, "pre-training"), source.make_network(options.network),
                                  source.labelled(), with_augmentation(source, light_augmentation()));
  rows.push_back(pretrained.row);

  for (const std::int64_t labels : labels_per_class) {
    ExperimentOptions target_options = options;
    target_options.labels_per_class = labels;
    Experiment target(target_options, reporter, stream, kNewClasses);
    const std::string group = "six new classes, " + std::to_string(labels) + " labels each";
    const std::string head =
        "linear " + std::to_string(options.transfer_head) + "; relu; linear " + std::to_string(kNewClasses.size());
    const train::FitOptions fit = with_augmentation(target, light_augmentation());

    train::Network scratch = target.make_network(pretrained.network.with_head(head, options.seed).description(), 1);
    rows.push_back(target.run(row_of(group, "from scratch"), std::move(scratch), target.labelled(), fit).row);

    train::Network frozen = pretrained.network.with_head(head, options.seed);
    frozen.freeze(train::Part::body);
    rows.push_back(
        target.run(row_of(group, "frozen convolutions, new head"), std::move(frozen), target.labelled(), fit).row);

    train::Network tuned = pretrained.network.with_head(head, options.seed);
    tuned.set_learning_rate_multiplier(train::Part::body, 0.1f);
    rows.push_back(target
                       .run(row_of(group, "new head, convolutions at a tenth of the rate"), std::move(tuned),
                            target.labelled(), fit)
                       .row);
  }
  return rows;
}

namespace {

ModelFacts facts_of(const std::string& name, train::Network& network, const train::DataSet& pictures) {
  ModelFacts facts{.name = name, .parameters = network.parameter_count()};
  const std::filesystem::path file = std::filesystem::temp_directory_path() / ("leaven-" + name + ".safetensors");
  train::save(network, file);
  facts.file_bytes = static_cast<std::int64_t>(std::filesystem::file_size(file));
  std::filesystem::remove(file);
  train::evaluate(network, pictures);
  const auto begin = std::chrono::steady_clock::now();
  train::evaluate(network, pictures);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  facts.images_per_second = static_cast<double>(pictures.size()) / seconds.count();
  return facts;
}

}  // namespace

DistillationResult distillation(Experiment& experiment, const Augmentation& augmentation) {
  const std::string group = "distillation: the student";
  const ExperimentOptions& options = experiment.options();
  DistillationResult result;
  const train::FitOptions plain = with_augmentation(experiment, augmentation.options);

  Trained teacher = experiment.run(row_of("distillation: the teacher", "teacher", augmentation.name),
                                   experiment.make_network(options.teacher), experiment.labelled(), plain);
  Trained alone = experiment.run(row_of(group, "student alone", augmentation.name),
                                 experiment.make_network(options.student), experiment.labelled(), plain);
  result.rows = {teacher.row, alone.row};
  result.models = {facts_of("teacher", teacher.network, experiment.judges().test),
                   facts_of("student", alone.network, experiment.judges().test)};

  train::FitOptions distil = plain;
  distil.distillation =
      train::Distillation{.teacher = &teacher.network, .temperature = 4.0f, .hard_weight = 0.0f, .soft_weight = 1.0f};
  const train::FitData unlabelled{
      .data = &experiment.data(), .more_samples = experiment.split().unlabelled, .more_share = 1.0f};
  result.rows.push_back(experiment
                            .run(row_of(group, "student, KL on unlabelled pictures", "T = 4"),
                                 experiment.make_network(options.student), unlabelled, distil)
                            .row);

  distil.distillation->hard_weight = 0.5f;
  distil.distillation->soft_weight = 0.5f;
  train::FitData both = experiment.labelled();
  both.more_samples = experiment.split().unlabelled;
  both.more_share = 0.5f;
  result.rows.push_back(experiment
                            .run(row_of(group, "student, KL and cross-entropy", "T = 4, half of each batch labelled"),
                                 experiment.make_network(options.student), both, distil)
                            .row);
  return result;
}

namespace {

// The lowest threshold at which the teacher is right on 19 of 20 accepted validation pictures and accepts at least a
// fifth of them; otherwise the one at which it is right most often.
float choose_threshold(train::Network& teacher, const Experiment& experiment) {
  const auto& ids = experiment.split().validation;
  const train::PseudoLabelled labels = train::pseudo_label(teacher, experiment.data(), ids, 0.0f);
  float chosen = 0.9f;
  double chosen_right = -1;
  for (const float threshold : {0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 0.95f, 0.99f}) {
    std::int64_t accepted = 0;
    std::int64_t right = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (labels.confidence[i] < threshold) continue;
      ++accepted;
      right += labels.predicted[i] == experiment.data().host_labels[static_cast<std::size_t>(ids[i])];
    }
    if (accepted * 5 < static_cast<std::int64_t>(ids.size())) break;
    const double share = static_cast<double>(right) / static_cast<double>(accepted);
    if (share > chosen_right) {
      chosen = threshold;
      chosen_right = share;
    }
    if (share >= 0.95) break;
  }
  return chosen;
}

struct RoundLabels {
  train::PseudoLabelled labels;
  std::vector<std::int64_t> samples;  // accepted ids to train on
  PseudoLabelRound round;
};

// No class may have more pictures than the mean of all: a teacher that prefers a class would otherwise teach its
// student to prefer it even more. The most confident ones stay.
std::vector<std::int64_t> balanced(const train::PseudoLabelled& labels, std::span<const std::int64_t> ids,
                                   float threshold, std::int64_t classes) {
  std::vector<std::vector<std::size_t>> of_class(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (labels.confidence[i] >= threshold) of_class[static_cast<std::size_t>(labels.predicted[i])].push_back(i);
  }
  const std::size_t most = labels.accepted.size() / of_class.size() + 1;
  std::vector<std::int64_t> kept;
  for (std::vector<std::size_t>& members : of_class) {
    std::stable_sort(members.begin(), members.end(),
                     [&](std::size_t a, std::size_t b) { return labels.confidence[a] > labels.confidence[b]; });
    members.resize(std::min(members.size(), most));
    for (const std::size_t i : members) kept.push_back(ids[i]);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

RoundLabels label_unlabelled(train::Network& teacher, const Experiment& experiment, const std::string& method) {
  const float threshold = choose_threshold(teacher, experiment);
  const auto& ids = experiment.split().unlabelled;
  RoundLabels result{
      train::pseudo_label(teacher, experiment.data(), ids, threshold), {}, {.method = method, .threshold = threshold}};
  result.samples = balanced(result.labels, ids, threshold, experiment.data().classes());
  std::int64_t right = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    right += result.labels.confidence[i] >= threshold &&
             result.labels.predicted[i] == experiment.data().host_labels[static_cast<std::size_t>(ids[i])];
  }
  const auto accepted = static_cast<double>(result.labels.accepted.size());
  result.round.accepted = ids.empty() ? 0 : accepted / static_cast<double>(ids.size());
  result.round.right = accepted > 0 ? static_cast<double>(right) / accepted : 0;
  return result;
}

// Up to `most` accepted pictures with a right pseudo-label and up to `most` with a wrong one, in the order of their
// ids.
std::vector<PseudoLabelledPicture> pick_pictures(const train::PseudoLabelled& labels, float threshold,
                                                 const Experiment& experiment, std::int64_t most) {
  std::vector<PseudoLabelledPicture> pictures;
  std::int64_t found[2] = {0, 0};
  const auto& ids = experiment.split().unlabelled;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::int32_t truth = experiment.data().host_labels[static_cast<std::size_t>(ids[i])];
    std::int64_t& count = found[labels.predicted[i] == truth];
    if (labels.confidence[i] < threshold || count >= most) continue;
    ++count;
    pictures.push_back({ids[i], labels.predicted[i], truth, labels.confidence[i]});
  }
  return pictures;
}

}  // namespace

SelfTrainingResult self_training(Experiment& experiment, const Augmentation& augmentation) {
  const std::string group = "self-training";
  const ExperimentOptions& options = experiment.options();
  SelfTrainingResult result;
  Trained teacher =
      experiment.run(row_of(group, "teacher, labels only", augmentation.name), experiment.make_network(options.network),
                     experiment.labelled(), with_augmentation(experiment, augmentation.options));
  result.rows.push_back(teacher.row);

  AugmenterOptions noise = augmentation.options;
  if (!noise.policy) noise = strong_augmentation(20);
  if (!noise.mix) noise.mix = CutMixOptions{.probability = 0.5f};
  struct Round {
    std::string method;
    std::string network;
    AugmenterOptions augment;
  };
  const Round rounds[] = {{"pseudo-labels, same network", options.network, augmentation.options},
                          {"self-training, round 1: larger and noisier", options.larger, noise},
                          {"self-training, round 2: largest", options.largest, noise}};
  for (std::size_t i = 0; i < std::size(rounds); ++i) {
    const Round& round = rounds[i];
    RoundLabels labelled = label_unlabelled(teacher.network, experiment, round.method);
    result.rounds.push_back(labelled.round);
    result.pictures = pick_pictures(labelled.labels, labelled.round.threshold, experiment, 8);
    train::FitData data = experiment.labelled();
    data.more_samples = labelled.samples;
    data.more_labels = &labelled.labels.labels;
    data.more_share = data.more_samples.empty() ? 0.0f : 0.75f;
    teacher =
        experiment.run(row_of(group, round.method, augmentation.name), experiment.make_network(round.network, i + 1),
                       data, with_augmentation(experiment, round.augment));
    result.rows.push_back(teacher.row);
  }
  return result;
}

}  // namespace leaven::samples
