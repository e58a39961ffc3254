#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

// Measures of a classifier, written from their definitions. Independent of kernels/ and of the library.
namespace leaven::reference {

inline bool has_nan(std::span<const float> row) {
  return std::any_of(row.begin(), row.end(), [](float x) { return std::isnan(x); });
}
inline bool has_answer(std::span<const float> row) {
  return !has_nan(row) &&
         std::any_of(row.begin(), row.end(), [](float x) { return x != -std::numeric_limits<float>::infinity(); });
}
inline bool is_class(std::int32_t label, std::span<const float> row) {
  return label >= 0 && static_cast<std::size_t>(label) < row.size();
}

// Classes from the largest logit down; of equal ones the lower index first.
inline std::vector<std::int32_t> ranking(std::span<const float> row) {
  std::vector<std::int32_t> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return row[static_cast<std::size_t>(a)] > row[static_cast<std::size_t>(b)];
  });
  return order;
}

inline bool is_among_top(std::span<const float> row, std::int32_t label, std::int64_t k) {
  if (!has_answer(row) || !is_class(label, row)) return false;
  if (row[static_cast<std::size_t>(label)] == -std::numeric_limits<float>::infinity()) return false;
  const std::vector<std::int32_t> order = ranking(row);
  return std::find(order.begin(), order.begin() + k, label) != order.begin() + k;
}

// b / bins < confidence <= (b + 1) / bins, without a rounding: both sides times bins.
inline std::size_t bin_of(float confidence, std::size_t bins) {
  std::size_t b = 0;
  while (!(static_cast<long double>(confidence) * static_cast<long double>(bins) <= static_cast<long double>(b + 1))) {
    ++b;
  }
  return b;
}

// sum over bins of rows / all |right / rows - confidence / rows|
inline long double calibration_error(std::span<const std::int64_t> rows, std::span<const std::int64_t> right,
                                     std::span<const std::int64_t> confidence) {
  long double all = 0;
  for (const std::int64_t n : rows) all += static_cast<long double>(n);
  long double error = 0;
  for (std::size_t b = 0; b < rows.size(); ++b) {
    if (rows[b] == 0) continue;
    const auto n = static_cast<long double>(rows[b]);
    const long double mean = std::ldexp(static_cast<long double>(confidence[b]), -32) / n;
    error += n / all * std::fabs(static_cast<long double>(right[b]) / n - mean);
  }
  return error;
}

}  // namespace leaven::reference
