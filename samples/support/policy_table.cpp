#include "samples/support/keys.hpp"

namespace leaven::samples {
namespace {

using namespace keys;
using Needs = OpSpec::Needs;

KeySpec probability(double value) { return otherwise(value, number("probability", 0, 1)); }
KeySpec alpha(const char* name, double value) { return otherwise(value, between(name, 0, 1000)); }

std::vector<OpSpec> make_policies() {
  std::vector<OpSpec> policies = with_warp({
      {"randaugment",
       "num_ops operations drawn at random for each picture and copy",
       {otherwise(2, integer("num_ops", 1, 16)), otherwise(9, integer("magnitude", 0, 30))}},
      {"trivialaugment",
       "one operation of random strength for each picture and copy",
       {otherwise(31, integer("bins", 2, 32))}},
      {"autoaugment",
       "one of 25 pairs of operations that were searched for on a data set",
       {otherwise(0, choice("set", {"imagenet", "cifar10", "svhn"}))}},
  });
  for (OpSpec& mixes : with_warp({{"augmix",
                                   "the mean of the picture and of width chains of operations; depth 0: drawn, 1 to 3",
                                   {otherwise(3, integer("severity", 1, 10)), otherwise(3, integer("width", 1, 8)),
                                    otherwise(0, integer("depth", 0, 6)), alpha("alpha", 1),
                                    otherwise(0, choice("strengths", {"torchvision", "timm"}))}}},
                                 1)) {
    policies.push_back(std::move(mixes));
  }
  for (OpSpec& affine :
       with_warp({{"random_affine",
                   "torchvision's RandomAffine: angle and shears in degrees, translations to either side as a "
                   "part of it",
                   {otherwise(0, number("angle_least", -360, 360)), otherwise(0, number("angle_most", -360, 360)),
                    otherwise(0, number("translate_x", 0, 1)), otherwise(0, number("translate_y", 0, 1)),
                    otherwise(1, number("scale_least", 0.001, 1000)), otherwise(1, number("scale_most", 0.001, 1000)),
                    otherwise(0, number("shear_x_least", -89, 89)), otherwise(0, number("shear_x_most", -89, 89)),
                    otherwise(0, number("shear_y_least", -89, 89)), otherwise(0, number("shear_y_most", -89, 89))},
                   Needs::some_key}})) {
    policies.push_back(std::move(affine));
  }
  const std::vector<OpSpec> others{
      {"jitter",
       "torchvision's ColorJitter: factors 1 - x to 1 + x, hue -x to x, in an order that is drawn",
       {otherwise(0, number("brightness", 0, 1000)), otherwise(0, number("contrast", 0, 1000)),
        otherwise(0, number("saturation", 0, 1000)), otherwise(0, number("hue", 0, 0.5))},
       Needs::some_key},
      {"random_erase",
       "paints a rectangle; scale: its part of the area, ratio: height / width",
       {probability(0.5), otherwise(0.02, number("scale_least", 0, 1)), otherwise(1.0 / 3, number("scale_most", 0, 1)),
        otherwise(0.3, number("ratio_least", 0, 1000)), otherwise(3.3, number("ratio_most", 0, 1000)), fill()}},
      {"random_resized_crop",
       "a part, scaled to this size in pixels; scale: its part of the area, ratio: width / height",
       {integer("width", 1, 1 << 14), integer("height", 1, 1 << 14), otherwise(0.08, number("scale_least", 0, 1)),
        otherwise(1, number("scale_most", 0, 1)), otherwise(0.75, number("ratio_least", 0, 1000)),
        otherwise(4.0 / 3, number("ratio_most", 0, 1000)), otherwise(1, interpolation())}},
  };
  policies.insert(policies.end(), others.begin(), others.end());
  return policies;
}

std::vector<OpSpec> make_mixes() {
  std::vector<OpSpec> mixes{
      {"cutmix", "a box of another picture is pasted", {alpha("alpha", 1)}},
      {"mixup", "the weighted mean of two pictures", {alpha("alpha", 0.2)}},
      {"cutmix_or_mixup",
       "one of both; cutmix_probability: of what is mixed",
       {alpha("cutmix_alpha", 1), alpha("mixup_alpha", 0.8), otherwise(0.5, number("cutmix_probability", 0, 1))}},
  };
  for (OpSpec& mix : mixes) {
    mix.keys.push_back(probability(1));
    mix.keys.push_back(otherwise(0, choice("partner", {"previous", "mirrored", "permuted"})));
    mix.keys.push_back(otherwise(0, choice("draws", {"per_sample", "per_pair", "per_batch"})));
  }
  return mixes;
}

}  // namespace

std::span<const OpSpec> policy_specs() {
  static const std::vector<OpSpec> policies = make_policies();
  return policies;
}

std::span<const OpSpec> mix_specs() {
  static const std::vector<OpSpec> mixes = make_mixes();
  return mixes;
}

}  // namespace leaven::samples
