#include <algorithm>

#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/lanes.hpp"
#include "host/loss/loss_loops.hpp"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/targets.hpp"

namespace leaven {
namespace {

// Rows whose losses are added up before the rest: a function of the number of classes alone.
std::int64_t rows_per_partial(std::int64_t classes) {
  const std::int64_t rows = std::clamp<std::int64_t>(16384 / classes, 1, 1024);
  return rows < kLanes ? rows : rows / kLanes * kLanes;
}

bool is_valid(const LossParams& p, std::int64_t row) {
  if (p.row_weights != nullptr && usable_weight(p.row_weights[row]) == 0.0f) return false;
  if (p.teacher.data != nullptr) return true;
  if (p.targets.soft == nullptr) return row_target(p.targets, row, static_cast<std::int32_t>(p.classes)).valid != 0;
  const float* weights = p.targets.soft + row * p.targets.soft_stride;
  bool wanted = false;
  for (std::int64_t c = 0; c < p.classes; ++c) {
    if (!is_good_weight(weights[c])) return false;
    wanted = wanted || weights[c] > 0.0f;
  }
  return wanted;
}

template <class Body>
void for_each_partial(const LossParams& p, Body&& body) {
  const std::int64_t rows = rows_per_partial(p.classes);
  const std::int64_t count = (p.rows + rows - 1) / rows;
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / (rows * p.classes));
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(p.partials[i], i * rows, std::min(p.rows, (i + 1) * rows));
  });
}

struct Totals {
  double loss = 0;
  std::int64_t valid = 0;
};
Totals add_partials(const LossParams& p) {
  const std::int64_t rows = rows_per_partial(p.classes);
  Totals totals;
  for (std::int64_t i = 0; i * rows < p.rows; ++i) {
    totals.loss += double{p.partials[i].loss};
    totals.valid += p.partials[i].valid;
  }
  return totals;
}

float find_divisor(const LossParams& p) {
  if (!p.divide_by_valid) return p.divisor;
  if (p.teacher.data != nullptr && p.row_weights == nullptr) return static_cast<float>(p.rows);
  for_each_partial(p, [&](LossPartial& partial, std::int64_t begin, std::int64_t end) {
    partial.valid = 0;
    for (std::int64_t row = begin; row < end; ++row) partial.valid += is_valid(p, row) ? 1 : 0;
  });
  return static_cast<float>(add_partials(p).valid);
}

void run_loss_cpu(const LossParams& p) {
  const float divisor = find_divisor(p);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  const LossLoops& loops = loss_loops();
  const LossRowsFunction rows = p.teacher.data == nullptr ? loops.hard : p.hard ? loops.both : loops.soft;
  for_each_partial(
      p, [&](LossPartial& partial, std::int64_t begin, std::int64_t end) { rows(p, scale, begin, end, partial); });
  const Totals totals = add_partials(p);
  if (p.loss != nullptr) *p.loss = divisor > 0.0f ? static_cast<float>(totals.loss / double{divisor}) : 0.0f;
  if (p.valid_rows != nullptr) *p.valid_rows = static_cast<std::int32_t>(totals.valid);
}

}  // namespace

void run_loss(const LossParams& params, Stream stream) {
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return cuda::loss(params, stream.cuda_handle());
  }
  run_loss_cpu(params);
}

}  // namespace leaven
