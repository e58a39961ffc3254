#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <leaven/train/fit.hpp>
#include "samples/support/json_log.hpp"
#include "samples/support/progress_line.hpp"

namespace leaven::samples {

/// Shows a training as a progress line and logs it; for train::FitOptions::progress, by std::ref.
class TrainingProgress {
 public:
  TrainingProgress(std::string name, std::int64_t batch, JsonLog& log);

  void operator()(const train::Progress& progress);
  /// The last line: images, time, rate and `note`.
  void finish(std::string_view note = {});

 private:
  std::string name_;
  std::int64_t batch_;
  JsonLog& log_;
  std::optional<ProgressLine> line_;  // its total is known with the first progress
};

}  // namespace leaven::samples
