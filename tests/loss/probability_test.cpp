#include "tests/loss/expect_row.hpp"
#include "tests/loss/typed_matrix.hpp"

namespace leaven::test {
namespace {

class PseudoLabelTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(PseudoLabelTest);
class SelectAcceptedTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(SelectAcceptedTest);

constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 10, 16, 17, 64, 65, 100, 128, 129, 1000, 1024, 1025, 2049, 5000};

struct HostPseudoLabels {
  std::vector<std::int32_t> labels;
  std::vector<float> confidence;
  std::vector<std::uint8_t> accepted;
};
HostPseudoLabels run_pseudo_label(const HostMatrix& logits, float threshold, Stream stream,
                                  FloatType type = FloatType::f32, Layout2d layout = {.padding = 1, .offset = 3}) {
  const TypedMatrix in(logits, type, stream, layout);
  GuardedBuffer<std::int32_t> labels(logits.rows, stream);
  GuardedBuffer<float> confidence(logits.rows, stream);
  GuardedBuffer<std::uint8_t> accepted(logits.rows, stream);
  pseudo_label(in.cview(), threshold, {labels.span(), confidence.span(), accepted.span()}, stream);
  labels.expect_guards_intact();
  confidence.expect_guards_intact();
  accepted.expect_guards_intact();
  return {labels.to_host(), confidence.to_host(), accepted.to_host()};
}

TEST_P(PseudoLabelTest, IsTheLargestProbabilityAndItsClass) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix logits = normal_matrix(classes > 1000 ? 3 : 33, classes, 4.0f, 103);
      const HostPseudoLabels got = run_pseudo_label(logits, 0.8f, stream());
      for (std::int64_t r = 0; r < logits.rows; ++r) {
        const auto i = static_cast<std::size_t>(r);
        const auto row = logits.row(r);
        const auto top = std::max_element(row.begin(), row.end()) - row.begin();
        const Real p = std::exp(reference::log_softmax(row, 1)[static_cast<std::size_t>(top)]);
        EXPECT_EQ(got.labels[i], top) << isa << ", " << classes << " classes";
        EXPECT_NEAR(got.confidence[i], static_cast<double>(p), 1e-6) << isa << ", " << classes << " classes";
        EXPECT_EQ(got.accepted[i], got.confidence[i] >= 0.8f ? 1 : 0);
      }
    }
  });
}

TEST_P(PseudoLabelTest, TiesGoToTheLowestIndex) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      HostMatrix logits{3, classes, std::vector<float>(static_cast<std::size_t>(3 * classes), 1.0f)};
      const std::int64_t low = classes / 3;
      logits.at(1, low) = 2.0f;
      logits.at(1, classes - 1) = 2.0f;
      logits.at(2, 0) = 0.0f;
      const HostPseudoLabels got = run_pseudo_label(logits, 0.5f, stream());
      EXPECT_EQ(got.labels, (std::vector<std::int32_t>{0, static_cast<std::int32_t>(low), classes > 1 ? 1 : 0}))
          << isa << ", " << classes;
    }
  });
}

TEST_P(PseudoLabelTest, RowsWithoutAnAnswerAreNotAccepted) {
  const HostMatrix logits =
      matrix({{1, kNan, 2}, {-kInfinity, -kInfinity, -kInfinity}, {1, kInfinity, 2}, {-kInfinity, 3, -kInfinity}});
  const HostPseudoLabels got = run_pseudo_label(logits, 0.0f, stream());
  EXPECT_EQ(got.labels, (std::vector<std::int32_t>{0, 0, 0, 1}));
  EXPECT_EQ(got.confidence, (std::vector<float>{0, 0, 0, 1}));
  EXPECT_EQ(got.accepted, (std::vector<std::uint8_t>{0, 0, 0, 1}));
}

// Rows of 16 bits are the same rows as their values in float, to the bit.
TEST_P(PseudoLabelTest, TypesAndLayoutsGiveTheSameBits) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      for (const FloatType type : kFloatTypes) {
        HostMatrix logits = rounded(normal_matrix(classes > 1000 ? 3 : 18, classes, 4.0f, 106), type);
        logits.at(1, classes / 2) = kNan;
        logits.at(2, classes - 1) = kInfinity;
        const HostPseudoLabels expected = run_pseudo_label(logits, 0.3f, stream());
        const std::int64_t to_four = (4 - classes % 4) % 4;
        for (const Layout2d layout : {Layout2d{0, 0}, Layout2d{to_four, 0}, Layout2d{to_four, 2}, Layout2d{5, 1}}) {
          const HostPseudoLabels got = run_pseudo_label(logits, 0.3f, stream(), type, layout);
          const std::string what = isa + ", " + std::to_string(classes) + " classes of " + type_name(type);
          EXPECT_EQ(got.labels, expected.labels) << what;
          expect_same_bits(got.confidence, expected.confidence, what);
          EXPECT_EQ(got.accepted, expected.accepted) << what;
        }
      }
    }
  });
}

TEST_P(PseudoLabelTest, TheThresholdItselfIsAccepted) {
  const HostMatrix logits = matrix({{0, 0}, {50, -50}});
  EXPECT_EQ(run_pseudo_label(logits, 0.5f, stream()).accepted, (std::vector<std::uint8_t>{1, 1}));
  EXPECT_EQ(run_pseudo_label(logits, 1.0f, stream()).accepted, (std::vector<std::uint8_t>{0, 1}));
}

TEST_P(SelectAcceptedTest, KeepsTheOrderOfTheAccepted) {
  for (const std::int64_t count : {0, 1, 2, 31, 33, 1000, 20001}) {
    std::mt19937 generator(104);
    std::vector<std::int64_t> ids(static_cast<std::size_t>(count));
    std::vector<std::uint8_t> accepted(ids.size());
    std::vector<std::int64_t> expected;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ids[i] = static_cast<std::int64_t>(generator()) * 1000003 + static_cast<std::int64_t>(i);
      accepted[i] = static_cast<std::uint8_t>(generator() % 3 == 0 ? generator() % 256 : 0);
      if (accepted[i] != 0) expected.push_back(ids[i]);
    }
    const Buffer<std::int64_t> from(std::span<const std::int64_t>(ids), stream());
    const Buffer<std::uint8_t> flags(std::span<const std::uint8_t>(accepted), stream());
    GuardedBuffer<std::int64_t> selected(count, stream());
    GuardedBuffer<std::int64_t> selected_count(1, stream());
    GuardedBuffer<std::byte> workspace(select_accepted_workspace_bytes(count, stream().backend()), stream());
    select_accepted(from.cspan(), flags.cspan(), selected.span(), selected_count.data(), workspace.span(), stream());
    selected.expect_guards_intact();
    workspace.expect_guards_intact();
    ASSERT_EQ(selected_count.to_host()[0], static_cast<std::int64_t>(expected.size()));
    std::vector<std::int64_t> got = selected.to_host();
    got.resize(expected.size());
    EXPECT_EQ(got, expected);
  }
}

}  // namespace
}  // namespace leaven::test
