#include "host/loss/run_general.hpp"

#include "host/core/config.hpp"
#include "host/loss/general_loops.hpp"
#include "host/loss/partials.hpp"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/top_k_row.hpp"

namespace leaven {
namespace {

bool is_valid(const GeneralParams& g, std::int64_t row) {
  const LossParams& p = g.loss;
  const auto classes = static_cast<std::int32_t>(p.classes);
  if (g.divergence.kind == DivergenceKind::decoupled && label_target(p.targets, row, classes).valid == 0) return false;
  if (g.top_k.k > 0 && top_k_status(g.top_k, row, classes) != 0) return false;
  return p.row_weights == nullptr || usable_weight(p.row_weights[row]) > 0.0f;
}

void run_general_cpu(const GeneralParams& params) {
  GeneralParams g = params;
  if (!g.loss.hard) g.loss.targets.class_weights = nullptr;
  const LossParams& p = g.loss;
  const GeneralRowsFunction function = g.top_k.k > 0 ? general_top_k_rows() : general_teacher_rows();
  run_partials(
      p,
      [&](std::int64_t begin, std::int64_t end) {
        std::int64_t valid = 0;
        for (std::int64_t row = begin; row < end; ++row) valid += is_valid(g, row) ? 1 : 0;
        return valid;
      },
      [&](float scale, LossPartial& partial, std::int64_t begin, std::int64_t end) {
        function(g, scale, begin, end, partial);
      });
}

}  // namespace

void run_general(const GeneralParams& params, Stream stream) {
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return cuda::general_loss(params, stream.cuda_handle());
  }
  run_general_cpu(params);
}

}  // namespace leaven
