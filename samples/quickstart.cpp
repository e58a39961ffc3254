// Leaven in fifteen lines: what augmentation gains with 20 labels per class.
#include <iostream>

#include <leaven/train.hpp>
#include "samples/support/command_line.hpp"
#include "samples/support/numbers.hpp"

using namespace leaven;

void quickstart(Stream stream) {
  const auto folder = train::fashion_mnist_folder();
  const train::DataSet pictures = train::read_fashion_mnist(folder, train::FashionMnist::train, stream);
  const train::DataSet test = train::read_fashion_mnist(folder, train::FashionMnist::test, stream);
  const train::FitData data{.data = &pictures, .samples = train::split(pictures, {.labelled_per_class = 20}).labelled};
  for (const bool augmented : {false, true}) {
    train::Network network({train::preset("small", 10), pictures.shape, 1, kFashionMnist}, stream);
    train::FitOptions options{.steps = 200};
    if (augmented) options.augment = {.pad_crop = RandomPadCrop{.padding = 2}, .flip_probability = 0.5f};
    const train::FitResult result = train::fit(network, data, options);
    std::cout << (augmented ? "with" : "without")
              << " augmentation: " << samples::percent(train::evaluate(network, test).accuracy)
              << " of 10,000 test pictures are right (" << samples::thousands(result.images_per_second)
              << " images/s in training)" << std::endl;
  }
}

int main(int argc, char** argv) {
  const auto app = samples::make_app("quickstart",
                                     "Trains a small network on 20 labelled pictures per class, "
                                     "once without and once with augmentation.",
                                     "  quickstart --backend cpu\n");
  const samples::MachineOptions machine(*app);
  return samples::run_program(*app, argc, argv, [&] { quickstart(machine.open()); });
}
