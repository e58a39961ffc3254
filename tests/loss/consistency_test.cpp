#include <leaven/error.hpp>
#include "tests/loss/expect_row.hpp"
#include "tests/loss/pseudo_support.hpp"

namespace leaven::test {
namespace {

class ConsistencyTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(ConsistencyTest);

constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 16, 17, 64, 65, 100, 128, 129, 1000, 1024, 1025, 2049, 5000};

// Row losses and gradients, given the weights.
void expect_rows(const LossResult& got, const HostMatrix& weak, const HostMatrix& strong,
                 const ConsistencyOptions& options, const std::vector<float>& weights, const std::string& what) {
  std::int32_t valid = 0;
  for (std::int64_t r = 0; r < weak.rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    ExpectedRow expected;
    expected.gradient.assign(static_cast<std::size_t>(weak.columns), 0);
    if (weights[i] > 0) {
      add_hard(expected, reference::cross_entropy(strong.row(r), consistency_target(weak, r, options)),
               Real{weights[i]});
      ++valid;
    }
    expect_row(got.row_losses[i], got.gradient.row(r), expected, what + ", row " + std::to_string(r));
  }
  EXPECT_EQ(got.valid_rows, valid) << what;
}

TEST_P(ConsistencyTest, FixMatchIsCrossEntropyWithTheAcceptedLabels) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const std::int64_t rows = classes > 500 ? 4 : 37;
      const HostMatrix weak = normal_matrix(rows, classes, 4.0f, 161);
      const HostMatrix strong = normal_matrix(rows, classes, 4.0f, 162);
      for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
        for (const float temperature : {1.0f, 0.1f, 5.0f}) {
          if (target == ConsistencyTarget::hard && temperature != 1.0f) continue;
          const ConsistencyOptions options{.weighting = FixMatch{.threshold = 0.8f},
                                           .target = target,
                                           .temperature = temperature,
                                           .reduction = Reduction::none};
          const LossResult got =
              run_consistency(weak, strong, options, {}, stream(), {.layout = {.padding = 3, .offset = 1}});
          const HostPseudoLabels labels = run_pseudo_label(weak, 0.8f, stream());
          std::vector<float> weights;
          for (const std::uint8_t accepted : labels.accepted) weights.push_back(accepted);
          expect_rows(got, weak, strong, options, weights,
                      isa + ", " + std::to_string(classes) + " classes, T " + std::to_string(temperature));
        }
      }
    }
  });
}

// Thresholds that are confidences of rows: one bit less confidence, and a row would be lost.
TEST_P(ConsistencyTest, CountsARowWherePseudoLabelAcceptsItToTheBit) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const std::int64_t rows = classes > 500 ? 5 : 40;
      const HostMatrix weak = normal_matrix(rows, classes, 2.0f, 163);
      const HostMatrix strong = normal_matrix(rows, classes, 2.0f, 164);
      for (const FloatType type : kFloatTypes) {
        const std::vector<float> confidence = run_pseudo_label(weak, 0.0f, stream(), type).confidence;
        for (std::size_t i = 0; i < confidence.size(); i += 9) {
          for (const float threshold : {confidence[i], std::min(1.0f, std::nextafter(confidence[i], 2.0f))}) {
            const HostPseudoLabels labels = run_pseudo_label(weak, threshold, stream(), type);
            const LossResult got = run_consistency(weak, strong, {.weighting = FixMatch{.threshold = threshold}}, {},
                                                   stream(), {.weak = type});
            std::int32_t accepted = 0;
            for (std::size_t r = 0; r < labels.accepted.size(); ++r) {
              accepted += labels.accepted[r];
              const float label_gradient =
                  got.gradient.row(static_cast<std::int64_t>(r))[static_cast<std::size_t>(labels.labels[r])];
              EXPECT_EQ(labels.accepted[r] != 0 && classes > 1, label_gradient < 0) << isa << ", row " << r;
            }
            ASSERT_EQ(got.valid_rows, accepted) << isa << ", " << classes << " classes, threshold " << threshold;
          }
        }
      }
    }
  });
}

TEST_P(ConsistencyTest, AllTypesOfLogitsAreReadAndWritten) {
  for (const FloatType weak_type : kFloatTypes) {
    for (const FloatType strong_type : kFloatTypes) {
      for (const std::int64_t classes : {3, 10, 65, 1030}) {
        const std::int64_t rows = classes > 500 ? 3 : 19;
        const HostMatrix weak = rounded(normal_matrix(rows, classes, 4.0f, 165), weak_type);
        const HostMatrix strong = rounded(normal_matrix(rows, classes, 4.0f, 166), strong_type);
        const ConsistencyOptions options{.weighting = FixMatch{.threshold = 0.5f},
                                         .target = ConsistencyTarget::soft,
                                         .temperature = 0.5f,
                                         .reduction = Reduction::none};
        const LossResult plain = run_consistency(weak, strong, options, {}, stream());
        for (const Layout2d layout : {Layout2d{}, Layout2d{.padding = 1, .offset = 3}}) {
          const LossResult got = run_consistency(weak, strong, options, {}, stream(), {weak_type, strong_type, layout});
          expect_same_bits(got.row_losses, plain.row_losses, "losses of values that all types hold");
          expect_same_bits(got.gradient.values, plain.gradient.values, "gradient");
        }
      }
    }
  }
}

// The gradient in the logits' type, over them.
TEST_P(ConsistencyTest, InPlaceGivesTheSameGradientRounded) {
  for (const FloatType type : kFloatTypes) {
    for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
      for (const std::int64_t classes : {3, 10, 65, 130, 1030, 2100}) {
        const std::int64_t rows = classes > 500 ? 3 : 19;
        const HostMatrix weak = normal_matrix(rows, classes, 4.0f, 179);
        const HostMatrix strong = rounded(normal_matrix(rows, classes, 4.0f, 180), type);
        const ConsistencyOptions options{.weighting = FixMatch{.threshold = 0.5f}, .target = target};
        const LossResult apart = run_consistency(weak, strong, options, {}, stream());
        const TypedMatrix w(weak, FloatType::f32, stream());
        const TypedMatrix s(strong, type, stream(), {.padding = 2, .offset = 1});
        Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(rows), stream());
        consistency_loss({.weak = w.cview(), .strong = s.cview()}, options,
                         {.gradient = s.view(), .in_place = InPlace::yes}, workspace.span(), stream());
        expect_same_bits(s.to_host().values, rounded(apart.gradient, type).values, "gradient in place");
        s.expect_only_matrix_written();
      }
    }
  }
}

TEST_P(ConsistencyTest, WeightsAreThoseOfTheState) {
  const std::int64_t rows = 60;
  for (const std::int64_t classes : {2, 10, 70}) {
    const HostMatrix weak = normal_matrix(rows, classes, 2.0f, 167);
    const HostMatrix strong = normal_matrix(rows, classes, 2.0f, 168);
    const std::vector<reference::WeakAnswer> answers = weak_answers(weak);
    const auto check_weights = [&](const PseudoWeighting& weighting, const auto& weight_of) {
      std::vector<float> state = initial_pseudo_state(weighting, classes, stream());
      state = updated_pseudo_state(state, weak, weighting, stream());
      std::vector<float> weights;
      for (const auto& answer : answers) weights.push_back(static_cast<float>(weight_of(answer)));
      const ConsistencyOptions options{.weighting = weighting, .reduction = Reduction::none};
      expect_rows(run_consistency(weak, strong, options, state, stream()), weak, strong, options, weights,
                  std::to_string(classes) + " classes");
    };
    const auto of = [](std::int64_t count) { return static_cast<std::size_t>(count); };
    reference::FlexState flex{std::vector<Real>(of(classes), 0)};
    flex.update(answers, 0.7L);
    check_weights(FlexMatch{.threshold = 0.7f},
                  [&](const auto& answer) { return answer.confidence >= flex.threshold(answer.label, 0.7L) ? 1 : 0; });
    reference::FreeState free(of(classes));
    free.update(answers, 0.25L);
    check_weights(FreeMatch{.momentum = 0.25f},
                  [&](const auto& answer) { return answer.confidence >= free.threshold(answer.label) ? 1 : 0; });
    reference::SoftState soft(of(classes));
    soft.update(answers, 0.25L);
    check_weights(SoftMatch{.momentum = 0.25f}, [&](const auto& answer) { return soft.weight(answer.confidence); });
  }
}

TEST_P(ConsistencyTest, UntouchedStatesCountAsThePapersSay) {
  const HostMatrix weak = normal_matrix(30, 10, 2.0f, 169);
  const HostMatrix strong = normal_matrix(30, 10, 2.0f, 170);
  for (const PseudoWeighting& weighting : {PseudoWeighting(FlexMatch{}), PseudoWeighting(FreeMatch{}),
                                           PseudoWeighting(SoftMatch{}), PseudoWeighting(FixMatch{.threshold = 0})}) {
    const std::vector<float> state = initial_pseudo_state(weighting, 10, stream());
    EXPECT_EQ(run_consistency(weak, strong, {.weighting = weighting}, state, stream()).valid_rows, 30);
  }
}

// In double, by central differences of the definition.
TEST_P(ConsistencyTest, TheGradientIsThatOfTheLoss) {
  const std::int64_t classes = 7;
  const HostMatrix weak = normal_matrix(6, classes, 2.0f, 171);
  const HostMatrix strong = normal_matrix(6, classes, 2.0f, 172);
  std::vector<float> state(9, 0.0f);
  state[7] = 0.9f;
  state[8] = 0.05f;
  for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
    const ConsistencyOptions options{
        .weighting = SoftMatch{}, .target = target, .temperature = 0.7f, .reduction = Reduction::mean_all};
    const LossResult got = run_consistency(weak, strong, options, state, stream());
    for (std::int64_t r = 0; r < 6; ++r) {
      const Real gap = std::min(reference::weak_answer(weak.row(r)).confidence - Real{0.9f}, Real{0});
      const Real weight = std::exp(-2 * gap * gap / Real{0.05f});
      const std::vector<Real> q = consistency_target(weak, r, options);
      const auto loss = [&](std::int64_t moved, Real by) {
        Real max = -reference::kInf, sum = 0, value = 0;
        const auto at = [&](std::int64_t c) {
          return strong.row(r)[static_cast<std::size_t>(c)] + (c == moved ? by : 0);
        };
        for (std::int64_t c = 0; c < classes; ++c) max = std::max(max, at(c));
        for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(at(c) - max);
        for (std::int64_t c = 0; c < classes; ++c)
          value -= q[static_cast<std::size_t>(c)] * (at(c) - max - std::log(sum));
        return weight * value / 6;
      };
      for (std::int64_t c = 0; c < classes; ++c) {
        const Real step = 1e-5L;
        const Real slope = (loss(c, step) - loss(c, -step)) / (2 * step);
        EXPECT_NEAR(got.gradient.row(r)[static_cast<std::size_t>(c)], static_cast<double>(slope), 3e-7);
      }
    }
  }
}

}  // namespace
}  // namespace leaven::test
