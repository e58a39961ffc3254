#pragma once

#include <algorithm>
#include <cstdint>

#include "host/core/parallel.hpp"
#include "host/loss/lanes.hpp"
#include "kernels/loss/loss_params.hpp"

// A call on the CPU in pieces of rows, which threads share. A piece's losses are added up by themselves, the pieces' in
// order: the number does not depend on the threads.
namespace leaven {

inline constexpr std::int64_t kMostPartialRows = 1024;

// Rows of a piece: a function of the number of classes alone.
inline std::int64_t rows_per_partial(std::int64_t classes) {
  const std::int64_t rows = std::clamp<std::int64_t>(16384 / classes, 1, kMostPartialRows);
  return rows < kLanes ? rows : rows / kLanes * kLanes;
}

template <class Body>
void for_each_partial(const LossParams& p, Body&& body) {
  const std::int64_t rows = rows_per_partial(p.classes);
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / (rows * p.classes));
  parallel_for((p.rows + rows - 1) / rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(p.partials[i], i * rows, std::min(p.rows, (i + 1) * rows));
  });
}

inline std::int64_t sum_of_valid(const LossParams& p) {
  std::int64_t valid = 0;
  for (std::int64_t i = 0; i * rows_per_partial(p.classes) < p.rows; ++i) valid += p.partials[i].valid;
  return valid;
}

// count(begin, end): how many of the rows are valid; called only where gradients are divided by their number.
// rows(scale, partial, begin, end): losses, gradients times `scale` and status of the rows, their sum and count.
template <class Count, class Rows>
void run_partials(const LossParams& p, Count&& count, Rows&& rows) {
  float divisor = p.divisor;
  if (p.divide_by_valid && p.gradient.data != nullptr) {
    for_each_partial(p, [&](LossPartial& partial, std::int64_t begin, std::int64_t end) {
      partial.valid = static_cast<std::int32_t>(count(begin, end));
    });
    divisor = static_cast<float>(sum_of_valid(p));
  }
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  for_each_partial(
      p, [&](LossPartial& partial, std::int64_t begin, std::int64_t end) { rows(scale, partial, begin, end); });
  if (p.divide_by_valid) divisor = static_cast<float>(sum_of_valid(p));
  double loss = 0;
  for (std::int64_t i = 0; i * rows_per_partial(p.classes) < p.rows; ++i) loss += double{p.partials[i].loss};
  if (p.loss != nullptr) *p.loss = divisor > 0.0f ? static_cast<float>(loss / double{divisor}) : 0.0f;
  if (p.valid_rows != nullptr) *p.valid_rows = static_cast<std::int32_t>(sum_of_valid(p));
}

}  // namespace leaven
