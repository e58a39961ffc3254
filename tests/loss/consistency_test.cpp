#include <leaven/error.hpp>
#include "tests/loss/expect_row.hpp"
#include "tests/loss/pseudo_support.hpp"

namespace leaven::test {
namespace {

class ConsistencyTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(ConsistencyTest);

constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 16, 17, 64, 65, 100, 128, 129, 1000, 1024, 1025, 2049};

// The distribution that a row of the strong view learns.
std::vector<Real> target_of(const HostMatrix& weak, std::int64_t row, const ConsistencyOptions& options) {
  std::vector<Real> q(static_cast<std::size_t>(weak.columns), 0);
  if (options.target == ConsistencyTarget::hard) {
    q[static_cast<std::size_t>(reference::weak_answer(weak.row(row)).label)] = 1;
  } else {
    const std::vector<Real> log_q = reference::log_softmax(weak.row(row), options.temperature);
    for (std::size_t c = 0; c < q.size(); ++c) q[c] = std::exp(log_q[c]);
  }
  return q;
}

// Row losses and gradients, given the weights.
void expect_rows(const LossResult& got, const HostMatrix& weak, const HostMatrix& strong,
                 const ConsistencyOptions& options, const std::vector<float>& weights, FloatType gradient_type,
                 const std::string& what) {
  ASSERT_EQ(gradient_type, FloatType::f32);
  std::int32_t valid = 0;
  for (std::int64_t r = 0; r < weak.rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    ExpectedRow expected;
    expected.gradient.assign(static_cast<std::size_t>(weak.columns), 0);
    if (weights[i] > 0) {
      add_hard(expected, reference::cross_entropy(strong.row(r), target_of(weak, r, options)), Real{weights[i]});
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
          expect_rows(got, weak, strong, options, weights, FloatType::f32,
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
              const float label_gradient = got.gradient.row(static_cast<std::int64_t>(r))[static_cast<std::size_t>(
                  labels.labels[r])];
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
        // The gradient in the logits' type, over them.
        const TypedMatrix w(weak, weak_type, stream());
        const TypedMatrix s(strong, strong_type, stream(), {.padding = 2, .offset = 1});
        Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(rows), stream());
        consistency_loss({.weak = w.cview(), .strong = s.cview()}, options,
                         {.gradient = s.view(), .in_place = InPlace::yes}, workspace.span(), stream());
        expect_same_bits(s.to_host().values, rounded(plain.gradient, strong_type).values, "gradient in place");
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
                  FloatType::f32, std::to_string(classes) + " classes");
    };
    const auto of = [](std::int64_t count) { return static_cast<std::size_t>(count); };
    reference::FlexState flex{std::vector<Real>(of(classes), 0)};
    flex.update(answers, 0.7L);
    check_weights(FlexMatch{.threshold = 0.7f}, [&](const auto& answer) {
      return answer.confidence >= flex.threshold(answer.label, 0.7L) ? 1 : 0;
    });
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
      const std::vector<Real> q = target_of(weak, r, options);
      const auto loss = [&](std::int64_t moved, Real by) {
        Real max = -reference::kInf, sum = 0, value = 0;
        const auto at = [&](std::int64_t c) { return strong.row(r)[static_cast<std::size_t>(c)] + (c == moved ? by : 0); };
        for (std::int64_t c = 0; c < classes; ++c) max = std::max(max, at(c));
        for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(at(c) - max);
        for (std::int64_t c = 0; c < classes; ++c) value -= q[static_cast<std::size_t>(c)] * (at(c) - max - std::log(sum));
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

TEST_P(ConsistencyTest, DelicateRows) {
  const HostMatrix weak = matrix({{9, 0, 0},
                                  {kNan, 0, 9},
                                  {kInfinity, 0, 0},
                                  {-kInfinity, -kInfinity, -kInfinity},
                                  {9, -kInfinity, 0},
                                  {9, 0, 0},
                                  {9, 0, 0},
                                  {9, -kInfinity, -kInfinity},
                                  {9, -kInfinity, -kInfinity},
                                  {0, 0, 0},
                                  {5, 5, -90}});
  const HostMatrix strong = matrix({{1, 2, 3},
                                    {kNan, 2, 3},
                                    {1, kInfinity, 3},
                                    {1, 2, 3},
                                    {1, -kInfinity, 3},
                                    {kNan, 2, 3},
                                    {1, kInfinity, 3},
                                    {-kInfinity, -kInfinity, -kInfinity},
                                    {-kInfinity, 0, 0},
                                    {kNan, kNan, kNan},
                                    {1, 2, 3}});
  for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
    const ConsistencyOptions options{
        .weighting = FixMatch{.threshold = 0.45f}, .target = target, .reduction = Reduction::none};
    const LossResult got = run_consistency(weak, strong, options, {}, stream());
    EXPECT_EQ(got.valid_rows, 7);
    EXPECT_EQ(got.status, std::uint32_t{kLogitNaN | kLogitPlusInfinity});
    for (const std::int64_t r : {1, 2, 3, 7, 9}) {  // weight 0, or a masked strong view
      EXPECT_EQ(got.row_losses[static_cast<std::size_t>(r)], 0.0f) << "row " << r;
      for (const float g : got.gradient.row(r)) EXPECT_EQ(g, 0.0f) << "row " << r;
    }
    for (const std::int64_t r : {5, 6}) {
      EXPECT_TRUE(std::isnan(got.row_losses[static_cast<std::size_t>(r)]));
      for (const float g : got.gradient.row(r)) EXPECT_TRUE(std::isnan(g));
    }
    EXPECT_EQ(got.row_losses[8], kInfinity);
    EXPECT_EQ(got.gradient.values[8 * 3], -1.0f);
    EXPECT_EQ(got.gradient.values[8 * 3 + 1], 0.5f);
    std::vector<float> weights{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    for (const std::int64_t r : {0, 4, 10}) {
      ExpectedRow expected;
      add_hard(expected, reference::cross_entropy(strong.row(r), target_of(weak, r, options)), 1);
      expect_row(got.row_losses[static_cast<std::size_t>(r)], got.gradient.row(r), expected, "row " + std::to_string(r));
    }
  }
}

TEST_P(ConsistencyTest, AStateThatIsNaNCountsNothing) {
  const HostMatrix rows = normal_matrix(5, 3, 2.0f, 173);
  for (const PseudoWeighting& weighting :
       {PseudoWeighting(FreeMatch{}), PseudoWeighting(SoftMatch{})}) {
    const LossResult got = run_consistency(rows, rows, {.weighting = weighting}, std::vector<float>(5, kNan), stream());
    EXPECT_EQ(got.valid_rows, 0);
    EXPECT_EQ(got.loss, 0.0f);
  }
}

TEST_P(ConsistencyTest, WithoutSpreadSoftMatchIsAStep) {
  const HostMatrix weak = matrix({{0, 0}, {50, 0}, {1, 0}});
  const std::vector<float> state{0, 0, 0.6f, 0};
  const LossResult got = run_consistency(weak, weak, {.weighting = SoftMatch{}}, state, stream());
  EXPECT_EQ(got.valid_rows, 2);
  EXPECT_EQ(got.row_losses[0], 0.0f);
}

TEST_P(ConsistencyTest, EachDivisorIsTheOneItsNameSays) {
  for (const std::int64_t rows : {0, 1, 33, 700}) {
    for (const std::int64_t classes : {1, 10, 70}) {
      const HostMatrix weak = normal_matrix(rows, classes, 3.0f, 174);
      const HostMatrix strong = normal_matrix(rows, classes, 3.0f, 175);
      for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
        ConsistencyOptions options{.weighting = FixMatch{.threshold = 0.9f}, .target = target};
        const auto run = [&](Reduction reduction) {
          options.reduction = reduction;
          return run_consistency(weak, strong, options, {}, stream());
        };
        const LossResult none = run(Reduction::none);
        double sum = 0;
        for (const float loss : none.row_losses) sum += double{loss};
        for (const auto& [reduction, divisor] : {std::pair{Reduction::sum, std::int64_t{1}},
                                                 {Reduction::mean_valid, std::int64_t{none.valid_rows}},
                                                 {Reduction::mean_all, rows}}) {
          const LossResult got = run(reduction);
          const double expected = divisor > 0 ? sum / static_cast<double>(divisor) : 0;
          EXPECT_NEAR(got.loss, expected, 1e-6 * std::fabs(expected)) << rows << "x" << classes;
          EXPECT_EQ(got.valid_rows, none.valid_rows);
          for (std::size_t i = 0; i < got.gradient.values.size(); ++i) {
            const double g = divisor > 0 ? double{none.gradient.values[i]} / static_cast<double>(divisor) : 0;
            ASSERT_NEAR(got.gradient.values[i], g, 3e-7 * std::fabs(g) + 1e-9);
          }
        }
      }
    }
  }
}

HostMatrix slice(const HostMatrix& m, std::int64_t first, std::int64_t count) {
  const auto begin = m.values.begin() + first * m.columns;
  return {count, m.columns, std::vector<float>(begin, begin + count * m.columns)};
}

TEST_P(ConsistencyTest, BitsDependOnTheRowAlone) {
  const int threads = cpu_threads();
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {2, 5, 16, 40, 129, 1030, 2100}) {
      const std::int64_t rows = classes > 500 ? 4 : 67;
      const HostMatrix weak = normal_matrix(rows, classes, 4.0f, 176);
      const HostMatrix strong = normal_matrix(rows, classes, 4.0f, 177);
      for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
        const ConsistencyOptions options{.weighting = FixMatch{.threshold = 0.5f},
                                         .target = target,
                                         .temperature = 0.5f,
                                         .reduction = Reduction::sum};
        set_cpu_threads(1);
        const LossResult whole = run_consistency(weak, strong, options, {}, stream());
        set_cpu_threads(2);
        const std::string what = isa + ", " + std::to_string(classes) + " classes";
        for (const Layout2d layout : {Layout2d{}, Layout2d{.padding = 3, .offset = 1},
                                      Layout2d{.padding = (4 - classes % 4) % 4, .offset = 4}}) {
          const LossResult got = run_consistency(weak, strong, options, {}, stream(), {.layout = layout});
          expect_same_bits({{got.loss}}, {{whole.loss}}, what);
          expect_same_bits(got.row_losses, whole.row_losses, what);
          expect_same_bits(got.gradient.values, whole.gradient.values, what);
        }
        for (const std::int64_t batch : {1, 3, 33}) {
          std::vector<float> losses, gradients;
          for (std::int64_t first = 0; first < rows; first += batch) {
            const std::int64_t count = std::min(batch, rows - first);
            const LossResult got =
                run_consistency(slice(weak, first, count), slice(strong, first, count), options, {}, stream());
            losses.insert(losses.end(), got.row_losses.begin(), got.row_losses.end());
            gradients.insert(gradients.end(), got.gradient.values.begin(), got.gradient.values.end());
          }
          expect_same_bits(losses, whole.row_losses, what + " in batches");
          expect_same_bits(gradients, whole.gradient.values, what + " in batches");
          if (on_cuda() && classes > 100) break;
        }
      }
    }
  });
  set_cpu_threads(threads);
}

TEST_P(ConsistencyTest, BadArgumentsAreNamed) {
  const HostMatrix rows = normal_matrix(5, 10, 4.0f, 178);
  const TypedMatrix weak(rows, FloatType::f32, stream());
  const TypedMatrix strong(rows, FloatType::f32, stream());
  const TypedMatrix gradient(5, 10, FloatType::f32, stream());
  const TypedMatrix half(5, 10, FloatType::f16, stream());
  const GuardedBuffer<float> state(12, stream());
  const GuardedBuffer<float> loss(1, stream());
  Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(5), stream());
  ConsistencyInput in{.weak = weak.cview(), .strong = strong.cview()};
  ConsistencyOptions options{};
  LossOutput out{.gradient = gradient.view()};
  const auto expect_says = [&](const std::string& text, std::size_t bytes = 1 << 20) {
    const std::size_t size = std::min(bytes, static_cast<std::size_t>(workspace.size()));
    EXPECT_EQ(message_of<InvalidArgument>(
                  [&] { consistency_loss(in, options, out, workspace.span().first(size), stream()); }),
              "consistency_loss: " + text);
    for (const float g : gradient.to_host().values) EXPECT_TRUE(std::isnan(g));
    in = {.weak = weak.cview(), .strong = strong.cview()};
    options = {};
    out = {.gradient = gradient.view()};
  };
  in.weak.columns = 9;
  expect_says("weak has shape 5x9, expected 5x10 (as strong)");
  in.weak.data = nullptr;
  expect_says("weak is null, expected 5x10 values");
  in.strong.data = nullptr;
  expect_says("strong is null, expected 5x10 values");
  options.weighting = FixMatch{.threshold = 2.0f};
  expect_says("threshold is 2, expected 0 to 1");
  options.weighting = SoftMatch{.momentum = 2.0f};
  expect_says("momentum is 2, expected 0 to 1");
  options.weighting = FlexMatch{};
  expect_says("state has 0 values, expected 12");
  options.weighting = FreeMatch{};
  options.state = state.cspan().first(10);
  expect_says("state has 10 values, expected 12");
  options.temperature = 0.0f;
  expect_says("temperature is 0, expected a finite value above 0");
  out.gradient = {};
  out.gradient = MatrixView<float>{const_cast<float*>(static_cast<const float*>(weak.cview().data)), 5, 10, 10};
  expect_says("out.gradient overlaps weak, expected separate memory");
  out.gradient = strong.view();
  expect_says("out.gradient overlaps strong, expected separate memory");
  out.gradient = half.view();
  expect_says("out.gradient has type f16, expected f32 (as strong) or f32");
  out.loss = loss.data();
  options.reduction = Reduction::none;
  expect_says("out.loss is given, expected null without a reduction");
  expect_says("workspace has 7 bytes, expected at least " + std::to_string(loss_workspace_bytes(5)), 7);
}

}  // namespace
}  // namespace leaven::test
