#include "samples/support/op_spec.hpp"

namespace leaven::samples {
namespace {

using Kind = KeySpec::Kind;
using Needs = OpSpec::Needs;

KeySpec number(std::string name, double lowest, double highest) {
  return {.name = std::move(name), .lowest = lowest, .highest = highest};
}
KeySpec any_number(std::string name) { return number(std::move(name), -1e6, 1e6); }
KeySpec integer(std::string name, double lowest, double highest) {
  return {.name = std::move(name), .kind = Kind::integer, .lowest = lowest, .highest = highest};
}
KeySpec choice(std::string name, std::vector<std::string> choices) {
  return {.name = std::move(name), .kind = Kind::choice, .choices = std::move(choices)};
}
KeySpec otherwise(double value, KeySpec key) {
  key.value_if_absent = value;
  return key;
}
KeySpec between(std::string name, double lowest, double highest) {
  KeySpec key = number(std::move(name), lowest, highest);
  key.without_ends = true;
  return key;
}
KeySpec factor() { return number("factor", 0, 1000); }

std::vector<OpSpec> geometry(std::vector<OpSpec> ops) {
  for (OpSpec& op : ops) {
    for (KeySpec key : {choice("interpolation", {"nearest", "bilinear"}), integer("fill", 0, 255)}) {
      key.counts = false;
      op.keys.push_back(otherwise(0, key));
    }
  }
  return ops;
}

std::vector<OpSpec> make_operations() {
  constexpr double kLargestSide = 1 << 28;
  std::vector<OpSpec> ops{
      {"brightness",
       "factor: as Pillow, 1 changes nothing; offset: grey levels added",
       {factor(), integer("offset", -255, 255)},
       Needs::exactly_one_key},
      {"contrast", "as Pillow: 1 changes nothing, 0 gives one grey level", {factor()}},
      {"sharpness", "as Pillow: 1 changes nothing, 0 gives a smooth picture", {factor()}},
      {"autocontrast", "stretches each channel so that it reaches 0 and 255", {}},
      {"equalize", "makes each channel's histogram flat", {}},
      {"grey", "the luma in every channel", {}},
      {"color", "saturation, as Pillow: 1 changes nothing, 0 gives grey", {factor()}},
      {"posterize", "keeps the upper bits of each value", {integer("bits", 0, 8)}},
      {"solarize", "inverts the values that reach the threshold, a grey level", {number("threshold", 0, 256)}},
      {"solarize_add",
       "adds to the values below the threshold, grey levels",
       {otherwise(110, integer("addend", 0, 255)), otherwise(128, integer("threshold", 0, 256))}},
      {"invert", "255 - value", {}},
      {"flip", "mirrors", {choice("axis", {"left_right", "top_bottom", "both"})}},
      {"crop",
       "cuts out a part; x, y: its upper left corner, all in pixels",
       {integer("x", 0, kLargestSide), integer("y", 0, kLargestSide), integer("width", 1, kLargestSide),
        integer("height", 1, kLargestSide)}},
  };
  std::vector<OpSpec> warps = geometry({
      {"rotate", "about the centre, in degrees, counter-clockwise", {any_number("angle")}},
      {"shear",
       "about the upper left corner; x: pixels per row, y: pixels per column",
       {otherwise(0, any_number("x")), otherwise(0, any_number("y"))},
       Needs::some_key},
      {"translate",
       "pixels to the right and down",
       {otherwise(0, any_number("x")), otherwise(0, any_number("y"))},
       Needs::some_key},
      {"affine",
       "as torchvision, about the centre: degrees clockwise, pixels, times, degrees",
       {otherwise(0, any_number("angle")), otherwise(0, any_number("translate_x")),
        otherwise(0, any_number("translate_y")), otherwise(1, between("scale", 0, 1000)),
        otherwise(0, between("shear_x", -90, 90)), otherwise(0, between("shear_y", -90, 90))},
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
                 "num_ops operations drawn at random for each picture and copy",
                 {otherwise(2, integer("num_ops", 1, 16)), otherwise(9, integer("magnitude", 0, 30))}},
                {"trivialaugment", "one operation of random strength for each picture and copy", {}},
                {"autoaugment",
                 "one of 25 pairs of operations that were searched for on a data set",
                 {otherwise(0, choice("set", {"imagenet", "cifar10", "svhn"}))}}});
  return policies;
}

}  // namespace leaven::samples
