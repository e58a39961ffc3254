#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include <leaven/leaven.hpp>

// Losses on the CPU backend: rows/s, and GB/s of the traffic that cannot be avoided (each input read once, the gradient
// written once). Arguments: rows, classes, threads. The shapes are those of PyTorch's numbers in docs/benchmarks.md:
// all but 65536x10 (which the caches hold) are 16 MiB a matrix and more.
namespace leaven {
namespace {

std::vector<float> logits(std::int64_t count, std::uint32_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uint32_t state = seed;
  for (float& value : values) {  // a sum of uniform numbers: nearly normal, standard deviation 3
    float sum = 0;
    for (int i = 0; i < 4; ++i) {
      state = state * 1664525u + 1013904223u;
      sum += static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
    }
    value = sum * 3.0f * std::sqrt(3.0f);
  }
  return values;
}

struct Case {
  explicit Case(const benchmark::State& state)
      : rows(state.range(0)),
        classes(state.range(1)),
        workspace(Buffer<std::byte>::zeros(loss_workspace_bytes(rows), stream)) {
    set_cpu_threads(static_cast<int>(state.range(2)));
    for (std::int64_t i = 0; i < rows; ++i) labels.push_back(static_cast<std::int32_t>(i * 7919 % classes));
  }
  ~Case() { set_cpu_threads(1); }

  MatrixView<const float> view(const std::vector<float>& values) const {
    return MatrixView<const float>::packed(values.data(), rows, classes);
  }
  LossOutput out() { return {.loss = &loss, .gradient = MatrixView<float>::packed(gradient.data(), rows, classes)}; }
  void report(benchmark::State& state, int matrices) const {
    const double rows_done = static_cast<double>(state.iterations()) * static_cast<double>(rows);
    state.counters["rows/s"] = benchmark::Counter(rows_done, benchmark::Counter::kIsRate);
    state.counters["GB/s"] =
        benchmark::Counter(rows_done * static_cast<double>(classes) * 4e-9 * matrices, benchmark::Counter::kIsRate);
  }

  std::int64_t rows;
  std::int64_t classes;
  Stream stream = Stream::cpu();
  std::vector<float> student = logits(rows * classes, 1);
  std::vector<float> teacher = logits(rows * classes, 2);
  std::vector<float> gradient = std::vector<float>(student.size());
  std::vector<std::int32_t> labels{};
  Buffer<std::byte> workspace;
  float loss = 0;
};

void distillation(benchmark::State& state) {
  Case c(state);
  const DistillationInput in{
      .student = c.view(c.student), .teacher = c.view(c.teacher), .targets = HardTargets{c.labels}};
  for (auto _ : state) {
    distillation_loss(in, {.temperature = 4.0f, .hard_weight = 1.0f, .soft_weight = 1.0f}, c.out(), c.workspace.span(),
                      c.stream);
    benchmark::ClobberMemory();
  }
  c.report(state, 3);
}

void distillation_soft_only(benchmark::State& state) {
  Case c(state);
  const DistillationInput in{.student = c.view(c.student), .teacher = c.view(c.teacher)};
  for (auto _ : state) {
    distillation_loss(in, {.temperature = 4.0f, .hard_weight = 0.0f, .soft_weight = 1.0f}, c.out(), c.workspace.span(),
                      c.stream);
    benchmark::ClobberMemory();
  }
  c.report(state, 3);
}

void cross_entropy_hard(benchmark::State& state) {
  Case c(state);
  for (auto _ : state) {
    cross_entropy(c.view(c.student), HardTargets{c.labels}, {}, c.out(), c.workspace.span(), c.stream);
    benchmark::ClobberMemory();
  }
  c.report(state, 2);
}

void cross_entropy_smooth(benchmark::State& state) {
  Case c(state);
  for (auto _ : state) {
    cross_entropy(c.view(c.student), HardTargets{c.labels}, {.label_smoothing = 0.1f}, c.out(), c.workspace.span(),
                  c.stream);
    benchmark::ClobberMemory();
  }
  c.report(state, 2);
}

void cross_entropy_soft(benchmark::State& state) {
  Case c(state);
  softmax(c.view(c.teacher), 1.0f, MatrixView<float>::packed(c.teacher.data(), c.rows, c.classes), c.stream);
  for (auto _ : state) {
    cross_entropy(c.view(c.student), SoftTargets{c.view(c.teacher)}, {}, c.out(), c.workspace.span(), c.stream);
    benchmark::ClobberMemory();
  }
  c.report(state, 3);
}

void softmax_rows(benchmark::State& state) {
  Case c(state);
  for (auto _ : state) {
    softmax(c.view(c.student), 1.0f, MatrixView<float>::packed(c.gradient.data(), c.rows, c.classes), c.stream);
    benchmark::ClobberMemory();
  }
  c.report(state, 2);
}

void pseudo_labels(benchmark::State& state) {
  Case c(state);
  const auto count = static_cast<std::size_t>(c.rows);
  std::vector<std::int32_t> labels(count);
  std::vector<float> confidence(count);
  std::vector<std::uint8_t> accepted(count);
  for (auto _ : state) {
    pseudo_label(c.view(c.student), 0.95f, {.labels = labels, .confidence = confidence, .accepted = accepted},
                 c.stream);
    benchmark::ClobberMemory();
  }
  c.report(state, 1);
}

void top1_accuracy(benchmark::State& state) {
  Case c(state);
  std::vector<std::int64_t> counts(2);
  for (auto _ : state) {
    accuracy(c.view(c.student), c.labels, counts, c.stream);
    benchmark::ClobberMemory();
  }
  c.report(state, 1);
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "classes", "threads"})->UseRealTime()->Unit(benchmark::kMicrosecond);
  for (const int threads : {1, 2}) {
    for (const auto& [rows, classes] :
         {std::pair{2097152, 2}, {65536, 10}, {419430, 10}, {41943, 100}, {4194, 1000}, {128, 32768}}) {
      bench->Args({rows, classes, threads});
    }
  }
}

BENCHMARK(distillation)->Apply(shapes);
BENCHMARK(distillation_soft_only)->Apply(shapes);
BENCHMARK(cross_entropy_hard)->Apply(shapes);
BENCHMARK(cross_entropy_smooth)->Apply(shapes);
BENCHMARK(cross_entropy_soft)->Apply(shapes);
BENCHMARK(softmax_rows)->Apply(shapes);
BENCHMARK(pseudo_labels)->Apply(shapes);
BENCHMARK(top1_accuracy)->Apply(shapes);

}  // namespace
}  // namespace leaven
