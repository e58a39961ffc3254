// Training on all labels: a network, a data set, a checkpoint that a killed run continues from.
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "samples/support/command_line.hpp"
#include "samples/support/experiment.hpp"
#include "samples/support/numbers.hpp"
#include "samples/support/training_progress.hpp"

namespace leaven::samples {
namespace {

struct Options {
  std::string data = train::fashion_mnist_folder();
  std::string network = "medium";
  std::string augment = "light";
  std::int64_t epochs = 12;
  std::int64_t batch = 128;
  float learning_rate = 0.1f;
  std::uint64_t seed = 1;
  std::string checkpoint;
  std::string log;
};

AugmenterOptions augmentation(const std::string& name) {
  if (name == "light") return light_augmentation();
  if (name == "strong") return strong_augmentation(10);
  return {};
}

struct Sets {
  train::DataSet train;
  train::DataSet test;
};

Sets read(const std::filesystem::path& folder, Stream stream) {
  if (std::filesystem::is_directory(folder / "train")) {
    return {train::read_image_folder(folder / "train", stream), train::read_image_folder(folder / "test", stream)};
  }
  return {train::read_fashion_mnist(folder, train::FashionMnist::train, stream),
          train::read_fashion_mnist(folder, train::FashionMnist::test, stream)};
}

void train_classifier(const Options& options, Stream stream) {
  const Sets sets = read(options.data, stream);
  train::Network network({.description = describe_network(options.network, sets.train.classes()),
                          .input = sets.train.shape,
                          .seed = options.seed,
                          .normalisation = sets.train.shape.channels == 1 ? kFashionMnist : kImageNet},
                         stream);
  JsonLog log(options.log);
  TrainingProgress progress("training", options.batch, log);
  const train::FitResult result = train::fit(network, {.data = &sets.train, .samples = sets.train.ids()},
                                             {.image_steps = options.epochs * sets.train.size(),
                                              .batch = options.batch,
                                              .learning_rate = options.learning_rate,
                                              .augment = augmentation(options.augment),
                                              .seed = options.seed,
                                              .progress = std::ref(progress),
                                              .checkpoint = options.checkpoint});
  const train::Evaluation test = train::evaluate(network, sets.test);
  progress.finish("test " + percent(test.accuracy));
  log.write("result", {{"seconds", result.seconds}, {"test", test.accuracy}});
  std::cout << sets.train.size() << " training pictures, " << sets.test.size() << " test pictures, "
            << network.parameter_count() << " parameters, " << fixed(result.seconds, 1)
            << " s of training: " << fixed(100 * test.accuracy, 2) << " % of the test pictures are right\n";
  for (std::size_t i = 0; i < test.classes.size(); ++i) {
    const auto& [count, right] = test.classes[i];
    std::cout << "  " << sets.test.class_names[i] << ": "
              << percent(count > 0 ? static_cast<double>(right) / static_cast<double>(count) : 0) << "\n";
  }
}

}  // namespace
}  // namespace leaven::samples

int main(int argc, char** argv) {
  using namespace leaven::samples;
  const auto app = make_app(
      "train_classifier",
      "Trains a network on all pictures of a data set and says how many of the test pictures are right. With "
      "--checkpoint the network is kept, and a run that was stopped continues where the file is.",
      "  train_classifier --checkpoint fashion.safetensors\n  train_classifier --data my_pictures --augment strong\n");
  const MachineOptions machine(*app);
  Options options;
  app->add_option(
         "--data", options.data,
         "Folder with the four IDX files of Fashion-MNIST (or files of that form), or with train/CLASS/*.png and "
         "test/CLASS/*.png, pictures of one size")
      ->type_name("DIR")
      ->group("Data");
  app->add_option("--seed", options.seed, "Of the weights and every draw")->type_name("N")->group("Data");
  app->add_option("--network", options.network,
                  "Preset (small, medium, cnn) or description; CLASSES stands for the outputs")
      ->type_name("NETWORK")
      ->group("Training");
  app->add_option("--augment", options.augment, "light: flip and crop; strong: RandAugment too")
      ->type_name("none|light|strong")
      ->check(one_of({"none", "light", "strong"}))
      ->group("Training");
  app->add_option("--epochs", options.epochs, "How often each picture is looked at")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000))
      ->group("Training");
  app->add_option("--batch", options.batch, "Pictures of one step")
      ->type_name("N")
      ->check(CLI::Range(1, 65536))
      ->group("Training");
  app->add_option("--learning-rate", options.learning_rate, "Peak of the cosine schedule")
      ->type_name("RATE")
      ->check(CLI::PositiveNumber)
      ->group("Training");
  app->add_option("--checkpoint", options.checkpoint, "Where the network is kept (safetensors)")
      ->type_name("FILE")
      ->group("Output");
  app->add_option("--log", options.log, "One line of JSON for each progress report and the result")
      ->type_name("FILE")
      ->group("Output");
  return run_program(*app, argc, argv, [&] {
    const leaven::OwnedStream stream = machine.open();
    std::cout << "backend: " << describe(leaven::Stream(stream)) << "\n";
    train_classifier(options, stream);
  });
}
