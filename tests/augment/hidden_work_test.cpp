#include <gtest/gtest.h>

#if LEAVEN_WITH_CUDA
#include <cuda_profiler_api.h>
#include <cuda_runtime_api.h>
#endif

#include <leaven/augment.hpp>
#include "tests/augment/augmenter_reference.hpp"
#include "tests/support/allocation_count.hpp"
#include "tests/support/backend.hpp"

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

TEST(AugmenterCpu, MasksAndGeometryAllocateNothing) {
  const Samples samples = make_samples({64, 28, 28, 1}, 0, 16);
  const Augmenter augment(
      {.pad_crop = RandomPadCrop{}, .flip_probability = 0.5f, .policy = kPolicy, .mix = CutMixOptions{}},
      samples.shape);
  std::vector<std::byte> workspace(static_cast<std::size_t>(augment.masks_workspace_bytes(samples.shape)));
  std::vector<std::uint8_t> out(samples.images.size());
  std::vector<AffineMatrix> maps(64);
  const auto call = [&] {
    augment.masks(In::nhwc(samples.images.data(), samples.shape), samples.ids, {}, 255,
                  ImageView<std::uint8_t>::nhwc(out.data(), samples.shape), workspace, Stream::cpu());
    augment.geometry(samples.ids, {}, maps, Stream::cpu());
  };
  call();
  const long before = allocations.load();
  call();
  EXPECT_EQ(allocations.load(), before);
}

TEST(EpochCpu, ACounterIsReadAndAdvanced) {
  const Samples samples = make_samples({20, 28, 28, 1}, 0, 16);
  const Augmenter augment(without_mixing(), samples.shape);
  Augmenter::Batch batch = augment.make_batch(20, Stream::cpu());
  std::uint32_t counter = 4;
  advance_epoch(&counter, Stream::cpu());
  augment(In::nhwc(samples.images.data(), samples.shape), samples.ids, samples.labels,
          {.seed = 2, .epoch = Epoch::counted_by(&counter)}, batch, Stream::cpu());
  EXPECT_TRUE(to_host(batch, Stream::cpu()) == expected(without_mixing(), samples, {.seed = 2, .epoch = 5}));
  EXPECT_THROW(advance_epoch(nullptr, Stream::cpu()), InvalidArgument);
}

// The single random operations, one after the other, from images to normalised floats.
struct SingleCalls {
  SingleCalls(const Samples& from, Stream on)
      : shape(from.shape),
        stream(on),
        in(from.images, on),
        augmented(shape.size(), on),
        mixed(shape.size(), on),
        normalised(shape.size(), on),
        ids(from.ids, on),
        labels(from.labels, on),
        a(shape.count, on),
        b(shape.count, on),
        weight(shape.count, on),
        workspace(rand_augment_workspace_bytes(shape, kPolicy), on) {}

  void operator()() const {
    const auto bytes = [&](const Buffer<std::uint8_t>& buffer) {
      return ImageView<std::uint8_t>::nhwc(buffer.data(), shape);
    };
    rand_augment(In::nhwc(in.data(), shape), ids.cspan(), kPolicy, {.seed = 2}, bytes(augmented), workspace.span(),
                 stream);
    cutmix(bytes(augmented), ids.cspan(), labels.cspan(), {}, {.seed = 2}, bytes(mixed),
           {.a = a.span(), .b = b.span(), .weight_a = weight.span()}, stream);
    normalise(bytes(mixed), kImageNet, ImageView<float>::nchw(normalised.data(), shape), stream);
  }
  Result result() const {
    return {normalised.to_host(stream), a.to_host(stream), b.to_host(stream), weight.to_host(stream)};
  }

  ImageShape shape;
  Stream stream;
  Buffer<std::uint8_t> in, augmented, mixed;
  Buffer<float> normalised;
  Buffer<std::int64_t> ids;
  Buffer<std::int32_t> labels, a, b;
  Buffer<float> weight;
  Buffer<std::byte> workspace;
};

// The samples at another size.
struct ResizeCall {
  ResizeCall(const Samples& from, Stream on)
      : shape(from.shape),
        stream(on),
        in(from.images, on),
        out(shape.count * kSize.height * kSize.width * shape.channels, on),
        workspace(resize_workspace_bytes(shape, kSize, Interpolation::bicubic), on) {}

  void operator()() const {
    const ImageShape out_shape{shape.count, kSize.height, kSize.width, shape.channels};
    resize(In::nhwc(in.data(), shape), SourceBox{1, 2, 19.5f, 21}, Interpolation::bicubic,
           ImageView<std::uint8_t>::nhwc(out.data(), out_shape), workspace.span(), stream);
  }

  static constexpr ImageSize kSize{33, 17};
  ImageShape shape;
  Stream stream;
  Buffer<std::uint8_t> in, out;
  Buffer<std::byte> workspace;
};

TEST(ResizeCpu, ACallAllocatesNothing) {
  const ResizeCall call(make_samples({64, 32, 32, 3}, 0, 22), Stream::cpu());
  call();
  const long before = allocations.load();
  call();
  EXPECT_EQ(allocations.load(), before);
}

TEST(FloatOpsCpu, ACallAllocatesNothing) {
  const ImageShape shape{64, 32, 32, 3};
  const Stream cpu = Stream::cpu();
  const std::vector<float> values(static_cast<std::size_t>(shape.size()), 99.5f);
  std::vector<float> results(values.size());
  const std::vector<std::int64_t> ids(64, 3);
  std::vector<float> weights(64);
  const auto in = ImageView<const float>::nhwc(values.data(), shape);
  const auto out = ImageView<float>::nhwc(results.data(), shape);
  const auto calls = [&] {
    brightness(in, 1.5f, out, cpu);
    contrast(in, 1.5f, out, cpu);
    autocontrast(in, out, cpu);
    sharpness(in, 1.5f, out, cpu);
    flip(in, FlipAxis::both, out, cpu);
    rotate(in, 10.0, {}, out, cpu);
    rotate(in, 10.0, {.interpolation = Interpolation::bilinear}, out, cpu);
    rotate(in, 10.0, {.interpolation = Interpolation::bicubic, .border = Border::wrap}, out, cpu);
    perspective_warp(in, PerspectiveMatrix{}, {}, out, cpu);
    hue(in, 0.2f, out, cpu);
    erase(in, RectPx{1, 2, 3, 4}, 9, out, cpu);
    gaussian_blur(in, 9, 1.5, out, cpu);
    mixup(in, ids, {}, {}, {.seed = 1}, out, {.a = {}, .b = {}, .weight_a = weights}, cpu);
    cutmix(in, ids, {}, {}, {.seed = 1}, out, {.a = {}, .b = {}, .weight_a = weights}, cpu);
  };
  calls();
  const long before = allocations.load();
  calls();
  EXPECT_EQ(allocations.load(), before);
}

const AugmenterOptions kSameAsSingleCalls{
    .policy = kPolicy, .mix = CutMixOptions{}, .normalise = kImageNet, .output_layout = Layout::nchw};

TEST(RandomOperationsCpu, ACallAllocatesNothing) {
  const Samples samples = make_samples({64, 32, 32, 3}, 0, 20);
  const SingleCalls calls(samples, Stream::cpu());
  calls();
  const long before = allocations.load();
  calls();
  EXPECT_EQ(allocations.load(), before);
  EXPECT_TRUE(calls.result() == expected(kSameAsSingleCalls, samples, {.seed = 2}));
}

#if LEAVEN_WITH_CUDA
// `nodes`: where not null, the number of launches (and of anything else) in the graph.
template <class Call>
void capture_and_replay(cudaStream_t stream, const Call& call, std::size_t* nodes = nullptr) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  call();
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  if (nodes != nullptr) {
    ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, nodes), cudaSuccess);
  }
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

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
    capture_and_replay(Stream(stream).cuda_handle(),
                       [&] { augment(images, ids.cspan(), labels.cspan(), {.seed = 2}, batch, stream); });
    EXPECT_TRUE(to_host(batch, stream) == expected(options, samples, {.seed = 2}));

    cudaProfilerStart();
    augment(images, ids.cspan(), labels.cspan(), {.seed = 3}, batch, stream);
    augment.gather(images, ids.cspan(), labels.cspan(), {.seed = 3}, batch, stream);
    cudaProfilerStop();
    EXPECT_TRUE(to_host(batch, stream) == expected(options, samples, {.seed = 3}));
  }
}

// Crop, flip, policy, erasing, mixing and normalising: one launch draws, one computes.
TEST(AugmenterCuda, TheWholePipelineIsTwoLaunches) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const std::pair<Policy, Mix> steps[] = {
      {RandAugmentOptions{.num_ops = 2, .magnitude = 9}, CutMixOptions{}},
      {RandAugmentOptions{.num_ops = 4}, MixUpOptions{.alpha = 1}},
      {ColourJitterOptions{.brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f, .hue = 0.1f},
       CutMixOrMixUpOptions{.partner = MixPartner::permuted}}};
  for (const auto& [policy, mix] : steps) {
    const ImageShape shape =
        std::holds_alternative<CutMixOptions>(mix) ? ImageShape{5, 224, 224, 3} : ImageShape{40, 28, 28, 1};
    const Samples samples = make_samples(shape, 0, 18);
    const AugmenterOptions options{.pad_crop = RandomPadCrop{.padding = 4},
                                   .flip_probability = 0.5f,
                                   .policy = policy,
                                   .random_erase = RandomEraseOptions{},
                                   .mix = mix,
                                   .normalise = kImageNet,
                                   .output_layout = Layout::nchw,
                                   .output_type = FloatType::bf16};
    const Augmenter augment(options, samples.shape);
    const Buffer<std::uint8_t> in(samples.images, stream);
    const Buffer<std::int64_t> ids(samples.ids, stream);
    const Buffer<std::int32_t> labels(samples.labels, stream);
    Augmenter::Batch batch = augment.make_batch(shape.count, stream);
    const In images = In::nhwc(in.data(), samples.shape);
    std::size_t nodes = 0;
    capture_and_replay(
        Stream(stream).cuda_handle(), [&] { augment(images, ids.cspan(), labels.cspan(), {.seed = 2}, batch, stream); },
        &nodes);
    EXPECT_EQ(nodes, 2u);
    EXPECT_TRUE(to_host(batch, stream) == expected(options, samples, {.seed = 2}));
  }
}

// With a counter in device memory, each replay of one graph is another epoch.
TEST(AugmenterCuda, AThousandReplaysDrawAnewAsAThousandCalls) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream owned(Backend::cuda);
  const Stream stream = owned;
  const Samples samples = make_samples({3, 8, 8, 3}, 0, 19);
  const AugmenterOptions options{.pad_crop = RandomPadCrop{.padding = 2},
                                 .flip_probability = 0.5f,
                                 .policy = kPolicy,
                                 .mix = CutMixOptions{},
                                 .normalise = kImageNet};
  const Augmenter augment(options, samples.shape);
  const Buffer<std::uint8_t> in(samples.images, stream);
  const Buffer<std::int64_t> ids(samples.ids, stream);
  const Buffer<std::int32_t> labels(samples.labels, stream);
  const Buffer<std::uint32_t> counter(std::vector<std::uint32_t>{7}, stream);
  Augmenter::Batch batch = augment.make_batch(3, stream);
  const In images = In::nhwc(in.data(), samples.shape);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream.cuda_handle(), cudaStreamCaptureModeGlobal), cudaSuccess);
  augment(images, ids.cspan(), labels.cspan(), {.seed = 2, .epoch = Epoch::counted_by(counter.data())}, batch, stream);
  advance_epoch(counter.data(), stream);
  ASSERT_EQ(cudaStreamEndCapture(stream.cuda_handle(), &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  Result before;
  for (std::uint32_t replay = 0; replay < 1000; ++replay) {
    ASSERT_EQ(cudaGraphLaunch(executable, stream.cuda_handle()), cudaSuccess);
    const Result replayed = to_host(batch, stream);
    augment(images, ids.cspan(), labels.cspan(), {.seed = 2, .epoch = 7 + replay}, batch, stream);
    ASSERT_TRUE(replayed == to_host(batch, stream)) << "replay " << replay;
    ASSERT_FALSE(replayed == before) << "replay " << replay;
    before = replayed;
  }
  EXPECT_EQ(counter.to_host(stream)[0], 1007u);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST(ResizeCuda, ACallCanBeCapturedInAGraphAndReplayed) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const Samples samples = make_samples({5, 32, 32, 3}, 0, 22);
  const ResizeCall call(samples, stream);
  capture_and_replay(Stream(stream).cuda_handle(), call);
  const ResizeCall same(samples, Stream::cpu());
  same();
  EXPECT_TRUE(call.out.to_host(stream) == same.out.to_host(Stream::cpu()));
  cudaProfilerStart();
  call();
  cudaProfilerStop();
}

TEST(RandomOperationsCuda, ACallCanBeCapturedInAGraphAndReplayed) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const Samples samples = make_samples({20, 32, 32, 3}, 0, 21);
  const SingleCalls calls(samples, stream);
  capture_and_replay(Stream(stream).cuda_handle(), calls);
  EXPECT_TRUE(calls.result() == expected(kSameAsSingleCalls, samples, {.seed = 2}));
  cudaProfilerStart();
  calls();
  cudaProfilerStop();
}
#endif

}  // namespace
}  // namespace leaven::test
