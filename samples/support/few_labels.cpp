#include "samples/support/few_labels.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "samples/support/numbers.hpp"

namespace leaven::samples {

FewLabelsProgram::FewLabelsProgram(CLI::App& app, const ExperimentOptions& defaults, Labels labels)
    : machine_(app), options_(defaults) {
  app.add_option("--data", options_.data,
                 "Folder with the four IDX files of Fashion-MNIST (or files of that form), gzip or not")
      ->type_name("DIR")
      ->group("Data");
  if (labels == Labels::option) {
    app.add_option("--labels", options_.labels_per_class, "Labelled training pictures of each class")
        ->type_name("N")
        ->check(CLI::Range(1, 100000))
        ->group("Data");
  }
  app.add_option("--validation", options_.validation_per_class,
                 "Further labelled pictures of each class, by which choices are made")
      ->type_name("N")
      ->check(CLI::Range(1, 100000))
      ->group("Data");
  app.add_option("--seed", options_.seed, "Of the split, the weights and every draw")->type_name("N")->group("Data");
  app.add_option("--image-steps", options_.image_steps, "Pictures that each training looks at, each time counted")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->group("Training");
  app.add_option("--batch", options_.batch, "Pictures of one step")
      ->type_name("N")
      ->check(CLI::Range(1, 65536))
      ->group("Training");
  app.add_option("--learning-rate", options_.learning_rate, "Peak of the cosine schedule")
      ->type_name("RATE")
      ->check(CLI::PositiveNumber)
      ->group("Training");
  app.add_option("--network", options_.network, "Preset or description of the network; CLASSES stands for the outputs")
      ->type_name("NETWORK")
      ->group("Training");
  app.add_option("--log", log_path_, "One line of JSON for each progress report and each result")
      ->type_name("FILE")
      ->group("Output");
}

OwnedStream FewLabelsProgram::start() {
  OwnedStream stream = machine_.open();
  log_ = JsonLog(log_path_);
  std::cout << "backend: " << samples::describe(Stream(stream)) << "\n";
  log_.write("start", {{"backend", samples::describe(Stream(stream))},
                       {"seed", options_.seed},
                       {"image_steps", options_.image_steps},
                       {"batch", options_.batch}});
  return stream;
}

Reporter FewLabelsProgram::reporter() {
  Reporter reporter;
  reporter.progress = [this](const std::string& method, const train::Progress& p, std::int64_t batch) {
    if (!progress_) progress_.emplace(method, batch, log_);
    (*progress_)(p);
  };
  reporter.row = [this](const Row& row) {
    if (progress_) progress_->finish("test " + percent(row.test) + ", shifted " + percent(row.shifted));
    progress_.reset();
    nlohmann::ordered_json curve = nlohmann::ordered_json::array();
    for (const CurvePoint& point : row.curve) curve.push_back({point.image_steps, point.accuracy});
    log_.write("result", {{"group", row.group},
                          {"method", row.method},
                          {"note", row.note},
                          {"labels", row.labels},
                          {"image_steps", row.image_steps},
                          {"seconds", row.seconds},
                          {"validation", row.validation},
                          {"test", row.test},
                          {"shifted", row.shifted},
                          {"curve", curve}});
  };
  return reporter;
}

Table results_table(const std::vector<Row>& rows) {
  Table table{.columns = {{"method", Align::left},
                          {"labels"},
                          {"images"},
                          {"time"},
                          {"test"},
                          {"gain"},
                          {"shifted test"},
                          {"gain"},
                          {"note", Align::left}},
              .rows = {}};
  const Row* first = nullptr;
  for (const Row& row : rows) {
    const bool opens = first == nullptr || first->group != row.group;
    if (opens) {
      first = &row;
      table.rows.push_back({row.group + ":", "", "", "", "", "", "", "", ""});
    }
    table.rows.push_back({"  " + row.method, thousands(static_cast<double>(row.labels)),
                          thousands(static_cast<double>(row.image_steps)), duration(row.seconds), percent(row.test),
                          opens ? "" : points(row.test - first->test), percent(row.shifted),
                          opens ? "" : points(row.shifted - first->shifted), row.note});
  }
  return table;
}

std::vector<std::string> remarks(const std::vector<Row>& rows) {
  constexpr double kNoise = 0.005;  // half a point: about one standard deviation of the accuracy on 10,000 pictures
  std::vector<std::string> sentences;
  const Row* first = nullptr;
  for (const Row& row : rows) {
    if (first == nullptr || first->group != row.group) {
      first = &row;
      continue;
    }
    const double test = row.test - first->test;
    const double shifted = row.shifted - first->shifted;
    if (test >= kNoise && shifted >= kNoise) continue;
    const auto verdict = [](double gain) {
      return gain >= kNoise ? "gains " : gain <= -kNoise ? "loses " : "changes nothing (";
    };
    const auto part = [&](double gain, const std::string& where) {
      const bool nothing = gain < kNoise && gain > -kNoise;
      return std::string(verdict(gain)) + points(gain) + (nothing ? ")" : "") + " on " + where;
    };
    sentences.push_back("\"" + row.method + "\" against \"" + first->method + "\": " + part(test, "neat") + " and " +
                        part(shifted, "shifted pictures") + ".");
  }
  return sentences;
}

Table models_table(const std::vector<ModelFacts>& models) {
  Table table{.columns = {{"model", Align::left}, {"parameters"}, {"file"}, {"images/s"}}, .rows = {}};
  for (const ModelFacts& model : models) {
    table.rows.push_back({model.name, thousands(static_cast<double>(model.parameters)), size_bytes(model.file_bytes),
                          thousands(model.images_per_second)});
  }
  return table;
}

Table rounds_table(const std::vector<PseudoLabelRound>& rounds) {
  Table table{.columns = {{"pseudo-labels for", Align::left}, {"threshold"}, {"accepted"}, {"of these right"}},
              .rows = {}};
  for (const PseudoLabelRound& round : rounds) {
    table.rows.push_back({round.method, fixed(round.threshold, 2), percent(round.accepted), percent(round.right)});
  }
  return table;
}

}  // namespace leaven::samples
