#include "samples/support/keys.hpp"

namespace leaven::samples {
namespace {

using namespace keys;
using Needs = OpSpec::Needs;

constexpr double kLargestSide = 1 << 28;
constexpr double kLargestResult = 1 << 14;  // of resize: what fits in a picture file, whatever the other side

KeySpec factor() { return number("factor", 0, 1000); }

std::vector<OpSpec> make_operations() {
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
      {"hue", "turns the hue by a part of the circle: 0.5 and -0.5 give the opposite", {number("factor", -0.5, 0.5)}},
      {"posterize", "keeps the upper bits of each value", {integer("bits", 0, 8)}},
      {"solarize", "inverts the values that reach the threshold, a grey level", {number("threshold", 0, 256)}},
      {"solarize_add",
       "adds to the values below the threshold, grey levels",
       {otherwise(110, integer("addend", 0, 255)), otherwise(128, integer("threshold", 0, 256))}},
      {"invert", "255 - value", {}},
      {"gaussian_blur",
       "a weighted mean of kernel_size x kernel_size pixels; sigma: the width of the bell, in pixels",
       {odd_integer("kernel_size", 1, 63), between("sigma", 0, 1000)}},
      {"erase",
       "paints a rectangle; x, y: its upper left corner, all in pixels",
       {integer("x", -kLargestSide, kLargestSide), integer("y", -kLargestSide, kLargestSide),
        integer("width", 1, kLargestSide), integer("height", 1, kLargestSide), fill()}},
      {"flip", "mirrors", {choice("axis", {"left_right", "top_bottom", "both"})}},
      {"crop",
       "cuts out a part; x, y: its upper left corner, all in pixels",
       {integer("x", 0, kLargestSide), integer("y", 0, kLargestSide), integer("width", 1, kLargestSide),
        integer("height", 1, kLargestSide)}},
      {"pad_crop",
       "a border on all sides, then a part of the old size with its upper left corner at x, y",
       {integer("padding", 0, 4096), integer("x", 0, 8192), integer("y", 0, 8192), fill()}},
      {"resize",
       "to this size in pixels, as Pillow, with antialiasing",
       {integer("width", 1, kLargestResult), integer("height", 1, kLargestResult), otherwise(1, interpolation())}},
  };
  std::vector<OpSpec> warps = with_warp({
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
      {"perspective",
       "moves the corners by pixels: 1 upper left, 2 upper right, 3 lower right, 4 lower left",
       {otherwise(0, any_number("x1")), otherwise(0, any_number("y1")), otherwise(0, any_number("x2")),
        otherwise(0, any_number("y2")), otherwise(0, any_number("x3")), otherwise(0, any_number("y3")),
        otherwise(0, any_number("x4")), otherwise(0, any_number("y4"))},
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

}  // namespace leaven::samples
