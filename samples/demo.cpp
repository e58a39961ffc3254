// Everything that Leaven is for, in a few minutes: what augmentation, transfer learning, distillation and unlabelled
// pictures each gain where there are few labels, on neat pictures and on pictures as a careless camera takes them.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "samples/support/few_labels.hpp"
#include "samples/support/numbers.hpp"
#include "samples/support/recipes.hpp"
#include "samples/support/report.hpp"
#include "samples/support/report_pictures.hpp"

namespace {

using namespace leaven;
using namespace leaven::samples;

struct Results {
  AugmentationStudy study;
  std::vector<Row> transfer;
  DistillationResult distillation;
  SelfTrainingResult self_training;

  std::vector<Row> rows() const {
    std::vector<Row> all = study.rows;
    for (const auto* part : {&transfer, &distillation.rows, &self_training.rows})
      all.insert(all.end(), part->begin(), part->end());
    return all;
  }
};

// A chart for each group of rows that can be compared.
std::vector<Chart> curves(const std::vector<Row>& rows) {
  std::vector<Chart> charts;
  for (const Row& row : rows) {
    if (charts.empty() || charts.back().title != row.group) {
      charts.push_back({.title = row.group,
                        .x_label = "images seen in training",
                        .y_label = "accuracy on validation pictures",
                        .series = {},
                        .values = Chart::Values::shares});
    }
    Series series{.name = row.method, .points = {}};
    for (const CurvePoint& point : row.curve)
      series.points.emplace_back(static_cast<double>(point.image_steps), point.accuracy);
    charts.back().series.push_back(std::move(series));
  }
  std::erase_if(charts, [](const Chart& chart) { return chart.series.size() < 2; });
  return charts;
}

// The table's line of the row with the best mean of neat and shifted accuracy, for each group of several rows.
std::vector<std::size_t> best_rows(const std::vector<Row>& rows) {
  std::vector<std::size_t> best;
  std::size_t line = 0;
  for (auto begin = rows.begin(); begin != rows.end();) {
    const auto end = std::find_if(begin, rows.end(), [&](const Row& row) { return row.group != begin->group; });
    const auto top = std::max_element(
        begin, end, [](const Row& a, const Row& b) { return a.test + a.shifted < b.test + b.shifted; });
    ++line;  // the group's heading
    if (end - begin > 1) best.push_back(line + static_cast<std::size_t>(top - begin));
    line += static_cast<std::size_t>(end - begin);
    begin = end;
  }
  return best;
}

void write_report(const std::filesystem::path& path, const Experiment& experiment, const Results& results,
                  double seconds) {
  const std::vector<Row> rows = results.rows();
  const ExperimentOptions& options = experiment.options();
  Report report("Leaven: what little data can do", "Small networks, trained from scratch on Fashion-MNIST with " +
                                                       std::to_string(options.labels_per_class) +
                                                       " labelled pictures per class, judged on neat test pictures and "
                                                       "on the same pictures as a careless camera takes them.");
  report.facts({{"labels", thousands(static_cast<double>(experiment.split().labelled.size()))},
                {"unlabelled pictures", thousands(static_cast<double>(experiment.split().unlabelled.size()))},
                {"images per training", thousands(static_cast<double>(options.image_steps))},
                {"seed", std::to_string(options.seed)},
                {"backend", samples::describe(experiment.stream())},
                {"whole run", duration(seconds)}});
  report.section("Results");
  report.paragraph(
      "Every row was trained in this run. Rows of one group start from the same labels and see equally many images; "
      "gains are points over "
      "the group's first row. Choices (strength of RandAugment, threshold of pseudo-labels, the augmentation that "
      "later groups use) were made on " +
      thousands(static_cast<double>(experiment.split().validation.size())) +
      " further labelled pictures, neat and shifted.");
  report.table(results_table(rows), "Accuracy on 10,000 neat and 10,000 shifted test pictures (six classes: 6,000)",
               best_rows(rows));
  for (const std::string& remark : remarks(rows)) report.paragraph(remark);
  report.table(models_table(results.distillation.models), "Teacher and student");
  report.table(rounds_table(results.self_training.rounds), "Pseudo-labels of each round");
  report.section("Learning curves");
  report.charts(curves(rows));
  report.section("Shifted test pictures");
  report.images(shifted_pictures(experiment, 8),
                "Each test picture, and beside it the same as a careless camera takes it");
  report.section("Augmented training pictures");
  report.images(
      augmented_pictures(experiment, results.study.best.options, 4, 5),
      "Training pictures and five draws of the augmentation that validation chose: " + results.study.best.name);
  report.section("CutMix");
  report.images(cutmix_pictures(experiment, 12),
                "A box of the second picture in the first; the label is shared by area");
  report.section("Pseudo-labels");
  report.images(pseudo_labelled_pictures(experiment, results.self_training.pictures),
                "Unlabelled pictures with the last teacher's label and confidence: right ones and wrong ones");
  report.write(path);
}

}  // namespace

int main(int argc, char** argv) {
  const auto app = make_app("demo",
                            "Trains small networks with few labels and shows in one table what augmentation, CutMix, "
                            "transfer learning, distillation, "
                            "pseudo-labels and self-training each gain. Writes DIR/report.html and DIR/log.jsonl.",
                            "  demo\n  demo --labels 100 --out out/100\n  demo --short\n");
  FewLabelsProgram program(*app, {});
  std::filesystem::path out = "out";
  bool short_form = false;
  app->add_option("--out", out, "Folder for the report")->type_name("DIR")->group("Output");
  app->add_flag("--short", short_form, "A tenth of the training: to see that everything works")->group("Training");
  return run_program(*app, argc, argv, [&] {
    const auto begin = std::chrono::steady_clock::now();
    if (short_form) program.options().image_steps /= 10;
    program.set_default_log(out / "log.jsonl");
    const OwnedStream stream = program.start();
    Experiment experiment(program.options(), program.reporter(), stream);
    Results results;
    results.study = study_augmentation(experiment);
    const std::int64_t labels[] = {program.options().labels_per_class};
    results.transfer = transfer_learning(program.options(), program.reporter(), stream, labels);
    results.distillation = distillation(experiment, results.study.best);
    results.self_training = self_training(experiment, results.study.best);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;

    const std::vector<Row> rows = results.rows();
    std::cout << "\n" << results_table(rows).text() << "\n";
    for (const std::string& remark : remarks(rows)) std::cout << remark << "\n";
    std::cout << "\n"
              << models_table(results.distillation.models).text() << "\n"
              << rounds_table(results.self_training.rounds).text() << "\n";
    write_report(out / "report.html", experiment, results, seconds.count());
    std::cout << "whole run: " << duration(seconds.count()) << "; look at " << (out / "report.html").string() << "\n";
  });
}
