#include "samples/support/op_spec.hpp"

namespace leaven::samples {
namespace {

using Kind = KeySpec::Kind;
using Needs = OpSpec::Needs;

constexpr double kAny = 1e6;

KeySpec number(std::string name, std::string meaning, double lowest, double highest) {
  return {.name = std::move(name), .lowest = lowest, .highest = highest, .meaning = std::move(meaning)};
}
KeySpec integer(std::string name, std::string meaning, double lowest, double highest) {
  KeySpec key = number(std::move(name), std::move(meaning), lowest, highest);
  key.kind = Kind::integer;
  return key;
}
KeySpec choice(std::string name, std::vector<std::string> choices) {
  return {.name = std::move(name), .kind = Kind::choice, .choices = std::move(choices)};
}
KeySpec otherwise(double value, KeySpec key) {
  key.value_if_absent = value;
  return key;
}
KeySpec open_interval(KeySpec key) {
  key.above_lowest = true;
  key.below_highest = true;
  return key;
}

KeySpec factor() { return number("factor", "1: unchanged", 0, 1000); }

std::vector<OpSpec> geometry(std::vector<OpSpec> ops) {
  for (OpSpec& op : ops) {
    for (KeySpec key : {choice("interpolation", {"nearest", "bilinear"}), integer("fill", "grey level", 0, 255)}) {
      key.counts = false;
      op.keys.push_back(otherwise(0, key));
    }
  }
  return ops;
}

std::vector<OpSpec> make_operations() {
  std::vector<OpSpec> ops{
      {"brightness",
       "as Pillow (factor), or adds offset grey levels",
       {factor(), integer("offset", "grey levels", -255, 255)},
       Needs::exactly_one_key},
      {"contrast", "as Pillow", {factor()}},
      {"color", "saturation, as Pillow", {factor()}},
      {"posterize", "keeps the upper bits", {integer("bits", "bits", 0, 8)}},
      {"solarize", "inverts values of the threshold and above", {number("threshold", "grey level", 0, 256)}},
      {"invert", "255 - value", {}},
      {"flip", "mirrors", {choice("axis", {"left_right", "top_bottom", "both"})}},
      {"crop",
       "cuts out a part",
       {integer("x", "px from the left", 0, 1e9), integer("y", "px from the top", 0, 1e9),
        integer("width", "px", 1, 1e9), integer("height", "px", 1, 1e9)}},
  };
  std::vector<OpSpec> warps = geometry({
      {"rotate", "about the centre", {number("angle", "degrees counter-clockwise", -kAny, kAny)}},
      {"shear",
       "about the top left corner",
       {otherwise(0, number("x", "px per row", -kAny, kAny)), otherwise(0, number("y", "px per column", -kAny, kAny))},
       Needs::some_key},
      {"translate",
       "shifts the content",
       {otherwise(0, number("x", "px to the right", -kAny, kAny)), otherwise(0, number("y", "px down", -kAny, kAny))},
       Needs::some_key},
      {"affine",
       "as torchvision, about the centre",
       {otherwise(0, number("angle", "degrees clockwise", -kAny, kAny)),
        otherwise(0, number("translate_x", "px to the right", -kAny, kAny)),
        otherwise(0, number("translate_y", "px down", -kAny, kAny)),
        otherwise(1, open_interval(number("scale", "times", 0, 1000))),
        otherwise(0, open_interval(number("shear_x", "degrees", -90, 90))),
        otherwise(0, open_interval(number("shear_y", "degrees", -90, 90)))},
       Needs::some_key},
  });
  ops.insert(ops.end(), warps.begin(), warps.end());
  return ops;
}

}  // namespace

std::span<const OpSpec> operation_specs() {
  static const std::vector<OpSpec> ops = make_operations();
  return ops;
}

std::span<const OpSpec> policy_specs() {
  static const std::vector<OpSpec> policies =
      geometry({{"randaugment",
                 "operations drawn at random for each picture and copy",
                 {otherwise(2, integer("num_ops", "operations for each picture", 1, 16)),
                  otherwise(9, integer("magnitude", "strength", 0, 30))}}});
  return policies;
}

}  // namespace leaven::samples
