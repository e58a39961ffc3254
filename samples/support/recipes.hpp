#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "samples/support/experiment.hpp"

// The three ways in which little data goes further, each with what it is compared to. Every row is trained here.
namespace leaven::samples {

struct Augmentation {
  std::string name;
  AugmenterOptions options;
};

struct AugmentationStudy {
  std::vector<Row> rows;
  Augmentation best;  // by validation
};

// No augmentation, flip and crop, RandAugment (its strength by validation), CutMix, both.
AugmentationStudy study_augmentation(Experiment& experiment);

// Pre-trains on four classes, then learns the other six from `labels_per_class` labels, in three ways from the same
// split: frozen convolutions under a wider new head; a new head at a high and convolutions at a low rate; from scratch.
std::vector<Row> transfer_learning(const ExperimentOptions& options, const Reporter& reporter, Stream stream,
                                   std::span<const std::int64_t> labels_per_class);

// What a model costs to store and to run.
struct ModelFacts {
  std::string name;
  std::int64_t parameters = 0;
  std::int64_t file_bytes = 0;
  double images_per_second = 0;
};

struct DistillationResult {
  std::vector<Row> rows;  // teacher, student alone, KL on unlabelled pictures, KL and cross-entropy
  std::vector<ModelFacts> models;
};
DistillationResult distillation(Experiment& experiment, const Augmentation& augmentation);

struct PseudoLabelRound {
  std::string method;
  float threshold = 0;
  double accepted = 0;  // share of the unlabelled pictures
  double right = 0;     // share of the accepted ones whose pseudo-label is the true one
};

// A pseudo-labelled picture, for looking at.
struct PseudoLabelledPicture {
  std::int64_t id = 0;
  std::int32_t predicted = 0;
  std::int32_t truth = 0;
  float confidence = 0;
};

struct SelfTrainingResult {
  std::vector<Row> rows;  // teacher, pseudo-labels, rounds 1 and 2
  std::vector<PseudoLabelRound> rounds;
  std::vector<PseudoLabelledPicture> pictures;  // some right and some wrong ones of the last round
};
SelfTrainingResult self_training(Experiment& experiment, const Augmentation& augmentation);

}  // namespace leaven::samples
