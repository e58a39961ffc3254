#include "samples/support/training_progress.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "samples/support/numbers.hpp"

namespace leaven::samples {

TrainingProgress::TrainingProgress(std::string name, std::int64_t batch, JsonLog& log)
    : name_(std::move(name)), batch_(batch), log_(log) {}

void TrainingProgress::operator()(const train::Progress& p) {
  if (!line_) line_.emplace(name_, p.steps * batch_);
  line_->show(p.step * batch_, "loss " + fixed(p.loss, 3));
  log_.write("progress", {{"method", name_},
                          {"step", p.step},
                          {"steps", p.steps},
                          {"loss", p.loss},
                          {"learning_rate", p.learning_rate},
                          {"images_per_second", p.images_per_second}});
}

void TrainingProgress::finish(std::string_view note) {
  if (line_) line_->finish(note);
}

}  // namespace leaven::samples
