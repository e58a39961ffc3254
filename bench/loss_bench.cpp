#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <leaven/leaven.hpp>
#include "bench/support.hpp"

// Losses: rows/s, GB/s of the traffic that cannot be avoided (each input read once, the gradient written once), and
// `of_copy`, its share of the rate at which memory is copied (read and written bytes; CPU: one thread, whatever the row
// has). Arguments: rows, classes, threads (of the CPU backend). The shapes are those of PyTorch's numbers in
// docs/benchmarks.md: all but 65536x10 (which the caches hold) are 16 MiB a matrix and more in float32.
namespace leaven::bench {
namespace {

// GB/s read and written by a copy of 256 MiB, the best of five; found once.
double copy_rate(Backend backend) {
  static double rates[2] = {0, 0};
  double& rate = rates[backend == Backend::cuda ? 1 : 0];
  if (rate > 0) return rate;
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  const OwnedStream owned(backend);
  const Stream stream = owned;
  const Buffer<std::byte> from = Buffer<std::byte>::zeros(kBytes, stream);
  const Buffer<std::byte> to = Buffer<std::byte>::zeros(kBytes, stream);
  for (int i = 0; i < 5; ++i) {
    stream.synchronize();
    const auto begin = std::chrono::steady_clock::now();
    leaven::detail::copy(to.data(), backend, from.data(), backend, kBytes, stream);
    stream.synchronize();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    rate = std::max(rate, 2e-9 * static_cast<double>(kBytes) / seconds.count());
  }
  return rate;
}

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
  Case(const benchmark::State& state, Backend backend)
      : threads_before(cpu_threads()),
        rows(state.range(0)),
        classes(state.range(1)),
        stream(backend),
        student(logits(rows * classes, 1), stream),
        teacher(logits(rows * classes, 2), stream),
        gradient(rows * classes, stream),
        labels(spread(rows, classes), stream),
        loss(1, stream),
        workspace(Buffer<std::byte>::zeros(loss_workspace_bytes(rows), stream)) {
    set_cpu_threads(static_cast<int>(state.range(2)));
  }
  ~Case() { set_cpu_threads(threads_before); }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  static std::vector<std::int32_t> spread(std::int64_t rows, std::int64_t classes) {
    std::vector<std::int32_t> values;
    for (std::int64_t i = 0; i < rows; ++i) values.push_back(static_cast<std::int32_t>(i * 7919 % classes));
    return values;
  }
  MatrixView<const float> view(const Buffer<float>& values) const {
    return MatrixView<const float>::packed(values.data(), rows, classes);
  }
  LossOutput out() {
    return {.loss = loss.data(), .gradient = MatrixView<float>::packed(gradient.data(), rows, classes)};
  }

  // Times `call`; it reads and writes `matrices` matrices of rows x classes.
  template <class Call>
  void time(benchmark::State& state, int matrices, const Call& call, double element_bytes = 4) {
    time_calls(state, stream, call);
    const double rows_done = static_cast<double>(state.iterations()) * static_cast<double>(rows);
    state.counters["rows/s"] = benchmark::Counter(rows_done, benchmark::Counter::kIsRate);
    const double gigabytes = rows_done * static_cast<double>(classes) * element_bytes * 1e-9 * matrices;
    state.counters["GB/s"] = benchmark::Counter(gigabytes, benchmark::Counter::kIsRate);
    state.counters["of_copy"] =
        benchmark::Counter(gigabytes / copy_rate(stream.backend()), benchmark::Counter::kIsRate);
  }

  int threads_before;
  std::int64_t rows;
  std::int64_t classes;
  OwnedStream stream;
  Buffer<float> student;
  Buffer<float> teacher;
  Buffer<float> gradient;
  Buffer<std::int32_t> labels;
  Buffer<float> loss;
  Buffer<std::byte> workspace;
};

void distillation(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const DistillationInput in{
      .student = c.view(c.student), .teacher = c.view(c.teacher), .targets = HardTargets{c.labels.cspan()}};
  c.time(state, 3, [&] {
    distillation_loss(in, {.temperature = 4.0f, .hard_weight = 1.0f, .soft_weight = 1.0f}, c.out(), c.workspace.span(),
                      c.stream);
  });
}

// Logits and gradient of 16 bits; dense targets stay float32.
std::vector<BFloat16> to_bf16(const std::vector<float>& values) {
  std::vector<BFloat16> all;
  for (const float value : values) all.push_back(to_bfloat16(value));
  return all;
}
struct NarrowCase : Case {
  NarrowCase(const benchmark::State& state, Backend backend)
      : Case(state, backend),
        narrow_student(to_bf16(logits(rows * classes, 1)), stream),
        narrow_gradient(rows * classes, stream) {}
  MatrixView<const BFloat16> narrow(const Buffer<BFloat16>& values) const {
    return MatrixView<const BFloat16>::packed(values.data(), rows, classes);
  }
  LossOutput narrow_out() {
    return {.loss = loss.data(), .gradient = MatrixView<BFloat16>::packed(narrow_gradient.data(), rows, classes)};
  }
  Buffer<BFloat16> narrow_student, narrow_gradient;
};

void distillation_bf16(benchmark::State& state, Backend backend) {
  NarrowCase c(state, backend);
  const Buffer<BFloat16> teacher(to_bf16(logits(c.rows * c.classes, 2)), c.stream);
  const DistillationInput in{
      .student = c.narrow(c.narrow_student), .teacher = c.narrow(teacher), .targets = HardTargets{c.labels.cspan()}};
  const DistillationOptions options{.temperature = 4.0f, .hard_weight = 1.0f, .soft_weight = 1.0f};
  const auto call = [&] { distillation_loss(in, options, c.narrow_out(), c.workspace.span(), c.stream); };
  c.time(state, 3, call, 2);
}
void cross_entropy_bf16(benchmark::State& state, NarrowCase& c, int matrices, const Targets& targets) {
  const auto call = [&] {
    cross_entropy(c.narrow(c.narrow_student), targets, {}, c.narrow_out(), c.workspace.span(), c.stream);
  };
  c.time(state, matrices, call, 2);
}
void cross_entropy_hard_bf16(benchmark::State& state, Backend backend) {
  NarrowCase c(state, backend);
  cross_entropy_bf16(state, c, 2, HardTargets{c.labels.cspan()});
}
void cross_entropy_soft_bf16(benchmark::State& state, Backend backend) {
  NarrowCase c(state, backend);
  softmax(c.view(c.teacher), 1.0f, MatrixView<float>::packed(c.teacher.data(), c.rows, c.classes), c.stream);
  cross_entropy_bf16(state, c, 4, SoftTargets{c.view(c.teacher)});
}

void distillation_soft_only(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const DistillationInput in{.student = c.view(c.student), .teacher = c.view(c.teacher)};
  c.time(state, 3, [&] {
    distillation_loss(in, {.temperature = 4.0f, .hard_weight = 0.0f, .soft_weight = 1.0f}, c.out(), c.workspace.span(),
                      c.stream);
  });
}

// Divergences that the general kernels compute.
void distillation_general(benchmark::State& state, Backend backend, const Divergence& divergence,
                          Standardise standardise) {
  Case c(state, backend);
  const DistillationInput in{
      .student = c.view(c.student), .teacher = c.view(c.teacher), .targets = HardTargets{c.labels.cspan()}};
  const DistillationOptions options{.temperature = 4.0f,
                                    .hard_weight = 0.0f,
                                    .soft_weight = 1.0f,
                                    .divergence = divergence,
                                    .standardise = standardise};
  c.time(state, 3, [&] { distillation_loss(in, options, c.out(), c.workspace.span(), c.stream); });
}
void reverse_kl(benchmark::State& state, Backend backend) {
  distillation_general(state, backend, ReverseKl{}, Standardise::no);
}
void jensen_shannon(benchmark::State& state, Backend backend) {
  distillation_general(state, backend, JensenShannon{}, Standardise::no);
}
void decoupled_kl(benchmark::State& state, Backend backend) {
  distillation_general(state, backend, DecoupledKl{}, Standardise::no);
}
void standardised_kl(benchmark::State& state, Backend backend) {
  distillation_general(state, backend, ForwardKl{}, Standardise::yes);
}

void two_teachers(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const Buffer<float> other(logits(c.rows * c.classes, 3), c.stream);
  const std::vector<WeightedTeacher> teachers{{c.view(c.teacher), 1.0f}, {c.view(other), 1.0f}};
  const DistillationInput in{.student = c.view(c.student), .teacher = std::span<const WeightedTeacher>(teachers)};
  c.time(state, 4, [&] {
    distillation_loss(in, {.temperature = 4.0f, .hard_weight = 0.0f, .soft_weight = 1.0f}, c.out(), c.workspace.span(),
                      c.stream);
  });
}

void top_k_teacher(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const std::int64_t k = std::min<std::int64_t>(8, c.classes);
  Buffer<std::int32_t> classes(c.rows * k, c.stream);
  Buffer<Float16> log_probabilities(c.rows * k, c.stream);
  Buffer<float> rest(c.rows, c.stream);
  compress_teacher(c.view(c.teacher), 4.0f, {k, classes.span(), log_probabilities.span(), rest.span()}, c.stream);
  const DistillationInput in{.student = c.view(c.student),
                             .teacher = TopKTeacher{k, classes.cspan(), log_probabilities.cspan(), rest.cspan(), 4.0f}};
  c.time(state, 2, [&] {
    distillation_loss(in, {.temperature = 4.0f, .hard_weight = 0.0f, .soft_weight = 1.0f}, c.out(), c.workspace.span(),
                      c.stream);
  });
}

void cross_entropy_hard(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  c.time(state, 2, [&] {
    cross_entropy(c.view(c.student), HardTargets{c.labels.cspan()}, {}, c.out(), c.workspace.span(), c.stream);
  });
}

void cross_entropy_smooth(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  c.time(state, 2, [&] {
    cross_entropy(c.view(c.student), HardTargets{c.labels.cspan()}, {.label_smoothing = 0.1f}, c.out(),
                  c.workspace.span(), c.stream);
  });
}

void cross_entropy_soft(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  softmax(c.view(c.teacher), 1.0f, MatrixView<float>::packed(c.teacher.data(), c.rows, c.classes), c.stream);
  c.time(state, 3, [&] {
    cross_entropy(c.view(c.student), SoftTargets{c.view(c.teacher)}, {}, c.out(), c.workspace.span(), c.stream);
  });
}

void softmax_rows(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  c.time(state, 2, [&] { softmax(c.view(c.student), 1.0f, c.out().gradient, c.stream); });
}

void pseudo_labels(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const Buffer<std::int32_t> labels(c.rows, c.stream);
  const Buffer<float> confidence(c.rows, c.stream);
  const Buffer<std::uint8_t> accepted(c.rows, c.stream);
  c.time(state, 1, [&] {
    pseudo_label(c.view(c.student), 0.95f,
                 {.labels = labels.span(), .confidence = confidence.span(), .accepted = accepted.span()}, c.stream);
  });
}

void log_softmax_rows(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  c.time(state, 2, [&] { log_softmax(c.view(c.student), 1.0f, c.out().gradient, c.stream); });
}

void top_k_accuracy(benchmark::State& state, Backend backend, std::int64_t k) {
  Case c(state, backend);
  const Buffer<std::int64_t> counts(2, c.stream);
  c.time(state, 1,
         [&] { accuracy(c.view(c.student), c.labels.cspan(), std::min(k, c.classes), counts.span(), c.stream); });
}
void top1_accuracy(benchmark::State& state, Backend backend) { top_k_accuracy(state, backend, 1); }
void top5_accuracy(benchmark::State& state, Backend backend) { top_k_accuracy(state, backend, 5); }

// At most 1,000 classes: the matrix of more would be larger than the logits.
void confusion(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const std::int64_t classes = std::min<std::int64_t>(c.classes, 1000);
  const Buffer<std::int64_t> counts = Buffer<std::int64_t>::zeros(classes * classes, c.stream);
  const MatrixView<const float> logits{c.student.data(), c.rows * c.classes / classes, classes, classes};
  const Buffer<std::int32_t> labels(Case::spread(logits.rows, classes), c.stream);
  c.time(state, 1, [&] { confusion_matrix(logits, labels.cspan(), counts.span(), c.stream); });
}

struct Bins {
  static constexpr std::int64_t kCount = 15;
  explicit Bins(Stream stream)
      : rows(Buffer<std::int64_t>::zeros(kCount, stream)),
        right(Buffer<std::int64_t>::zeros(kCount, stream)),
        confidence(Buffer<std::int64_t>::zeros(kCount, stream)) {}
  CalibrationBins get() const { return {rows.span(), right.span(), confidence.span()}; }
  Buffer<std::int64_t> rows, right, confidence;
};

void calibration(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const Bins bins(c.stream);
  c.time(state, 1, [&] { add_calibration(c.view(c.student), c.labels.cspan(), bins.get(), c.stream); });
}

// The rows of a batch and what they say of the error, as at the end of an evaluation.
void calibration_and_error(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const Bins bins(c.stream);
  c.time(state, 1, [&] {
    add_calibration(c.view(c.student), c.labels.cspan(), bins.get(), c.stream);
    calibration_error(bins.get(), c.loss.data(), c.stream);
  });
}

void consistency(benchmark::State& state, Backend backend, ConsistencyTarget target) {
  Case c(state, backend);
  c.time(state, 3, [&] {
    consistency_loss({.weak = c.view(c.teacher), .strong = c.view(c.student)},
                     {.weighting = FixMatch{.threshold = 0.5f}, .target = target}, c.out(), c.workspace.span(),
                     c.stream);
  });
}
void consistency_hard(benchmark::State& state, Backend backend) {
  consistency(state, backend, ConsistencyTarget::hard);
}
void consistency_soft(benchmark::State& state, Backend backend) {
  consistency(state, backend, ConsistencyTarget::soft);
}

void update_pseudo(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const Buffer<float> values(pseudo_state_size(c.classes), c.stream);
  const Buffer<std::byte> workspace(update_pseudo_state_workspace_bytes(c.rows, c.classes, backend), c.stream);
  init_pseudo_state(FreeMatch{}, c.classes, values.span(), c.stream);
  c.time(state, 1,
         [&] { update_pseudo_state(c.view(c.student), FreeMatch{}, values.span(), workspace.span(), c.stream); });
}

// GB/s are of no meaning here: time per sample is that of a sort.
void class_balanced(benchmark::State& state, Backend backend) {
  Case c(state, backend);
  const Buffer<std::int64_t> ids = Buffer<std::int64_t>::zeros(c.rows, c.stream);
  const Buffer<std::int64_t> selected(c.rows, c.stream);
  const Buffer<std::int64_t> count(1, c.stream);
  const Buffer<std::int32_t> counts(c.classes, c.stream);
  const Buffer<float> confidence(logits(c.rows, 3), c.stream);
  const Buffer<std::byte> workspace(select_class_balanced_workspace_bytes(c.rows, c.classes, backend), c.stream);
  c.time(state, 0, [&] {
    select_class_balanced({ids.cspan(), c.labels.cspan(), confidence.cspan()}, c.classes, 100,
                          {selected.span(), {}, counts.span(), count.data()}, workspace.span(), c.stream);
  });
}

const bool kRegistered = [] {
  const std::pair<const char*, void (*)(benchmark::State&, Backend)> rows[] = {
      {"distillation", distillation},
      {"distillation_bf16", distillation_bf16},
      {"distillation_soft_only", distillation_soft_only},
      {"cross_entropy_hard", cross_entropy_hard},
      {"cross_entropy_smooth", cross_entropy_smooth},
      {"cross_entropy_soft", cross_entropy_soft},
      {"cross_entropy_hard_bf16", cross_entropy_hard_bf16},
      {"cross_entropy_soft_bf16", cross_entropy_soft_bf16},
      {"softmax", softmax_rows},
      {"pseudo_label", pseudo_labels},
      {"accuracy", top1_accuracy},
      {"log_softmax", log_softmax_rows},
      {"accuracy_top5", top5_accuracy},
      {"confusion_matrix", confusion},
      {"add_calibration", calibration},
      {"calibration_error", calibration_and_error},
      {"consistency_hard", consistency_hard},
      {"consistency_soft", consistency_soft},
      {"update_pseudo_state", update_pseudo},
      {"select_class_balanced", class_balanced},
      {"distillation_reverse", reverse_kl},
      {"distillation_jensen_shannon", jensen_shannon},
      {"distillation_decoupled", decoupled_kl},
      {"distillation_standardised", standardised_kl},
      {"distillation_two_teachers", two_teachers},
      {"distillation_top_k", top_k_teacher}};
  const std::pair<std::int64_t, std::int64_t> shapes[] = {{2097152, 2}, {65536, 10},  {419430, 10}, {41943, 100},
                                                          {4194, 1000}, {128, 32768}, {32, 131072}};
  for (const Backend backend : backends()) {
    for (const auto& [name, function] : rows) {
      auto* row =
          benchmark::RegisterBenchmark((name + ("/" + std::string(leaven::name(backend)))).c_str(), function, backend);
      row->ArgNames({"rows", "classes", "threads"})->Unit(benchmark::kMicrosecond)->Apply(timed_by(backend));
      for (const int threads : {1, 2}) {
        if (backend == Backend::cuda && threads > 1) continue;
        for (const auto& [count, classes] : shapes) row->Args({count, classes, threads});
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace leaven::bench
