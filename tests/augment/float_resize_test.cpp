#include <cmath>
#include <cstring>
#include <limits>

#include <leaven/cpu.hpp>
#include "tests/augment/float_cases.hpp"

#if LEAVEN_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

// Resizing f32 images against its definition in double, its properties, its edges and its contract.
namespace leaven::test {
namespace {

constexpr Interpolation kAll[] = {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Axis {
  double low, high;
  int out;
};

// Support 1 (bilinear) or 2 (Keys' cubic, a = -0.5).
double filter_at(Interpolation interpolation, double distance) {
  const double x = std::abs(distance);
  if (interpolation == Interpolation::bilinear) return std::max(0.0, 1 - x);
  if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
  return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

// The filter stretched where the image shrinks, over the pixels whose centres lie within its support.
template <class Value>
double filtered(Interpolation interpolation, const Axis& axis, int size, int i, const Value& value) {
  const double scale = (axis.high - axis.low) / axis.out;
  const double centre = axis.low + (i + 0.5) * scale;
  if (interpolation == Interpolation::nearest) return value(std::min(size - 1, static_cast<int>(centre)));
  const double stretch = std::max(1.0, scale);
  double sum = 0, weights = 0;
  for (int j = 0; j < size; ++j) {
    const double w = filter_at(interpolation, (j + 0.5 - centre) / stretch);
    if (w == 0) continue;
    sum += w * value(j);
    weights += w;
  }
  return sum / weights;
}

FloatImage resized(const FloatImage& in, const SourceBox& box, Interpolation interpolation, int height, int width) {
  const bool whole = box == SourceBox{};
  const Axis x{box.left, whole ? in.width : double{box.right}, width};
  const Axis y{box.top, whole ? in.height : double{box.bottom}, height};
  const FloatImage rows = reference::make_float(in.height, width, in.channels, [&](int row, int column, int c) {
    return filtered(interpolation, x, in.width, column, [&](int j) { return double{in.at(row, j, c)}; });
  });
  return reference::make_float(height, width, in.channels, [&](int row, int column, int c) {
    return filtered(interpolation, y, in.height, row, [&](int j) { return double{rows.at(j, column, c)}; });
  });
}

std::vector<FloatImage> resized_on(Stream stream, const std::vector<FloatImage>& images, const ImageShape& shape,
                                   const PerImage<SourceBox>& box, Interpolation interpolation,
                                   const ImageShape& out_shape, Memory memory) {
  const FloatBatch in(images, shape, memory, stream);
  const FloatBatch out(out_shape, memory, stream);
  const GuardedBuffer<std::byte> scratch(
      float_resize_workspace_bytes(shape, {out_shape.height, out_shape.width}, interpolation), stream);
  resize(in.view(), box, interpolation, out.view(), scratch.span(), stream);
  out.expect_only_images_written();
  scratch.expect_guards_intact();
  return out.images();
}

class FloatResize : public BackendTest {
 protected:
  std::vector<FloatImage> run(const std::vector<FloatImage>& images, const ImageShape& shape,
                              const PerImage<SourceBox>& box, Interpolation interpolation, const ImageShape& out_shape,
                              Memory memory = Memory::nhwc) const {
    return resized_on(stream(), images, shape, box, interpolation, out_shape, memory);
  }
};
LEAVEN_ON_BOTH_BACKENDS(FloatResize);

TEST_P(FloatResize, IsTheFilterOfItsDefinition) {
  const ImageShape shape{2, 31, 33, 3};
  const std::vector<FloatImage> images = float_images(shape, 3);
  for (const Interpolation interpolation : kAll) {
    for (const SourceBox& box : {SourceBox{}, SourceBox{2.25f, 1.5f, 30.125f, 17.75f}}) {
      for (const ImageSize size : {ImageSize{7, 9}, ImageSize{31, 50}, ImageSize{64, 33}, ImageSize{1, 1}}) {
        const ImageShape out_shape{2, size.height, size.width, 3};
        std::vector<FloatImage> expected;
        for (const FloatImage& image : images) {
          expected.push_back(
              resized(image, box, interpolation, static_cast<int>(size.height), static_cast<int>(size.width)));
        }
        expect_near(run(images, shape, box, interpolation, out_shape), expected,
                    interpolation == Interpolation::nearest ? 0 : 2e-4,
                    "interpolation " + std::to_string(static_cast<int>(interpolation)) + " to " + text(out_shape));
      }
    }
  }
}

TEST_P(FloatResize, RoundedItIsTheEightBitOneWithinALevel) {
  const ImageShape shape{2, 30, 41, 3};
  const ImageShape out_shape{2, 17, 60, 3};
  const std::vector<Image> bytes = test_images(shape, 5);
  std::vector<FloatImage> floats;
  for (const Image& i : bytes) {
    floats.push_back(
        reference::make_float(i.height, i.width, i.channels, [&](int y, int x, int c) { return i.at(y, x, c); }));
  }
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bilinear}) {
    const Batch in(bytes, shape, Memory::nhwc, stream());
    const Batch out(out_shape, Memory::nhwc, stream());
    const GuardedBuffer<std::byte> scratch(resize_workspace_bytes(shape, {17, 60}, interpolation), stream());
    resize(in.view(), SourceBox{}, interpolation, out.view(), scratch.span(), stream());
    std::vector<FloatImage> expected;
    for (const Image& i : out.images()) {
      expected.push_back(
          reference::make_float(i.height, i.width, i.channels, [&](int y, int x, int c) { return i.at(y, x, c); }));
    }
    expect_near(run(floats, shape, SourceBox{}, interpolation, out_shape), expected,
                interpolation == Interpolation::nearest ? 0 : 1.01, "8 bits");
  }
}

// A NaN too stays in its pixel.
TEST_P(FloatResize, ToTheSameSizeIsACopyInAnyMemory) {
  for (const ImageShape& shape : {ImageShape{3, 31, 33, 3}, ImageShape{3, 33, 31, 1}, ImageShape{1, 1, 1, 3}}) {
    std::vector<FloatImage> images = float_images(shape, 4);
    images[0].values[images[0].values.size() / 2] = kNan;
    for (const Memory memory : kAllMemories) {
      for (const Interpolation interpolation : kAll) {
        expect_near(run(images, shape, SourceBox{}, interpolation, shape, memory), images, 0, name(memory));
      }
    }
  }
}

TEST_P(FloatResize, MemoryOfAnyKindGivesTheSameImages) {
  for (const std::int64_t channels : {1, 3}) {
    const ImageShape shape{3, 33, 31, channels};
    const std::vector<FloatImage> images = float_images(shape, 6);
    for (const Interpolation interpolation : kAll) {
      const ImageShape out_shape{3, 20, 47, channels};
      const std::vector<FloatImage> packed = run(images, shape, SourceBox{}, interpolation, out_shape);
      for (const Memory memory : kAllMemories) {
        expect_near(run(images, shape, SourceBox{}, interpolation, out_shape, memory), packed, 0, name(memory));
      }
    }
  }
}

TEST_P(FloatResize, BoxesInTheBackendsMemoryAreClipped) {
  const ImageShape shape{6, 31, 33, 3};
  const ImageShape out_shape{6, 12, 13, 3};
  const std::vector<FloatImage> images(6, float_images({1, 31, 33, 3}, 7)[0]);
  const std::vector<SourceBox> odd{{-5, -1, 20, 50},     {10, 3, kInf, 9}, {kNan, 2, 17, kNan},
                                   {-kInf, 20, kInf, 4}, {40, 0, 50, 31},  {}};
  const std::vector<SourceBox> clipped{{0, 0, 20, 31}, {10, 3, 33, 9}, {0, 2, 17, 31}, {}, {}, {}};
  const GuardedBuffer<SourceBox> odd_boxes(odd, stream());
  for (const Interpolation interpolation : kAll) {
    const std::vector<FloatImage> got = run(images, shape, odd_boxes.cspan(), interpolation, out_shape);
    for (std::size_t i = 0; i < clipped.size(); ++i) {
      expect_near({got[i]}, run({images[i]}, {1, 31, 33, 3}, clipped[i], interpolation, {1, 12, 13, 3}), 0, "a box");
    }
  }
}

// Bicubic sums overshoot and stay so.
TEST_P(FloatResize, NothingIsClamped) {
  FloatImage edge(1, 8, 1);
  for (int x = 4; x < 8; ++x) edge.at(0, x, 0) = 255;
  const FloatImage got = run({edge}, {1, 1, 8, 1}, SourceBox{}, Interpolation::bicubic, {1, 1, 32, 1})[0];
  EXPECT_LT(*std::min_element(got.values.begin(), got.values.end()), -5);
  EXPECT_GT(*std::max_element(got.values.begin(), got.values.end()), 260);
}

TEST_P(FloatResize, OfNothingWritesNothing) {
  for (const ImageShape& out_shape : {ImageShape{0, 4, 4, 3}, ImageShape{2, 0, 4, 3}, ImageShape{2, 4, 0, 3}}) {
    const ImageShape shape{out_shape.count, 8, 9, 3};
    run(float_images(shape, 1), shape, SourceBox{}, Interpolation::bicubic, out_shape);
  }
}

TEST_P(FloatResize, WrongCallsAreRefused) {
  const ImageShape shape{2, 8, 9, 3};
  const FloatBatch in(float_images(shape, 1), shape, Memory::nhwc, stream());
  const FloatBatch out(ImageShape{2, 4, 5, 3}, Memory::nhwc, stream());
  const std::vector<FloatImage> before = out.images();
  constexpr Interpolation kBilinear = Interpolation::bilinear;
  const GuardedBuffer<std::byte> scratch(float_resize_workspace_bytes(shape, {4, 5}, kBilinear), stream());
  const auto text_of = [&](const PerImage<SourceBox>& box, Interpolation interpolation, std::span<std::byte> space) {
    return message_of<InvalidArgument>([&] { resize(in.view(), box, interpolation, out.view(), space, stream()); });
  };
  EXPECT_EQ(text_of(SourceBox{0, 0, 9.5f, 8}, kBilinear, scratch.span()),
            "resize: box is (0, 0) to (9.5, 8), expected a part of the image, 9 wide and 8 high");
  EXPECT_EQ(text_of(SourceBox{0, kNan, 9, 8}, kBilinear, scratch.span()),
            "resize: an edge of box is nan, expected a finite number");
  EXPECT_EQ(text_of(SourceBox{}, static_cast<Interpolation>(3), scratch.span()),
            "resize: interpolation is 3, expected nearest (0), bilinear (1) or bicubic (2)");
  EXPECT_EQ(text_of(SourceBox{}, kBilinear, scratch.span().subspan(8)),
            "resize: workspace has " + std::to_string(scratch.size() - 8) + " bytes, expected " +
                std::to_string(scratch.size()));
  const GuardedBuffer<std::byte> wide(scratch.size() + 4, stream());
  EXPECT_EQ(text_of(SourceBox{}, kBilinear, wide.span().subspan(4)),
            "resize: workspace is not aligned, expected a multiple of 8 bytes");
  const GuardedBuffer<SourceBox> three(3, stream());
  EXPECT_EQ(text_of(three.cspan(), kBilinear, scratch.span()), "resize: box has 3 values, expected 2 (one per image)");
  FloatOut overlapping = in.view();
  overlapping.height = 4;
  EXPECT_NE(message_of<InvalidArgument>([&] {
              resize(in.view(), SourceBox{}, kBilinear, overlapping, scratch.span(), stream());
            }).find("resize: out overlaps in"),
            std::string::npos);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              float_resize_workspace_bytes(shape, {-1, 3}, kBilinear);
            }),
            "float_resize_workspace_bytes: out is -1x3, expected sides of 0 to 2^24");
  expect_near(out.images(), before, 0, "after refused calls");
  out.expect_only_images_written();
}

bool same_bits(const std::vector<FloatImage>& a, const std::vector<FloatImage>& b) {
  for (std::size_t n = 0; n < a.size(); ++n) {
    if (std::memcmp(a[n].values.data(), b[n].values.data(), a[n].values.size() * sizeof(float)) != 0) return false;
  }
  return a.size() == b.size();
}

struct SizePair {
  ImageShape in, out;
};
const SizePair kPairs[] = {
    {{2, 31, 33, 3}, {2, 12, 70, 3}}, {{2, 40, 5, 1}, {2, 41, 3, 1}}, {{1, 9, 9, 3}, {1, 9, 20, 3}}};

TEST(FloatResizeCuda, TheBitsAreThoseOfTheCpu) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream cuda(Backend::cuda);
  for (const auto& [shape, out_shape] : kPairs) {
    const std::vector<FloatImage> images = float_images(shape, 8);
    for (const Interpolation interpolation : kAll) {
      for (const Memory memory : {Memory::nhwc, Memory::nchw}) {
        EXPECT_TRUE(same_bits(resized_on(cuda, images, shape, SourceBox{}, interpolation, out_shape, memory),
                              resized_on(Stream::cpu(), images, shape, SourceBox{}, interpolation, out_shape, memory)))
            << text(shape) << " to " << text(out_shape) << " " << static_cast<int>(interpolation);
      }
    }
  }
}

class FloatResizeOnIsa : public testing::TestWithParam<CpuIsa> {
 protected:
  void TearDown() override { set_cpu_isa(best_cpu_isa()); }
};
INSTANTIATE_TEST_SUITE_P(Cpu, FloatResizeOnIsa, testing::Values(CpuIsa::avx2, CpuIsa::avx512));

TEST_P(FloatResizeOnIsa, HasTheBaselineBits) {
  if (GetParam() > best_cpu_isa()) GTEST_SKIP() << "this CPU has no such instructions";
  for (const auto& [shape, out_shape] : kPairs) {
    const std::vector<FloatImage> images = float_images(shape, 9);
    for (const Interpolation interpolation : kAll) {
      set_cpu_isa(CpuIsa::baseline);
      const auto expected =
          resized_on(Stream::cpu(), images, shape, SourceBox{}, interpolation, out_shape, Memory::nhwc);
      set_cpu_isa(GetParam());
      ASSERT_EQ(cpu_isa(), GetParam());
      EXPECT_TRUE(same_bits(
          resized_on(Stream::cpu(), images, shape, SourceBox{}, interpolation, out_shape, Memory::nhwc), expected))
          << text(shape);
    }
  }
}

#if LEAVEN_WITH_CUDA
TEST(FloatResizeCuda, RunsFromAGraph) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const Stream s = stream;
  const auto& [shape, out_shape] = kPairs[0];
  const std::vector<FloatImage> images = float_images(shape, 12);
  const FloatBatch in(images, shape, Memory::nhwc, s);
  const FloatBatch out(out_shape, Memory::nhwc, s);
  const GuardedBuffer<std::byte> scratch(
      float_resize_workspace_bytes(shape, {out_shape.height, out_shape.width}, Interpolation::bicubic), s);
  ASSERT_EQ(cudaStreamBeginCapture(s.cuda_handle(), cudaStreamCaptureModeGlobal), cudaSuccess);
  resize(in.view(), SourceBox{}, Interpolation::bicubic, out.view(), scratch.span(), s);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(s.cuda_handle(), &graph), cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, s.cuda_handle()), cudaSuccess);
  expect_near(out.images(),
              resized_on(Stream::cpu(), images, shape, SourceBox{}, Interpolation::bicubic, out_shape, Memory::nhwc), 0,
              "from a graph");
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}
#endif

}  // namespace
}  // namespace leaven::test
