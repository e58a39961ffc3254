// Leaven in fifteen lines: what augmentation gains with 20 labels per class.
#include <functional>
#include <iostream>
#include <string>
#include <utility>

#include <leaven/train.hpp>
#include "samples/support/command_line.hpp"
#include "samples/support/numbers.hpp"
#include "samples/support/training_progress.hpp"

using namespace leaven;

void quickstart(Stream stream, samples::JsonLog& log) {
  const auto folder = train::fashion_mnist_folder();
  const train::DataSet pictures = train::read_fashion_mnist(folder, train::FashionMnist::train, stream);
  const train::DataSet test = train::read_fashion_mnist(folder, train::FashionMnist::test, stream);
  const train::FitData data{.data = &pictures, .samples = train::split(pictures, {.labelled_per_class = 20}).labelled};
  const AugmenterOptions some{
      .pad_crop = RandomPadCrop{2}, .flip_probability = 0.5f, .policy = RandAugmentOptions{.num_ops = 1}};
  for (const auto& [name, augment] :
       {std::pair{"without augmentation", AugmenterOptions{}}, {"with augmentation", some}}) {
    train::Network network({train::preset("small", 10), pictures.shape, 1, kFashionMnist}, stream);
    samples::TrainingProgress progress(name, 128, log);
    train::fit(network, data, {.steps = 400, .batch = 128, .augment = augment, .progress = std::ref(progress)});
    progress.finish();
    const std::string right = samples::percent(train::evaluate(network, test).accuracy);
    std::cout << name << ": " << right << " of the test pictures are right" << std::endl;
  }
}

int main(int argc, char** argv) {
  const auto app = samples::make_app("quickstart",
                                     "Trains a small network on 20 labelled pictures per class, "
                                     "once without and once with augmentation.",
                                     "  quickstart --backend cpu\n");
  const samples::MachineOptions machine(*app);
  std::string path;
  app->add_option("--log", path, "One line of JSON for each progress report")->type_name("FILE")->group("Output");
  return samples::run_program(*app, argc, argv, [&] {
    samples::JsonLog log(path);
    quickstart(machine.open(), log);
  });
}
