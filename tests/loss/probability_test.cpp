#include <numeric>

#include "tests/loss/expect_row.hpp"

namespace leaven::test {
namespace {

class SoftmaxTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(SoftmaxTest);
class PseudoLabelTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(PseudoLabelTest);
class SelectAcceptedTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(SelectAcceptedTest);
class AccuracyTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(AccuracyTest);

constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 10, 16, 17, 64, 65, 100, 128, 129, 1000, 1024, 1025, 2049, 5000};

HostMatrix run_softmax(const HostMatrix& logits, float temperature, Stream stream) {
  const BackendMatrix in(logits, stream, 3, 1);
  const BackendMatrix out(logits.rows, logits.columns, stream, 2, 5);
  softmax(in.cview(), temperature, out.view(), stream);
  out.expect_only_matrix_written();
  in.expect_only_matrix_written();
  return out.to_host();
}

TEST_P(SoftmaxTest, IsItsDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix logits = normal_matrix(classes > 1000 ? 3 : 33, classes, 10.0f, 101);
      for (const float temperature : {1e-3f, 0.5f, 1.0f, 7.0f, 1e4f}) {
        const HostMatrix got = run_softmax(logits, temperature, stream());
        for (std::int64_t r = 0; r < logits.rows; ++r) {
          const std::vector<Real> expected = reference::log_softmax(logits.row(r), temperature);
          Real sum = 0;
          for (std::size_t c = 0; c < expected.size(); ++c) {
            const Real p = std::exp(expected[c]);
            ASSERT_LE(std::fabs(got.row(r)[c] - p), 1e-6L * p + 1e-37L)
                << isa << ", " << classes << " classes, T " << temperature;
            sum += got.row(r)[c];
          }
          EXPECT_NEAR(static_cast<double>(sum), 1.0, 1e-6);
        }
      }
    }
  });
}

TEST_P(SoftmaxTest, DelicateRows) {
  const HostMatrix logits = matrix({{1, -kInfinity, 1},
                                    {-kInfinity, -kInfinity, -kInfinity},
                                    {1e4f, 0, -1e4f},
                                    {kNan, 0, 1},
                                    {kInfinity, 0, 1},
                                    {5, 5, 5}});
  const HostMatrix got = run_softmax(logits, 1.0f, stream());
  EXPECT_EQ(std::vector<float>(got.row(0).begin(), got.row(0).end()), (std::vector<float>{0.5f, 0, 0.5f}));
  EXPECT_EQ(std::vector<float>(got.row(1).begin(), got.row(1).end()), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(std::vector<float>(got.row(2).begin(), got.row(2).end()), (std::vector<float>{1, 0, 0}));
  for (const float p : got.row(3)) EXPECT_TRUE(std::isnan(p));
  for (const float p : got.row(4)) EXPECT_TRUE(std::isnan(p));
  for (const float p : got.row(5)) EXPECT_NEAR(p, 1.0f / 3, 1e-7);
}

TEST_P(SoftmaxTest, WorksInPlace) {
  for (const std::int64_t classes : {3, 10, 200, 3000}) {
    const HostMatrix logits = normal_matrix(17, classes, 4.0f, 102);
    const BackendMatrix m(logits, stream());
    softmax(m.cview(), 2.0f, m.view(), stream());
    expect_same_bits(m.to_host().values, run_softmax(logits, 2.0f, stream()).values, "in place");
  }
}

struct HostPseudoLabels {
  std::vector<std::int32_t> labels;
  std::vector<float> confidence;
  std::vector<std::uint8_t> accepted;
};
HostPseudoLabels run_pseudo_label(const HostMatrix& logits, float threshold, Stream stream) {
  const BackendMatrix in(logits, stream, 1, 3);
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

TEST_P(AccuracyTest, CountsRightRowsAndValidLabelsOnTopOfWhatIsThere) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      for (const std::int64_t rows : {1, 33, classes > 500 ? 40 : 700}) {
        const HostMatrix logits = normal_matrix(rows, classes, 4.0f, 105);
        std::vector<std::int32_t> labels;
        std::int64_t right = 0;
        std::int64_t valid = 0;
        for (std::int64_t r = 0; r < rows; ++r) {
          const auto row = logits.row(r);
          const auto top = static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
          const std::int32_t other = static_cast<std::int32_t>((top + 1) % classes);
          labels.push_back(r % 4 == 0   ? kIgnoreLabel
                           : r % 4 == 1 ? static_cast<std::int32_t>(classes)
                           : r % 4 == 2 ? top
                                        : other);
          valid += r % 4 >= 2 ? 1 : 0;
          right += labels.back() == top ? 1 : 0;
        }
        const BackendMatrix in(logits, stream(), 1, 1);
        const Buffer<std::int32_t> on_backend(std::span<const std::int32_t>(labels), stream());
        GuardedBuffer<std::int64_t> counts(std::vector<std::int64_t>{100, 1000}, stream());
        accuracy(in.cview(), on_backend.cspan(), 1, counts.span(), stream());
        accuracy(in.cview(), on_backend.cspan(), 1, counts.span(), stream());
        counts.expect_guards_intact();
        EXPECT_EQ(counts.to_host(), (std::vector<std::int64_t>{100 + 2 * right, 1000 + 2 * valid}))
            << isa << ", " << rows << "x" << classes;
      }
    }
  });
}

TEST_P(AccuracyTest, RowsWithoutAnAnswerAreWrong) {
  const HostMatrix logits = matrix({{kNan, 1}, {1, kNan}, {-kInfinity, -kInfinity}, {kInfinity, 1}, {-kInfinity, 1}});
  const BackendMatrix in(logits, stream());
  const Buffer<std::int32_t> labels(std::span<const std::int32_t>(std::vector<std::int32_t>{1, 0, 0, 0, 1}), stream());
  Buffer<std::int64_t> counts = Buffer<std::int64_t>::zeros(2, stream());
  accuracy(in.cview(), labels.cspan(), 1, counts.span(), stream());
  EXPECT_EQ(counts.to_host(stream()), (std::vector<std::int64_t>{2, 5}));
}

TEST_P(AccuracyTest, NoRowsAddNothing) {
  Buffer<std::int64_t> counts = Buffer<std::int64_t>::zeros(2, stream());
  accuracy(MatrixView<const float>{nullptr, 0, 10, 10}, {}, 1, counts.span(), stream());
  EXPECT_EQ(counts.to_host(stream()), (std::vector<std::int64_t>{0, 0}));
}

}  // namespace
}  // namespace leaven::test
