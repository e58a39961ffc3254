#include <leaven/loss.hpp>

#include "host/core/check.hpp"
#include "host/loss/arguments.hpp"

namespace leaven {

void cross_entropy(LogitsView logits, const Targets& targets, const CrossEntropyOptions& options, const LossOutput& out,
                   std::span<std::byte> workspace, Stream stream) {
  constexpr const char* kName = "cross_entropy";
  const MatrixArgument shape = argument("logits", logits);
  check_matrix(kName, shape);
  LossParams params;
  resolve_targets(kName, targets, options.label_smoothing, options.ignore_label, shape, params);
  resolve_weights(kName, options.weights, shape, params);
  resolve_output(kName, out, options.reduction, shape, workspace, params);
  if (const auto* soft = std::get_if<SoftTargets>(&targets)) {
    check_disjoint(kName, argument("out.gradient", out.gradient),
                   argument("targets.weights", LogitsView(soft->weights)));
  }
  params.student = input_rows(logits);
  params.hard = true;
  params.hard_weight = 1.0f;
  run_loss(params, stream);
}

}  // namespace leaven
