#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

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

bool is_known(AugmentOp op) { return op >= AugmentOp::identity && op <= AugmentOp::hue; }

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

OpList timm_rand_augment_ops() {
  using enum AugmentOp;
  return {autocontrast, equalize,   invert,    rotate,  posterize, solarize,    solarize_add, color,
          contrast,     brightness, sharpness, shear_x, shear_y,   translate_x, translate_y};
}

OpList aug_mix_ops() {
  using enum AugmentOp;
  return {shear_x,      shear_y,  translate_x, translate_y, rotate,   posterize, solarize,
          autocontrast, equalize, brightness,  color,       contrast, sharpness};
}

float strength_of(StrengthTable table, AugmentOp op, std::int32_t bin, std::int32_t bins, ImageSize size) {
  const bool trivial = table == StrengthTable::trivial_augment;
  const auto strength = [&](double start, double end) { return static_cast<float>(linspace(start, end, bins, bin)); };
  const auto shift = [&](std::int64_t side) {
    const auto pixels = static_cast<double>(side);
    if (table == StrengthTable::aug_mix) return std::trunc(strength(0, pixels / 3.0));
    return std::trunc(strength(0, trivial ? 32.0 : 150.0 / 331.0 * pixels));
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
    case AugmentOp::posterize: {
      const double bits = posterize_bits(bins, bin, trivial ? 6.0 : 4.0);
      return static_cast<float>(table == StrengthTable::aug_mix ? bits - 4 : bits);
    }
    case AugmentOp::solarize: return strength(255, 0);
    case AugmentOp::solarize_add: return std::trunc(strength(0, 110));
    case AugmentOp::hue: return strength(0, 0.5);
    case AugmentOp::identity:
    case AugmentOp::autocontrast:
    case AugmentOp::equalize:
    case AugmentOp::invert: break;
  }
  return 0;
}

namespace {

constexpr std::int32_t kAutoAugmentBins = 10;
constexpr std::int32_t kAugMixBins = 10;
constexpr std::int32_t kMostDrawnDepth = 3;

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
  void operator()(const TimmRandAugmentOptions& options) const {
    check(options.num_ops >= 0 && options.num_ops <= kMostLayers, "{}: options.num_ops is {}, expected 0 to {}",
          function, options.num_ops, kMostLayers);
    within("magnitude", options.magnitude, 0, 1000);
    check(options.magnitude_std >= 0, "{}: options.magnitude_std is {}, expected at least 0, or infinity", function,
          options.magnitude_std);
    within("magnitude_max", options.magnitude_max, 0, 1000);
    within("probability", options.probability, 0, 1);
  }
  void operator()(const AugMixOptions& options) const {
    within("severity", static_cast<float>(options.severity), 1, kAugMixBins);
    within("width", static_cast<float>(options.width), 1, kMostChains);
    within("depth", static_cast<float>(options.depth), 0, kMostChainLayers);
    check(std::isfinite(options.alpha) && options.alpha > 0, "{}: options.alpha is {}, expected a finite value above 0",
          function, options.alpha);
    check(options.strengths == AugMixStrengths::torchvision || options.strengths == AugMixStrengths::timm,
          "{}: options.strengths is {}, expected torchvision (0) or timm (1)", function,
          static_cast<std::int32_t>(options.strengths));
  }
  void operator()(const ColourJitterOptions& options) const {
    for (const auto& [name, value] :
         {std::pair("brightness", options.brightness), std::pair("contrast", options.contrast),
          std::pair("saturation", options.saturation)}) {
      check(std::isfinite(value) && value >= 0, "{}: options.{} is {}, expected a finite value of at least 0", function,
            name, value);
    }
    within("hue", options.hue, 0, 0.5f);
  }

  void operator()(const RandomAffineOptions& options) const {
    interval("angle_deg", options.angle_deg, -1e6, 1e6);
    within("translate_x", options.translate_x, 0, 1);
    within("translate_y", options.translate_y, 0, 1);
    interval("scale", options.scale, 1e-3, 1e3);
    interval("shear_x_deg", options.shear_x_deg, -89, 89);
    interval("shear_y_deg", options.shear_y_deg, -89, 89);
  }

  void interval(const char* name, const Interval& value, double least, double most) const {
    check(value.least >= least && value.least <= value.most && value.most <= most,
          "{}: options.{} is {} to {}, expected a range within {} to {}", function, name, value.least, value.most,
          least, most);
  }
  void within(const char* name, float value, float least, float most) const {
    check(value >= least && value <= most, "{}: options.{} is {}, expected {} to {}", function, name, value, least,
          most);
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
  void operator()(const TimmRandAugmentOptions& options) const {
    plan.draws = PolicyDraws::levels;
    plan.layers = options.num_ops;
    plan.level = options.magnitude;
    plan.level_std = options.magnitude_std;
    plan.level_most = options.magnitude_max;
    plan.increasing = options.increasing;
    for (const AugmentOp op : options.ops) plan.choices[plan.size++] = {op, options.probability};
  }
  void operator()(const AugMixOptions& options) const {
    plan.chains = options.width;
    plan.depth_is_drawn = options.depth == 0;
    plan.chain_layers = options.depth == 0 ? kMostDrawnDepth : options.depth;
    plan.layers = plan.chains * plan.chain_layers;
    plan.alpha = options.alpha;
    if (options.strengths == AugMixStrengths::timm) {
      plan.draws = PolicyDraws::levels;
      plan.level = static_cast<float>(options.severity);
      plan.level_std = std::numeric_limits<float>::infinity();
      plan.increasing = true;
    } else {
      plan.bins = options.severity;
    }
    for (const AugmentOp op : options.ops) {
      for (std::int32_t bin = 0; bin < plan.bins; ++bin) {
        plan.strengths[plan.size * plan.bins + bin] = strength_of(StrengthTable::aug_mix, op, bin, kAugMixBins, size);
      }
      plan.choices[plan.size++].op = op;
    }
  }
  void operator()(const RandomAffineOptions& options) const {
    plan.draws = PolicyDraws::affine;
    plan.layers = plan.size = 1;
    const double shift_x = double{options.translate_x} * static_cast<double>(size.width);
    const double shift_y = double{options.translate_y} * static_cast<double>(size.height);
    const Interval ranges[6] = {options.angle_deg, {-shift_x, shift_x}, {-shift_y, shift_y},
                                options.scale,     options.shear_x_deg, options.shear_y_deg};
    for (std::size_t k = 0; k < 6; ++k) {
      plan.strengths[2 * k] = static_cast<float>(ranges[k].least);
      plan.strengths[2 * k + 1] = static_cast<float>(ranges[k].most - ranges[k].least);
    }
  }
  void operator()(const ColourJitterOptions& options) const {
    plan.draws = PolicyDraws::jitter;
    const auto add = [&](AugmentOp op, float least, float most) {
      plan.strengths[2 * plan.size] = least;
      plan.strengths[2 * plan.size + 1] = most - least;
      plan.choices[plan.size++].op = op;
    };
    const auto add_factor = [&](AugmentOp op, float amount) {
      if (amount > 0) add(op, std::max(0.0f, 1 - amount), 1 + amount);
    };
    add_factor(AugmentOp::brightness, options.brightness);
    add_factor(AugmentOp::contrast, options.contrast);
    add_factor(AugmentOp::color, options.saturation);
    if (options.hue > 0) add(AugmentOp::hue, -options.hue, options.hue);
    plan.layers = plan.size;
  }
};

}  // namespace

WarpOptions warp_options(const Policy& policy) {
  return std::visit(
      [](const auto& options) -> WarpOptions {
        if constexpr (requires { options.warp; }) return options.warp;
        return {};
      },
      policy);
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
