#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/epoch.hpp"
#include "kernels/augment/image_op.hpp"
#include "kernels/augment/rotation.hpp"
#include "kernels/augment/warp.hpp"
#include "kernels/core/annotate.hpp"
#include "kernels/core/elementary.hpp"
#include "kernels/core/philox.hpp"

// Policies: what is drawn for an image, layer by layer, the same on host and device.
namespace leaven {

inline constexpr std::int32_t kMostLayers =
    static_cast<std::int32_t>(DrawSlot::dropout) - static_cast<std::int32_t>(DrawSlot::policy_layer);

struct PolicyChoice {
  AugmentOp op = AugmentOp::identity;
  float probability = 1;  // that it happens
};

// How a strength is drawn: one of a table's; a level of 0 to 10, as timm has them; a factor of an interval (the
// operations then come in a drawn order); the parameters of an affine map.
enum class PolicyDraws : std::int32_t { bins, levels, jitter, affine };

inline constexpr std::int32_t kMostChains = 8;
inline constexpr std::int32_t kMostChainLayers = 6;
static_assert(kMostChains * kMostChainLayers <= kMostLayers);

// What to draw from. Strengths are those of the positive sign. Goes to a kernel by value.
struct PolicyPlan {
  static constexpr std::int32_t kMostChoices = 50;
  static constexpr std::int32_t kMostStrengths = 512;

  PolicyDraws draws = PolicyDraws::bins;
  std::int32_t layers = 0;
  std::int32_t size = 0;    // choices of each layer
  std::int32_t groups = 0;  // not 0: each image draws one of so many groups, layer k is choice k of the group
  std::int32_t bins = 1;    // strengths of a choice, one of which is drawn
  std::int32_t height = 0;  // of the images
  std::int32_t width = 0;
  float level = 0, level_std = 0, level_most = 10;  // levels; an infinite deviation: uniform, 0 to `level`
  bool increasing = false;                          // levels
  std::int32_t chains = 0;  // AugMix: layers 0 .. chain_layers - 1 are the first chain, and so on
  std::int32_t chain_layers = 0;
  bool depth_is_drawn = false;  // a chain ends after 1 to chain_layers layers
  float alpha = 1;
  PolicyChoice choices[kMostChoices]{};
  float strengths[kMostStrengths]{};  // bins: [choice][bin]; jitter, affine: least and range of each choice
};

LEAVEN_HD bool has_sign(AugmentOp op) {
  return (op >= AugmentOp::shear_x && op <= AugmentOp::sharpness) || op == AugmentOp::hue;
}

// torchvision's _apply_op: how a strength becomes the parameter of an operation.
LEAVEN_HD ImageOp resolve_op(AugmentOp op, float strength, bool negative, std::int64_t height, std::int64_t width) {
  const double m = negative && has_sign(op) ? -static_cast<double>(strength) : static_cast<double>(strength);
  const auto factor = static_cast<float>(1.0 + m);
  switch (op) {
    case AugmentOp::identity: break;
    case AugmentOp::shear_x: return shear_op(m, 0);
    case AugmentOp::shear_y: return shear_op(0, m);
    case AugmentOp::translate_x: return translate_op(m, 0);
    case AugmentOp::translate_y: return translate_op(0, m);
    case AugmentOp::rotate: return rotate_op(m, height, width);
    case AugmentOp::brightness: return value_op(ImageOpKind::brightness, factor);
    case AugmentOp::color: return value_op(ImageOpKind::color, factor);
    case AugmentOp::contrast: return value_op(ImageOpKind::contrast, factor);
    case AugmentOp::sharpness: return value_op(ImageOpKind::sharpness, factor);
    case AugmentOp::posterize: return posterize_op(static_cast<std::int32_t>(strength));
    case AugmentOp::solarize: return value_op(ImageOpKind::solarize, strength);
    case AugmentOp::autocontrast: return value_op(ImageOpKind::autocontrast, 0);
    case AugmentOp::equalize: return value_op(ImageOpKind::equalize, 0);
    case AugmentOp::invert: return value_op(ImageOpKind::invert, 0);
    case AugmentOp::solarize_add: return solarize_add_op(static_cast<std::int32_t>(strength), 128);
    case AugmentOp::hue: return hue_op(m);
  }
  return {};
}

// Colour jitter: the strength is the factor itself.
LEAVEN_HD ImageOp resolve_factor(AugmentOp op, float factor) {
  switch (op) {
    case AugmentOp::brightness: return value_op(ImageOpKind::brightness, factor);
    case AugmentOp::contrast: return value_op(ImageOpKind::contrast, factor);
    case AugmentOp::color: return value_op(ImageOpKind::color, factor);
    default: return hue_op(factor);
  }
}

// timm's _level_to_arg functions. Translation is a part of the side, and of the opposite sign to torchvision's.
LEAVEN_HD ImageOp resolve_level(AugmentOp op, double level, bool negative, bool increasing, std::int64_t height,
                                std::int64_t width) {
  const double part = level / 10.0;
  const double sign = negative ? -1.0 : 1.0;
  const auto truncated = [](double v) { return static_cast<std::int32_t>(v); };
  double enhanced = part * 1.8 + 0.1;
  if (increasing) {
    enhanced = 1.0 + sign * (part * 0.9);
    enhanced = enhanced > 0.1 ? enhanced : 0.1;
  }
  const std::int32_t threshold = truncated(part * 256) < 256 ? truncated(part * 256) : 256;
  const std::int32_t added = truncated(part * 110) < 128 ? truncated(part * 110) : 128;
  const auto factor = static_cast<float>(enhanced);
  switch (op) {
    case AugmentOp::shear_x: return shear_op(sign * (part * 0.3), 0);
    case AugmentOp::shear_y: return shear_op(0, sign * (part * 0.3));
    case AugmentOp::translate_x: return translate_op(-(sign * (part * 0.45) * static_cast<double>(width)), 0);
    case AugmentOp::translate_y: return translate_op(0, -(sign * (part * 0.45) * static_cast<double>(height)));
    case AugmentOp::rotate: return rotate_op(sign * (part * 30.0), height, width);
    case AugmentOp::brightness: return value_op(ImageOpKind::brightness, factor);
    case AugmentOp::color: return value_op(ImageOpKind::color, factor);
    case AugmentOp::contrast: return value_op(ImageOpKind::contrast, factor);
    case AugmentOp::sharpness: return value_op(ImageOpKind::sharpness, factor);
    case AugmentOp::posterize: return posterize_op(increasing ? 4 - truncated(part * 4) : truncated(part * 4));
    case AugmentOp::solarize:
      return value_op(ImageOpKind::solarize, static_cast<float>(increasing ? 256 - threshold : threshold));
    case AugmentOp::solarize_add: return solarize_add_op(added, 128);
    case AugmentOp::hue: return hue_op(sign * (part * 0.5));
    default: return resolve_op(op, 0, false, height, width);
  }
}

LEAVEN_HD SinCos sin_cos_deg(double degrees) { return sin_cos(modulo_360(degrees) * (3.14159265358979323846 / 180.0)); }

// torchvision's inverse affine matrix about the centre; degrees and pixels.
LEAVEN_HD ImageOp affine_about_centre(double angle, double shift_x, double shift_y, double scale, double shear_x,
                                      double shear_y, double height, double width) {
  const SinCos turned = sin_cos_deg(angle - shear_y);
  const SinCos rotated = sin_cos_deg(angle);
  const double cos_y = sin_cos_deg(shear_y).cos;
  const SinCos sheared = sin_cos_deg(shear_x);
  const double tan_x = sheared.sin / sheared.cos;
  const double a = turned.cos / cos_y;
  const double b = -(turned.cos * tan_x / cos_y) - rotated.sin;
  const double c = turned.sin / cos_y;
  const double d = -(turned.sin * tan_x / cos_y) + rotated.cos;
  const double m0 = d / scale;
  const double m1 = -b / scale;
  const double m3 = -c / scale;
  const double m4 = a / scale;
  const double cx = width * 0.5;
  const double cy = height * 0.5;
  return affine_op(m0, m1, m0 * (-cx - shift_x) + m1 * (-cy - shift_y) + cx, m3, m4,
                   m3 * (-cx - shift_x) + m4 * (-cy - shift_y) + cy);
}

// Standard normal, by Box and Muller. 31 bits of `word_v` count.
LEAVEN_HD double normal(std::uint32_t word_u, std::uint32_t word_v) {
  constexpr double kTwoLn2 = 1.3862943611198906;
  const double cosine = exact::cos_quarter((static_cast<double>(word_v & 0x3FFFFFFFu) + 0.5) * 0x1p-30);
  const double radius = exact::sqrt(-kTwoLn2 * exact::log2(open_uniform(word_u)));
  return (word_v >> 30 & 1) != 0 ? -radius * cosine : radius * cosine;
}

// Element `which` of the permutation number `index` of 0 .. size - 1, size at most 4.
LEAVEN_HD std::int32_t permutation_element(std::int32_t index, std::int32_t size, std::int32_t which) {
  std::uint32_t left = 0x3210;  // what is not taken yet, a hexadecimal digit each
  for (std::int32_t k = 0;; ++k) {
    const std::int32_t pick = index % (size - k);
    index /= size - k;
    const auto element = static_cast<std::int32_t>(left >> (4 * pick) & 15);
    if (k == which) return element;
    const std::uint32_t below = (1u << (4 * pick)) - 1;
    left = (left & below) | (left >> 4 & ~below);
  }
}

// The source (op_source.hpp) of one layer: image i is sample ids[i]. Words of a layer's draw: operation, sign,
// strength, whether it happens.
struct PolicySource {
  static constexpr std::uint32_t kKinds =
      kind_bit(ImageOpKind::copy) | kind_bit(ImageOpKind::brightness) | kind_bit(ImageOpKind::contrast) |
      kind_bit(ImageOpKind::color) | kind_bit(ImageOpKind::posterize) | kind_bit(ImageOpKind::solarize) |
      kind_bit(ImageOpKind::solarize_add) | kind_bit(ImageOpKind::hue) | kind_bit(ImageOpKind::invert) |
      kind_bit(ImageOpKind::autocontrast) | kind_bit(ImageOpKind::equalize) | kind_bit(ImageOpKind::sharpness) |
      kind_bit(ImageOpKind::affine) | kind_bit(ImageOpKind::flip_both) | kind_bit(ImageOpKind::rotate_90) |
      kind_bit(ImageOpKind::rotate_270);
  PolicyPlan plan;
  std::uint64_t seed;
  Epoch epoch;
  std::int32_t layer;
  const std::int64_t* ids;
  bool geometry_only = false;  // other operations become copies

  LEAVEN_HD ImageOp operator()(std::int64_t image) const { return of_layer(image, layer); }

  LEAVEN_HD ImageOp of_layer(std::int64_t image, std::int32_t which) const {
    const ImageOp op = drawn(image, which);
    return geometry_only && !is_geometry(op.kind) ? ImageOp{} : op;
  }

 private:
  LEAVEN_HD ImageOp drawn(std::int64_t image, std::int32_t which) const {
    const auto id = static_cast<std::uint64_t>(ids[image]);
    const auto slot = static_cast<std::uint32_t>(DrawSlot::policy_layer) + static_cast<std::uint32_t>(which);
    const Philox4 words = draw(seed, epoch, id, slot);
    if (plan.depth_is_drawn) {
      const auto chain = static_cast<std::uint32_t>(which / plan.chain_layers);
      const Philox4 depth = draw(seed, epoch, id, static_cast<std::uint32_t>(DrawSlot::aug_mix_depth) + chain);
      if (which % plan.chain_layers > uniform_index(depth.x, plan.chain_layers)) return {};
    }
    if (plan.draws == PolicyDraws::jitter) {
      std::int32_t orders = 1;
      for (std::int32_t k = 2; k <= plan.size; ++k) orders *= k;
      const std::int32_t order = uniform_index(draw(seed, epoch, id, DrawSlot::policy_group).x, orders);
      const std::int32_t element = permutation_element(order, plan.size, which);
      const double range = plan.strengths[2 * element + 1];
      const double factor = plan.strengths[2 * element] + range * open_uniform(words.z);
      return resolve_factor(plan.choices[element].op, static_cast<float>(factor));
    }
    if (plan.draws == PolicyDraws::affine) return drawn_affine(words, draw(seed, epoch, id, DrawSlot::policy_group));
    std::int32_t choice = 0;
    if (plan.groups > 0) {
      choice = uniform_index(draw(seed, epoch, id, DrawSlot::policy_group).x, plan.groups) * plan.layers + which;
    } else {
      choice = uniform_index(words.x, plan.size);
    }
    const PolicyChoice& chosen = plan.choices[choice];
    if (!(uniform01(words.w) < chosen.probability)) return {};
    const bool negative = (words.y >> 31) != 0;
    if (plan.draws == PolicyDraws::levels) {
      double level = plan.level;
      if (plan.level_std > 3.0e38f) {
        level *= open_uniform(words.z);
      } else if (plan.level_std > 0) {
        level += plan.level_std * normal(words.z, words.y);
      }
      level = level < plan.level_most ? level : plan.level_most;
      return resolve_level(chosen.op, level > 0 ? level : 0, negative, plan.increasing, plan.height, plan.width);
    }
    const std::int32_t bin = plan.bins > 1 ? uniform_index(words.z, plan.bins) : 0;
    return resolve_op(chosen.op, plan.strengths[choice * plan.bins + bin], negative, plan.height, plan.width);
  }

  // Strengths: angle, shifts, scale, shears.
  LEAVEN_HD ImageOp drawn_affine(const Philox4& first, const Philox4& second) const {
    const auto uniform = [&](int k, std::uint32_t word) {
      return plan.strengths[2 * k] + static_cast<double>(plan.strengths[2 * k + 1]) * open_uniform(word);
    };
    const auto whole = [](double pixels) { return static_cast<double>(floor_to_int(pixels + 0.5)); };
    return affine_about_centre(uniform(0, first.x), whole(uniform(1, first.y)), whole(uniform(2, first.z)),
                               uniform(3, first.w), uniform(4, second.x), uniform(5, second.y), plan.height,
                               plan.width);
  }
};
static_assert(sizeof(PolicySource) <= 3072, "kernel parameters have 4 KiB");

}  // namespace leaven
