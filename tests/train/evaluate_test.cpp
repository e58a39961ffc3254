#include <algorithm>

#include "tests/train/training_fixture.hpp"

namespace leaven::test {
namespace {

using train::DataSet;
using train::Network;

class EvaluateTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(EvaluateTest);

TEST_P(EvaluateTest, PredictsInBatchesWhatForwardSaysImageByImage) {
  const std::int64_t count = on_cuda() ? 9 : 150;  // more than one batch on the CPU
  const DataSet data = bars(count, 4, 3, stream());
  Network network = tiny_network(stream());
  randomise(network, 3);
  const std::vector<float> logits = train::predict(network, data).to_host(stream());
  ASSERT_EQ(logits.size(), static_cast<std::size_t>(count * 4));
  const std::vector<std::uint8_t> pixels = data.images.to_host(stream());
  for (std::int64_t i = 0; i < count; i += 7) {
    std::vector<float> image;
    for (std::int64_t p = 0; p < 144; ++p) {
      image.push_back((static_cast<float>(pixels[static_cast<std::size_t>(i * 144 + p)]) / 255.0f - 0.4f) / 0.3f);
    }
    const std::vector<float> one = run_forward(network, image, 1, train::Mode::evaluation);
    for (std::size_t c = 0; c < 4; ++c) ASSERT_NEAR(logits[static_cast<std::size_t>(i) * 4 + c], one[c], 2e-5f) << i;
  }
  const std::vector<std::int64_t> ids{5, 0, 5};
  const std::vector<float> some = train::predict(network, data, ids).to_host(stream());
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(some[c], logits[20 + c], 1e-5f);
    EXPECT_NEAR(some[4 + c], logits[c], 1e-5f);
    EXPECT_NEAR(some[8 + c], logits[20 + c], 1e-5f);
  }
}

TEST_P(EvaluateTest, CountsAreThoseOfTheLogits) {
  DataSet data = bars(30, 4, 3, stream());
  data.host_labels[4] = data.host_labels[9] = kIgnoreLabel;
  data.labels.copy_from(data.host_labels, stream());
  Network network = tiny_network(stream());
  randomise(network, 5);
  const std::vector<float> logits = train::predict(network, data).to_host(stream());
  double loss = 0;
  std::vector<std::int64_t> total(4), right(4);
  for (std::size_t i = 0; i < 30; ++i) {
    if (data.host_labels[i] == kIgnoreLabel) continue;
    const auto label = static_cast<std::size_t>(data.host_labels[i]);
    const auto row = logits.begin() + static_cast<std::int64_t>(4 * i);
    double sum = 0;
    for (std::int64_t c = 0; c < 4; ++c) sum += std::exp(static_cast<double>(row[c]));
    loss += std::log(sum) - static_cast<double>(logits[4 * i + label]);
    ++total[label];
    if (std::max_element(row, row + 4) - row == data.host_labels[i]) ++right[label];
  }
  const train::Evaluation e = evaluate(network, data);
  EXPECT_EQ(e.total, 28);
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_EQ(e.classes[c].total, total[c]);
    EXPECT_EQ(e.classes[c].right, right[c]);
  }
  EXPECT_EQ(e.right, right[0] + right[1] + right[2] + right[3]);
  EXPECT_DOUBLE_EQ(e.accuracy, static_cast<double>(e.right) / 28);
  EXPECT_NEAR(e.loss, loss / 28, 1e-5 * (1 + loss / 28));
}

TEST_P(EvaluateTest, NoImagesGiveNothing) {
  const DataSet data = bars(5, 4, 3, stream());
  Network network = tiny_network(stream());
  const train::Evaluation e = evaluate(network, data, {});
  EXPECT_EQ(e.total, 0);
  EXPECT_EQ(e.accuracy, 0);
  EXPECT_EQ(e.loss, 0);
  EXPECT_EQ(train::predict(network, data, {}).size(), 0);
  EXPECT_TRUE(train::pseudo_label(network, data, {}, 0.5f).accepted.empty());
}

TEST_P(EvaluateTest, BadArgumentsAreNamed) {
  const DataSet data = bars(5, 5, 3, stream());
  Network network = tiny_network(stream());
  const std::vector<std::int64_t> ids{-1};
  EXPECT_EQ(message_of<InvalidArgument>([&] { train::predict(network, data, ids); }),
            "predict: id -1 is outside the data set of 5 images");
  EXPECT_EQ(message_of<InvalidArgument>([&] { evaluate(network, data); }),
            "evaluate: data has 5 classes, expected at most 4 (the network's)");
  Network larger({.description = "flatten; linear 5", .input = {1, 13, 12, 1}}, stream());
  EXPECT_EQ(message_of<InvalidArgument>([&] { evaluate(larger, data); }),
            "evaluate: data has images of 12x12x1 (height x width x channels), expected 13x12x1 (the network's input)");
}

}  // namespace
}  // namespace leaven::test
