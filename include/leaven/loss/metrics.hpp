#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <leaven/loss/views.hpp>
#include <leaven/stream.hpp>

// Measures of a classifier. All add to what stands in their outputs, so that batches add up; the caller zeroes them
// once.
namespace leaven {

/// Adds to counts[0] the rows whose label is among the k largest logits (1 <= k <= classes; of equal logits the lower
/// index comes first) and to counts[1] the rows with a label in 0 .. classes - 1. Rows with NaN and fully masked rows
/// are wrong, and so is a label whose logit is -inf.
void accuracy(LogitsView logits, std::span<const std::int32_t> labels, std::int64_t k, std::span<std::int64_t> counts,
              Stream stream);

/// Adds 1 to counts[label * classes + arg max] for each row with a label in 0 .. classes - 1, but for rows with NaN and
/// fully masked rows. classes * classes values.
void confusion_matrix(LogitsView logits, std::span<const std::int32_t> labels, std::span<std::int64_t> counts,
                      Stream stream);

/// How often a classifier of confidence x is right. Equal bins of confidence, 1 to 65,536 of them: bin b holds
/// (b / bins, (b + 1) / bins]. They hold up to 2^31 - 1 rows in all.
struct CalibrationBins {
  std::span<std::int64_t> rows;        ///< bins values: rows with a valid label in each bin
  std::span<std::int64_t> right;       ///< bins values: those whose arg max is the label
  std::span<std::int64_t> confidence;  ///< bins values: sums of round(confidence * 2^32) (integers add up exactly)
};

/// Adds the rows of a batch; rows with NaN or +inf, fully masked rows and rows without a valid label are left out.
void add_calibration(LogitsView logits, std::span<const std::int32_t> labels, const CalibrationBins& bins,
                     Stream stream);

/// sum over bins of rows / all * |right / rows - confidence / rows| to *error, 0 where no row was added (expected
/// calibration error; Guo et al. 2017, arXiv:1706.04599, equation 3).
void calibration_error(const CalibrationBins& bins, float* error, Stream stream);

}  // namespace leaven
