#include "kernels/loss/calibration.hpp"

#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/probability_loops.hpp"
#include "host/loss/range_counts.hpp"
#include "host/loss/row_ranges.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {
namespace {

constexpr int kFewBins = 256;

void check_bins(const char* function, const CalibrationBins& bins) {
  const auto count = static_cast<std::int64_t>(bins.rows.size());
  check(count >= 1 && count <= kMaxCalibrationBins, "{}: bins.rows has {} values, expected 1 to {}", function, count,
        kMaxCalibrationBins);
  check_size(function, "bins.rows", bins.rows.size(), bins.rows.data(), count);
  check_size(function, "bins.right", bins.right.size(), bins.right.data(), count);
  check_size(function, "bins.confidence", bins.confidence.size(), bins.confidence.data(), count);
}

void add_calibration_cpu(const LogitRows& rows, std::span<const std::int32_t> labels, const CalibrationBins& bins) {
  const auto count = static_cast<std::int64_t>(labels.size());
  const auto bin_count = static_cast<std::int64_t>(bins.rows.size());
  for_row_ranges(count, rows.classes, [&](std::int64_t begin, std::int64_t end) {
    RangeCounts<kFewBins> range_rows(bins.rows.data(), bin_count);
    RangeCounts<kFewBins> range_right(bins.right.data(), bin_count);
    RangeCounts<kFewBins> range_confidence(bins.confidence.data(), bin_count);
    for_some_rows(begin, end, [&](std::int64_t first, std::int64_t last) {
      std::int32_t top[kRowsAtOnce];
      float confidence[kRowsAtOnce];
      probability_loops().top(rows, first, last, top, confidence);
      for (std::int64_t i = first; i < last; ++i) {
        const std::int32_t label = labels[static_cast<std::size_t>(i)];
        if (label < 0 || label >= rows.classes || top[i - first] < 0) continue;
        const std::int64_t bin = calibration_bin(confidence[i - first], bin_count);
        range_rows.add(bin, 1);
        range_right.add(bin, top[i - first] == label ? 1 : 0);
        range_confidence.add(bin, confidence_units(confidence[i - first]));
      }
    });
  });
}

}  // namespace

void add_calibration(LogitsView logits, std::span<const std::int32_t> labels, const CalibrationBins& bins,
                     Stream stream) {
  constexpr const char* kName = "add_calibration";
  check_matrix(kName, argument("logits", logits));
  check_size(kName, "labels", labels.size(), labels.data(), logits.rows);
  check_bins(kName, bins);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::add_calibration(input_rows(logits), logits.rows, logits.columns, labels.data(), bins,
                                   stream.cuda_handle());
    }
  }
  add_calibration_cpu({input_rows(logits), logits.columns}, labels, bins);
}

void calibration_error(const CalibrationBins& bins, float* error, Stream stream) {
  constexpr const char* kName = "calibration_error";
  check_bins(kName, bins);
  check(error != nullptr, "{}: error is null", kName);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return cuda::calibration_error(bins, error, stream.cuda_handle());
  }
  std::int64_t gap = 0;
  std::int64_t rows = 0;
  for (std::size_t bin = 0; bin < bins.rows.size(); ++bin) {
    gap += calibration_gap(bins.right[bin], bins.confidence[bin]);
    rows += bins.rows[bin];
  }
  *error = expected_gap(gap, rows);
}

}  // namespace leaven
