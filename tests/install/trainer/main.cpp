// Trains a tiny network on two classes that a child could tell apart, through the installed library alone.
#include <cstdint>
#include <iostream>
#include <vector>

#include <leaven/train.hpp>

int main() {
  using namespace leaven;
  const ImageShape shape{.count = 64, .height = 8, .width = 8, .channels = 1};
  std::vector<std::uint8_t> images(64 * 64);
  std::vector<std::int32_t> labels(64);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const bool bright_half_is_left = (i / 64) % 2 == 0;
    images[i] = (i % 8 < 4) == bright_half_is_left ? 220 : 30;
    labels[i / 64] = bright_half_is_left ? 0 : 1;
  }

  const OwnedStream stream = best_stream();
  const train::DataSet data = train::make_data_set(images, shape, labels, {"left", "right"}, stream);
  train::Network network({.description = "conv 8; bn; relu; maxpool; flatten; linear 2", .input = shape, .seed = 1},
                         stream);
  train::fit(network, {.data = &data, .samples = data.ids()}, {.steps = 20, .batch = 16, .seed = 1});
  const train::Evaluation result = train::evaluate(network, data);
  std::cout << "accuracy " << result.accuracy << " on " << name(stream.backend()) << "\n";
  return result.accuracy > 0.95 ? 0 : 1;
}
