#include <functional>
#include <string>

#include <leaven/augment.hpp>
#include "bench/support.hpp"

// The operations on f32 images by their public functions, with the parameters of augment_bench.
namespace leaven::bench {
namespace {

using In = ImageView<const float>;
using Out = ImageView<float>;
using Operation = std::function<void(In, Out, Stream)>;

constexpr WarpOptions kBilinear{.interpolation = Interpolation::bilinear};

const std::vector<std::pair<std::string, Operation>> kOperations = {
    {"brightness", [](In in, Out out, Stream s) { brightness(in, 1.5f, out, s); }},
    {"brightness_offset", [](In in, Out out, Stream s) { brightness_offset(in, 40.0f, out, s); }},
    {"contrast", [](In in, Out out, Stream s) { contrast(in, 1.5f, out, s); }},
    {"color", [](In in, Out out, Stream s) { color(in, 1.5f, out, s); }},
    {"posterize", [](In in, Out out, Stream s) { posterize(in, 4, out, s); }},
    {"solarize", [](In in, Out out, Stream s) { solarize(in, 128.0f, out, s); }},
    {"solarize_add", [](In in, Out out, Stream s) { solarize_add(in, 110, 128, out, s); }},
    {"invert", [](In in, Out out, Stream s) { invert(in, out, s); }},
    {"grey", [](In in, Out out, Stream s) { grey(in, out, s); }},
    {"autocontrast", [](In in, Out out, Stream s) { autocontrast(in, out, s); }},
    {"sharpness", [](In in, Out out, Stream s) { sharpness(in, 1.5f, out, s); }},
    {"hflip", [](In in, Out out, Stream s) { flip(in, FlipAxis::left_right, out, s); }},
    {"vflip", [](In in, Out out, Stream s) { flip(in, FlipAxis::top_bottom, out, s); }},
    {"crop",
     [](In in, Out out, Stream s) {
       pad_crop(in, 4, 0, OffsetPx{2, 5}, out, s);
     }},
    {"rotate_nearest", [](In in, Out out, Stream s) { rotate(in, 17.0, {}, out, s); }},
    {"rotate_bilinear", [](In in, Out out, Stream s) { rotate(in, 17.0, kBilinear, out, s); }},
    {"hue", [](In in, Out out, Stream s) { hue(in, 0.1f, out, s); }},
    {"erase",
     [](In in, Out out, Stream s) {
       erase(in, RectPx{8, 8, 12, 12}, 0, out, s);
     }},
    {"gaussian_blur_3", [](In in, Out out, Stream s) { gaussian_blur(in, 3, 0.8, out, s); }},
    {"gaussian_blur_23", [](In in, Out out, Stream s) { gaussian_blur(in, 23, 3.0, out, s); }},
};

void run(benchmark::State& state, const Operation& operation, const ImageShape& shape, Backend backend) {
  const OwnedStream stream(backend);
  const std::vector<std::uint8_t> bytes = noise(shape.size());
  const Buffer<float> in(std::vector<float>(bytes.begin(), bytes.end()), stream);
  const Buffer<float> out(shape.size(), stream);
  time_calls(state, stream, [&] { operation(In::nhwc(in.data(), shape), Out::nhwc(out.data(), shape), stream); });
  const double images = static_cast<double>(state.iterations() * shape.count);
  state.counters["images/s"] = benchmark::Counter(images, benchmark::Counter::kIsRate);
  state.counters["bytes/s"] = benchmark::Counter(8.0 * static_cast<double>(state.iterations() * shape.size()),
                                                 benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
}

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
  }
  return true;
}();

}  // namespace
}  // namespace leaven::bench
