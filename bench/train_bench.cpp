#include <string>
#include <utility>

#include <leaven/train.hpp>
#include "bench/support.hpp"

// Training steps and inference of the presets at 28x28x1, on the threads that LEAVEN_THREADS or the machine gives. A
// step is what it is in the peers: forward, cross-entropy, backward, SGD, on images that are in memory as f32.
namespace leaven::bench {
namespace {

using train::Mode;
using train::Network;

struct Setup {
  OwnedStream stream;
  Network network;
  ImageShape shape;
  Buffer<float> images;
  Buffer<std::int32_t> labels;
  Buffer<float> gradient;
  Buffer<float> loss;
  Buffer<std::byte> workspace;

  Setup(Backend backend, const std::string& preset, std::int64_t batch)
      : stream(backend),
        network({.description = train::preset(preset, 10), .input = {1, 28, 28, 1}, .seed = 1}, stream),
        shape{batch, 28, 28, 1},
        images(pattern(shape.size()), stream),
        labels(classes(batch), stream),
        gradient(batch * 10, stream),
        loss(1, stream),
        workspace(Buffer<std::byte>::zeros(loss_workspace_bytes(batch), stream)) {}

  static std::vector<float> pattern(std::int64_t size) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < size; ++i) values.push_back(static_cast<float>((i * 7919) % 1009) / 504.5f - 1.0f);
    return values;
  }
  static std::vector<std::int32_t> classes(std::int64_t count) {
    std::vector<std::int32_t> values;
    for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<std::int32_t>(i % 10));
    return values;
  }
  ImageView<const float> view() const { return ImageView<const float>::nhwc(images.data(), shape); }

  void report(benchmark::State& state, double flops_per_image) const {
    const auto count = static_cast<double>(state.iterations() * shape.count);
    state.counters["images/s"] = benchmark::Counter(count, benchmark::Counter::kIsRate);
    state.counters["FLOP/s"] = benchmark::Counter(count * flops_per_image, benchmark::Counter::kIsRate);
  }
};

void training_step(benchmark::State& state, Backend backend, const std::string& preset) {
  Setup s(backend, preset, state.range(0));
  train::Sgd sgd(s.network, {});
  const auto gradient = MatrixView<float>::packed(s.gradient.data(), s.shape.count, 10);
  time_calls(state, s.stream, [&] {
    const MatrixView<const float> logits = s.network.forward(s.view(), Mode::training);
    cross_entropy(logits, HardTargets{s.labels.cspan()}, {}, {.loss = s.loss.data(), .gradient = gradient},
                  s.workspace.span(), s.stream);
    s.network.backward(gradient);
    sgd.step(0.01f);
  });
  s.report(state, 3 * s.network.forward_flops());
}

void inference(benchmark::State& state, Backend backend, const std::string& preset) {
  Setup s(backend, preset, state.range(0));
  time_calls(state, s.stream, [&] { s.network.forward(s.view(), Mode::evaluation); });
  s.report(state, s.network.forward_flops());
}

const bool kRegistered = [] {
  for (const Backend backend : backends()) {
    for (const std::string& preset : train::preset_names()) {
      const std::string suffix = "/" + preset + "/" + std::string(name(backend));
      for (const auto& [what, function] : {std::pair{"training_step", &training_step}, {"inference", &inference}}) {
        benchmark::RegisterBenchmark((std::string(what) + suffix).c_str(), function, backend, preset)
            ->Arg(128)
            ->Apply(timed_by(backend));
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace leaven::bench
