#include "tests/loss/divergence_support.hpp"
#if LEAVEN_WITH_CUDA
#include <cuda_runtime.h>
#endif
#include "tests/support/allocation_counter.hpp"

// The general losses do no hidden work either (as in hidden_work_test.cpp).
namespace leaven::test {
namespace {

struct Prepared {
  Prepared(Stream on, std::int64_t classes)
      : stream(on),
        student(normal_matrix(kRows, classes, 3.0f, 291), on),
        first(normal_matrix(kRows, classes, 3.0f, 292), on),
        second(normal_matrix(kRows, classes, 3.0f, 293), on),
        gradient(kRows, classes, on),
        labels(std::span<const std::int32_t>(some_labels(kRows, classes)), on),
        row_weights(std::span<const float>(std::vector<float>(kRows, 2.0f)), on),
        loss(1, on),
        workspace(Buffer<std::byte>::zeros(loss_workspace_bytes(kRows), on)),
        listed(kRows * kListed, on),
        logs(kRows * kListed, on),
        rest(kRows, on),
        teachers{{first.cview(), 1.0f}, {second.cview(), 2.0f}} {
    compress();
    on.synchronize();
  }
  void compress() const {
    compress_teacher(first.cview(), 4.0f, {kListed, listed.span(), logs.span(), rest.span()}, stream);
  }
  void run(const Teacher& teacher, const DistillationOptions& options) const {
    distillation_loss({.student = student.cview(), .teacher = teacher, .targets = HardTargets{labels.cspan()}}, options,
                      {.loss = loss.data(), .gradient = gradient.view()}, workspace.span(), stream);
  }
  Teacher one() const { return LogitsView(first.cview()); }
  Teacher both() const { return std::span<const WeightedTeacher>(teachers); }
  Teacher cache() const { return TopKTeacher{kListed, listed.cspan(), logs.cspan(), rest.cspan(), 4.0f}; }

  static constexpr std::int64_t kRows = 40;
  static constexpr std::int64_t kListed = 4;
  Stream stream;
  BackendMatrix student, first, second, gradient;
  Buffer<std::int32_t> labels;
  Buffer<float> row_weights, loss;
  Buffer<std::byte> workspace;
  Buffer<std::int32_t> listed;
  Buffer<Float16> logs;
  Buffer<float> rest;
  std::vector<WeightedTeacher> teachers;
};

// check(what, launches, call)
template <class Check>
void for_each_call(const Prepared& p, Check&& check) {
  check("reverse", 1, [&] { p.run(p.one(), {.divergence = ReverseKl{}}); });
  check("jensen-shannon, standardised", 1,
        [&] { p.run(p.one(), {.divergence = JensenShannon{}, .standardise = Standardise::yes}); });
  check("two teachers", 1, [&] { p.run(p.both(), {}); });
  check("row weights", 2, [&] { p.run(p.both(), {.weights = {.rows = p.row_weights.cspan()}}); });
  check("decoupled", 2, [&] { p.run(p.one(), {.divergence = DecoupledKl{}}); });
  check("decoupled, sum", 1, [&] { p.run(p.one(), {.divergence = DecoupledKl{}, .reduction = Reduction::sum}); });
  check("cache", 2, [&] { p.run(p.cache(), {}); });
  check("cache, mean over all rows", 1, [&] { p.run(p.cache(), {.reduction = Reduction::mean_all}); });
  check("compress_teacher", 1, [&] { p.compress(); });
}

TEST(DivergenceHiddenWork, NothingIsAllocatedOnTheCpu) {
  const Prepared p(Stream::cpu(), 300);
  p.run(p.both(), {});  // the pool starts its threads once
  for_each_call(p, [&](const char* what, int, auto&& call) {
    const long before = allocations;
    call();
    EXPECT_EQ(allocations - before, 0) << what;
  });
}

#if LEAVEN_WITH_CUDA
TEST(DivergenceHiddenWorkCuda, CallsAreLegalInACaptureAndLaunchWhatTheySay) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const cudaStream_t handle = static_cast<Stream>(stream).cuda_handle();
  for (const std::int64_t classes : {10, 1100}) {
    const Prepared p(stream, classes);
    for_each_call(p, [&](const char* what, int launches, auto&& call) {
      cudaGraph_t graph = nullptr;
      ASSERT_EQ(cudaStreamBeginCapture(handle, cudaStreamCaptureModeGlobal), cudaSuccess);
      call();
      ASSERT_EQ(cudaStreamEndCapture(handle, &graph), cudaSuccess);
      std::size_t nodes = 0;
      ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
      EXPECT_EQ(nodes, static_cast<std::size_t>(launches)) << what << ", " << classes << " classes";
      cudaGraphDestroy(graph);
    });
  }
}
#endif

}  // namespace
}  // namespace leaven::test
