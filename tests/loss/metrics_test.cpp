#include "tests/loss/expect_row.hpp"
#include "tests/loss/metrics_support.hpp"

namespace leaven::test {
namespace {

class AccuracyTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(AccuracyTest);
class ConfusionMatrixTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(ConfusionMatrixTest);

constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 10, 16, 17, 64, 65, 128, 129, 1000, 1024, 1025, 2049, 5000};

std::int64_t rows_for(std::int64_t classes) { return classes > 500 ? 11 : 150; }

Counts run_accuracy(const HostMatrix& logits, const Labels& labels, std::int64_t k, Stream stream, FloatType type,
                    Layout2d layout, std::int64_t batch) {
  const GuardedBuffer<std::int64_t> counts(Counts{100, 1000}, stream);
  for_each_batch(logits, labels, batch, type, stream, layout,
                 [&](const LogitsView& in, auto some) { accuracy(in, some, k, counts.span(), stream); });
  counts.expect_guards_intact();
  return counts.to_host();
}

Counts expected_accuracy(const HostMatrix& logits, const Labels& labels, std::int64_t k) {
  Counts counts{100, 1000};
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    const std::int32_t label = labels[static_cast<std::size_t>(r)];
    counts[0] += reference::is_among_top(logits.row(r), label, k) ? 1 : 0;
    counts[1] += reference::is_class(label, logits.row(r)) ? 1 : 0;
  }
  return counts;
}

TEST_P(AccuracyTest, AddsRowsWhoseLabelIsAmongTheTopAndRowsWithALabel) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const std::int64_t rows = rows_for(classes);
      for (const bool delicate : {false, true}) {
        HostMatrix logits = tied_matrix(rows, classes, 105);
        if (delicate) make_delicate(logits);
        const Labels labels = labels_with_bad_ones(rows, classes);
        for (const std::int64_t k : {std::int64_t{1}, std::int64_t{2}, std::int64_t{5}, classes / 3, classes}) {
          if (k < 1 || k > classes) continue;
          EXPECT_EQ(run_accuracy(logits, labels, k, stream(), FloatType::f32, {1, 1}, rows),
                    expected_accuracy(logits, labels, k))
              << isa << ", " << rows << "x" << classes << ", k " << k << (delicate ? ", delicate" : "");
        }
      }
    }
  });
}

TEST_P(AccuracyTest, TypesLayoutsBatchesAndThreadsCountTheSame) {
  const int before = cpu_threads();
  for (const std::int64_t classes : {3, 10, 33, 130, 1030}) {
    const std::int64_t rows = 61;
    HostMatrix logits = tied_matrix(rows, classes, 110);
    make_delicate(logits);
    const Labels labels = labels_with_bad_ones(rows, classes);
    const Counts expected = expected_accuracy(logits, labels, 3);
    const std::int64_t to_four = (4 - classes % 4) % 4;
    for (const FloatType type : kFloatTypes) {
      for (const Layout2d layout : {Layout2d{0, 0}, Layout2d{to_four, 0}, Layout2d{to_four, 2}, Layout2d{3, 1}}) {
        set_cpu_threads(layout.offset == 0 ? 1 : 2);
        for (const std::int64_t batch : {std::int64_t{17}, rows}) {
          EXPECT_EQ(run_accuracy(logits, labels, 3, stream(), type, layout, batch), expected)
              << classes << " classes of " << type_name(type) << ", batches of " << batch;
        }
      }
    }
  }
  set_cpu_threads(before);
}

// The classes that come before a label are counted one by one: of equal logits the lower index.
TEST_P(AccuracyTest, EqualLogitsGoByIndex) {
  for (const std::int64_t classes : {4, 10, 40, 200, 1500}) {
    const HostMatrix logits{1, classes, std::vector<float>(static_cast<std::size_t>(classes), 2.5f)};
    for (const std::int64_t label : {std::int64_t{0}, classes / 2, classes - 1}) {
      for (const std::int64_t k : {label, label + 1}) {
        if (k == 0) continue;
        EXPECT_EQ(run_accuracy(logits, {static_cast<std::int32_t>(label)}, k, stream(), FloatType::f32, {}, 1),
                  (Counts{k > label ? 101 : 100, 1001}));
      }
    }
  }
}

TEST_P(AccuracyTest, RowsWithoutAnAnswerAreWrongForEveryK) {
  const HostMatrix logits = matrix({{kNan, 1}, {1, kNan}, {-kInfinity, -kInfinity}, {kInfinity, 1}, {-kInfinity, 1}});
  const Labels labels{1, 0, 0, 0, 0};
  for (const std::int64_t k : {1, 2}) {
    EXPECT_EQ(run_accuracy(logits, labels, k, stream(), FloatType::f32, {}, 5), (Counts{101, 1005}));
  }
}

TEST_P(AccuracyTest, ManyRows) {
  const HostMatrix logits = tied_matrix(kManyRows, 2, 111);
  const Labels labels = labels_with_bad_ones(kManyRows, 2);
  EXPECT_EQ(run_accuracy(logits, labels, 1, stream(), FloatType::f32, {}, kManyRows),
            expected_accuracy(logits, labels, 1));
}

TEST_P(AccuracyTest, NoRowsAddNothing) {
  const GuardedBuffer<std::int64_t> counts(Counts{7, 8}, stream());
  accuracy(MatrixView<const float>{nullptr, 0, 10, 10}, {}, 5, counts.span(), stream());
  EXPECT_EQ(counts.to_host(), (Counts{7, 8}));
}

TEST_P(AccuracyTest, BadKIsNamed) {
  const BackendMatrix in(normal_matrix(3, 10, 1.0f, 112), stream());
  const Buffer<std::int32_t> labels(std::span<const std::int32_t>(some_labels(3, 10)), stream());
  const GuardedBuffer<std::int64_t> counts(Counts{7, 8}, stream());
  for (const std::int64_t bad : {-1, 0, 11}) {
    const std::string text =
        message_of<InvalidArgument>([&] { accuracy(in.cview(), labels.cspan(), bad, counts.span(), stream()); });
    EXPECT_EQ(text, "accuracy: k is " + std::to_string(bad) + ", expected 1 to 10 (the classes)");
  }
  EXPECT_EQ(counts.to_host(), (Counts{7, 8}));
}

Counts run_confusion(const HostMatrix& logits, const Labels& labels, Stream stream, FloatType type, Layout2d layout,
                     std::int64_t batch) {
  const auto size = static_cast<std::size_t>(logits.columns * logits.columns);
  const GuardedBuffer<std::int64_t> counts(Counts(size, 5), stream);
  for_each_batch(logits, labels, batch, type, stream, layout,
                 [&](const LogitsView& in, auto some) { confusion_matrix(in, some, counts.span(), stream); });
  counts.expect_guards_intact();
  return counts.to_host();
}

Counts expected_confusion(const HostMatrix& logits, const Labels& labels) {
  Counts counts(static_cast<std::size_t>(logits.columns * logits.columns), 5);
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    const std::int32_t label = labels[static_cast<std::size_t>(r)];
    if (!reference::is_class(label, logits.row(r)) || !reference::has_answer(logits.row(r))) continue;
    const std::int64_t answer = reference::ranking(logits.row(r))[0];
    counts[static_cast<std::size_t>(label * logits.columns + answer)] += 1;
  }
  return counts;
}

// Round the boundaries of the dispatch and of the matrices that are counted in shared memory.
TEST_P(ConfusionMatrixTest, CountsLabelsAgainstAnswers) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {1, 2, 4, 5, 16, 17, 32, 33, 64, 65, 129, 1030}) {
      const std::int64_t rows = rows_for(classes);
      HostMatrix logits = tied_matrix(rows, classes, 113);
      make_delicate(logits);
      const Labels labels = labels_with_bad_ones(rows, classes);
      EXPECT_EQ(run_confusion(logits, labels, stream(), FloatType::f32, {1, 1}, rows),
                expected_confusion(logits, labels))
          << isa << ", " << rows << "x" << classes;
    }
  });
}

TEST_P(ConfusionMatrixTest, TypesLayoutsBatchesAndThreadsCountTheSame) {
  const int before = cpu_threads();
  for (const std::int64_t classes : {3, 10, 33, 130}) {
    const std::int64_t rows = 61;
    HostMatrix logits = tied_matrix(rows, classes, 114);
    make_delicate(logits);
    const Labels labels = labels_with_bad_ones(rows, classes);
    const Counts expected = expected_confusion(logits, labels);
    const std::int64_t to_four = (4 - classes % 4) % 4;
    for (const FloatType type : kFloatTypes) {
      for (const Layout2d layout : {Layout2d{0, 0}, Layout2d{to_four, 2}, Layout2d{3, 1}}) {
        set_cpu_threads(layout.offset == 0 ? 1 : 2);
        for (const std::int64_t batch : {std::int64_t{17}, rows}) {
          EXPECT_EQ(run_confusion(logits, labels, stream(), type, layout, batch), expected)
              << classes << " classes of " << type_name(type) << ", batches of " << batch;
        }
      }
    }
  }
  set_cpu_threads(before);
}

TEST_P(ConfusionMatrixTest, ManyRowsOfFewAndOfManyClasses) {
  for (const std::int64_t classes : {2, 40}) {
    const std::int64_t rows = classes == 2 ? kManyRows : 9000;
    const HostMatrix logits = tied_matrix(rows, classes, 115);
    const Labels labels = labels_with_bad_ones(rows, classes);
    EXPECT_EQ(run_confusion(logits, labels, stream(), FloatType::f32, {}, rows), expected_confusion(logits, labels));
  }
}

TEST_P(ConfusionMatrixTest, NoRowsAddNothingAndBadArgumentsAreNamed) {
  const GuardedBuffer<std::int64_t> counts(Counts(100, 7), stream());
  confusion_matrix(MatrixView<const float>{nullptr, 0, 10, 10}, {}, counts.span(), stream());
  const BackendMatrix in(normal_matrix(3, 10, 1.0f, 116), stream());
  const Buffer<std::int32_t> labels(std::span<const std::int32_t>(some_labels(3, 10)), stream());
  EXPECT_EQ(message_of<InvalidArgument>(
                [&] { confusion_matrix(in.cview(), labels.cspan(), counts.span().first(99), stream()); }),
            "confusion_matrix: counts has 99 values, expected 100");
  EXPECT_EQ(message_of<InvalidArgument>(
                [&] { confusion_matrix(in.cview(), labels.cspan().first(2), counts.span(), stream()); }),
            "confusion_matrix: labels has 2 values, expected 3");
  MatrixView<const float> bad = in.cview();
  bad.data = nullptr;
  EXPECT_EQ(message_of<InvalidArgument>([&] { confusion_matrix(bad, labels.cspan(), counts.span(), stream()); }),
            "confusion_matrix: logits is null, expected 3x10 values");
  EXPECT_EQ(counts.to_host(), Counts(100, 7));
}

}  // namespace
}  // namespace leaven::test
