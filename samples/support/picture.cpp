#include "samples/support/picture.hpp"

#include <functional>
#include <map>
#include <span>
#include <utility>

namespace leaven::samples {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;
using Apply = std::function<void(const ParsedOp& op, In in, Out out, Stream stream)>;

std::int32_t integer(const ParsedOp& op, const char* key) { return static_cast<std::int32_t>(op[key]); }

WarpOptions warp_options(const ParsedOp& op) {
  return {.interpolation = op["interpolation"] == 1 ? Interpolation::bilinear : Interpolation::nearest,
          .fill = static_cast<std::uint8_t>(op["fill"])};
}

FlipAxis flip_axis(const ParsedOp& op) {
  constexpr FlipAxis kInTheOrderOfTheTable[] = {FlipAxis::left_right, FlipAxis::top_bottom, FlipAxis::both};
  return kInTheOrderOfTheTable[integer(op, "axis")];
}

ImageSize output_size(const ParsedOp& op, const ImageShape& shape) {
  if (op.name != "crop") return {shape.height, shape.width};
  const auto width = static_cast<std::int64_t>(op["width"]);
  const auto height = static_cast<std::int64_t>(op["height"]);
  if (op["x"] + op["width"] > static_cast<double>(shape.width) ||
      op["y"] + op["height"] > static_cast<double>(shape.height)) {
    throw InvalidArgument(op.text + ": reaches outside the picture, which has " + std::to_string(shape.width) + " x " +
                          std::to_string(shape.height) + " pixels");
  }
  return {height, width};
}

void apply_affine(const ParsedOp& op, In in, Out out, Stream stream) {
  const AffineParameters parameters{.angle_deg = op["angle"],
                                    .translate = {op["translate_x"], op["translate_y"]},
                                    .scale = op["scale"],
                                    .shear_x_deg = op["shear_x"],
                                    .shear_y_deg = op["shear_y"]};
  affine_warp(in, affine_matrix(parameters, {in.height, in.width}), warp_options(op), out, stream);
}

void apply_brightness(const ParsedOp& op, In in, Out out, Stream stream) {
  if (op.has("factor")) {
    brightness(in, static_cast<float>(op["factor"]), out, stream);
  } else {
    brightness_offset(in, integer(op, "offset"), out, stream);
  }
}

const Apply& find_apply(const std::string& name) {
  static const std::map<std::string, Apply> table{
      {"brightness", apply_brightness},
      {"contrast", [](auto& op, In in, Out out, Stream s) { contrast(in, static_cast<float>(op["factor"]), out, s); }},
      {"color", [](auto& op, In in, Out out, Stream s) { color(in, static_cast<float>(op["factor"]), out, s); }},
      {"posterize", [](auto& op, In in, Out out, Stream s) { posterize(in, integer(op, "bits"), out, s); }},
      {"solarize",
       [](auto& op, In in, Out out, Stream s) { solarize(in, static_cast<float>(op["threshold"]), out, s); }},
      {"solarize_add", [](auto& op, In in, Out out,
                          Stream s) { solarize_add(in, integer(op, "addend"), integer(op, "threshold"), out, s); }},
      {"sharpness",
       [](auto& op, In in, Out out, Stream s) { sharpness(in, static_cast<float>(op["factor"]), out, s); }},
      {"autocontrast", [](auto&, In in, Out out, Stream s) { autocontrast(in, out, s); }},
      {"equalize", [](auto&, In in, Out out, Stream s) { equalize(in, out, s); }},
      {"grey", [](auto&, In in, Out out, Stream s) { grey(in, out, s); }},
      {"invert", [](auto&, In in, Out out, Stream s) { invert(in, out, s); }},
      {"flip", [](auto& op, In in, Out out, Stream s) { flip(in, flip_axis(op), out, s); }},
      {"crop",
       [](auto& op, In in, Out out, Stream s) {
         crop(in, OffsetPx{integer(op, "x"), integer(op, "y")}, out, s);
       }},
      {"rotate", [](auto& op, In in, Out out, Stream s) { rotate(in, op["angle"], warp_options(op), out, s); }},
      {"shear",
       [](auto& op, In in, Out out, Stream s) {
         shear(in, Shear{op["x"], op["y"]}, warp_options(op), out, s);
       }},
      {"translate",
       [](auto& op, In in, Out out, Stream s) {
         translate(in, TranslationPx{op["x"], op["y"]}, warp_options(op), out, s);
       }},
      {"affine", apply_affine},
  };
  return table.at(name);
}

}  // namespace

Picture::Picture(const io::HostImage& image, Stream stream)
    : stream_(stream),
      shape_(image.view().shape()),
      pixels_(std::span<const std::uint8_t>(image.pixels), stream),
      result_(pixels_.size(), stream) {}

void Picture::apply(const ParsedOp& op) {
  const ImageSize size = output_size(op, shape_);
  find_apply(op.name)(op, in(), out(size), stream_);
  finish(size);
}

void Picture::apply_policy(const ParsedOp& policy, RandomKey key, std::int64_t sample_id) {
  const Buffer<std::int64_t> ids(std::span<const std::int64_t>(&sample_id, 1), stream_);
  const Buffer<std::byte> workspace(shape_.size(), stream_);
  const ImageSize size{shape_.height, shape_.width};
  const WarpOptions warp = warp_options(policy);
  if (policy.name == "trivialaugment") {
    trivial_augment(in(), ids.cspan(), {.warp = warp}, key, out(size), stream_);
  } else if (policy.name == "autoaugment") {
    const auto set = static_cast<AutoAugmentSet>(integer(policy, "set"));  // in the order of the table
    auto_augment(in(), ids.cspan(), {.set = set, .warp = warp}, key, out(size), workspace.span(), stream_);
  } else {
    const RandAugmentOptions options{
        .num_ops = integer(policy, "num_ops"), .magnitude = integer(policy, "magnitude"), .warp = warp};
    rand_augment(in(), ids.cspan(), options, key, out(size), workspace.span(), stream_);
  }
  finish(size);
  stream_.synchronize();  // before the workspace goes
}

io::HostImage Picture::to_host() const {
  io::HostImage image{shape_.height, shape_.width, shape_.channels, pixels_.to_host(stream_)};
  image.pixels.resize(static_cast<std::size_t>(shape_.size()));
  return image;
}

ImageView<const std::uint8_t> Picture::in() const { return In::nhwc(pixels_.data(), shape_); }

ImageView<std::uint8_t> Picture::out(ImageSize size) const {
  return Out::nhwc(result_.data(), {1, size.height, size.width, shape_.channels});
}

void Picture::finish(ImageSize size) {
  shape_.height = size.height;
  shape_.width = size.width;
  std::swap(pixels_, result_);
}

}  // namespace leaven::samples
