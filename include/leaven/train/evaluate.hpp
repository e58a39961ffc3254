#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <leaven/buffer.hpp>
#include <leaven/train/data.hpp>
#include <leaven/train/network.hpp>

namespace leaven::train {

struct ClassCount {
  std::int64_t total = 0;
  std::int64_t right = 0;
};

struct Evaluation {
  std::int64_t total = 0;  ///< images with a label
  std::int64_t right = 0;
  double accuracy = 0;  ///< right / total, 0 where there is none
  double loss = 0;      ///< mean cross-entropy
  std::vector<ClassCount> classes{};
};

/// Top-1 accuracy and cross-entropy on a data set, or on some of its images, in the memory of the network's backend.
Evaluation evaluate(Network& network, const DataSet& data);
Evaluation evaluate(Network& network, const DataSet& data, std::span<const std::int64_t> ids);

/// Logits in evaluation mode, one row per image (per id), classes columns, in the backend's memory.
Buffer<float> predict(Network& network, const DataSet& data);
Buffer<float> predict(Network& network, const DataSet& data, std::span<const std::int64_t> ids);

struct PseudoLabelled {
  /// One per image of the data set: the teacher's where accepted, otherwise kIgnoreLabel.
  Buffer<std::int32_t> labels{};
  std::vector<std::int64_t> accepted{};   ///< ids, in the order given
  std::vector<std::int32_t> predicted{};  ///< arg max, per id given
  std::vector<float> confidence{};        ///< largest probability, per id given
};

/// Labels the images `ids` with the teacher's arg max where its probability reaches `threshold` (leaven::pseudo_label).
PseudoLabelled pseudo_label(Network& teacher, const DataSet& data, std::span<const std::int64_t> ids, float threshold);

}  // namespace leaven::train
