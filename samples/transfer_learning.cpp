// Transfer learning: convolutions that know four classes learn six others from few labels.
#include <iostream>

#include "samples/support/few_labels.hpp"
#include "samples/support/recipes.hpp"

int main(int argc, char** argv) {
  using namespace leaven::samples;
  const auto app = make_app("transfer_learning",
                            "Pre-trains a small network on four classes of Fashion-MNIST, then teaches it the other "
                            "six from few labels: with frozen "
                            "convolutions under a wider new head; with a new head at a high and the convolutions at a "
                            "low learning rate; and from scratch.",
                            "  transfer_learning\n  transfer_learning --labels 5 20 --image-steps 200000\n");
  FewLabelsProgram program(*app, {}, FewLabelsProgram::Labels::fixed);
  std::vector<std::int64_t> labels = {10, 250};
  app->add_option("--labels", labels, "Labelled pictures of each new class; several are done one after the other")
      ->type_name("N...")
      ->check(CLI::Range(1, 100000))
      ->group("Data");
  return run_program(*app, argc, argv, [&] {
    const leaven::OwnedStream stream = program.start();
    const std::vector<Row> rows = transfer_learning(program.options(), program.reporter(), stream, labels);
    std::cout << "\n" << results_table(rows).text();
  });
}
