// Self-training: a teacher labels pictures without labels, a larger and noisier student learns from both and becomes
// the teacher.
#include <iostream>

#include "samples/support/few_labels.hpp"
#include "samples/support/recipes.hpp"

int main(int argc, char** argv) {
  using namespace leaven::samples;
  const auto app =
      make_app("self_training",
               "Trains on few labels, gives pseudo-labels to the unlabelled pictures (300 times as many at 20 labels "
               "per class) and trains "
               "on both; then two rounds in which a larger, noisier, newly initialised student becomes the teacher.",
               "  self_training\n  self_training --labels 100 --image-steps 300000\n");
  FewLabelsProgram program(*app, {});
  return run_program(*app, argc, argv, [&] {
    const leaven::OwnedStream stream = program.start();
    Experiment experiment(program.options(), program.reporter(), stream);
    const SelfTrainingResult result = self_training(experiment, {"RandAugment", strong_augmentation(10)});
    std::cout << "\n" << results_table(result.rows).text() << "\n" << rounds_table(result.rounds).text();
  });
}
