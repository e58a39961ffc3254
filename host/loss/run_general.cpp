#include "host/loss/run_general.hpp"

#include <algorithm>

#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "host/loss/general_loops.hpp"
#include "kernels/loss/general_hard.hpp"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/top_k_row.hpp"

namespace leaven {
namespace {

bool is_valid(const GeneralParams& g, std::int64_t row) {
  const LossParams& p = g.loss;
  const auto classes = static_cast<std::int32_t>(p.classes);
  if (g.divergence.kind == DivergenceKind::decoupled && label_target(p.targets, row, classes).valid == 0) return false;
  if (g.top_k.k > 0 && top_k_status(g.top_k, row, classes) != 0) return false;
  return row_weight(p.row_weights, row).weight > 0.0f;
}

// Rows whose losses are added up before the rest, in a partial of their own: a function of the number of rows alone.
constexpr std::int64_t kRowsPerPartial = 16;

template <class Body>
void for_each_partial(const LossParams& p, Body&& body) {
  const std::int64_t count = (p.rows + kRowsPerPartial - 1) / kRowsPerPartial;
  const std::int64_t grain = std::max<std::int64_t>(1, 8192 / (kRowsPerPartial * p.classes));
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      body(p.partials[i], i * kRowsPerPartial, std::min(p.rows, (i + 1) * kRowsPerPartial));
    }
  });
}

struct Totals {
  double loss = 0;
  std::int64_t valid = 0;
};
Totals add_partials(const LossParams& p) {
  Totals totals;
  for (std::int64_t i = 0; i * kRowsPerPartial < p.rows; ++i) {
    totals.loss += double{p.partials[i].loss};
    totals.valid += p.partials[i].valid;
  }
  return totals;
}

float find_divisor(const GeneralParams& g) {
  const LossParams& p = g.loss;
  if (!p.divide_by_valid) return p.divisor;
  for_each_partial(p, [&](LossPartial& partial, std::int64_t begin, std::int64_t end) {
    partial = {};
    for (std::int64_t row = begin; row < end; ++row) partial.valid += is_valid(g, row) ? 1 : 0;
  });
  return static_cast<float>(add_partials(p).valid);
}

void run_general_cpu(const GeneralParams& g) {
  const LossParams& p = g.loss;
  const float divisor = find_divisor(g);
  const float scale = divisor > 0.0f ? 1.0f / divisor : 0.0f;
  const GeneralRowsFunction rows = g.top_k.k > 0 ? general_top_k_rows() : general_teacher_rows();
  for_each_partial(p, [&](LossPartial& partial, std::int64_t begin, std::int64_t end) {
    float losses[kRowsPerPartial];
    partial.valid = static_cast<std::int32_t>(rows(g, scale, begin, end, losses));
    partial.loss = 0;
    for (std::int64_t i = 0; i < end - begin; ++i) {
      partial.loss += losses[i];
      if (p.row_losses != nullptr) p.row_losses[begin + i] = losses[i];
    }
  });
  const Totals totals = add_partials(p);
  if (p.loss != nullptr) *p.loss = divisor > 0.0f ? static_cast<float>(totals.loss / double{divisor}) : 0.0f;
  if (p.valid_rows != nullptr) *p.valid_rows = static_cast<std::int32_t>(totals.valid);
}

}  // namespace

void run_general(const GeneralParams& params, Stream stream) {
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return params.top_k.k > 0 ? cuda::top_k_loss(params, stream.cuda_handle())
                                : cuda::general_loss(params, stream.cuda_handle());
    }
  }
  run_general_cpu(params);
}

}  // namespace leaven
