#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"

// How a calibrated row is counted. Everything is exact, so that batches, threads and backends add up to the same.
namespace leaven {

inline constexpr std::int64_t kMaxCalibrationBins = 65536;
inline constexpr std::int64_t kConfidenceOne = std::int64_t{1} << 32;

// To the nearest multiple of 2^-32.
LEAVEN_HD std::int64_t confidence_units(float confidence) {
  return static_cast<std::int64_t>(static_cast<double>(confidence) * static_cast<double>(kConfidenceOne) + 0.5);
}

// b with b / bins < confidence <= (b + 1) / bins. The product has at most 24 + 17 bits.
LEAVEN_HD std::int64_t calibration_bin(float confidence, std::int64_t bins) {
  const double scaled = static_cast<double>(confidence) * static_cast<double>(bins);
  const auto whole = static_cast<std::int64_t>(scaled);
  return whole - (static_cast<double>(whole) == scaled && whole > 0 ? 1 : 0);
}

// rows * |right / rows - confidence / rows| of a bin, in units of 2^-32.
LEAVEN_HD std::int64_t calibration_gap(std::int64_t right, std::int64_t confidence) {
  const std::int64_t gap = right * kConfidenceOne - confidence;
  return gap < 0 ? -gap : gap;
}

LEAVEN_HD float expected_gap(std::int64_t gap, std::int64_t rows) {
  return rows > 0 ? static_cast<float>(gap) * 0x1p-32f / static_cast<float>(rows) : 0.0f;
}

}  // namespace leaven
