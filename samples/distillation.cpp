// Knowledge distillation: a small student learns from a larger teacher's soft labels.
#include <iostream>

#include "samples/support/few_labels.hpp"
#include "samples/support/numbers.hpp"
#include "samples/support/recipes.hpp"

int main(int argc, char** argv) {
  using namespace leaven::samples;
  const auto app = make_app("distillation",
                            "Trains a teacher on few labels, then a much smaller student: alone; by the teacher's "
                            "softened probabilities on pictures "
                            "without labels (KL); and by those together with the labels (KL and cross-entropy).",
                            "  distillation\n  distillation --labels 100 --teacher cnn\n");
  FewLabelsProgram program(*app, {});
  app->add_option("--teacher", program.options().teacher,
                  "Preset or description of the teacher; CLASSES stands for the outputs")
      ->type_name("NETWORK")
      ->group("Networks");
  app->add_option("--student", program.options().student, "The same of the student")
      ->type_name("NETWORK")
      ->group("Networks");
  return run_program(*app, argc, argv, [&] {
    const leaven::OwnedStream stream = program.start();
    Experiment experiment(program.options(), program.reporter(), stream);
    const DistillationResult result = distillation(experiment, {"RandAugment", strong_augmentation(10)});
    std::cout << "\n" << results_table(result.rows).text() << "\n" << models_table(result.models).text();
  });
}
