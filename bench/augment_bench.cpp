#include <functional>
#include <string>

#include <leaven/augment.hpp>
#include "bench/support.hpp"

// Every augmentation by its public function, with the parameters of the peers' benchmark: factor 1.5, 4 bits, threshold
// 128, 17 degrees, scale 0.9, shear 10 degrees, shift 10 %, a crop with 4 pixels of padding. One value for the batch.
namespace leaven::bench {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;
using Operation = std::function<void(In, Out, Stream)>;

AffineMatrix matrix(const In& in) {
  return affine_matrix(
      {.angle_deg = 17,
       .translate = {.x = 0.1 * static_cast<double>(in.width), .y = 0.1 * static_cast<double>(in.height)},
       .scale = 0.9,
       .shear_x_deg = 10},
      {.height = in.height, .width = in.width});
}

constexpr WarpOptions kBilinear{.interpolation = Interpolation::bilinear};
constexpr WarpOptions kBicubic{.interpolation = Interpolation::bicubic};
constexpr WarpOptions kReflect{.interpolation = Interpolation::bilinear, .border = Border::reflect};
constexpr PerspectiveMatrix kPerspective{{0.9, 0.1, 1.0, -0.05, 1.1, -2.0, 0.001, -0.0005}};

const std::vector<std::pair<std::string, Operation>> kOperations = {
    {"brightness", [](In in, Out out, Stream s) { brightness(in, 1.5f, out, s); }},
    {"brightness_offset", [](In in, Out out, Stream s) { brightness_offset(in, 40, out, s); }},
    {"contrast", [](In in, Out out, Stream s) { contrast(in, 1.5f, out, s); }},
    {"color", [](In in, Out out, Stream s) { color(in, 1.5f, out, s); }},
    {"hue", [](In in, Out out, Stream s) { hue(in, 0.1f, out, s); }},
    {"erase",
     [](In in, Out out, Stream s) {
       erase(in, RectPx{4, 4, 12, 12}, 0, out, s);
     }},
    {"posterize", [](In in, Out out, Stream s) { posterize(in, 4, out, s); }},
    {"solarize", [](In in, Out out, Stream s) { solarize(in, 128.0f, out, s); }},
    {"solarize_add", [](In in, Out out, Stream s) { solarize_add(in, 110, 128, out, s); }},
    {"invert", [](In in, Out out, Stream s) { invert(in, out, s); }},
    {"grey", [](In in, Out out, Stream s) { grey(in, out, s); }},
    {"autocontrast", [](In in, Out out, Stream s) { autocontrast(in, out, s); }},
    {"equalize", [](In in, Out out, Stream s) { equalize(in, out, s); }},
    {"sharpness", [](In in, Out out, Stream s) { sharpness(in, 1.5f, out, s); }},
    {"gaussian_blur_9", [](In in, Out out, Stream s) { gaussian_blur(in, 9, 1.5, out, s); }},
    {"gaussian_blur_23", [](In in, Out out, Stream s) { gaussian_blur(in, 23, 1.5, out, s); }},
    {"hflip", [](In in, Out out, Stream s) { flip(in, FlipAxis::left_right, out, s); }},
    {"vflip", [](In in, Out out, Stream s) { flip(in, FlipAxis::top_bottom, out, s); }},
    {"crop",
     [](In in, Out out, Stream s) {
       pad_crop(in, 4, 0, OffsetPx{2, 5}, out, s);
     }},
    {"translate",
     [](In in, Out out, Stream s) {
       translate(in, TranslationPx{3, -2}, {}, out, s);
     }},
    {"shear", [](In in, Out out, Stream s) { shear(in, Shear{.x = 0.3}, {}, out, s); }},
    {"rotate_nearest", [](In in, Out out, Stream s) { rotate(in, 17.0, {}, out, s); }},
    {"rotate_bilinear", [](In in, Out out, Stream s) { rotate(in, 17.0, kBilinear, out, s); }},
    {"rotate_90", [](In in, Out out, Stream s) { rotate(in, 90.0, {}, out, s); }},
    {"affine_nearest", [](In in, Out out, Stream s) { affine_warp(in, matrix(in), {}, out, s); }},
    {"affine_bilinear", [](In in, Out out, Stream s) { affine_warp(in, matrix(in), kBilinear, out, s); }},
    {"affine_bicubic", [](In in, Out out, Stream s) { affine_warp(in, matrix(in), kBicubic, out, s); }},
    {"affine_reflect", [](In in, Out out, Stream s) { affine_warp(in, matrix(in), kReflect, out, s); }},
    {"perspective_nearest", [](In in, Out out, Stream s) { perspective_warp(in, kPerspective, {}, out, s); }},
    {"perspective_bilinear", [](In in, Out out, Stream s) { perspective_warp(in, kPerspective, kBilinear, out, s); }},
};

void run(benchmark::State& state, const Operation& operation, const ImageShape& shape, Backend backend) {
  const OwnedStream stream(backend);
  const Buffer<std::uint8_t> in(noise(shape.size()), stream);
  const Buffer<std::uint8_t> out(shape.size(), stream);
  time_calls(state, stream, [&] { operation(In::nhwc(in.data(), shape), Out::nhwc(out.data(), shape), stream); });
  const double images = static_cast<double>(state.iterations() * shape.count);
  state.counters["images/s"] = benchmark::Counter(images, benchmark::Counter::kIsRate);
  state.counters["bytes/s"] = benchmark::Counter(2.0 * static_cast<double>(state.iterations() * shape.size()),
                                                 benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
}

// 500x375 photographs to 224x224.
void run_resize(benchmark::State& state, Interpolation interpolation, Backend backend) {
  const OwnedStream stream(backend);
  const ImageShape shape{64, 375, 500, 3};
  const ImageShape out_shape{64, 224, 224, 3};
  const Buffer<std::uint8_t> in(noise(shape.size()), stream);
  const Buffer<std::uint8_t> out(out_shape.size(), stream);
  const Buffer<std::byte> workspace(resize_workspace_bytes(shape, {224, 224}, interpolation), stream);
  time_calls(state, stream, [&] {
    resize(In::nhwc(in.data(), shape), SourceBox{}, interpolation, Out::nhwc(out.data(), out_shape), workspace.span(),
           stream);
  });
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * shape.count), benchmark::Counter::kIsRate);
  const auto bytes = static_cast<double>(state.iterations() * (shape.size() + out_shape.size()));
  state.counters["bytes/s"] = benchmark::Counter(bytes, benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
}

const std::vector<std::pair<std::string, Interpolation>> kResizes = {{"resize_nearest", Interpolation::nearest},
                                                                     {"resize_bilinear", Interpolation::bilinear},
                                                                     {"resize_bicubic", Interpolation::bicubic}};

const bool kRegistered = [] {
  const ImageShape shapes[] = {{1024, 28, 28, 1}, {1024, 32, 32, 3}, {64, 224, 224, 3}};
  for (const Backend backend : backends()) {
    for (const auto& [operation_name, operation] : kOperations) {
      for (const ImageShape& s : shapes) {
        const std::string name = operation_name + "/" + std::to_string(s.height) + "x" + std::to_string(s.width) + "x" +
                                 std::to_string(s.channels) + "/" + std::string(leaven::name(backend));
        auto* registered = benchmark::RegisterBenchmark(
            name.c_str(), [operation, s, backend](benchmark::State& state) { run(state, operation, s, backend); });
        registered->Unit(benchmark::kMicrosecond)->Apply(timed_by(backend));
      }
    }
    for (const auto& [resize_name, interpolation] : kResizes) {
      const std::string name = resize_name + "/375x500x3/" + std::string(leaven::name(backend));
      auto* registered =
          benchmark::RegisterBenchmark(name.c_str(), [interpolation = interpolation, backend](benchmark::State& state) {
            run_resize(state, interpolation, backend);
          });
      registered->Unit(benchmark::kMicrosecond)->Apply(timed_by(backend));
    }
  }
  return true;
}();

}  // namespace
}  // namespace leaven::bench
