#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#if LEAVEN_WITH_CUDA
#include <cuda_profiler_api.h>
#include <cuda_runtime_api.h>
#endif

#include <leaven/augment.hpp>
#include "tests/augment/augmenter_reference.hpp"
#include "tests/support/backend.hpp"

// Every allocation of this program is counted.
namespace {
std::atomic<long> allocations{0};
void* counted(void* memory) {
  ++allocations;
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace
[[gnu::noinline]] void* operator new(std::size_t bytes) { return counted(std::malloc(bytes > 0 ? bytes : 1)); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(unit, (bytes / unit + 1) * unit));
}
// (The sanitizers would otherwise have their own of these two beside the ones above.)
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes > 0 ? bytes : 1);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  ++allocations;
  const auto unit = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(unit, (bytes / unit + 1) * unit);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;

TEST(AugmenterCpu, ACallAllocatesNothing) {
  const Samples samples = make_samples({64, 28, 28, 1}, 0, 16);
  for (const AugmenterOptions& options : some_options()) {
    const Augmenter augment(options, samples.shape);
    Augmenter::Batch batch = augment.make_batch(64, Stream::cpu());
    const auto call = [&] {
      augment(In::nhwc(samples.images.data(), samples.shape), samples.ids, samples.labels, {}, batch, Stream::cpu());
      augment.gather(In::nhwc(samples.images.data(), samples.shape), samples.ids, samples.labels, {}, batch,
                     Stream::cpu());
    };
    call();  // the pool's threads are created by the first call
    const long before = allocations.load();
    call();
    EXPECT_EQ(allocations.load(), before);
  }
  EXPECT_GT(allocations.load(), 0);
}

#if LEAVEN_WITH_CUDA
// Capture refuses allocation, synchronisation and copies of pageable memory. An interpreter's count of the calls in the
// marked region tells the same.
TEST(AugmenterCuda, ACallCanBeCapturedInAGraphAndReplayed) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const Samples samples = make_samples({40, 28, 28, 1}, 0, 17);
  for (const AugmenterOptions& options : some_options()) {
    const Augmenter augment(options, samples.shape);
    const Buffer<std::uint8_t> in(samples.images, stream);
    const Buffer<std::int64_t> ids(samples.ids, stream);
    const Buffer<std::int32_t> labels(samples.labels, stream);
    Augmenter::Batch batch = augment.make_batch(40, stream);
    const In images = In::nhwc(in.data(), samples.shape);
    const cudaStream_t handle = Stream(stream).cuda_handle();
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(handle, cudaStreamCaptureModeGlobal), cudaSuccess);
    augment(images, ids.cspan(), labels.cspan(), {.seed = 2}, batch, stream);
    ASSERT_EQ(cudaStreamEndCapture(handle, &graph), cudaSuccess);
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    ASSERT_EQ(cudaGraphLaunch(executable, handle), cudaSuccess);
    EXPECT_TRUE(to_host(batch, stream) == expected(options, samples, {.seed = 2}));
    EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);

    cudaProfilerStart();
    augment(images, ids.cspan(), labels.cspan(), {.seed = 3}, batch, stream);
    augment.gather(images, ids.cspan(), labels.cspan(), {.seed = 3}, batch, stream);
    cudaProfilerStop();
    EXPECT_TRUE(to_host(batch, stream) == expected(options, samples, {.seed = 3}));
  }
}
#endif

}  // namespace
}  // namespace leaven::test
