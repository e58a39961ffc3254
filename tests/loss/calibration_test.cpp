#include "tests/loss/expect_row.hpp"
#include "tests/loss/metrics_support.hpp"

namespace leaven::test {
namespace {

class CalibrationTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(CalibrationTest);

struct HostBins {
  Counts rows, right, confidence;
  explicit HostBins(std::int64_t bins, std::int64_t value = 0)
      : rows(static_cast<std::size_t>(bins), value), right(rows), confidence(rows) {}
  bool operator==(const HostBins&) const = default;
};

// Between guards, and on top of what stands there.
class BackendBins {
 public:
  BackendBins(const HostBins& bins, Stream stream)
      : rows_(bins.rows, stream), right_(bins.right, stream), confidence_(bins.confidence, stream) {}
  CalibrationBins get() const { return {rows_.span(), right_.span(), confidence_.span()}; }
  HostBins to_host() const {
    rows_.expect_guards_intact();
    right_.expect_guards_intact();
    confidence_.expect_guards_intact();
    HostBins bins(0);
    bins.rows = rows_.to_host();
    bins.right = right_.to_host();
    bins.confidence = confidence_.to_host();
    return bins;
  }

 private:
  GuardedBuffer<std::int64_t> rows_, right_, confidence_;
};

HostBins run_calibration(const HostMatrix& logits, const Labels& labels, std::int64_t bins, Stream stream,
                         FloatType type, Layout2d layout, std::int64_t batch) {
  const BackendBins on_backend(HostBins(bins, 3), stream);
  for_each_batch(logits, labels, batch, type, stream, layout,
                 [&](const LogitsView& in, auto some) { add_calibration(in, some, on_backend.get(), stream); });
  return on_backend.to_host();
}

// The confidence is pseudo_label's, to the bit; everything else is the definition.
HostBins expected_bins(const HostMatrix& logits, const Labels& labels, std::int64_t bins, Stream stream) {
  const BackendMatrix in(logits, stream);
  const Buffer<std::int32_t> answers(logits.rows, stream);
  const Buffer<float> confidence(logits.rows, stream);
  const Buffer<std::uint8_t> accepted(logits.rows, stream);
  pseudo_label(in.cview(), 0.0f, {answers.span(), confidence.span(), accepted.span()}, stream);
  const std::vector<float> sure = confidence.to_host(stream);
  HostBins expected(bins, 3);
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const auto row = logits.row(r);
    if (!reference::is_class(labels[i], row) || reference::has_nan_or_infinity(row) || !reference::has_answer(row)) {
      continue;
    }
    const std::size_t bin = reference::bin_of(sure[i], expected.rows.size());
    expected.rows[bin] += 1;
    expected.right[bin] += reference::ranking(row)[0] == labels[i] ? 1 : 0;
    expected.confidence[bin] += std::llround(std::ldexp(static_cast<long double>(sure[i]), 32));
  }
  return expected;
}

TEST_P(CalibrationTest, AddsRowsToTheBinsOfTheirConfidence) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {1, 2, 4, 5, 10, 17, 65, 130, 1030, 3000}) {
      const std::int64_t rows = classes > 500 ? 11 : 150;
      const float deviation = classes > 500 ? 0.1f : 2.0f;  // small confidences: their integers are rounded
      HostMatrix logits = normal_matrix(rows, classes, deviation, 121);
      make_delicate(logits);
      const Labels labels = labels_with_bad_ones(rows, classes);
      for (const std::int64_t bins : {1, 2, 15, 256, 257}) {
        EXPECT_TRUE(run_calibration(logits, labels, bins, stream(), FloatType::f32, {1, 1}, rows) ==
                    expected_bins(logits, labels, bins, stream()))
            << isa << ", " << rows << "x" << classes << ", " << bins << " bins";
      }
    }
  });
}

TEST_P(CalibrationTest, TypesLayoutsBatchesAndThreadsCountTheSame) {
  const int before = cpu_threads();
  for (const FloatType type : kFloatTypes) {
    for (const std::int64_t classes : {3, 10, 33, 130, 1030}) {
      const std::int64_t rows = 61;
      HostMatrix logits = rounded(normal_matrix(rows, classes, 2.0f, 122), type);
      make_delicate(logits);
      const Labels labels = labels_with_bad_ones(rows, classes);
      const HostBins expected = expected_bins(logits, labels, 15, stream());
      const std::int64_t to_four = (4 - classes % 4) % 4;
      for (const Layout2d layout : {Layout2d{0, 0}, Layout2d{to_four, 2}, Layout2d{3, 1}}) {
        set_cpu_threads(layout.offset == 0 ? 1 : 2);
        for (const std::int64_t batch : {std::int64_t{17}, rows}) {
          EXPECT_TRUE(run_calibration(logits, labels, 15, stream(), type, layout, batch) == expected)
              << classes << " classes of " << type_name(type) << ", batches of " << batch;
        }
      }
    }
  }
  set_cpu_threads(before);
}

// A bin holds its upper edge, not its lower one.
TEST_P(CalibrationTest, EdgesBelongToTheBinBelow) {
  const HostMatrix logits =
      matrix({{0, 0, -kInfinity, -kInfinity}, {1, 1, 1, 1}, {9, -kInfinity, -kInfinity, -kInfinity}});
  for (const std::int64_t bins : {1, 2, 4, 8, 300, 65536}) {
    HostBins expected(bins, 3);
    const auto add = [&](std::int64_t upper_edge, std::int64_t sum) {
      expected.rows[static_cast<std::size_t>(upper_edge) - 1] += 1;
      expected.right[static_cast<std::size_t>(upper_edge) - 1] += 1;
      expected.confidence[static_cast<std::size_t>(upper_edge) - 1] += sum;
    };
    add((bins + 1) / 2, std::int64_t{1} << 31);
    add((bins + 3) / 4, std::int64_t{1} << 30);
    add(bins, std::int64_t{1} << 32);
    EXPECT_TRUE(run_calibration(logits, {0, 0, 0}, bins, stream(), FloatType::f32, {}, 3) == expected) << bins;
  }
}

TEST_P(CalibrationTest, ManyRows) {
  const HostMatrix logits = normal_matrix(kManyRows, 2, 2.0f, 123);
  const Labels labels = labels_with_bad_ones(kManyRows, 2);
  EXPECT_TRUE(run_calibration(logits, labels, 15, stream(), FloatType::f32, {}, kManyRows) ==
              expected_bins(logits, labels, 15, stream()));
}

float run_error(const HostBins& bins, Stream stream) {
  const BackendBins on_backend(bins, stream);
  const GuardedBuffer<float> error(std::vector<float>{-1}, stream);
  calibration_error(on_backend.get(), error.data(), stream);
  error.expect_guards_intact();
  EXPECT_TRUE(on_backend.to_host() == bins) << "bins are read only";
  return error.to_host()[0];
}

TEST_P(CalibrationTest, TheErrorIsItsDefinition) {
  std::mt19937 generator(124);
  for (const std::int64_t count : {1, 2, 15, 255, 256, 257, 1000}) {
    HostBins bins(count);
    for (std::size_t b = 0; b < bins.rows.size(); ++b) {
      if (b % 3 == 2) continue;  // an empty bin
      bins.rows[b] = 1 + generator() % 1000;
      bins.right[b] = generator() % (bins.rows[b] + 1);
      bins.confidence[b] = static_cast<std::int64_t>(generator()) * bins.rows[b];
    }
    const long double expected = reference::calibration_error(bins.rows, bins.right, bins.confidence);
    EXPECT_NEAR(run_error(bins, stream()), static_cast<double>(expected), 2e-7 * static_cast<double>(expected))
        << count;
  }
}

TEST_P(CalibrationTest, TheErrorOfNoRowsOfSureRowsAndOfVeryManyRows) {
  HostBins bins(15);
  EXPECT_EQ(run_error(bins, stream()), 0.0f);
  bins.rows[14] = bins.right[14] = 10;
  bins.confidence[14] = std::int64_t{10} << 32;
  EXPECT_EQ(run_error(bins, stream()), 0.0f) << "sure and right";
  bins.right[14] = 0;
  EXPECT_EQ(run_error(bins, stream()), 1.0f) << "sure and wrong";
  bins.rows[14] = bins.right[14] = 0x7FFFFFFF;
  bins.confidence[14] = 0;
  EXPECT_EQ(run_error(bins, stream()), 1.0f) << "as many rows as bins hold";
}

// Rows of confidence 0.75 that are right three times of four.
TEST_P(CalibrationTest, ACalibratedClassifierHasNoError) {
  const float odds = std::log(3.0f);
  const HostMatrix logits = matrix({{odds, 0}, {0, odds}, {odds, 0}, {odds, 0}});
  const HostBins bins = run_calibration(logits, {0, 1, 0, 1}, 10, stream(), FloatType::f32, {}, 4);
  HostBins added = bins;  // without the 3 that stood there before
  for (Counts* counts : {&added.rows, &added.right, &added.confidence}) {
    for (std::int64_t& count : *counts) count -= 3;
  }
  EXPECT_NEAR(run_error(added, stream()), 0.0, 1e-7);
}

TEST_P(CalibrationTest, NoRowsAddNothingAndBadArgumentsAreNamed) {
  const BackendBins on_backend(HostBins(4, 7), stream());
  const CalibrationBins good = on_backend.get();
  add_calibration(MatrixView<const float>{nullptr, 0, 10, 10}, {}, good, stream());
  const BackendMatrix in(normal_matrix(3, 10, 1.0f, 125), stream());
  const Buffer<std::int32_t> labels(std::span<const std::int32_t>(some_labels(3, 10)), stream());
  const auto says = [&](const CalibrationBins& bins) {
    return message_of<InvalidArgument>([&] { add_calibration(in.cview(), labels.cspan(), bins, stream()); });
  };
  CalibrationBins bad = good;
  bad.rows = {};
  EXPECT_EQ(says(bad), "add_calibration: bins.rows has 0 values, expected 1 to 65536");
  bad = good;
  bad.right = good.right.first(3);
  EXPECT_EQ(says(bad), "add_calibration: bins.right has 3 values, expected 4");
  bad = good;
  bad.confidence = {};
  EXPECT_EQ(says(bad), "add_calibration: bins.confidence has 0 values, expected 4");
  EXPECT_EQ(message_of<InvalidArgument>([&] { add_calibration(in.cview(), labels.cspan().first(2), good, stream()); }),
            "add_calibration: labels has 2 values, expected 3");
  EXPECT_EQ(message_of<InvalidArgument>([&] { calibration_error(good, nullptr, stream()); }),
            "calibration_error: error is null");
  EXPECT_TRUE(on_backend.to_host() == HostBins(4, 7));
}

}  // namespace
}  // namespace leaven::test
