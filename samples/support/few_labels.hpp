#pragma once

#include <optional>
#include <string>

#include "samples/support/command_line.hpp"
#include "samples/support/json_log.hpp"
#include "samples/support/recipes.hpp"
#include "samples/support/table.hpp"
#include "samples/support/training_progress.hpp"

// Command line, progress and output that the programs about few labels have in common.
namespace leaven::samples {

// The options of an experiment and of the machine, and what is told while it runs.
class FewLabelsProgram {
 public:
  // `defaults`: what the options hold where the command line says nothing. Labels: whether --labels is an option.
  enum class Labels { option, fixed };
  FewLabelsProgram(CLI::App& app, const ExperimentOptions& defaults, Labels labels = Labels::option);

  const ExperimentOptions& options() const { return options_; }
  ExperimentOptions& options() { return options_; }

  // The log's file where --log does not name one.
  void set_default_log(const std::filesystem::path& path) {
    if (log_path_.empty()) log_path_ = path.string();
  }
  // Opens the stream and the log; says where it runs.
  OwnedStream start();
  // A progress line per training and a plain line per result.
  Reporter reporter();
  JsonLog& log() { return log_; }

 private:
  MachineOptions machine_;
  ExperimentOptions options_;
  std::string log_path_;
  JsonLog log_;
  std::optional<TrainingProgress> progress_;  // of the training that runs
};

// "20 labels": method, note, accuracies on neat and shifted test pictures with the gain over the first row of the
// group.
Table results_table(const std::vector<Row>& rows);
// A sentence for every method that gains nothing, or loses, against the first row of its group.
std::vector<std::string> remarks(const std::vector<Row>& rows);
// Parameters, file size and speed.
Table models_table(const std::vector<ModelFacts>& models);
// Accepted share and share of right pseudo-labels per round.
Table rounds_table(const std::vector<PseudoLabelRound>& rounds);

}  // namespace leaven::samples
