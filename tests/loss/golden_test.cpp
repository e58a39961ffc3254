#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/loss/expect_row.hpp"

// Losses and gradients of PyTorch (tests/golden/loss.jsonl, made by scripts/make_loss_goldens.py).
namespace leaven::test {
namespace {

class LossGoldenTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(LossGoldenTest);

using Json = nlohmann::json;

HostMatrix matrix_of(const Json& g, const char* name) {
  return {g.at("rows"), g.at("classes"), g.at(name).get<std::vector<float>>()};
}

HostTargets targets_of(const Json& g) {
  HostTargets targets;
  if (g.contains("dense")) targets.soft = matrix_of(g, "dense");
  if (g.contains("a")) targets.a = g.at("a").get<std::vector<std::int32_t>>();
  if (g.contains("b")) targets.b = g.at("b").get<std::vector<std::int32_t>>();
  if (g.contains("weight_a")) targets.weight_a = g.at("weight_a").get<std::vector<float>>();
  return targets;
}

Reduction reduction_of(const std::string& name) {
  return name == "none"       ? Reduction::none
         : name == "sum"      ? Reduction::sum
         : name == "mean_all" ? Reduction::mean_all
                              : Reduction::mean_valid;
}

LossResult run_case(const Json& g, Stream stream) {
  const HostMatrix student = matrix_of(g, "student");
  const Reduction reduction = reduction_of(g.at("reduction"));
  if (!g.contains("teacher")) {
    return run_cross_entropy(
        student, targets_of(g),
        {.label_smoothing = g.at("smoothing"), .ignore_label = g.at("ignore_label"), .reduction = reduction}, stream);
  }
  return run_distillation(student, matrix_of(g, "teacher"), targets_of(g),
                          {.temperature = g.at("temperature"),
                           .hard_weight = g.at("hard_weight"),
                           .soft_weight = g.at("soft_weight"),
                           .reduction = reduction},
                          stream);
}

TEST_P(LossGoldenTest, AgreesWithPyTorch) {
  std::ifstream file(std::string(LEAVEN_TEST_DATA) + "/golden/loss.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  const std::size_t cases = Json::parse(line).at("cases");
  std::size_t seen = 0;
  for (; std::getline(file, line); ++seen) {
    const Json g = Json::parse(line);
    const std::string what = "case " + std::to_string(seen) + ": " + line.substr(0, 60);
    const LossResult got = run_case(g, stream());
    const auto losses = g.at("loss").get<std::vector<double>>();
    const std::vector<float> got_losses = losses.size() == 1 ? std::vector<float>{got.loss} : got.row_losses;
    const double square = std::pow(g.at("temperature").get<double>(), 2);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(got_losses[i], losses[i], 1e-6 * (std::max(1.0, square) + losses[i])) << what;
    }
    const auto gradient = g.at("gradient").get<std::vector<double>>();
    double size = g.at("hard_weight");
    for (const double x : gradient) size = std::max(size, std::fabs(x));
    ASSERT_EQ(gradient.size(), got.gradient.values.size());
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      ASSERT_NEAR(got.gradient.values[i], gradient[i], 2e-6 * size) << what << ", element " << i;
    }
  }
  EXPECT_EQ(seen, cases);
}

}  // namespace
}  // namespace leaven::test
