#include "tests/augment/op_cases.hpp"

#if LEAVEN_WITH_CUDA
#include <cuda_runtime_api.h>

// No operation allocates, synchronises or copies from the host: each is legal while its stream is captured into a
// graph, and does its work when the graph runs.
namespace leaven::test {
namespace {

TEST(CudaCapture, EveryOperationRunsFromAGraph) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const Stream s = stream;
  const ImageShape shape{2, 31, 33, 3};
  const std::vector<Image> images = test_images(shape, 5);
  const Batch in(images, shape, Memory::nhwc, stream);
  for (const OpCase& op : all_cases(shape)) {
    if (op.name.find("per image") != std::string::npos) continue;  // these fill a buffer of values first
    const Batch out(op.out_shape(shape), Memory::nhwc, stream);
    const std::vector<Image> before = out.images();
    ASSERT_EQ(cudaStreamBeginCapture(s.cuda_handle(), cudaStreamCaptureModeGlobal), cudaSuccess);
    op.run(in.view(), out.view(), stream);
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(s.cuda_handle(), &graph), cudaSuccess) << op.name;
    expect_same_images(out.images(), before, op.name + ": captured, not run");
    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess) << op.name;
    ASSERT_EQ(cudaGraphLaunch(executable, s.cuda_handle()), cudaSuccess) << op.name;
    std::vector<Image> expected;
    for (std::size_t i = 0; i < images.size(); ++i) expected.push_back(op.expected(images[i], i));
    expect_same_images(out.images(), expected, op.name + " from a graph");
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
  }
}

}  // namespace
}  // namespace leaven::test

#endif
