#include <leaven/error.hpp>
#include "tests/loss/loss_support.hpp"

namespace leaven::test {
namespace {

class ClassBalancedTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(ClassBalancedTest);

struct Samples {
  std::vector<std::int64_t> ids;
  std::vector<std::int32_t> labels;
  std::vector<float> confidence;
  std::vector<std::uint8_t> accepted;  // empty: all
};

struct Selection {
  std::vector<std::int64_t> ids;
  std::vector<std::int32_t> labels;
  std::vector<std::int32_t> counts;

  bool operator==(const Selection&) const = default;
};

// From the definition: class after class, its accepted samples by a stable sort.
Selection expected_selection(const Samples& in, std::int64_t classes, std::int64_t per_class) {
  Selection out;
  for (std::int64_t c = 0; c < classes; ++c) {
    std::vector<std::size_t> of_class;
    for (std::size_t i = 0; i < in.ids.size(); ++i) {
      const bool accepted = in.accepted.empty() || in.accepted[i] != 0;
      if (accepted && in.labels[i] == c && !std::isnan(in.confidence[i])) of_class.push_back(i);
    }
    std::stable_sort(of_class.begin(), of_class.end(),
                     [&](std::size_t x, std::size_t y) { return in.confidence[x] > in.confidence[y]; });
    if (static_cast<std::int64_t>(of_class.size()) > per_class) of_class.resize(static_cast<std::size_t>(per_class));
    for (const std::size_t i : of_class) {
      out.ids.push_back(in.ids[i]);
      out.labels.push_back(static_cast<std::int32_t>(c));
    }
    out.counts.push_back(static_cast<std::int32_t>(of_class.size()));
  }
  return out;
}

Selection run_selection(const Samples& in, std::int64_t classes, std::int64_t per_class, Stream stream) {
  const auto count = static_cast<std::int64_t>(in.ids.size());
  const GuardedBuffer<std::int64_t> ids(in.ids, stream);
  const GuardedBuffer<std::int32_t> labels(in.labels, stream);
  const GuardedBuffer<float> confidence(in.confidence, stream);
  const GuardedBuffer<std::uint8_t> accepted(in.accepted, stream);
  const std::int64_t room = std::min(count, classes * per_class);
  GuardedBuffer<std::int64_t> selected(room, stream);
  GuardedBuffer<std::int32_t> selected_labels(room, stream);
  GuardedBuffer<std::int32_t> counts(classes, stream);
  GuardedBuffer<std::int64_t> selected_count(1, stream);
  GuardedBuffer<std::byte> workspace(select_class_balanced_workspace_bytes(count, classes, stream.backend()), stream);
  select_class_balanced({ids.cspan(), labels.cspan(), confidence.cspan(),
                         in.accepted.empty() ? std::span<const std::uint8_t>{} : accepted.cspan()},
                        classes, per_class,
                        {selected.span(), selected_labels.span(), counts.span(), selected_count.data()},
                        workspace.span(), stream);
  selected.expect_guards_intact();
  selected_labels.expect_guards_intact();
  counts.expect_guards_intact();
  selected_count.expect_guards_intact();
  workspace.expect_guards_intact();
  Selection out{selected.to_host(), selected_labels.to_host(), counts.to_host()};
  const auto size = static_cast<std::size_t>(selected_count.to_host()[0]);
  EXPECT_LE(size, out.ids.size());
  out.ids.resize(size);
  out.labels.resize(size);
  return out;
}

// Confidences of few values, so that there are ties; some NaN, some labels out of range.
Samples random_samples(std::int64_t count, std::int64_t classes, std::uint32_t seed, bool flags) {
  std::mt19937 generator(seed);
  Samples in;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto kind = generator() % 20;
    const auto label = static_cast<std::int32_t>(generator() % static_cast<std::uint32_t>(classes));
    in.ids.push_back((std::int64_t{1} << 40) - 7 * i);
    in.labels.push_back(kind == 0 ? -1 : kind == 1 ? static_cast<std::int32_t>(classes) : kind == 2 ? -100 : label);
    in.confidence.push_back(kind == 3 ? kNan : static_cast<float>(generator() % 50) / 50.0f);
    if (flags) in.accepted.push_back(generator() % 4 == 0 ? 0 : static_cast<std::uint8_t>(1 + generator() % 255));
  }
  return in;
}

TEST_P(ClassBalancedTest, TakesTheMostConfidentOfEachClassAndTheEarlierOnTies) {
  for (const std::int64_t count : {0, 1, 2, 33, 257, 5000}) {
    for (const std::int64_t classes : {1, 2, 10, 255, 256, 1000}) {
      for (const std::int64_t per_class : {1, 3, 40}) {
        if (on_cuda() && count == 5000 && per_class != 3) continue;
        const Samples in = random_samples(count, classes, 131, per_class != 3);
        EXPECT_EQ(run_selection(in, classes, per_class, stream()), expected_selection(in, classes, per_class))
            << count << " samples, " << classes << " classes, " << per_class << " of each";
      }
    }
  }
}

TEST_P(ClassBalancedTest, AnyConfidenceHasItsPlace) {
  const float least = std::numeric_limits<float>::denorm_min();
  const Samples in{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
                   {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                   {-1.0f, 0.0f, -0.0f, least, 1.0f, kInfinity, -kInfinity, kNan, -kNan, 0.0f},
                   {}};
  const Selection got = run_selection(in, 1, 100, stream());
  EXPECT_EQ(got.ids, (std::vector<std::int64_t>{6, 5, 4, 2, 3, 10, 1, 7}));
  EXPECT_EQ(got.counts, (std::vector<std::int32_t>{8}));
}

TEST_P(ClassBalancedTest, NothingIsSelectedWhereNothingMayBe) {
  const Samples none{{1, 2, 3}, {0, 7, -1}, {0.5f, 0.9f, 0.9f}, {0, 1, 1}};
  EXPECT_EQ(run_selection(none, 3, 2, stream()), (Selection{{}, {}, {0, 0, 0}}));
  const Samples some{{1, 2}, {0, 1}, {0.5f, 0.9f}, {}};
  EXPECT_EQ(run_selection(some, 2, 0, stream()), (Selection{{}, {}, {0, 0}}));
}

TEST_P(ClassBalancedTest, MoreOfEachThanThereAreIsAll) {
  const Samples in = random_samples(100, 3, 132, false);
  EXPECT_EQ(run_selection(in, 3, std::int64_t{1} << 60 >> 2, stream()), expected_selection(in, 3, 1000));
}

TEST_P(ClassBalancedTest, LabelsNeedNotBeWritten) {
  const Samples in = random_samples(100, 5, 133, true);
  const Selection expected = expected_selection(in, 5, 4);
  const GuardedBuffer<std::int64_t> ids(in.ids, stream());
  const GuardedBuffer<std::int32_t> labels(in.labels, stream());
  const GuardedBuffer<float> confidence(in.confidence, stream());
  const GuardedBuffer<std::uint8_t> accepted(in.accepted, stream());
  GuardedBuffer<std::int64_t> selected(std::vector<std::int64_t>(30, -5), stream());
  GuardedBuffer<std::int32_t> counts(5, stream());
  GuardedBuffer<std::int64_t> count(1, stream());
  GuardedBuffer<std::byte> workspace(select_class_balanced_workspace_bytes(100, 5, stream().backend()), stream());
  select_class_balanced({ids.cspan(), labels.cspan(), confidence.cspan(), accepted.cspan()}, 5, 4,
                        {.sample_ids = selected.span(), .class_counts = counts.span(), .selected_count = count.data()},
                        workspace.span(), stream());
  std::vector<std::int64_t> got = selected.to_host();
  for (std::size_t i = expected.ids.size(); i < got.size(); ++i) EXPECT_EQ(got[i], -5) << "behind the selected ones";
  got.resize(expected.ids.size());
  EXPECT_EQ(got, expected.ids);
}

TEST_P(ClassBalancedTest, BadArgumentsAreNamed) {
  const Samples in = random_samples(10, 3, 134, true);
  const GuardedBuffer<std::int64_t> ids(in.ids, stream());
  const GuardedBuffer<std::int32_t> labels(in.labels, stream());
  const GuardedBuffer<float> confidence(in.confidence, stream());
  GuardedBuffer<std::int64_t> selected(std::vector<std::int64_t>(6, -5), stream());
  GuardedBuffer<std::int32_t> counts(3, stream());
  GuardedBuffer<std::int64_t> count(1, stream());
  GuardedBuffer<std::byte> workspace(select_class_balanced_workspace_bytes(10, 3, stream().backend()), stream());
  const ClassBalancedInput good{ids.cspan(), labels.cspan(), confidence.cspan()};
  const ClassBalancedOutput good_out{selected.span(), {}, counts.span(), count.data()};
  const auto says = [&](ClassBalancedInput from, std::int64_t classes, std::int64_t per_class, ClassBalancedOutput out,
                        std::span<std::byte> scratch) {
    const std::string text =
        message_of<InvalidArgument>([&] { select_class_balanced(from, classes, per_class, out, scratch, stream()); });
    EXPECT_EQ(selected.to_host(), std::vector<std::int64_t>(6, -5));
    return text;
  };
  ClassBalancedInput bad = good;
  bad.labels = labels.cspan().first(9);
  EXPECT_EQ(says(bad, 3, 2, good_out, workspace.span()), "select_class_balanced: labels has 9 values, expected 10");
  bad = good;
  bad.confidence = {};
  EXPECT_EQ(says(bad, 3, 2, good_out, workspace.span()), "select_class_balanced: confidence has 0 values, expected 10");
  bad = good;
  const std::vector<std::uint8_t> flags(11);
  bad.accepted = flags;
  EXPECT_EQ(says(bad, 3, 2, good_out, workspace.span()), "select_class_balanced: accepted has 11 values, expected 10");
  EXPECT_EQ(says(good, 0, 2, good_out, workspace.span()),
            "select_class_balanced: classes is 0, expected 1 to 2147483647");
  EXPECT_EQ(says(good, 3, -1, good_out, workspace.span()),
            "select_class_balanced: per_class is -1, expected 0 or more");
  EXPECT_EQ(says(good, 3, 3, good_out, workspace.span()),
            "select_class_balanced: out.sample_ids has room for 6 ids, expected at least 9");
  ClassBalancedOutput out = good_out;
  std::vector<std::int32_t> few(5);
  out.labels = few;
  EXPECT_EQ(says(good, 3, 2, out, workspace.span()),
            "select_class_balanced: out.labels has room for 5 labels, expected at least 6 or none");
  out = good_out;
  out.class_counts = counts.span().first(2);
  EXPECT_EQ(says(good, 3, 2, out, workspace.span()),
            "select_class_balanced: out.class_counts has 2 values, expected 3");
  out = good_out;
  out.selected_count = nullptr;
  EXPECT_EQ(says(good, 3, 2, out, workspace.span()), "select_class_balanced: out.selected_count is null");
  EXPECT_EQ(says(good, 3, 2, good_out, workspace.span().first(5)).substr(0, 48),
            "select_class_balanced: workspace has 5 bytes, ex");
  EXPECT_NE(says(good, 3, 2, good_out, {workspace.data() + 1, static_cast<std::size_t>(1) << 30}).find("not aligned"),
            std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>([&] {
              return select_class_balanced_workspace_bytes(-1, 3, stream().backend());
            }).find("count is -1, expected 0 to 2147483647"),
            std::string::npos);
}

}  // namespace
}  // namespace leaven::test
