#include <cmath>

#include "host/augment/auto_augment.hpp"
#include "host/augment/checks.hpp"
#include "host/augment/policy.hpp"
#include "host/core/check.hpp"

namespace leaven {
namespace {

// Entry i of torch.linspace(start, end, bins) in float32, to the bit as PyTorch 1.13 computes it with AVX2: entries
// that fill whole pairs of vectors of eight are base + lane * step with a rounded product, the others fused, the upper
// half counted from the end. (PyTorch's kernels for other instruction sets differ in last bits.)
double linspace(double start_value, double end_value, std::int32_t bins, std::int32_t i) {
  const auto start = static_cast<float>(start_value);
  const auto end = static_cast<float>(end_value);
  const float step = (end - start) / static_cast<float>(bins - 1);
  const auto fused = [&](std::int32_t k) {
    if (k < bins / 2) return static_cast<float>(double{step} * k + double{start});
    return static_cast<float>(double{end} - double{step} * (bins - 1 - k));
  };
  if (i >= bins / 16 * 16) return double{fused(i)};
  const std::int32_t lane = i % 8;
  return double{fused(i - lane) + step * static_cast<float>(lane)};
}

double posterize_bits(std::int32_t bins, std::int32_t i, double most) {
  return 8.0 - double{std::nearbyintf(static_cast<float>(i) / static_cast<float>((bins - 1) / most))};
}

bool is_known(AugmentOp op) { return op >= AugmentOp::identity && op <= AugmentOp::invert; }

}  // namespace

OpList::OpList(std::initializer_list<AugmentOp> ops) : OpList(std::span<const AugmentOp>(ops.begin(), ops.size())) {}

OpList::OpList(std::span<const AugmentOp> ops) : size_(static_cast<std::int32_t>(ops.size())) {
  check(!ops.empty() && ops.size() <= static_cast<std::size_t>(kMost),
        "OpList: ops has {} operations, expected 1 to {}", ops.size(), kMost);
  for (std::size_t i = 0; i < ops.size(); ++i) {
    check(is_known(ops[i]), "OpList: ops[{}] is {}, expected an AugmentOp", i, static_cast<std::int32_t>(ops[i]));
    ops_[i] = ops[i];
  }
}

OpList rand_augment_ops() {
  using enum AugmentOp;
  return {identity, shear_x,  shear_y,   translate_x, translate_y, rotate,       brightness,
          color,    contrast, sharpness, posterize,   solarize,    autocontrast, equalize};
}

float strength_of(StrengthTable table, AugmentOp op, std::int32_t bin, std::int32_t bins, ImageSize size) {
  const bool trivial = table == StrengthTable::trivial_augment;
  const auto strength = [&](double start, double end) { return static_cast<float>(linspace(start, end, bins, bin)); };
  const auto shift = [&](std::int64_t side) {
    return std::trunc(strength(0, trivial ? 32.0 : 150.0 / 331.0 * static_cast<double>(side)));
  };
  switch (op) {
    case AugmentOp::shear_x:
    case AugmentOp::shear_y: return strength(0, trivial ? 0.99 : 0.3);
    case AugmentOp::translate_x: return shift(size.width);
    case AugmentOp::translate_y: return shift(size.height);
    case AugmentOp::rotate: return strength(0, trivial ? 135 : 30);
    case AugmentOp::brightness:
    case AugmentOp::color:
    case AugmentOp::contrast:
    case AugmentOp::sharpness: return strength(0, trivial ? 0.99 : 0.9);
    case AugmentOp::posterize: return static_cast<float>(posterize_bits(bins, bin, trivial ? 6.0 : 4.0));
    case AugmentOp::solarize: return strength(255, 0);
    case AugmentOp::identity:
    case AugmentOp::autocontrast:
    case AugmentOp::equalize:
    case AugmentOp::invert: break;
  }
  return 0;
}

namespace {

constexpr std::int32_t kAutoAugmentBins = 10;

void check_bins(const char* function, std::int32_t bins, std::int32_t most) {
  check(bins >= 2 && bins <= most, "{}: options.bins is {}, expected 2 to {}", function, bins, most);
}

struct Check {
  const char* function;

  void operator()(const RandAugmentOptions& options) const {
    check(options.num_ops >= 0 && options.num_ops <= kMostLayers, "{}: options.num_ops is {}, expected 0 to {}",
          function, options.num_ops, kMostLayers);
    check(options.bins >= 2, "{}: options.bins is {}, expected at least 2", function, options.bins);
    check(options.magnitude >= 0 && options.magnitude < options.bins,
          "{}: options.magnitude is {}, expected 0 to {} (bins - 1)", function, options.magnitude, options.bins - 1);
  }
  void operator()(const TrivialAugmentOptions& options) const {
    check_bins(function, options.bins, PolicyPlan::kMostStrengths / OpList::kMost);
  }
  void operator()(const AutoAugmentOptions& options) const {
    check(options.set >= AutoAugmentSet::imagenet && options.set <= AutoAugmentSet::svhn,
          "{}: options.set is {}, expected imagenet (0), cifar10 (1) or svhn (2)", function,
          static_cast<std::int32_t>(options.set));
  }
};

struct Fill {
  PolicyPlan& plan;
  ImageSize size;

  void operator()(const RandAugmentOptions& options) const {
    plan.layers = options.num_ops;
    for (const AugmentOp op : options.ops) {
      plan.choices[plan.size].op = op;
      plan.strengths[plan.size++] = strength_of(StrengthTable::rand_augment, op, options.magnitude, options.bins, size);
    }
  }
  void operator()(const TrivialAugmentOptions& options) const {
    plan.layers = 1;
    plan.bins = options.bins;
    for (const AugmentOp op : options.ops) {
      for (std::int32_t bin = 0; bin < plan.bins; ++bin) {
        plan.strengths[plan.size * plan.bins + bin] =
            strength_of(StrengthTable::trivial_augment, op, bin, plan.bins, size);
      }
      plan.choices[plan.size++].op = op;
    }
  }
  void operator()(const AutoAugmentOptions& options) const {
    const std::span<const AutoAugmentStep> steps = auto_augment_steps(options.set);
    plan.layers = 2;
    plan.groups = static_cast<std::int32_t>(steps.size()) / plan.layers;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      plan.choices[i] = {steps[i].op, steps[i].probability};
      plan.strengths[i] = strength_of(StrengthTable::rand_augment, steps[i].op, steps[i].bin, kAutoAugmentBins, size);
    }
  }
};

}  // namespace

const WarpOptions& warp_options(const Policy& policy) {
  return std::visit([](const auto& options) -> const WarpOptions& { return options.warp; }, policy);
}

void check_policy(const char* function, const Policy& policy) {
  std::visit(Check{function}, policy);
  check_options(function, warp_options(policy));
}

PolicyPlan policy_plan(const Policy& policy, ImageSize size) {
  PolicyPlan plan;
  plan.height = static_cast<std::int32_t>(size.height);
  plan.width = static_cast<std::int32_t>(size.width);
  std::visit(Fill{plan, size}, policy);
  return plan;
}

}  // namespace leaven
