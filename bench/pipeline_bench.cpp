#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <leaven/augment.hpp>
#include <leaven/cpu.hpp>
#include "bench/support.hpp"

// The training pipeline and its random steps, by the public functions: images of the peers' benchmark, pad-crop 4, flip
// 0.5, RandAugment(2, 9), normalise to f32 NCHW. CPU rows for one thread and for two.
namespace leaven::bench {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

constexpr RandomKey kKey{.seed = 1, .epoch = 0};

// A batch of samples and what the calls write, all where the stream works.
struct Data {
  Data(const ImageShape& batch, Stream on)
      : shape(batch),
        stream(on),
        images(noise(batch.size()), on),
        mixed(batch.size(), on),
        normalised(batch.size(), on),
        ids(counted<std::int64_t>(batch.count), on),
        labels(counted<std::int32_t>(batch.count), on),
        label_a(batch.count, on),
        label_b(batch.count, on),
        weight_a(batch.count, on),
        workspace(rand_augment_workspace_bytes(batch, {}), on) {}

  template <class T>
  static std::vector<T> counted(std::int64_t count) {
    std::vector<T> values;
    for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<T>(i));
    return values;
  }
  In in() const { return In::nhwc(images.data(), shape); }
  Out out() const { return Out::nhwc(mixed.data(), shape); }

  ImageShape shape;
  Stream stream;
  Buffer<std::uint8_t> images, mixed;
  Buffer<float> normalised;
  Buffer<std::int64_t> ids;
  Buffer<std::int32_t> labels, label_a, label_b;
  Buffer<float> weight_a;
  Buffer<std::byte> workspace;
};

AugmenterOptions pipeline() {
  return {.pad_crop = RandomPadCrop{.padding = 4},
          .flip_probability = 0.5f,
          .policy = RandAugmentOptions{.num_ops = 2, .magnitude = 9},
          .normalise = kImageNet,
          .output_layout = Layout::nchw};
}

using Step = std::function<std::function<void()>(Data&)>;

Step whole_pipeline(const std::function<void(AugmenterOptions&)>& change) {
  return [change](Data& d) {
    AugmenterOptions options = pipeline();
    change(options);
    const Augmenter augment(options, d.shape);
    auto batch = std::make_shared<Augmenter::Batch>(augment.make_batch(d.shape.count, d.stream));
    return [augment, batch, &d] { augment(d.in(), d.ids.cspan(), d.labels.cspan(), kKey, *batch, d.stream); };
  };
}

const std::vector<std::pair<std::string, Step>> kSteps = {
    {"pipeline", whole_pipeline([](AugmenterOptions&) {})},
    {"pipeline_bf16", whole_pipeline([](AugmenterOptions& o) { o.output_type = FloatType::bf16; })},
    {"pipeline_cutmix", whole_pipeline([](AugmenterOptions& o) { o.mix = CutMixOptions{}; })},
    {"pipeline_mixup", whole_pipeline([](AugmenterOptions& o) { o.mix = MixUpOptions{}; })},
    {"pipeline_erase", whole_pipeline([](AugmenterOptions& o) { o.random_erase = RandomEraseOptions{}; })},
    {"pipeline_jitter", whole_pipeline([](AugmenterOptions& o) {
       o.policy = ColourJitterOptions{.brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f, .hue = 0.1f};
     })},
    {"pipeline_timm", whole_pipeline([](AugmenterOptions& o) { o.policy = timm_policy("rand-m9-mstd0.5-inc1"); })},
    {"pipeline_augmix", whole_pipeline([](AugmenterOptions& o) { o.policy = AugMixOptions{}; })},
    {"randaugment",
     [](Data& d) {
       return [&d] { rand_augment(d.in(), d.ids.cspan(), {}, kKey, d.out(), d.workspace.span(), d.stream); };
     }},
    {"cutmix",
     [](Data& d) {
       return [&d] {
         cutmix(d.in(), d.ids.cspan(), d.labels.cspan(), {}, kKey, d.out(),
                {.a = d.label_a.span(), .b = d.label_b.span(), .weight_a = d.weight_a.span()}, d.stream);
       };
     }},
    {"mixup",
     [](Data& d) {
       return [&d] {
         mixup(d.in(), d.ids.cspan(), d.labels.cspan(), {}, kKey, d.out(),
               {.a = d.label_a.span(), .b = d.label_b.span(), .weight_a = d.weight_a.span()}, d.stream);
       };
     }},
    {"normalise",
     [](Data& d) {
       return [&d] { normalise(d.in(), kImageNet, ImageView<float>::nchw(d.normalised.data(), d.shape), d.stream); };
     }},
};

void run(benchmark::State& state, const Step& step, const ImageShape& shape, Backend backend, int threads) {
  const int threads_before = cpu_threads();
  set_cpu_threads(threads);
  const OwnedStream stream(backend);
  Data data(shape, stream);
  time_calls(state, stream, step(data));
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * shape.count), benchmark::Counter::kIsRate);
  set_cpu_threads(threads_before);
}

void register_row(const std::string& label, const Step& step, const ImageShape& shape, Backend backend, int threads) {
  benchmark::internal::Benchmark* row = benchmark::RegisterBenchmark(
      label.c_str(), [=](benchmark::State& state) { run(state, step, shape, backend, threads); });
  row->Unit(benchmark::kMicrosecond)->Apply(timed_by(backend));
}

const bool kRegistered = [] {
  const std::pair<const char*, ImageShape> shapes[] = {
      {"28x28x1", {1024, 28, 28, 1}}, {"32x32x3", {1024, 32, 32, 3}}, {"224x224x3", {64, 224, 224, 3}}};
  for (const auto& [step_name, step] : kSteps) {
    for (const auto& [shape_name, shape] : shapes) {
      const std::string label = step_name + "/" + shape_name + "/";
      for (const int threads : {1, 2}) {
        register_row(label + "cpu/threads:" + std::to_string(threads), step, shape, Backend::cpu, threads);
      }
      if (cuda_available()) register_row(label + "cuda", step, shape, Backend::cuda, 1);
    }
  }
  return true;
}();

}  // namespace
}  // namespace leaven::bench
