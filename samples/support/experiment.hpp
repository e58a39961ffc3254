#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <leaven/leaven.hpp>
#include <leaven/train.hpp>

// What the programs about few labels share: the pictures, the split, one way to train and to judge.
namespace leaven::samples {

struct ExperimentOptions {
  std::filesystem::path data = train::fashion_mnist_folder();  // IDX files named as Fashion-MNIST's
  std::int64_t labels_per_class = 20;
  std::int64_t validation_per_class = 20;
  std::int64_t image_steps = 96'000;  // pictures that one training looks at, each time counted
  std::int64_t batch = 64;
  float learning_rate = 0.05f;
  std::uint64_t seed = 1;
  std::int64_t curve_points = 8;  // validations during a training
  // Networks: a preset's name, or a description in which CLASSES stands for the number of outputs.
  std::string network =
      "conv 16; bn; relu; maxpool 2; conv 32; bn; relu; maxpool 2; flatten; dropout 0.2; linear CLASSES";
  std::string teacher = "medium";
  std::string larger = "medium";
  std::string largest =
      "conv 32; bn; relu; conv 32; bn; relu; maxpool 2; conv 64; bn; relu; conv 64; bn; relu; maxpool 2; "
      "flatten; dropout 0.4; linear CLASSES";
  std::int64_t transfer_source_per_class = 2000;  // labels of each known class that pre-training has
  std::int64_t transfer_head = 256;               // width of the new fully connected layer
  std::string student = "conv 8; bn; relu; maxpool 2; conv 8; bn; relu; maxpool 2; flatten; linear CLASSES";
};

struct CurvePoint {
  std::int64_t image_steps = 0;
  double accuracy = 0;
};

// One line of a results table.
struct Row {
  std::string group;  // what it may be compared with
  std::string method;
  std::string note;
  std::int64_t labels = 0;
  std::int64_t image_steps = 0;
  double seconds = 0;
  double validation = 0;  // accuracies, 0..1
  double test = 0;
  double shifted = 0;
  std::vector<CurvePoint> curve{};  // on the validation pictures
};

// What to tell the person who waits, and where rows and steps are logged.
struct Reporter {
  std::function<void(const std::string& name, const train::Progress&, std::int64_t batch)> progress;
  std::function<void(const Row&)> row;
};

struct Trained {
  train::Network network;
  Row row;
};

// Test pictures, neat and as a careless camera takes them.
struct Judges {
  train::DataSet test;
  train::DataSet shifted;
};

class Experiment {
 public:
  // Reads the data and splits it. Classes: all, or `classes` of them (labels become 0, 1, ...).
  Experiment(const ExperimentOptions& options, Reporter reporter, Stream stream,
             const std::vector<std::int32_t>& classes = {});

  const ExperimentOptions& options() const { return options_; }
  const train::DataSet& data() const { return data_; }
  const train::Split& split() const { return split_; }
  const Judges& judges() const { return judges_; }
  Stream stream() const { return stream_; }

  // `network`: a preset's name or a description, as in the options. The same text and offset give the same weights.
  train::Network make_network(const std::string& network, std::uint64_t seed_offset = 0) const;
  // The training options that all methods share; a recipe changes what it is about.
  train::FitOptions fit_options() const;
  // Labelled pictures only.
  train::FitData labelled() const;

  // Trains, evaluates on validation, test and shifted test pictures, reports the row.
  Trained run(Row row, train::Network network, const train::FitData& data, train::FitOptions options);

  // Mean of the accuracies on the validation pictures as they are and shifted: what choices are made by.
  double choice_score(train::Network& network) const;

 private:
  ExperimentOptions options_;
  Reporter reporter_;
  Stream stream_;
  train::DataSet data_;
  train::Split split_;
  Judges judges_;
  train::DataSet validation_;
  train::DataSet shifted_validation_;
};

// The description of a preset, or `network` with CLASSES filled in.
std::string describe_network(const std::string& network, std::int64_t classes);

// The same pictures brightened or darkened, rotated, warped and cropped, each by its own draw from `seed`.
train::DataSet shifted_copy(const train::DataSet& data, std::uint64_t seed, Stream stream);

// Augmentation that looks like the world: pad-crop, flip and RandAugment, optionally CutMix.
AugmenterOptions light_augmentation();
AugmenterOptions strong_augmentation(std::int32_t magnitude);

}  // namespace leaven::samples
