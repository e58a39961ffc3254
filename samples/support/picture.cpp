#include "samples/support/picture.hpp"

#include <array>
#include <concepts>
#include <functional>
#include <map>
#include <span>
#include <utility>

#include "samples/support/keys.hpp"

namespace leaven::samples {
namespace {

using namespace keys;
using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;
using Apply = std::function<void(const ParsedOp& op, In in, Out out, Stream stream)>;

FlipAxis flip_axis(const ParsedOp& op) {
  constexpr FlipAxis kInTheOrderOfTheTable[] = {FlipAxis::left_right, FlipAxis::top_bottom, FlipAxis::both};
  return kInTheOrderOfTheTable[whole(op, "axis")];
}

ImageSize output_size(const ParsedOp& op, const ImageShape& shape) {
  if (op.name != "crop" && op.name != "resize") return {shape.height, shape.width};
  const auto width = static_cast<std::int64_t>(op["width"]);
  const auto height = static_cast<std::int64_t>(op["height"]);
  if (op.name == "resize") return {height, width};
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

void apply_perspective(const ParsedOp& op, In in, Out out, Stream stream) {
  const auto width = static_cast<double>(in.width), height = static_cast<double>(in.height);
  const std::array<PointPx, 4> from{{{0, 0}, {width, 0}, {width, height}, {0, height}}};
  std::array<PointPx, 4> to = from;
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i].x += op["x" + std::to_string(i + 1)];
    to[i].y += op["y" + std::to_string(i + 1)];
  }
  perspective_warp(in, perspective_from_points(from, to), warp_options(op), out, stream);
}

void apply_resize(const ParsedOp& op, In in, Out out, Stream stream) {
  const auto interpolation = chosen<Interpolation>(op, "interpolation");
  const Buffer<std::byte> workspace(resize_workspace_bytes(in.shape(), {out.height, out.width}, interpolation), stream);
  resize(in, SourceBox{}, interpolation, out, workspace.span(), stream);
  stream.synchronize();  // before the workspace goes
}

void apply_brightness(const ParsedOp& op, In in, Out out, Stream stream) {
  if (op.has("factor")) {
    brightness(in, real(op, "factor"), out, stream);
  } else {
    brightness_offset(in, whole(op, "offset"), out, stream);
  }
}

const Apply& find_apply(const std::string& name) {
  static const std::map<std::string, Apply> table{
      {"brightness", apply_brightness},
      {"contrast", [](auto& op, In in, Out out, Stream s) { contrast(in, real(op, "factor"), out, s); }},
      {"color", [](auto& op, In in, Out out, Stream s) { color(in, real(op, "factor"), out, s); }},
      {"hue", [](auto& op, In in, Out out, Stream s) { hue(in, real(op, "factor"), out, s); }},
      {"posterize", [](auto& op, In in, Out out, Stream s) { posterize(in, whole(op, "bits"), out, s); }},
      {"solarize", [](auto& op, In in, Out out, Stream s) { solarize(in, real(op, "threshold"), out, s); }},
      {"solarize_add", [](auto& op, In in, Out out,
                          Stream s) { solarize_add(in, whole(op, "addend"), whole(op, "threshold"), out, s); }},
      {"sharpness", [](auto& op, In in, Out out, Stream s) { sharpness(in, real(op, "factor"), out, s); }},
      {"autocontrast", [](auto&, In in, Out out, Stream s) { autocontrast(in, out, s); }},
      {"equalize", [](auto&, In in, Out out, Stream s) { equalize(in, out, s); }},
      {"grey", [](auto&, In in, Out out, Stream s) { grey(in, out, s); }},
      {"invert", [](auto&, In in, Out out, Stream s) { invert(in, out, s); }},
      {"gaussian_blur",
       [](auto& op, In in, Out out, Stream s) { gaussian_blur(in, whole(op, "kernel_size"), op["sigma"], out, s); }},
      {"erase",
       [](auto& op, In in, Out out, Stream s) {
         const RectPx rectangle{whole(op, "x"), whole(op, "y"), whole(op, "width"), whole(op, "height")};
         erase(in, rectangle, fill_of(op), out, s);
       }},
      {"flip", [](auto& op, In in, Out out, Stream s) { flip(in, flip_axis(op), out, s); }},
      {"crop",
       [](auto& op, In in, Out out, Stream s) {
         crop(in, OffsetPx{whole(op, "x"), whole(op, "y")}, out, s);
       }},
      {"pad_crop",
       [](auto& op, In in, Out out, Stream s) {
         const OffsetPx offset{whole(op, "x"), whole(op, "y")};
         pad_crop(in, whole(op, "padding"), fill_of(op), offset, out, s);
       }},
      {"resize", apply_resize},
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
      {"perspective", apply_perspective},
  };
  return table.at(name);
}

// A policy on one picture, with a workspace for the call.
struct ApplyPolicy {
  In in;
  std::span<const std::int64_t> ids;
  RandomKey key;
  Out out;
  Stream stream;

  template <class Function>
  void with_workspace(std::int64_t size_bytes, const Function& function) const {
    const Buffer<std::byte> workspace(size_bytes, stream);
    function(workspace.span());
    stream.synchronize();  // before the workspace goes
  }

  // Not for what can become a Policy: one that is missing below would call this again and again.
  template <std::same_as<Policy> P>
  void operator()(const P& policy) const {
    std::visit(*this, policy);
  }
  void operator()(const RandomAffineOptions& o) const { random_affine(in, ids, o, key, out, stream); }
  void operator()(const TrivialAugmentOptions& o) const { trivial_augment(in, ids, o, key, out, stream); }
  void operator()(const RandomEraseOptions& o) const { random_erase(in, ids, o, key, out, stream); }
  void operator()(const RandAugmentOptions& o) const {
    with_workspace(rand_augment_workspace_bytes(in.shape(), o),
                   [&](auto workspace) { rand_augment(in, ids, o, key, out, workspace, stream); });
  }
  void operator()(const AutoAugmentOptions& o) const {
    with_workspace(auto_augment_workspace_bytes(in.shape()),
                   [&](auto workspace) { auto_augment(in, ids, o, key, out, workspace, stream); });
  }
  void operator()(const TimmRandAugmentOptions& o) const {
    with_workspace(timm_rand_augment_workspace_bytes(in.shape(), o),
                   [&](auto workspace) { timm_rand_augment(in, ids, o, key, out, workspace, stream); });
  }
  void operator()(const AugMixOptions& o) const {
    with_workspace(aug_mix_workspace_bytes(in.shape(), o),
                   [&](auto workspace) { aug_mix(in, ids, o, key, out, workspace, stream); });
  }
  void operator()(const ColourJitterOptions& o) const {
    with_workspace(colour_jitter_workspace_bytes(in.shape(), o),
                   [&](auto workspace) { colour_jitter(in, ids, o, key, out, workspace, stream); });
  }
  void operator()(const RandomResizedCrop& o) const {
    with_workspace(random_resized_crop_workspace_bytes(in.shape(), o.size, o.crop.interpolation),
                   [&](auto workspace) { random_resized_crop(in, ids, o.crop, key, out, workspace, stream); });
  }
};

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

void Picture::apply_policy(const ParsedPolicy& policy, RandomKey key, std::int64_t sample_id) {
  const Buffer<std::int64_t> ids(std::span<const std::int64_t>(&sample_id, 1), stream_);
  const auto* crop = std::get_if<RandomResizedCrop>(&policy.step);
  const ImageSize size = crop ? crop->size : ImageSize{shape_.height, shape_.width};
  std::visit(ApplyPolicy{in(), ids.cspan(), key, out(size), stream_}, policy.step);
  finish(size);
  stream_.synchronize();  // before the ids go
}

io::HostImage Picture::to_host() const {
  io::HostImage image{shape_.height, shape_.width, shape_.channels, pixels_.to_host(stream_)};
  image.pixels.resize(static_cast<std::size_t>(shape_.size()));
  return image;
}

ImageView<const std::uint8_t> Picture::in() const { return In::nhwc(pixels_.data(), shape_); }

ImageView<std::uint8_t> Picture::out(ImageSize size) {
  const ImageShape shape{1, size.height, size.width, shape_.channels};
  if (shape.size() > result_.size()) result_ = Buffer<std::uint8_t>(shape.size(), stream_);
  return Out::nhwc(result_.data(), shape);
}

void Picture::finish(ImageSize size) {
  shape_.height = size.height;
  shape_.width = size.width;
  std::swap(pixels_, result_);
}

}  // namespace leaven::samples
