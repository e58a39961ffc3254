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
  const AugmenterOptions none{};
  const AugmenterOptions some{
      .pad_crop = RandomPadCrop{2}, .flip_probability = 0.5f, .policy = RandAugmentOptions{.num_ops = 1}};
  for (const AugmenterOptions* augment : {&none, &some}) {
    train::Network network({train::preset("small", 10), pictures.shape, 1, kFashionMnist}, stream);
    const train::FitResult result = train::fit(network, data, {.steps = 400, .augment = *augment});
    std::cout << (augment == &none ? "without" : "with")
              << " augmentation: " << samples::percent(train::evaluate(network, test).accuracy)
              << " of the test pictures are right (" << samples::thousands(result.images_per_second)
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
