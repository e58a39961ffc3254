#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include <leaven/augment.hpp>
#include <leaven/buffer.hpp>
#include <leaven/train/data.hpp>
#include <leaven/train/network.hpp>

namespace leaven::train {

/// What to train on: ids of one data set in the memory of the network's backend.
struct FitData {
  const DataSet* data = nullptr;
  std::vector<std::int64_t> samples{};  ///< with the data set's labels
  /// A second list, a share of each batch. Its labels in the data set are never looked at: they come from
  /// `more_labels` (one per image of the data set, such as PseudoLabelled::labels), or there are none and only the
  /// distillation's soft part counts.
  std::vector<std::int64_t> more_samples{};
  float more_share = 0.5f;
  const Buffer<std::int32_t>* more_labels = nullptr;
};

/// Adds a teacher: loss = hard_weight CE(labels) + soft_weight T^2 KL(teacher || student). The teacher sees the same
/// augmented batch, in evaluation mode.
struct Distillation {
  Network* teacher = nullptr;  ///< same backend, input, classes and normalisation as the student
  float temperature = 4.0f;
  float hard_weight = 0.1f;
  float soft_weight = 0.9f;
};

struct Progress {
  std::int64_t step = 0;  ///< steps done
  std::int64_t steps = 0;
  double images_per_second = 0;
  double seconds_left = 0;
  float loss = 0;  ///< mean since the last call
  float learning_rate = 0;
};

struct FitOptions {
  /// One of the two: the number of steps, or of images to train on, each counted each time (steps = ceil(image_steps /
  /// batch)).
  std::int64_t steps = 0;
  std::int64_t image_steps = 0;
  std::int64_t batch = 128;     ///< where a list has fewer samples than its share of a batch, it gives each once
  float learning_rate = 0.05f;  ///< the peak of the cosine schedule
  float warm_up = 0.05f;        ///< share of the steps
  SgdOptions sgd{};
  AugmenterOptions augment{};  ///< normalise and output_layout are taken from the network
  float label_smoothing = 0.0f;
  std::uint64_t seed = 0;  ///< of sampling, augmentation and dropout
  std::optional<Distillation> distillation{};

  std::function<void(const Progress&)> progress{};  ///< at most every 0.2 s, and after the last step
  /// Called after every `evaluation_every` steps (0: never) and after the last; may evaluate the network.
  std::int64_t evaluation_every = 0;
  std::function<void(std::int64_t step)> evaluation{};

  /// Where not empty: parameters, momentum and step are saved there every `checkpoint_every` steps and at the end;
  /// where the file exists already, training continues from it, to the same final bytes as without interruption.
  std::filesystem::path checkpoint{};
  std::int64_t checkpoint_every = 500;
};

struct FitResult {
  std::int64_t steps = 0;
  std::int64_t batch = 0;  ///< rows of a step
  double seconds = 0;      ///< without evaluation callbacks
  double images_per_second = 0;
  std::vector<float> losses{};  ///< one per step of this call
};

/// Trains. The order of the samples: each list is shuffled anew (from seed) whenever fewer than a batch's rows are
/// left. Same machine, seed and options: same bits, whatever the number of threads.
/// @throws InvalidArgument where options, data and network do not fit together; IoError from the checkpoint.
FitResult fit(Network& network, const FitData& data, const FitOptions& options);

}  // namespace leaven::train
