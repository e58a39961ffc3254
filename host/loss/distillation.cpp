#include <leaven/loss.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include "host/core/check.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/run_general.hpp"

namespace leaven {
namespace {

constexpr const char* kName = "distillation_loss";

void check_weight(const char* name, float weight) {
  check(std::isfinite(weight) && weight >= 0.0f, "{}: {} is {}, expected a finite value of at least 0", kName, name,
        weight);
}

void check_teacher(const MatrixArgument& teacher, const MatrixArgument& student, const MatrixArgument& gradient) {
  check_matrix(kName, teacher);
  check_same_shape(kName, teacher, student);
  check_disjoint(kName, gradient, teacher);
}

// Checks the teacher and sets what the general loss needs of it. `gradient` may have no data.
void resolve_several(std::span<const WeightedTeacher> teachers, const MatrixArgument& student,
                     const MatrixArgument& gradient, GeneralParams& params) {
  constexpr std::array<const char*, kMaxTeachers> kNames = {"teacher[0]", "teacher[1]", "teacher[2]", "teacher[3]",
                                                            "teacher[4]", "teacher[5]", "teacher[6]", "teacher[7]"};
  check(!teachers.empty() && teachers.size() <= kMaxTeachers, "{}: teacher has {} teachers, expected 1 to {}", kName,
        teachers.size(), kMaxTeachers);
  double sum = 0;
  for (std::size_t m = 0; m < teachers.size(); ++m) {
    const float weight = teachers[m].weight;
    check(std::isfinite(weight) && weight >= 0.0f, "{}: weight of {} is {}, expected a finite value of at least 0",
          kName, kNames[m], weight);
    check_teacher(argument(kNames[m], teachers[m].logits), student, gradient);
    sum += double{weight};
  }
  check(sum > 0, "{}: weights of the teachers add up to 0, expected more", kName);
  for (const WeightedTeacher& teacher : teachers) {
    const auto weight = static_cast<float>(double{teacher.weight} / sum);
    if (weight > 0.0f) params.teachers[params.teacher_count++] = {input_rows(teacher.logits), weight};
  }
}

void resolve_top_k(const TopKTeacher& cache, const DistillationOptions& options, const MatrixArgument& student,
                   GeneralParams& params) {
  check(cache.k >= 1 && cache.k <= kMaxListed && cache.k <= student.columns, "{}: teacher.k is {}, expected 1 to {}",
        kName, cache.k, std::min(kMaxListed, student.columns));
  check_size(kName, "teacher.classes", cache.classes.size(), cache.classes.data(), student.rows * cache.k);
  check_size(kName, "teacher.log_probabilities", cache.log_probabilities.size(), cache.log_probabilities.data(),
             student.rows * cache.k);
  check_size(kName, "teacher.rest", cache.rest.size(), cache.rest.data(), student.rows);
  check(cache.temperature == options.temperature, "{}: teacher.temperature is {}, expected {} (as options.temperature)",
        kName, cache.temperature, options.temperature);
  check(options.standardise == Standardise::no, "{}: standardise is yes, expected no with a TopKTeacher", kName);
  check(!std::holds_alternative<DecoupledKl>(options.divergence),
        "{}: divergence is DecoupledKl, expected another one with a TopKTeacher", kName);
  params.top_k = {cache.k, cache.classes.data(), reinterpret_cast<const std::uint16_t*>(cache.log_probabilities.data()),
                  cache.rest.data()};
}

void resolve_teacher(const DistillationInput& in, const DistillationOptions& options, const MatrixArgument& student,
                     const MatrixArgument& gradient, GeneralParams& params) {
  if (const auto* one = std::get_if<LogitsView>(&in.teacher)) {
    check_teacher(argument("teacher", *one), student, gradient);
    params.teachers[params.teacher_count++] = {input_rows(*one), 1.0f};
  } else if (const auto* several = std::get_if<std::span<const WeightedTeacher>>(&in.teacher)) {
    resolve_several(*several, student, gradient, params);
  } else {
    resolve_top_k(std::get<TopKTeacher>(in.teacher), options, student, params);
  }
}

DivergenceParams resolve_divergence(const Divergence& divergence, const std::optional<Targets>& targets) {
  if (std::holds_alternative<ReverseKl>(divergence)) return {.kind = DivergenceKind::reverse};
  if (const auto* jensen_shannon = std::get_if<JensenShannon>(&divergence)) {
    const float beta = jensen_shannon->beta;
    check(beta > 0.0f && beta < 1.0f, "{}: beta is {}, expected above 0 and below 1", kName, beta);
    return {.kind = DivergenceKind::jensen_shannon, .beta = beta, .one_minus_beta = 1.0f - beta};
  }
  if (const auto* decoupled = std::get_if<DecoupledKl>(&divergence)) {
    check_weight("target_weight", decoupled->target_weight);
    check_weight("other_weight", decoupled->other_weight);
    check(targets.has_value() && std::holds_alternative<HardTargets>(*targets),
          "{}: targets are no HardTargets, expected them with DecoupledKl", kName);
    return {.kind = DivergenceKind::decoupled,
            .target_weight = decoupled->target_weight,
            .other_weight = decoupled->other_weight};
  }
  return {};
}

// What the T^2 of the divergence is multiplied with.
float resolve_soft_weight(const DistillationOptions& options) {
  check_weight("soft_weight", options.soft_weight);
  if (options.factor == TemperatureFactor::squared) return options.soft_weight;
  const double square = double{options.temperature} * double{options.temperature};
  const auto weight = static_cast<float>(double{options.soft_weight} / square);
  check(std::isfinite(weight), "{}: temperature is {}, expected one whose square divides soft_weight (factor none)",
        kName, options.temperature);
  return weight;
}

// The fast kernels take the forward KL of one teacher.
bool is_plain(const GeneralParams& params) {
  return params.divergence.kind == DivergenceKind::forward && params.teacher_count == 1 && !params.standardise;
}

void run_distillation(GeneralParams& params, Stream stream) {
  LossParams& p = params.loss;
  if (is_plain(params)) {
    p.teacher = params.teachers[0].logits;
    return run_loss(p, stream);
  }
  const bool can_be_invalid =
      p.row_weights != nullptr || params.divergence.kind == DivergenceKind::decoupled || params.top_k.k > 0;
  if (p.divide_by_valid && !can_be_invalid) {
    p.divide_by_valid = false;
    p.divisor = static_cast<float>(p.rows);
  }
  run_general(params, stream);
}

}  // namespace

void distillation_loss(const DistillationInput& in, const DistillationOptions& options, const LossOutput& out,
                       std::span<std::byte> workspace, Stream stream) {
  const MatrixArgument student = argument("student", in.student);
  const MatrixArgument gradient = argument("out.gradient", out.gradient);
  GeneralParams params;
  LossParams& loss = params.loss;
  check_matrix(kName, student);
  check_temperature(kName, options.temperature);
  check_weight("hard_weight", options.hard_weight);
  loss.soft_weight = resolve_soft_weight(options);
  check(in.targets.has_value() || options.hard_weight == 0.0f, "{}: hard_weight is {}, expected 0 without targets",
        kName, options.hard_weight);
  params.divergence = resolve_divergence(options.divergence, in.targets);
  params.standardise = options.standardise == Standardise::yes;
  if (in.targets.has_value()) {
    resolve_targets(kName, *in.targets, options.label_smoothing, options.ignore_label, student, loss);
  }
  resolve_weights(kName, options.weights, student, loss);
  resolve_output(kName, out, options.reduction, student, workspace, loss);
  resolve_teacher(in, options, student, gradient, params);
  if (in.targets.has_value()) {
    if (const auto* soft = std::get_if<SoftTargets>(&*in.targets)) {
      check_disjoint(kName, gradient, argument("targets.weights", LogitsView(soft->weights)));
    }
  }
  loss.student = input_rows(in.student);
  loss.temperature = make_temperature(options.temperature);
  loss.hard_weight = options.hard_weight;
  // Without a soft weight this is the cross-entropy, and rows are valid by their targets (all, where there are none).
  const bool soft = options.soft_weight != 0.0f || !in.targets.has_value();
  loss.hard = options.hard_weight != 0.0f || !soft;
  return soft ? run_distillation(params, stream) : run_loss(loss, stream);
}

}  // namespace leaven
