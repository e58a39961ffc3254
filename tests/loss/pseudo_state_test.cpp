#include <leaven/error.hpp>
#include "tests/loss/pseudo_support.hpp"

namespace leaven::test {
namespace {

using reference::Real;

class PseudoStateTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(PseudoStateTest);

constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 16, 17, 31, 33, 64, 65, 130, 1000, 1025};

// Some rows have no answer.
HostMatrix weak_batch(std::int64_t rows, std::int64_t classes, std::uint32_t seed) {
  HostMatrix m = normal_matrix(rows, classes, 4.0f, seed);
  for (std::int64_t r = 0; r < rows; ++r) {
    if (r % 7 == 2) m.at(r, r % classes) = kNan;
    if (r % 7 == 3) m.at(r, r % classes) = kInfinity;
    if (r % 7 == 4) std::fill_n(m.values.begin() + r * classes, classes, -kInfinity);
    if (r % 7 == 5 && classes > 1) m.at(r, r % classes) = -kInfinity;
  }
  return m;
}

TEST_P(PseudoStateTest, StartsAsThePapersSay) {
  for (const std::int64_t classes : {1, 3, 1000}) {
    const auto size = static_cast<std::size_t>(classes);
    const float share = static_cast<float>(1.0 / static_cast<double>(classes));
    EXPECT_EQ(pseudo_state_size(classes), classes + 2);
    EXPECT_EQ(initial_pseudo_state(FixMatch{}, classes, stream()), std::vector<float>(size + 2, 0.0f));
    EXPECT_EQ(initial_pseudo_state(FlexMatch{}, classes, stream()), std::vector<float>(size + 2, 0.0f));
    EXPECT_EQ(initial_pseudo_state(FreeMatch{}, classes, stream()), std::vector<float>(size + 2, share));
    std::vector<float> soft(size, 0.0f);
    soft.insert(soft.end(), {share, 1.0f});
    EXPECT_EQ(initial_pseudo_state(SoftMatch{}, classes, stream()), soft);
  }
}

TEST_P(PseudoStateTest, FlexMatchCountsConfidentRowsOfEachClass) {
  for (const FloatType type : kLogitTypes) {
    for (const std::int64_t classes : kClasses) {
      if (type != FloatType::f32 && classes % 16 != 1) continue;
      const FlexMatch weighting{.threshold = 0.7f};
      reference::FlexState expected{std::vector<Real>(static_cast<std::size_t>(classes), 0)};
      std::vector<float> state = initial_pseudo_state(weighting, classes, stream());
      for (std::uint32_t batch = 0; batch < 3; ++batch) {
        const HostMatrix weak = weak_batch(classes > 500 ? 20 : 100, classes, 141 + batch);
        state = updated_pseudo_state(state, weak, weighting, stream(), type, {.padding = 1, .offset = 3});
        expected.update(weak_answers(rounded_to(weak, type)), 0.7L);
      }
      Real most = 0;
      for (std::size_t c = 0; c < expected.counts.size(); ++c) {
        EXPECT_EQ(state[c], expected.counts[c]) << classes << " classes, class " << c;
        most = std::max(most, expected.counts[c]);
      }
      EXPECT_EQ(state[expected.counts.size()], most);
    }
  }
}

TEST_P(PseudoStateTest, FreeMatchAveragesConfidenceAndProbabilities) {
  for (const FloatType type : kLogitTypes) {
    for (const std::int64_t classes : kClasses) {
      if (type != FloatType::f32 && classes % 16 != 1) continue;
      const FreeMatch weighting{.momentum = 0.6f};
      reference::FreeState expected(static_cast<std::size_t>(classes));
      std::vector<float> state = initial_pseudo_state(weighting, classes, stream());
      for (std::uint32_t batch = 0; batch < 3; ++batch) {
        const HostMatrix weak = weak_batch(classes > 500 ? 20 : batch == 0 ? 600 : 9, classes, 144 + batch);
        state = updated_pseudo_state(state, weak, weighting, stream(), type, {.padding = 3, .offset = 1});
        expected.update(weak_answers(rounded_to(weak, type)), Real{weighting.momentum});
      }
      for (std::size_t c = 0; c < expected.p.size(); ++c) {
        EXPECT_NEAR(state[c], static_cast<double>(expected.p[c]), 1e-6 * static_cast<double>(expected.p[c]) + 1e-10)
            << classes << " classes, class " << c;
      }
      EXPECT_EQ(state[expected.p.size()], *std::max_element(state.begin(), state.begin() + classes));
      EXPECT_NEAR(state[expected.p.size() + 1], static_cast<double>(expected.tau), 5e-7);
    }
  }
}

TEST_P(PseudoStateTest, SoftMatchAveragesMeanAndVarianceOfTheConfidence) {
  for (const FloatType type : kLogitTypes) {
    for (const std::int64_t classes : {1, 2, 5, 17, 65, 1025}) {
      const SoftMatch weighting{.momentum = 0.6f};
      reference::SoftState expected(static_cast<std::size_t>(classes));
      std::vector<float> state = initial_pseudo_state(weighting, classes, stream());
      for (std::uint32_t batch = 0; batch < 3; ++batch) {
        const HostMatrix weak = weak_batch(classes > 500 ? 9 : 300, classes, 147 + batch);
        state = updated_pseudo_state(state, weak, weighting, stream(), type, {.padding = 1, .offset = 2});
        expected.update(weak_answers(rounded_to(weak, type)), Real{weighting.momentum});
      }
      for (std::int64_t c = 0; c < classes; ++c) EXPECT_EQ(state[static_cast<std::size_t>(c)], 0.0f);
      const auto tail = static_cast<std::size_t>(classes);
      EXPECT_NEAR(state[tail], static_cast<double>(expected.mean), 5e-7);
      EXPECT_NEAR(state[tail + 1], static_cast<double>(expected.variance), 1e-6);
    }
  }
}

TEST_P(PseudoStateTest, ABatchWithoutAnswersChangesNothing) {
  const HostMatrix none = matrix({{kNan, 1}, {-kInfinity, -kInfinity}, {kInfinity, 0}});
  const HostMatrix empty{0, 2, {}};
  const HostMatrix rows = weak_batch(50, 2, 150);
  for (const PseudoWeighting& weighting : {PseudoWeighting(FixMatch{}), PseudoWeighting(FlexMatch{.threshold = 0.5f}),
                                           PseudoWeighting(FreeMatch{}), PseudoWeighting(SoftMatch{})}) {
    const std::vector<float> before =
        updated_pseudo_state(initial_pseudo_state(weighting, 2, stream()), rows, weighting, stream());
    expect_same_bits(updated_pseudo_state(before, none, weighting, stream()), before, "no answers");
    expect_same_bits(updated_pseudo_state(before, empty, weighting, stream()), before, "no rows");
  }
}

TEST_P(PseudoStateTest, OneRowHasNoVariance) {
  const SoftMatch weighting{.momentum = 0.5f};
  const std::vector<float> before = initial_pseudo_state(weighting, 2, stream());
  const std::vector<float> after = updated_pseudo_state(before, matrix({{50, 0}}), weighting, stream());
  EXPECT_EQ(after, (std::vector<float>{0, 0, 0.75f, 1.0f}));
  const std::vector<float> equal =
      updated_pseudo_state(before, matrix({{50, 0}, {50, 0}, {0, 50}}), weighting, stream());
  EXPECT_EQ(equal, (std::vector<float>{0, 0, 0.75f, 0.5f}));
}

TEST_P(PseudoStateTest, TheThresholdItselfIsConfident) {
  const HostMatrix weak = matrix({{0, 0}, {0, 0}, {0, 50}});
  const auto counts = [&](float threshold) {
    const FlexMatch weighting{.threshold = threshold};
    return updated_pseudo_state(initial_pseudo_state(weighting, 2, stream()), weak, weighting, stream());
  };
  EXPECT_EQ(counts(0.5f), (std::vector<float>{2, 1, 2, 0}));
  EXPECT_EQ(counts(0.50001f), (std::vector<float>{0, 1, 1, 0}));
  EXPECT_EQ(counts(0.0f), (std::vector<float>{2, 1, 2, 0}));
}

TEST_P(PseudoStateTest, BitsDoNotDependOnThreadsInstructionsLayoutOrRun) {
  const int threads = cpu_threads();
  for (const std::int64_t classes : {3, 40, 300}) {
    const HostMatrix weak = weak_batch(on_cuda() ? 700 : 5000, classes, 151);
    for (const PseudoWeighting& weighting :
         {PseudoWeighting(FlexMatch{.threshold = 0.5f}), PseudoWeighting(FreeMatch{}), PseudoWeighting(SoftMatch{})}) {
      const std::vector<float> before = initial_pseudo_state(weighting, classes, stream());
      set_cpu_threads(1);
      const std::vector<float> expected = updated_pseudo_state(before, weak, weighting, stream());
      for (const int count : {2, 3}) {
        set_cpu_threads(count);
        const Layout2d layout{.padding = count == 2 ? 4 - classes % 4 : 1, .offset = count == 2 ? 4 : 3};
        expect_same_bits(updated_pseudo_state(before, weak, weighting, stream(), FloatType::f32, layout), expected,
                         std::to_string(classes) + " classes");
      }
    }
  }
  set_cpu_threads(threads);
}

// More rows than one chunk takes: chunks of several pieces.
TEST_P(PseudoStateTest, ManyRowsAreAveragedAccurately) {
  const std::int64_t rows = 300000;
  const HostMatrix weak = normal_matrix(rows, 2, 2.0f, 152);
  const FreeMatch weighting{.momentum = 0.0f};
  const std::vector<float> state =
      updated_pseudo_state(initial_pseudo_state(weighting, 2, stream()), weak, weighting, stream());
  double sum = 0;
  double confidence = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const double p = 1 / (1 + std::exp(double{weak.row(r)[1]} - double{weak.row(r)[0]}));
    sum += p;
    confidence += std::max(p, 1 - p);
  }
  EXPECT_NEAR(state[0], sum / static_cast<double>(rows), 2e-6);
  EXPECT_NEAR(state[0] + state[1], 1.0, 4e-6);
  EXPECT_NEAR(state[3], confidence / static_cast<double>(rows), 5e-7);
}

TEST_P(PseudoStateTest, BadArgumentsAreNamed) {
  const LogitMatrix weak(weak_batch(5, 3, 153), FloatType::f32, stream());
  GuardedBuffer<float> state(std::vector<float>(5, 7.0f), stream());
  GuardedBuffer<std::byte> workspace(update_pseudo_state_workspace_bytes(5, 3, stream().backend()), stream());
  const auto says = [&](const LogitsView& rows, const PseudoWeighting& weighting, std::span<float> to,
                        std::span<std::byte> scratch) {
    const std::string text =
        message_of<InvalidArgument>([&] { update_pseudo_state(rows, weighting, to, scratch, stream()); });
    EXPECT_EQ(state.to_host(), std::vector<float>(5, 7.0f));
    return text;
  };
  const LogitsView good = weak.cview();
  EXPECT_EQ(says(good, FreeMatch{}, state.span().first(4), workspace.span()),
            "update_pseudo_state: state has 4 values, expected 5");
  EXPECT_EQ(says(good, FlexMatch{.threshold = 1.5f}, state.span(), workspace.span()),
            "update_pseudo_state: threshold is 1.5, expected 0 to 1");
  EXPECT_EQ(says(good, FreeMatch{.momentum = -0.5f}, state.span(), workspace.span()),
            "update_pseudo_state: momentum is -0.5, expected 0 to 1");
  EXPECT_EQ(says(good, SoftMatch{.momentum = kNan}, state.span(), workspace.span()),
            "update_pseudo_state: momentum is nan, expected 0 to 1");
  EXPECT_EQ(says(good, SoftMatch{}, state.span(), workspace.span().first(3)).substr(0, 46),
            "update_pseudo_state: workspace has 3 bytes, ex");
  EXPECT_NE(says(good, SoftMatch{}, state.span(), {workspace.data() + 4, std::size_t{1} << 20}).find("not aligned"),
            std::string::npos);
  LogitsView bad = good;
  bad.data = nullptr;
  EXPECT_EQ(says(bad, SoftMatch{}, state.span(), workspace.span()),
            "update_pseudo_state: weak is null, expected 5x3 values");
  EXPECT_EQ(message_of<InvalidArgument>([&] { init_pseudo_state(FreeMatch{}, 4, state.span(), stream()); }),
            "init_pseudo_state: state has 5 values, expected 6");
  EXPECT_EQ(message_of<InvalidArgument>([&] { init_pseudo_state(FreeMatch{}, 0, state.span(), stream()); }),
            "init_pseudo_state: classes is 0, expected 1 to 2147483647");
  EXPECT_EQ(message_of<InvalidArgument>([&] { return pseudo_state_size(-1); }),
            "pseudo_state_size: classes is -1, expected 1 to 2147483647");
  EXPECT_EQ(message_of<InvalidArgument>([&] { return update_pseudo_state_workspace_bytes(-1, 3, stream().backend()); }),
            "update_pseudo_state_workspace_bytes: rows is -1, expected 0 or more");
}

}  // namespace
}  // namespace leaven::test
