#include "tests/loss/pseudo_calls.hpp"
#include "tests/support/allocation_count.hpp"

#if LEAVEN_WITH_CUDA
#include <cuda_runtime.h>
#endif

// Loss functions allocate nothing, synchronise with nothing and launch what they say. On the CPU a counting operator
// new sees it, on the GPU the capture of the call in a graph: a capture forbids hidden work, and its nodes can be
// counted.
namespace leaven::test {
namespace {

// Everything that the calls below need, made before them.
struct Prepared {
  explicit Prepared(Stream on, std::int64_t classes_)
      : stream(on),
        classes(classes_),
        student(normal_matrix(kRows, classes, 4.0f, 111), on),
        teacher(normal_matrix(kRows, classes, 4.0f, 112), on),
        gradient(kRows, classes, on),
        labels(std::span<const std::int32_t>(some_labels(kRows, classes)), on),
        row_losses(kRows, on),
        loss(1, on),
        valid(1, on),
        status(Buffer<std::uint32_t>::zeros(1, on)),
        workspace(Buffer<std::byte>::zeros(loss_workspace_bytes(kRows), on)),
        confidence(kRows, on),
        pseudo(kRows, on),
        accepted(kRows, on),
        ids(Buffer<std::int64_t>::zeros(kRows, on)),
        selected(kRows, on),
        counts(Buffer<std::int64_t>::zeros(2, on)),
        confusion(Buffer<std::int64_t>::zeros(kConfused * kConfused, on)),
        bins(Buffer<std::int64_t>::zeros(3 * kBins, on)),
        select_workspace(select_accepted_workspace_bytes(kRows, on.backend()), on) {}

  LossOutput out() const {
    return {.row_losses = row_losses.span(),
            .loss = loss.data(),
            .gradient = gradient.view(),
            .valid_rows = valid.data(),
            .status = status.data()};
  }
  void hard(Reduction reduction) const {
    cross_entropy(student.cview(), HardTargets{labels.cspan()}, {.reduction = reduction}, out(), workspace.span(),
                  stream);
  }
  void dense(Reduction reduction) const {
    cross_entropy(student.cview(), SoftTargets{teacher.cview()}, {.reduction = reduction}, out(), workspace.span(),
                  stream);
  }
  void both(float soft_weight) const {
    distillation_loss({.student = student.cview(), .teacher = teacher.cview(), .targets = HardTargets{labels.cspan()}},
                      {.soft_weight = soft_weight}, out(), workspace.span(), stream);
  }
  void probabilities() const { softmax(student.cview(), 2.0f, gradient.view(), stream); }
  void log_probabilities() const { log_softmax(student.cview(), 2.0f, gradient.view(), stream); }
  void pseudo_labels() const {
    pseudo_label(student.cview(), 0.5f, {pseudo.span(), confidence.span(), accepted.span()}, stream);
  }
  void select() const {
    select_accepted(ids.cspan(), accepted.cspan(), selected.span(), selected_count(), select_workspace.span(), stream);
  }
  void right_among(std::int64_t k) const { accuracy(student.cview(), labels.cspan(), k, counts.span(), stream); }
  void confuse() const {
    MatrixView<const float> some = student.cview();
    some.columns = std::min(some.columns, kConfused);
    confusion_matrix(some, labels.cspan(), confusion.span().first(some.columns * some.columns), stream);
  }
  CalibrationBins calibration() const {
    return {bins.span().first(kBins), bins.span().subspan(kBins, kBins), bins.span().last(kBins)};
  }
  void calibrate() const { add_calibration(student.cview(), labels.cspan(), calibration(), stream); }
  void find_calibration_error() const { calibration_error(calibration(), loss.data(), stream); }
  std::int64_t* selected_count() const { return counts.data(); }

  static constexpr std::int64_t kRows = 500;
  static constexpr std::int64_t kConfused = 100;  // classes, at most
  static constexpr std::int64_t kBins = 15;
  Stream stream;
  std::int64_t classes;
  BackendMatrix student, teacher, gradient;
  Buffer<std::int32_t> labels;
  Buffer<float> row_losses, loss;
  Buffer<std::int32_t> valid;
  Buffer<std::uint32_t> status;
  Buffer<std::byte> workspace;
  Buffer<float> confidence;
  Buffer<std::int32_t> pseudo;
  Buffer<std::uint8_t> accepted;
  Buffer<std::int64_t> ids, selected, counts, confusion, bins;
  Buffer<std::byte> select_workspace;
};

template <class Check>
void for_each_call(const Prepared& p, Check&& check) {
  check("distillation", 1, [&] { p.both(0.9f); });
  check("distillation without a soft weight, mean over valid rows", 2, [&] { p.both(0.0f); });
  check("cross-entropy, sum", 1, [&] { p.hard(Reduction::sum); });
  check("cross-entropy, mean over all rows", 1, [&] { p.hard(Reduction::mean_all); });
  check("cross-entropy, mean over valid rows", 2, [&] { p.hard(Reduction::mean_valid); });
  check("dense cross-entropy, mean over valid rows", 2, [&] { p.dense(Reduction::mean_valid); });
  check("softmax", 1, [&] { p.probabilities(); });
  check("log_softmax", 1, [&] { p.log_probabilities(); });
  check("pseudo_label", 1, [&] { p.pseudo_labels(); });
  check("accuracy", 1, [&] { p.right_among(1); });
  check("accuracy among two", 1, [&] { p.right_among(2); });
  check("confusion_matrix", 1, [&] { p.confuse(); });
  check("add_calibration", 1, [&] { p.calibrate(); });
  check("calibration_error", 1, [&] { p.find_calibration_error(); });
}

TEST(LossHiddenWork, NothingIsAllocatedOnTheCpu) {
  for (const int threads : {1, 2}) {
    const int before_threads = cpu_threads();
    set_cpu_threads(threads);
    for (const std::int64_t classes : {10, 300, 3000}) {
      const Prepared p(Stream::cpu(), classes);
      p.both(0.9f);  // the pool starts its threads once
      for_each_call(p, [&](const char* what, int, auto&& call) {
        const long before = allocations;
        call();
        EXPECT_EQ(allocations - before, 0) << what << ", " << classes << " classes, " << threads << " threads";
      });
      const long before = allocations;
      p.select();
      EXPECT_EQ(allocations - before, 0) << "select_accepted";
    }
    set_cpu_threads(before_threads);
  }
}

TEST(LossHiddenWork, PseudoLabelsAllocateNothingOnTheCpu) {
  for (const std::int64_t classes : {10, 300, 3000}) {
    const PreparedPseudo p(Stream::cpu(), classes);
    p.update(FreeMatch{});  // the pool starts its threads once
    const auto expect_no_allocation = [&](const char* what, int, auto&& call) {
      const long before = allocations;
      call();
      EXPECT_EQ(allocations - before, 0) << what << ", " << classes << " classes";
    };
    for_each_pseudo_call(p, expect_no_allocation);
    expect_no_allocation("select_class_balanced", 0, [&] { p.select(); });
  }
}

#if LEAVEN_WITH_CUDA
struct Graph {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  std::size_t nodes = 0;
  std::size_t kernels = 0;

  template <class Call>
  Graph(cudaStream_t stream, Call&& call) {
    EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
    call();
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
    std::vector<cudaGraphNode_t> all(nodes);
    EXPECT_EQ(cudaGraphGetNodes(graph, all.data(), &nodes), cudaSuccess);
    for (const cudaGraphNode_t node : all) {
      cudaGraphNodeType type{};
      EXPECT_EQ(cudaGraphNodeGetType(node, &type), cudaSuccess);
      kernels += type == cudaGraphNodeTypeKernel ? 1 : 0;
    }
    EXPECT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  }
  ~Graph() {
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
};

TEST(LossHiddenWorkCuda, CallsAreLegalInACaptureAndLaunchWhatTheySay) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  for (const std::int64_t classes : {2, 10, 33, 100, 200, 400, 800, 1500, 3000, 5000, 9000}) {
    const Prepared p(stream, classes);
    stream.synchronize();
    for_each_call(p, [&](const char* what, int launches, auto&& call) {
      const Graph graph(static_cast<Stream>(stream).cuda_handle(), call);
      EXPECT_EQ(graph.kernels, static_cast<std::size_t>(launches)) << what << ", " << classes << " classes";
      EXPECT_EQ(graph.nodes, graph.kernels) << what << ": no copies, no memsets";
    });
  }
  const Prepared p(stream, 10);
  stream.synchronize();
  const Graph graph(static_cast<Stream>(stream).cuda_handle(), [&] { p.select(); });
  EXPECT_GT(graph.kernels, 0u);
}

TEST(LossHiddenWorkCuda, PseudoLabelsAreLegalInACaptureAndLaunchWhatTheySay) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const cudaStream_t handle = static_cast<Stream>(stream).cuda_handle();
  for (const std::int64_t classes : {2, 10, 33, 1000, 1100}) {
    const PreparedPseudo p(stream, classes);
    stream.synchronize();
    for_each_pseudo_call(p, [&](const char* what, int launches, auto&& call) {
      const Graph graph(handle, call);
      EXPECT_EQ(graph.kernels, static_cast<std::size_t>(launches)) << what << ", " << classes << " classes";
      EXPECT_EQ(graph.nodes, graph.kernels) << what << ": no copies, no memsets";
    });
    const Graph graph(handle, [&] { p.select(); });
    EXPECT_GT(graph.kernels, 4u) << "CUB's and ours";
  }
}

// A replay finds the workspace as the first run did.
TEST(LossHiddenWorkCuda, ReplaysGiveTheSameNumbers) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  Prepared p(stream, 10);
  p.hard(Reduction::mean_valid);
  const float expected = p.loss.to_host(stream)[0];
  const HostMatrix gradient = p.gradient.to_host();
  const cudaStream_t handle = static_cast<Stream>(stream).cuda_handle();
  const Graph graph(handle, [&] { p.hard(Reduction::mean_valid); });
  for (int replay = 0; replay < 3; ++replay) {
    p.loss.copy_from(std::vector<float>{kNan}, stream);
    ASSERT_EQ(cudaGraphLaunch(graph.exec, handle), cudaSuccess);
    EXPECT_EQ(p.loss.to_host(stream)[0], expected);
    EXPECT_EQ(p.valid.to_host(stream)[0], Prepared::kRows);
    expect_same_bits(p.gradient.to_host().values, gradient.values, "gradient of a replay");
  }
}
#endif

}  // namespace
}  // namespace leaven::test
