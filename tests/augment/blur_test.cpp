#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include <leaven/cpu.hpp>
#include "tests/augment/images.hpp"
#include "tests/golden/image_generator.hpp"

#if LEAVEN_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

// Gaussian blur against its definition in double and torchvision's answers, its properties, its edges, its contract.
namespace leaven::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr std::int32_t kSizes[] = {1, 3, 23, 63};

int mirrored(int i, int size) {
  if (i < 0) return -i;
  return i < size ? i : 2 * size - 2 - i;
}

// The means of whole windows, not in two passes.
Image blurred(const Image& in, int size, double sigma) {
  const int half = size / 2;
  const auto density = [&](int d) { return std::exp(-0.5 * (d / sigma) * (d / sigma)); };
  double total = 0;
  for (int i = -half; i <= half; ++i)
    for (int j = -half; j <= half; ++j) total += density(i) * density(j);
  return reference::make(in.height, in.width, in.channels, [&](int y, int x, int c) {
    double sum = 0;
    for (int i = -half; i <= half; ++i) {
      const double row_density = density(i);
      const int from = mirrored(y + i, in.height);
      if (row_density < 1e-12) continue;
      for (int j = -half; j <= half; ++j) sum += row_density * density(j) * in.at(from, mirrored(x + j, in.width), c);
    }
    return std::nearbyint(sum / total);
  });
}

// At most one level apart, and not in more than one value of 500.
void expect_close(const std::vector<Image>& got, const std::vector<Image>& expected, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  std::size_t differing = 0, all = 0;
  for (std::size_t n = 0; n < got.size(); ++n) {
    ASSERT_EQ(got[n].values.size(), expected[n].values.size()) << what;
    for (std::size_t i = 0; i < got[n].values.size(); ++i) {
      const int difference = std::abs(got[n].values[i] - expected[n].values[i]);
      ASSERT_LE(difference, 1) << what << ": image " << n << ", value " << i;
      differing += static_cast<std::size_t>(difference);
    }
    all += got[n].values.size();
  }
  EXPECT_LE(differing, all / 500) << what << ": values that differ, of " << all;
}

std::vector<Image> blurred_on(Stream stream, const std::vector<Image>& images, const ImageShape& shape,
                              std::int32_t size, const PerImage<double>& sigma, Memory in_memory, Memory out_memory) {
  const Batch in(images, shape, in_memory, stream);
  const Batch out(shape, out_memory, stream);
  gaussian_blur(in.view(), size, sigma, out.view(), stream);
  out.expect_only_images_written();
  return out.images();
}

class Blur : public BackendTest {
 protected:
  std::vector<Image> run(const std::vector<Image>& images, const ImageShape& shape, std::int32_t size,
                         const PerImage<double>& sigma, Memory memory = Memory::nhwc) const {
    return blurred_on(stream(), images, shape, size, sigma, memory, memory);
  }
};
LEAVEN_ON_BOTH_BACKENDS(Blur);

TEST_P(Blur, IsTheMeanOfItsDefinition) {
  struct Case {
    ImageShape shape;
    std::int32_t size;
    double sigma;
  };
  for (const Case& one : {Case{{3, 31, 33, 3}, 3, 0.7}, Case{{2, 33, 31, 1}, 23, 1.5}, Case{{1, 40, 70, 3}, 23, 4.0},
                          Case{{1, 32, 32, 3}, 63, 12.0}, Case{{1, 100, 45, 1}, 63, 5.0}, Case{{3, 2, 3, 1}, 3, 1.0},
                          Case{{3, 12, 65, 3}, 9, 1e6}, Case{{2, 5, 5, 1}, 5, 1e-300}}) {
    const std::vector<Image> images = test_images(one.shape, 3);
    std::vector<Image> expected;
    for (const Image& image : images) expected.push_back(blurred(image, one.size, one.sigma));
    expect_close(run(images, one.shape, one.size, one.sigma), expected,
                 text(one.shape) + ", kernel_size " + std::to_string(one.size));
  }
}

TEST_P(Blur, IsTorchvisionsWithinALevel) {
  std::ifstream file(LEAVEN_TEST_DATA "/golden/blur.jsonl");
  std::string line;
  std::getline(file, line);  // the header
  int cases = 0;
  for (; std::getline(file, line); ++cases) {
    const auto one = nlohmann::json::parse(line);
    const ImageShape shape{1, one["height"], one["width"], one["channels"]};
    Image in(one["height"], one["width"], one["channels"]);
    in.values =
        golden::make_image(one["image"].get<std::string>(), one["image_seed"], in.height, in.width, in.channels);
    Image expected = in;
    const std::string hex = one["bytes"];
    ASSERT_EQ(hex.size(), 2 * expected.values.size());
    for (std::size_t i = 0; i < expected.values.size(); ++i)
      expected.values[i] = static_cast<std::uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
    expect_close(run({in}, shape, one["kernel_size"], one["sigma"].get<double>()), {expected}, line.substr(0, 120));
  }
  EXPECT_EQ(cases, 7);
}

TEST_P(Blur, EqualsTheBaselineLoops) {
  for (const ImageShape& shape : {ImageShape{3, 32, 33, 3}, ImageShape{2, 75, 33, 1}, ImageShape{1, 34, 290, 3},
                                  ImageShape{1, 130, 61, 3}, ImageShape{5, 28, 28, 1}}) {
    const std::vector<Image> images = test_images(shape, 4);
    for (const std::int32_t size : kSizes) {
      if (size / 2 >= std::min(shape.height, shape.width)) continue;
      set_cpu_isa(CpuIsa::baseline);
      const std::vector<Image> expected =
          blurred_on(Stream::cpu(), images, shape, size, 0.3 * size, Memory::nhwc, Memory::nhwc);
      set_cpu_isa(best_cpu_isa());
      expect_same_images(run(images, shape, size, 0.3 * size), expected, text(shape) + ", " + std::to_string(size));
    }
  }
}

TEST_P(Blur, AnyMemoryGivesTheSameImages) {
  for (const std::int64_t channels : {1, 3}) {
    const ImageShape shape{3, 37, 41, channels};
    const std::vector<Image> images = test_images(shape, 6);
    const std::vector<Image> packed = run(images, shape, 11, 2.0);
    for (const Memory in : kAllMemories) {
      for (const Memory out : kAllMemories) {
        if (in != out && in != Memory::nhwc && out != Memory::nhwc) continue;
        expect_same_images(blurred_on(stream(), images, shape, 11, 2.0, in, out), packed,
                           std::string(name(in)) + " to " + name(out));
      }
    }
  }
}

TEST_P(Blur, OfSizeOneOrOfTinySigmaIsACopy) {
  const ImageShape shape{3, 31, 33, 3};
  const std::vector<Image> images = test_images(shape, 7);
  expect_same_images(run(images, shape, 1, 5.0), images, "kernel_size 1");
  expect_same_images(run(images, shape, 61, 5e-324), images, "the smallest sigma");
}

TEST_P(Blur, KeepsAFlatImageFlat) {
  for (const std::int32_t size : kSizes) {
    for (const int value : {0, 1, 127, 254, 255}) {
      const std::vector<Image> flat{Image(35, 33, 3, static_cast<std::uint8_t>(value))};
      expect_same_images(run(flat, {1, 35, 33, 3}, size, 7.7), flat, "flat");
    }
  }
}

TEST_P(Blur, OfAMirroredImageIsTheMirroredBlur) {
  const ImageShape shape{1, 37, 50, 3};
  const Image image = test_images(shape, 8)[0];
  const std::vector<Image> expected{reference::flip(run({image}, shape, 23, 3.0)[0], true, true)};
  expect_same_images(run({reference::flip(image, true, true)}, shape, 23, 3.0), expected, "mirrored");
}

TEST_P(Blur, EachImageHasItsOwnSigma) {
  const std::vector<double> sigmas{0.1, 2.0, 0.75, 1e9, 4.5};
  const ImageShape shape{5, 33, 40, 3};
  const std::vector<Image> images = test_images(shape, 9);
  const GuardedBuffer<double> device(sigmas, stream());
  const std::vector<Image> got = run(images, shape, 23, device.cspan());
  for (std::size_t i = 0; i < sigmas.size(); ++i)
    expect_same_images({got[i]}, run({images[i]}, {1, 33, 40, 3}, 23, sigmas[i]), "image " + std::to_string(i));
}

TEST_P(Blur, OfASigmaInMemoryThatMakesNoSenseIsACopy) {
  const std::vector<double> sigmas{kNan, 0.0, -0.0, -2.0, kInf, -kInf, 1.5};
  const ImageShape shape{7, 33, 40, 3};
  const std::vector<Image> images(7, test_images(shape, 10)[0]);
  const GuardedBuffer<double> device(sigmas, stream());
  std::vector<Image> expected = images;
  expected[6] = run({images[6]}, {1, 33, 40, 3}, 9, 1.5)[0];
  expect_same_images(run(images, shape, 9, device.cspan()), expected, "odd sigmas");
}

TEST_P(Blur, SeventyThousandImages) {
  const ImageShape shape{70000, 2, 2, 1};
  std::vector<std::uint8_t> values;
  std::vector<double> sigmas;
  for (std::int64_t i = 0; i < shape.count; ++i) {
    for (const std::int64_t v : {i % 251, i % 239, i % 7 * 36, i % 2 * 255})
      values.push_back(static_cast<std::uint8_t>(v));
    sigmas.push_back(i % 2 == 0 ? kNan : 1e9);  // a copy, or means of 3x3
  }
  const Buffer<std::uint8_t> in(values, stream());
  const GuardedBuffer<double> device(sigmas, stream());
  const GuardedBuffer<std::uint8_t> out(shape.size(), stream());
  gaussian_blur(In::nhwc(in.data(), shape), 3, device.cspan(), Out::nhwc(out.data(), shape), stream());
  out.expect_guards_intact();
  const std::vector<std::uint8_t> got = out.to_host();
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::uint8_t* v = values.data() + i / 4 * 4;
    const std::size_t k = i % 4;  // a 3x3 window has the pixel itself once, the others twice, twice and four times
    const double mean = (v[k] + 2.0 * v[k ^ 1] + 2.0 * v[k ^ 2] + 4.0 * v[k ^ 3]) / 9.0;
    ASSERT_EQ(int{got[i]}, i / 4 % 2 == 0 ? v[k] : static_cast<int>(std::nearbyint(mean))) << "value " << i;
  }
}

TEST_P(Blur, OfNothingWritesNothing) {
  for (const ImageShape& shape : {ImageShape{0, 4, 4, 3}, ImageShape{2, 0, 4, 3}, ImageShape{2, 4, 0, 1}}) {
    run(test_images(shape, 1), shape, 5, 1.0);
  }
}

TEST_P(Blur, WrongCallsAreRefused) {
  const ImageShape shape{2, 8, 9, 3};
  const Batch in(test_images(shape, 1), shape, Memory::nhwc, stream());
  const Batch out(shape, Memory::nhwc, stream());
  const std::vector<Image> before = out.images();
  const auto text = [&](std::int32_t size, const PerImage<double>& sigma) {
    return message_of<InvalidArgument>([&] { gaussian_blur(in.view(), size, sigma, out.view(), stream()); });
  };
  for (const std::int32_t size : {4, 0, -3, 65})
    EXPECT_EQ(text(size, 1.0),
              "gaussian_blur: kernel_size is " + std::to_string(size) + ", expected an odd number from 1 to 63");
  EXPECT_EQ(text(17, 1.0), "gaussian_blur: kernel_size is 17, expected at most 15 for images of 8x9");
  EXPECT_EQ(text(5, 0.0), "gaussian_blur: sigma is 0, expected a positive finite number");
  EXPECT_EQ(text(5, -1.5), "gaussian_blur: sigma is -1.5, expected a positive finite number");
  EXPECT_EQ(text(5, kNan), "gaussian_blur: sigma is nan, expected a positive finite number");
  EXPECT_EQ(text(5, kInf), "gaussian_blur: sigma is inf, expected a positive finite number");
  const GuardedBuffer<double> three(3, stream());
  EXPECT_EQ(text(5, three.cspan()), "gaussian_blur: sigma has 3 values, expected 2 (one per image)");
  expect_same_images(out.images(), before, "after refused calls");
  run(test_images(shape, 1), shape, 15, 1.0);  // the largest that fits
}

class BlurOnIsa : public testing::TestWithParam<CpuIsa> {
 protected:
  void TearDown() override { set_cpu_isa(best_cpu_isa()); }
};
INSTANTIATE_TEST_SUITE_P(Cpu, BlurOnIsa, testing::Values(CpuIsa::avx2, CpuIsa::avx512));

TEST_P(BlurOnIsa, HasTheBaselineBytes) {
  if (GetParam() > best_cpu_isa()) GTEST_SKIP() << "this CPU has no such instructions";
  const ImageShape shape{2, 70, 291, 3};
  const std::vector<Image> images = test_images(shape, 11);
  for (const Memory memory : {Memory::nhwc, Memory::nchw}) {
    for (const std::int32_t size : kSizes) {
      set_cpu_isa(CpuIsa::baseline);
      const auto expected = blurred_on(Stream::cpu(), images, shape, size, 0.3 * size, memory, memory);
      set_cpu_isa(GetParam());
      ASSERT_EQ(cpu_isa(), GetParam());
      expect_same_images(blurred_on(Stream::cpu(), images, shape, size, 0.3 * size, memory, memory), expected,
                         std::string(name(memory)) + ", " + std::to_string(size));
    }
  }
}

#if LEAVEN_WITH_CUDA
TEST(BlurCuda, RunsFromAGraph) {
  if (!require_cuda_or_skip()) return;
  const OwnedStream stream(Backend::cuda);
  const Stream s = stream;
  const ImageShape shape{2, 31, 33, 3};
  const std::vector<Image> images = test_images(shape, 12);
  const Batch in(images, shape, Memory::nhwc, s);
  const Batch out(shape, Memory::nhwc, s);
  const std::vector<Image> before = out.images();
  ASSERT_EQ(cudaStreamBeginCapture(s.cuda_handle(), cudaStreamCaptureModeGlobal), cudaSuccess);
  gaussian_blur(in.view(), 9, 1.5, out.view(), s);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(s.cuda_handle(), &graph), cudaSuccess);
  std::size_t nodes = 0;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 1u) << "one launch";
  expect_same_images(out.images(), before, "captured, not run");
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(executable, s.cuda_handle()), cudaSuccess);
  expect_same_images(out.images(), blurred_on(Stream::cpu(), images, shape, 9, 1.5, Memory::nhwc, Memory::nhwc),
                     "from a graph");
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}
#endif

}  // namespace
}  // namespace leaven::test
