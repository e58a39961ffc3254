#include "samples/support/policies.hpp"

#include "samples/support/command_line.hpp"
#include "samples/support/keys.hpp"
#include "samples/support/picture.hpp"

namespace leaven::samples {
namespace {

using namespace keys;

Interval interval(const ParsedOp& op, const std::string& key) { return {op[key + "_least"], op[key + "_most"]}; }

decltype(ParsedPolicy::step) step_of(const ParsedOp& op) {
  if (op.name == "random_erase") {
    RandomEraseOptions erase;
    erase.probability = real(op, "probability");
    erase.scale = interval(op, "scale");
    erase.ratio = interval(op, "ratio");
    erase.colour = fill_of(op);
    return erase;
  }
  if (op.name == "random_resized_crop") {
    return RandomResizedCrop{.size = {whole(op, "height"), whole(op, "width")},
                             .crop = {.scale = interval(op, "scale"),
                                      .ratio = interval(op, "ratio"),
                                      .interpolation = chosen<Interpolation>(op, "interpolation")}};
  }
  if (op.name == "jitter") {
    return ColourJitterOptions{.brightness = real(op, "brightness"),
                               .contrast = real(op, "contrast"),
                               .saturation = real(op, "saturation"),
                               .hue = real(op, "hue")};
  }
  const WarpOptions warp = warp_options(op);
  if (op.name == "augmix") {
    return AugMixOptions{.severity = whole(op, "severity"),
                         .width = whole(op, "width"),
                         .depth = whole(op, "depth"),
                         .alpha = real(op, "alpha"),
                         .strengths = chosen<AugMixStrengths>(op, "strengths"),
                         .warp = warp};
  }
  if (op.name == "random_affine") {
    return RandomAffineOptions{.angle_deg = interval(op, "angle"),
                               .translate_x = real(op, "translate_x"),
                               .translate_y = real(op, "translate_y"),
                               .scale = interval(op, "scale"),
                               .shear_x_deg = interval(op, "shear_x"),
                               .shear_y_deg = interval(op, "shear_y"),
                               .warp = warp};
  }
  if (op.name == "trivialaugment") return TrivialAugmentOptions{.bins = whole(op, "bins"), .warp = warp};
  if (op.name == "autoaugment") return AutoAugmentOptions{.set = chosen<AutoAugmentSet>(op, "set"), .warp = warp};
  return RandAugmentOptions{.num_ops = whole(op, "num_ops"), .magnitude = whole(op, "magnitude"), .warp = warp};
}

}  // namespace

WarpOptions warp_options(const ParsedOp& op) {
  return {.interpolation = chosen<Interpolation>(op, "interpolation"),
          .fill = fill_of(op),
          .border = chosen<Border>(op, "border")};
}

ParsedPolicy parse_policy(std::string_view text) {
  ParsedPolicy policy{.name = std::string(text), .text = std::string(text), .step = {}};
  if (text == "rand" || text.starts_with("rand-") || text.starts_with("augmix-")) {
    as_usage_error(text, [&] { policy.step = timm_policy(text); });
  } else {
    const ParsedOp op = parse_op(text, policy_specs());
    policy.name = op.name;
    policy.step = step_of(op);
  }
  const OwnedStream stream(Backend::cpu);
  const io::HostImage one_pixel{1, 1, 3, {0, 0, 0}};
  ParsedPolicy small = policy;
  if (auto* crop = std::get_if<RandomResizedCrop>(&small.step)) crop->size = {1, 1};
  as_usage_error(text, [&] { Picture(one_pixel, stream).apply_policy(small, {}, 0); });
  return policy;
}

}  // namespace leaven::samples
