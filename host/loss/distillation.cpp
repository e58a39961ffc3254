#include <leaven/loss.hpp>

#include <cmath>

#include "host/core/check.hpp"
#include "host/loss/arguments.hpp"

namespace leaven {
namespace {

constexpr const char* kName = "distillation_loss";

void check_weight(const char* name, float weight) {
  check(std::isfinite(weight) && weight >= 0.0f, "{}: {} is {}, expected a finite value of at least 0", kName, name,
        weight);
}

}  // namespace

void distillation_loss(const DistillationInput& in, const DistillationOptions& options, const LossOutput& out,
                       std::span<std::byte> workspace, Stream stream) {
  const MatrixArgument student = argument("student", in.student);
  const auto& teacher_logits = std::get<LogitsView>(in.teacher);
  const MatrixArgument teacher = argument("teacher", teacher_logits);
  check_matrix(kName, student);
  check_matrix(kName, teacher);
  check_same_shape(kName, teacher, student);
  check_temperature(kName, options.temperature);
  check_weight("hard_weight", options.hard_weight);
  check_weight("soft_weight", options.soft_weight);
  check(in.targets.has_value() || options.hard_weight == 0.0f, "{}: hard_weight is {}, expected 0 without targets",
        kName, options.hard_weight);
  LossParams params;
  if (in.targets.has_value()) {
    resolve_targets(kName, *in.targets, options.label_smoothing, options.ignore_label, student, params);
  }
  resolve_weights(kName, options.weights, student, params);
  resolve_output(kName, out, options.reduction, student, workspace, params);
  check_disjoint(kName, argument("out.gradient", out.gradient), teacher);
  if (in.targets.has_value()) {
    if (const auto* soft = std::get_if<SoftTargets>(&*in.targets)) {
      check_disjoint(kName, argument("out.gradient", out.gradient),
                     argument("targets.weights", LogitsView(soft->weights)));
    }
  }
  params.student = input_rows(in.student);
  params.temperature = make_temperature(options.temperature);
  params.hard_weight = options.hard_weight;
  params.soft_weight = options.soft_weight;
  // Without a soft weight this is the cross-entropy, and rows are valid by their targets (all, where there are none).
  const bool soft = options.soft_weight != 0.0f || !in.targets.has_value();
  params.hard = options.hard_weight != 0.0f || !soft;
  if (soft) {
    params.teacher = input_rows(teacher_logits);
  }
  run_loss(params, stream);
}

}  // namespace leaven
