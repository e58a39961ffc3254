#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/loss/loss_case.hpp"

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

FloatType type_of(const Json& g, const char* name) {
  const std::string type = g.value(name, "f32");
  return type == "f16" ? FloatType::f16 : type == "bf16" ? FloatType::bf16 : FloatType::f32;
}

LossCase case_of(const Json& g) {
  LossCase x;
  x.student = matrix_of(g, "student");
  if (g.contains("teacher")) x.teacher = matrix_of(g, "teacher");
  x.targets = targets_of(g);
  x.types = {type_of(g, "student_type"), type_of(g, "teacher_type"), FloatType::f32};
  x.class_weights = g.value("class_weights", std::vector<float>{});
  x.temperature = g.at("temperature");
  x.hard_weight = g.at("hard_weight");
  x.soft_weight = g.at("soft_weight");
  x.smoothing = g.at("smoothing");
  x.ignore_label = g.at("ignore_label");
  x.reduction = reduction_of(g.at("reduction"));
  return x;
}

enum class Weights { none, of_classes };

void expect_agreement(Weights weights, Stream stream) {
  std::ifstream file(std::string(LEAVEN_TEST_DATA) + "/golden/loss.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  const std::size_t cases = Json::parse(line).at("cases");
  std::size_t seen = 0;
  for (; std::getline(file, line); ++seen) {
    const Json g = Json::parse(line);
    if (g.contains("class_weights") != (weights == Weights::of_classes)) continue;
    const std::string what = "case " + std::to_string(seen) + ": " + line.substr(0, 60);
    const LossCase x = case_of(g);
    const LossResult got = run_loss_case(x, stream);
    const auto losses = g.at("loss").get<std::vector<double>>();
    const std::vector<float> got_losses =
        losses.size() == 1 && x.reduction != Reduction::none ? std::vector<float>{got.loss} : got.row_losses;
    ASSERT_EQ(got_losses.size(), losses.size()) << what;
    const double square = std::pow(g.at("temperature").get<double>(), 2);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(got_losses[i], losses[i], 1e-6 * (std::max(1.0, square) + losses[i])) << what;
    }
    const auto gradient = g.at("gradient").get<std::vector<double>>();
    double size = g.at("hard_weight");
    for (const double value : gradient) size = std::max(size, std::fabs(value));
    ASSERT_EQ(gradient.size(), got.gradient.values.size());
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      ASSERT_NEAR(got.gradient.values[i], gradient[i], 2e-6 * size) << what << ", element " << i;
    }
  }
  EXPECT_EQ(seen, cases);
}

TEST_P(LossGoldenTest, AgreesWithPyTorch) { expect_agreement(Weights::none, stream()); }
TEST_P(LossGoldenTest, AgreesWithPyTorchWithClassWeights) { expect_agreement(Weights::of_classes, stream()); }

}  // namespace
}  // namespace leaven::test
