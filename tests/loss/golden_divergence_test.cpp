#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/loss/loss_support.hpp"

// Divergences and probabilities by PyTorch (tests/golden/loss_divergence.jsonl, made by scripts/make_loss_goldens.py).
namespace leaven::test {
namespace {

class DivergenceGoldenTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(DivergenceGoldenTest);

using Json = nlohmann::json;

HostMatrix matrix_of(const Json& g, const char* name) {
  return {g.at("rows"), g.at("classes"), g.at(name).get<std::vector<float>>()};
}

// body(case, its number and start)
template <class Body>
void for_each_golden(Body&& body) {
  std::ifstream file(std::string(LEAVEN_TEST_DATA) + "/golden/loss_divergence.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  const std::size_t cases = Json::parse(line).at("cases");
  std::size_t seen = 0;
  for (; std::getline(file, line); ++seen) {
    body(Json::parse(line), "case " + std::to_string(seen) + ": " + line.substr(0, 60));
  }
  EXPECT_EQ(seen, cases);
}

TEST_P(DivergenceGoldenTest, DivergencesAgreeWithPyTorch) {
  for_each_golden([&](const Json& g, const std::string& what) {
    if (!g.contains("loss")) return;
    const std::string kind = g.at("kind");
    DistillationOptions options{.temperature = g.at("temperature"), .hard_weight = 0.0f, .soft_weight = 1.0f};
    options.reduction = Reduction::none;
    if (kind == "reverse_kl") options.divergence = ReverseKl{};
    if (kind == "jensen_shannon") options.divergence = JensenShannon{g.at("beta")};
    const LossResult got = run_distillation(matrix_of(g, "student"), matrix_of(g, "teacher"), {}, options, stream());
    const auto losses = g.at("loss").get<std::vector<double>>();
    const double square = std::pow(g.at("temperature").get<double>(), 2);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(got.row_losses[i], losses[i], 1e-6 * (square + losses[i])) << what;
    }
    const auto gradient = g.at("gradient").get<std::vector<double>>();
    double size = 0;
    for (const double value : gradient) size = std::max(size, std::fabs(value));
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      ASSERT_NEAR(got.gradient.values[i], gradient[i], 2e-6 * size) << what << ", element " << i;
    }
  });
}

TEST_P(DivergenceGoldenTest, ProbabilitiesAgreeWithPyTorch) {
  for_each_golden([&](const Json& g, const std::string& what) {
    if (!g.contains("output")) return;
    const BackendMatrix in(matrix_of(g, "student"), stream());
    const BackendMatrix out(g.at("rows"), g.at("classes"), stream());
    const bool logarithms = g.at("kind") == "log_softmax";
    (logarithms ? log_softmax : softmax)(in.cview(), g.at("temperature"), out.view(), stream());
    const auto expected = g.at("output").get<std::vector<double>>();
    const std::vector<float> got = out.to_host().values;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(got[i], expected[i], logarithms ? 1e-6 * (1 + std::fabs(expected[i])) : 1e-6 * expected[i]) << what;
    }
  });
}

}  // namespace
}  // namespace leaven::test
