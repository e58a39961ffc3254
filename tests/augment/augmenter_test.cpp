#include <gtest/gtest.h>

#include <algorithm>

#include <leaven/augment.hpp>
#include <leaven/cpu.hpp>
#include "tests/augment/augmenter_reference.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

class AugmenterTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(AugmenterTest);

TEST_P(AugmenterTest, EqualsSingleOperationsInOrder) {
  const ImageShape shapes[] = {{33, 28, 28, 1}, {31, 32, 32, 3}, {8, 31, 33, 3}, {9, 1, 1, 1},
                               {5, 1, 37, 3},   {1, 16, 16, 1},  {2, 5, 4, 1},   {0, 28, 28, 1}};
  RandomKey key{.seed = 0xfeedfacecafebeefu, .epoch = 0};
  for (const ImageShape& shape : shapes) {
    int number = 0;
    for (const AugmenterOptions& options : some_options()) {
      SCOPED_TRACE(testing::Message() << "options " << number++);
      ++key.epoch.value;
      const Samples samples = make_samples(shape, (std::int64_t{1} << 40) - 5, key.epoch.value);
      const Result got = run(Augmenter(options, shape), samples, key, stream());
      const Result want = expected(options, samples, key);
      EXPECT_TRUE(got == want) << "epoch " << key.epoch.value << ": " << shape.height << "x" << shape.width << "x"
                               << shape.channels;
    }
  }
}

TEST_P(AugmenterTest, GatherPicksFromTheDataSet) {
  const Samples data = make_samples({50, 14, 12, 3}, 0, 3);
  const std::vector<std::int64_t> wanted = {49, 0, 7, 7, -3, 50, 1000000, 12};
  Samples picked = pick(data, {49, 0, 7, 7, 0, 49, 49, 12});
  picked.ids = wanted;
  for (const AugmenterOptions& options : some_options()) {
    const Augmenter augment(options, data.shape);
    const Buffer<std::uint8_t> images(data.images, stream());
    const Buffer<std::int32_t> labels(data.labels, stream());
    const Buffer<std::int64_t> ids(wanted, stream());
    Augmenter::Batch batch = augment.make_batch(10, stream());
    augment.gather(In::nhwc(images.data(), data.shape), ids.cspan(), labels.cspan(), {.seed = 4}, batch, stream());
    EXPECT_EQ(batch.count, 8);
    EXPECT_TRUE(to_host(batch, stream()) == expected(options, picked, {.seed = 4}));
  }
}

TEST_P(AugmenterTest, TakesAnyStrides) {
  const Samples samples = make_samples({6, 15, 17, 3}, 90, 5);
  std::vector<std::uint8_t> planar(samples.images.size());
  flip(In::nhwc(samples.images.data(), samples.shape), FlipAxis::none, Out::nchw(planar.data(), samples.shape),
       Stream::cpu());
  for (const AugmenterOptions& options : some_options()) {
    const Augmenter augment(options, samples.shape);
    const Buffer<std::uint8_t> in(planar, stream());
    const Buffer<std::int64_t> ids(samples.ids, stream());
    const Buffer<std::int32_t> labels(samples.labels, stream());
    Augmenter::Batch batch = augment.make_batch(6, stream());
    augment(In::nchw(in.data(), samples.shape), ids.cspan(), labels.cspan(), {.seed = 6}, batch, stream());
    EXPECT_TRUE(to_host(batch, stream()) == expected(options, samples, {.seed = 6}));
  }
}

// ------------------------------------------------------------------------------------------- the same bits everywhere

// Outputs ordered by sample id, however the samples were batched and ordered.
std::string hash_of(const Samples& samples, std::int64_t batch_size, bool shuffled, Stream stream) {
  const Augmenter augment(without_mixing(), samples.shape);
  std::vector<std::int64_t> order = ids_from(0, samples.shape.count);
  if (shuffled) std::shuffle(order.begin(), order.end(), std::mt19937(3));
  const auto values = static_cast<std::size_t>(samples.shape.size() / samples.shape.count);
  std::vector<float> all(samples.images.size());
  for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(batch_size)) {
    const std::size_t end = std::min(order.size(), first + static_cast<std::size_t>(batch_size));
    const std::vector<std::int64_t> places(order.begin() + first, order.begin() + end);
    const Result result = run(augment, pick(samples, places), {.seed = 1, .epoch = 2}, stream);
    for (std::size_t i = 0; i < places.size(); ++i) {
      std::copy_n(result.images.begin() + i * values, values, all.begin() + places[i] * values);
    }
  }
  return sha256({reinterpret_cast<const std::uint8_t*>(all.data()), all.size() * sizeof(float)});
}

struct KnownHash {
  ImageShape shape;
  const char* sha256;
};
const KnownHash kKnown[] = {
    {{300, 28, 28, 1}, "f4d8e1e5728d67fa4b8843cb3435ee2ce5df16803fcb8bc02d03b318669632cf"},
    {{300, 32, 32, 3}, "f72bbc5e9f5159d51cea0cf64799b0a7349ac511327df4d00974843bcda746c1"},
};

TEST_P(AugmenterTest, OneHashForAnyBatchSizeAndOrder) {
  for (const KnownHash& known : kKnown) {
    const Samples samples = make_samples(known.shape, 1000, 11);
    EXPECT_EQ(hash_of(samples, 256, false, stream()), known.sha256);
    EXPECT_EQ(hash_of(samples, 256, true, stream()), known.sha256);
    EXPECT_EQ(hash_of(samples, 7, true, stream()), known.sha256);
    EXPECT_EQ(hash_of(samples, 1, false, stream()), known.sha256);
  }
}

TEST(AugmenterCpu, OneHashForAnyInstructionSetAndNumberOfThreads) {
  const int threads_before = cpu_threads();
  for (const KnownHash& known : kKnown) {
    const Samples samples = make_samples(known.shape, 1000, 11);
    for (const CpuIsa isa : {CpuIsa::baseline, CpuIsa::avx2, CpuIsa::avx512}) {
      if (isa > best_cpu_isa()) continue;
      set_cpu_isa(isa);
      for (const int threads : {1, 2}) {
        set_cpu_threads(threads);
        EXPECT_EQ(hash_of(samples, 256, true, Stream::cpu()), known.sha256) << name(isa) << ", " << threads;
      }
    }
  }
  set_cpu_isa(best_cpu_isa());
  set_cpu_threads(threads_before);
}

TEST(AugmenterCpu, ABatchMadeForFewThreadsServesMany) {
  const int threads_before = cpu_threads();
  const Samples samples = make_samples({200, 40, 40, 3}, 0, 19);
  AugmenterOptions options = without_mixing();
  options.mix = CutMixOptions{};
  const Augmenter augment(options, samples.shape);
  set_cpu_threads(1);
  Augmenter::Batch batch = augment.make_batch(200, Stream::cpu());
  set_cpu_threads(8);
  augment(In::nhwc(samples.images.data(), samples.shape), samples.ids, samples.labels, {}, batch, Stream::cpu());
  EXPECT_TRUE(to_host(batch, Stream::cpu()) == expected(options, samples, {}));
  set_cpu_threads(threads_before);
}

TEST_P(AugmenterTest, MixingDependsOnThePairAlone) {
  const Samples samples = make_samples({40, 20, 20, 3}, 500, 12);
  AugmenterOptions options = without_mixing();
  options.mix = CutMixOptions{};
  const Augmenter augment(options, samples.shape);
  const Result all = run(augment, samples, {.seed = 7}, stream());
  const std::size_t values = 1200;
  for (std::int64_t i = 3; i < 40; i += 9) {
    const Result two = run(augment, pick(samples, {i - 1, i}), {.seed = 7}, stream());
    EXPECT_TRUE(std::equal(two.images.begin() + values, two.images.end(), all.images.begin() + i * values));
    EXPECT_EQ(two.weight[1], all.weight[static_cast<std::size_t>(i)]);
    EXPECT_EQ(two.b[1], all.b[static_cast<std::size_t>(i)]);
  }
}

TEST_P(AugmenterTest, TakesBatchesOfAnySize) {
  AugmenterOptions options = without_mixing();
  options.policy = RandAugmentOptions{.ops = {AugmentOp::invert, AugmentOp::solarize, AugmentOp::shear_x}};
  options.mix = CutMixOptions{};
  const Samples samples = make_samples({70000, 2, 3, 1}, 0, 13);
  EXPECT_TRUE(run(Augmenter(options, samples.shape), samples, {.seed = 8}, stream()) ==
              expected(options, samples, {.seed = 8}));
}

TEST_P(AugmenterTest, ABatchIsReusedAndTheRestOfItLeftAlone) {
  const Augmenter augment(without_mixing(), {0, 28, 28, 1});
  Augmenter::Batch batch = augment.make_batch(33, stream());
  const Samples samples = make_samples({33, 28, 28, 1}, 0, 14);
  const Buffer<std::uint8_t> in(samples.images, stream());
  const Buffer<std::int64_t> ids(samples.ids, stream());
  const Buffer<std::int32_t> labels(samples.labels, stream());
  const In images = In::nhwc(in.data(), samples.shape);
  augment(images, ids.cspan(), labels.cspan(), {.epoch = 1}, batch, stream());
  const std::vector<std::byte> before = batch.images.to_host(stream());
  augment(images.slice(0, 31), ids.cspan().first(31), labels.cspan().first(31), {.epoch = 2}, batch, stream());
  EXPECT_EQ(batch.count, 31);
  EXPECT_EQ(batch.view().shape(), (ImageShape{31, 28, 28, 1}));
  const std::vector<std::byte> after = batch.images.to_host(stream());
  constexpr std::ptrdiff_t kUsed = 31 * 784 * sizeof(float);
  EXPECT_FALSE(std::equal(before.begin(), before.begin() + kUsed, after.begin()));
  EXPECT_TRUE(std::equal(before.begin() + kUsed, before.end(), after.begin() + kUsed));
}

TEST_P(AugmenterTest, ImagesNeedNoLabels) {
  const Samples samples = make_samples({5, 8, 8, 1}, 0, 15);
  AugmenterOptions options = without_mixing();
  options.mix = CutMixOptions{};
  const Augmenter augment(options, samples.shape);
  const Buffer<std::uint8_t> in(samples.images, stream());
  const Buffer<std::int64_t> ids(samples.ids, stream());
  Augmenter::Batch batch = augment.make_batch(5, stream());
  const std::vector<std::int32_t> marks(5, 77);
  batch.label_a.copy_from(marks, stream());
  augment(In::nhwc(in.data(), samples.shape), ids.cspan(), {}, {}, batch, stream());
  EXPECT_EQ(to_host(batch, stream()).images, expected(options, samples, {}).images);
  EXPECT_EQ(batch.label_a.to_host(stream()), marks);
}

// --------------------------------------------------------------------------------------------------------- contract

TEST(AugmenterOptionsTest, AreCheckedByTheConstructor) {
  const auto refused = [](const AugmenterOptions& options, const ImageShape& image = {0, 8, 8, 3}) {
    return message_of<InvalidArgument>([&] { Augmenter(options, image); });
  };
  EXPECT_EQ(refused({.pad_crop = RandomPadCrop{.padding = -1}}),
            "Augmenter: pad_crop.padding is -1, expected 0 to 1048576");
  EXPECT_EQ(refused({.pad_crop = RandomPadCrop{}, .random_resized_crop = RandomResizedCrop{}}),
            "Augmenter: pad_crop and random_resized_crop are both set, expected one of them at most");
  EXPECT_EQ(refused({.random_resized_crop = RandomResizedCrop{.size = {0, 5}}}),
            "Augmenter: random_resized_crop.size is 0x5, expected at least 1x1");
  EXPECT_EQ(refused({.random_resized_crop = RandomResizedCrop{.crop = {.scale = {0, 1}}}}),
            "Augmenter: options.scale is 0 to 1, expected a range within 0 (excluded) to 1");
  EXPECT_EQ(refused({.flip_probability = 1.1f}), "Augmenter: flip_probability is 1.1, expected 0 to 1");
  EXPECT_EQ(refused({.flip_probability = NAN}), "Augmenter: flip_probability is nan, expected 0 to 1");
  EXPECT_EQ(refused({.policy = RandAugmentOptions{.magnitude = 40}}),
            "Augmenter: options.magnitude is 40, expected 0 to 30 (bins - 1)");
  EXPECT_EQ(refused({.mix = CutMixOptions{.alpha = -1}}),
            "Augmenter: options.alpha is -1, expected a finite value above 0");
  EXPECT_EQ(refused({.random_erase = RandomEraseOptions{.scale = {0.5, 0.1}}}),
            "Augmenter: options.scale is 0.5 to 0.1, expected a range within 0 (excluded) to 1");
  EXPECT_EQ(refused({.mix = CutMixOrMixUpOptions{.mixup_alpha = 0}}),
            "Augmenter: options.mixup_alpha is 0, expected a finite value above 0");
  EXPECT_EQ(refused({.output_type = static_cast<FloatType>(3)}),
            "Augmenter: output_type is 3, expected f32 (0), f16 (1) or bf16 (2)");
  EXPECT_NE(refused({.normalise = {{0, 0, 0}, {1, 1e-42f, 1}}}).find("leaves the range of float"), std::string::npos);
  EXPECT_EQ(refused({.normalise = {{0, 0, 0}, {1, 1, 0}}}),
            "Augmenter: normalisation.std[2] is 0, expected a finite value above 0");
  EXPECT_EQ(refused({}, {0, 8, 8, 2}),
            "Augmenter: image is 8x8x2 (height x width x channels), expected at least 1x1 and 1 or 3 channels");
  EXPECT_EQ(refused({}, {0, 0, 8, 1}),
            "Augmenter: image is 0x8x1 (height x width x channels), expected at least 1x1 and 1 or 3 channels");
}

TEST(AugmenterBatch, IsSeenAsWhatItHolds) {
  const Augmenter augment({.output_type = FloatType::bf16}, {0, 4, 4, 1});
  const Augmenter::Batch batch = augment.make_batch(3, Stream::cpu());
  EXPECT_EQ(batch.images.size(), 3 * 16 * 2);
  EXPECT_EQ(batch.view<BFloat16>().height, 4);
  EXPECT_EQ(message_of<InvalidArgument>([&] { batch.view(); }),
            "Augmenter::Batch::view: images are of type 2, got a view of type 0: f32 (0), f16 (1), bf16 (2)");
  EXPECT_EQ(message_of<InvalidArgument>([&] { batch.view<Float16>(); }),
            "Augmenter::Batch::view: images are of type 2, got a view of type 1: f32 (0), f16 (1), bf16 (2)");
}

TEST_P(AugmenterTest, RefusesBadCallsAndLeavesTheBatchAlone) {
  const Samples samples = make_samples({6, 8, 8, 3}, 0, 18);
  const Augmenter augment(without_mixing(), samples.shape);
  const Buffer<std::uint8_t> in(samples.images, stream());
  const Buffer<std::int64_t> ids(samples.ids, stream());
  const Buffer<std::int32_t> labels(samples.labels, stream());
  Augmenter::Batch batch = augment.make_batch(6, stream());
  augment(In::nhwc(in.data(), samples.shape), ids.cspan(), labels.cspan(), {}, batch, stream());
  const Result before = to_host(batch, stream());
  const auto refused = [&](const ImageShape& shape, std::size_t id_count, std::size_t label_count,
                           Augmenter::Batch& out) {
    return message_of<InvalidArgument>([&] {
      augment(In::nhwc(in.data(), shape), ids.cspan().first(id_count), labels.cspan().first(label_count), {.seed = 1},
              out, stream());
    });
  };
  EXPECT_EQ(refused(samples.shape, 5, 6, batch), "Augmenter: sample_ids has 5 values, expected 6 (one per image)");
  EXPECT_EQ(refused(samples.shape, 6, 5, batch), "Augmenter: labels has 5 values, expected 6 (one per image)");
  EXPECT_EQ(refused({6, 8, 4, 3}, 6, 6, batch),
            "Augmenter: in has images of 8x4x3, expected 8x8x3 (height x width x channels)");
  Augmenter::Batch small = augment.make_batch(5, stream());
  EXPECT_EQ(refused(samples.shape, 6, 6, small), "Augmenter: 6 images are wanted, expected at most 5 (out's capacity)");
  AugmenterOptions other = without_mixing();
  other.output_layout = Layout::nhwc;
  Augmenter::Batch strange = Augmenter(other, samples.shape).make_batch(6, stream());
  EXPECT_EQ(refused(samples.shape, 6, 6, strange),
            "Augmenter: out was made by another Augmenter, expected a batch of make_batch");
  if (on_cuda()) {
    Augmenter::Batch host = augment.make_batch(6, Stream::cpu());
    EXPECT_EQ(refused(samples.shape, 6, 6, host),
              "Augmenter: out is a batch of the cpu backend, expected cuda (the stream's)");
  }
  EXPECT_NE(message_of<InvalidArgument>([&] {
              In far = In::nhwc(in.data(), samples.shape);
              far.row_stride = std::int64_t{1} << 31;
              augment(far, ids.cspan(), labels.cspan(), {}, batch, stream());
            }).find("Augmenter: in has row stride 2147483648 and pixel stride 3, expected less than 2^31"),
            std::string::npos);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              augment.gather(In::nhwc(in.data(), {0, 8, 8, 3}), ids.cspan(), {}, {}, batch, stream());
            }),
            "Augmenter::gather: data has 0 images, expected at least 1");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              augment.gather(In::nhwc(in.data(), samples.shape), ids.cspan(), labels.cspan().first(2), {}, batch,
                             stream());
            }),
            "Augmenter::gather: data_labels has 2 values, expected 6 (one per image)");
  EXPECT_EQ(message_of<InvalidArgument>([&] { augment.make_batch(-1, stream()); }),
            "Augmenter::make_batch: capacity is -1, expected at least 0");
  EXPECT_TRUE(to_host(batch, stream()) == before);
}

}  // namespace
}  // namespace leaven::test
