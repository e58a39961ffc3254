#include <cmath>

#include "host/augment/rand_augment.hpp"
#include "host/core/check.hpp"
#include "kernels/augment/rotation.hpp"

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

double posterize_bits(std::int32_t bins, std::int32_t i) {
  return 8.0 - double{std::nearbyintf(static_cast<float>(i) / static_cast<float>((bins - 1) / 4.0))};
}

ImageOp resolve(AugmentOp op, double magnitude, ImageSize size) {
  const auto enhance = [&](ImageOpKind kind) { return value_op(kind, static_cast<float>(1.0 + magnitude)); };
  switch (op) {
    case AugmentOp::identity: break;
    case AugmentOp::shear_x: return shear_op(magnitude, 0);
    case AugmentOp::shear_y: return shear_op(0, magnitude);
    case AugmentOp::translate_x: return translate_op(magnitude, 0);
    case AugmentOp::translate_y: return translate_op(0, magnitude);
    case AugmentOp::rotate: return rotate_op(magnitude, size.height, size.width);
    case AugmentOp::brightness: return enhance(ImageOpKind::brightness);
    case AugmentOp::color: return enhance(ImageOpKind::color);
    case AugmentOp::contrast: return enhance(ImageOpKind::contrast);
    case AugmentOp::sharpness: return enhance(ImageOpKind::sharpness);
    case AugmentOp::posterize: return posterize_op(static_cast<std::int32_t>(magnitude));
    case AugmentOp::solarize: return value_op(ImageOpKind::solarize, static_cast<float>(magnitude));
    case AugmentOp::autocontrast: return value_op(ImageOpKind::autocontrast, 0);
    case AugmentOp::equalize: return value_op(ImageOpKind::equalize, 0);
    case AugmentOp::invert: return value_op(ImageOpKind::invert, 0);
  }
  return {};
}

bool is_signed(AugmentOp op) { return op >= AugmentOp::shear_x && op <= AugmentOp::sharpness; }

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

void check_rand_augment(const char* function, const RandAugmentOptions& options) {
  check(options.num_ops >= 0 && options.num_ops <= kMostLayers, "{}: options.num_ops is {}, expected 0 to {}", function,
        options.num_ops, kMostLayers);
  check(options.bins >= 2, "{}: options.bins is {}, expected at least 2", function, options.bins);
  check(options.magnitude >= 0 && options.magnitude < options.bins,
        "{}: options.magnitude is {}, expected 0 to {} (bins - 1)", function, options.magnitude, options.bins - 1);
}

double rand_augment_magnitude(AugmentOp op, const RandAugmentOptions& options, ImageSize size) {
  const auto strength = [&](double start, double end) { return linspace(start, end, options.bins, options.magnitude); };
  switch (op) {
    case AugmentOp::shear_x:
    case AugmentOp::shear_y: return strength(0, 0.3);
    case AugmentOp::translate_x: return std::trunc(strength(0, 150.0 / 331.0 * static_cast<double>(size.width)));
    case AugmentOp::translate_y: return std::trunc(strength(0, 150.0 / 331.0 * static_cast<double>(size.height)));
    case AugmentOp::rotate: return strength(0, 30);
    case AugmentOp::brightness:
    case AugmentOp::color:
    case AugmentOp::contrast:
    case AugmentOp::sharpness: return strength(0, 0.9);
    case AugmentOp::posterize: return posterize_bits(options.bins, options.magnitude);
    case AugmentOp::solarize: return strength(255, 0);
    case AugmentOp::identity:
    case AugmentOp::autocontrast:
    case AugmentOp::equalize:
    case AugmentOp::invert: break;
  }
  return 0;
}

RandAugmentPlan rand_augment_plan(const RandAugmentOptions& options, ImageSize size) {
  RandAugmentPlan plan;
  for (const AugmentOp op : options.ops) {
    const double magnitude = rand_augment_magnitude(op, options, size);
    plan.ops[plan.size][0] = resolve(op, magnitude, size);
    plan.ops[plan.size][1] = resolve(op, is_signed(op) ? -magnitude : magnitude, size);
    ++plan.size;
  }
  return plan;
}

}  // namespace leaven
