#include <fstream>
#include <set>

#include "tests/loss/pseudo_support.hpp"

// The worked example of docs/losses.md: each line of code there stands in this file, which is compiled and run.
namespace leaven::test {
namespace {

class FixMatchExampleTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(FixMatchExampleTest);

constexpr std::int64_t kRows = 64;
constexpr std::int64_t kClasses = 10;

// Stands for a model: its parameters are the logits of the strong views themselves.
struct Model {
  Buffer<float> logits;

  MatrixView<const float> view() const { return MatrixView<const float>::packed(logits.data(), kRows, kClasses); }
  void learn(const Buffer<float>& gradient, float rate, Stream stream) {
    std::vector<float> values = logits.to_host(stream);
    const std::vector<float> slope = gradient.to_host(stream);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= rate * slope[i];
    logits.copy_from(values, stream);
  }
};

// The loss after each step.
std::vector<float> train(const PseudoWeighting& weighting, const HostMatrix& weak_logits, Model& model, Stream stream) {
  const Buffer<float> weak_buffer(std::span<const float>(weak_logits.values), stream);
  const auto weak = MatrixView<const float>::packed(weak_buffer.data(), kRows, kClasses);
  // Once:
  Buffer<float> state(pseudo_state_size(kClasses), stream);
  Buffer<std::byte> update_workspace(update_pseudo_state_workspace_bytes(kRows, kClasses, stream.backend()), stream);
  Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(kRows), stream);
  Buffer<float> loss(1, stream);
  Buffer<float> gradient(kRows * kClasses, stream);
  init_pseudo_state(weighting, kClasses, state.span(), stream);
  std::vector<float> losses;
  for (int i = 0; i < 20; ++i) {
    const MatrixView<const float> strong = model.view();
    // Each step, with the logits of both views:
    update_pseudo_state(weak, weighting, state.span(), update_workspace.span(), stream);
    consistency_loss({.weak = weak, .strong = strong}, {.weighting = weighting, .state = state.cspan()},
                     {.loss = loss.data(), .gradient = MatrixView<float>::packed(gradient.data(), kRows, kClasses)},
                     workspace.span(), stream);
    model.learn(gradient, 40.0f, stream);
    losses.push_back(loss.to_host(stream)[0]);
  }
  return losses;
}

TEST_P(FixMatchExampleTest, StrongViewsLearnWhatWeakViewsAreSureOf) {
  const HostMatrix weak = normal_matrix(kRows, kClasses, 4.0f, 191);
  const HostMatrix strong = normal_matrix(kRows, kClasses, 1.0f, 192);
  const HostPseudoLabels sure = run_pseudo_label(weak, 0.95f, stream());
  Model model{Buffer<float>(std::span<const float>(strong.values), stream())};
  const std::vector<float> losses = train(FixMatch{}, weak, model, stream());
  EXPECT_LT(losses.back(), 0.1f * losses.front());
  const HostMatrix learnt{kRows, kClasses, model.logits.to_host(stream())};
  int accepted = 0;
  for (std::int64_t r = 0; r < kRows; ++r) {
    const auto row = learnt.row(r);
    const auto i = static_cast<std::size_t>(r);
    if (sure.accepted[i] == 0) {
      expect_same_bits(row, strong.row(r), "a row of weight 0 stays as it is");
    } else {
      ++accepted;
      EXPECT_EQ(std::max_element(row.begin(), row.end()) - row.begin(), sure.labels[i]);
    }
  }
  EXPECT_GT(accepted, 10);
  EXPECT_LT(accepted, 54);
}

TEST_P(FixMatchExampleTest, ServesTheOtherWeightingsToo) {
  const HostMatrix weak = normal_matrix(kRows, kClasses, 4.0f, 193);
  for (const PseudoWeighting& weighting :
       {PseudoWeighting(FreeMatch{.momentum = 0.9f}), PseudoWeighting(SoftMatch{.momentum = 0.9f})}) {
    Model model{Buffer<float>(std::span<const float>(normal_matrix(kRows, kClasses, 1.0f, 194).values), stream())};
    const std::vector<float> losses = train(weighting, weak, model, stream());
    EXPECT_LT(losses.back(), 0.5f * losses.front());
  }
}

std::string trimmed(const std::string& line) {
  const auto first = line.find_first_not_of(' ');
  return first == std::string::npos ? std::string() : line.substr(first);
}

TEST(FixMatchExample, IsWhatTheDocumentationShows) {
  std::ifstream source(std::string(LEAVEN_TEST_DATA) + "/loss/fixmatch_example_test.cpp");
  std::set<std::string> lines;
  for (std::string line; std::getline(source, line);) lines.insert(trimmed(line));
  std::ifstream docs(std::string(LEAVEN_TEST_DATA) + "/../docs/losses.md");
  int shown = 0;
  bool inside = false;
  bool here = false;
  for (std::string line; std::getline(docs, line);) {
    here = here || line == "## Pseudo-labels";
    if (line.starts_with("```")) {
      inside = here && line == "```cpp";
    } else if (inside) {
      EXPECT_TRUE(lines.contains(trimmed(line))) << "not in the test: " << line;
      ++shown;
    }
  }
  EXPECT_GT(shown, 8);
}

}  // namespace
}  // namespace leaven::test
