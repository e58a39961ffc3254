#include <leaven/cpu.hpp>
#include "tests/augment/op_cases.hpp"

// Every operation against its definition: sizes round the vector lengths, all memory layouts, both backends, each
// instruction set.
namespace leaven::test {
namespace {

void expect_case(const OpCase& op, const ImageShape& shape, Memory in_memory, Memory out_memory, Stream stream) {
  const std::string what = op.name + " " + text(shape) + " " + name(in_memory) + " to " + name(out_memory);
  const std::vector<Image> images = test_images(shape, 7);
  const Batch in(images, shape, in_memory, stream);
  const Batch out(op.out_shape(shape), out_memory, stream);
  op.run(in.view(), out.view(), stream);
  std::vector<Image> expected;
  for (std::size_t i = 0; i < images.size(); ++i) expected.push_back(op.expected(images[i], i));
  expect_same_images(out.images(), expected, what);
  out.expect_only_images_written();
  expect_same_images(in.images(), images, what + ": the input");
}

constexpr ImageShape kShapes[] = {{3, 1, 1, 1},   {2, 1, 1, 3},   {2, 1, 37, 3},  {2, 37, 1, 1},
                                  {3, 31, 33, 1}, {2, 33, 31, 3}, {3, 32, 32, 3}, {18, 28, 28, 1},
                                  {2, 5, 64, 1},  {1, 3, 129, 3}, {2, 2, 2, 3},   {1, 65, 70, 3}};

class Definition : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(Definition);

TEST_P(Definition, HoldsForAllSizes) {
  for (const ImageShape& shape : kShapes) {
    for (const OpCase& op : all_cases(shape)) expect_case(op, shape, Memory::nhwc, Memory::nhwc, stream());
  }
}

TEST_P(Definition, HoldsForAllMemoryLayouts) {
  for (const ImageShape& shape : {ImageShape{3, 17, 19, 3}, ImageShape{2, 16, 18, 1}}) {
    for (const OpCase& op : all_cases(shape)) {
      for (const Memory memory : kAllMemories) {
        expect_case(op, shape, memory, memory, stream());
        expect_case(op, shape, memory, Memory::nhwc, stream());
        expect_case(op, shape, Memory::nhwc, memory, stream());
      }
    }
  }
}

TEST_P(Definition, PixelOperationsWorkInPlace) {
  for (const ImageShape& shape : {ImageShape{3, 31, 33, 3}, ImageShape{2, 28, 28, 1}}) {
    for (const OpCase& op : pixel_cases()) {
      if (!op.in_place) continue;
      for (const Memory memory : kAllMemories) {
        const std::vector<Image> images = test_images(shape, 3);
        const Batch batch(images, shape, memory, stream());
        op.run(batch.view(), batch.view(), stream());
        std::vector<Image> expected;
        for (std::size_t i = 0; i < images.size(); ++i) expected.push_back(op.expected(images[i], i));
        expect_same_images(batch.images(), expected, op.name + " in place " + name(memory));
        batch.expect_only_images_written();
      }
    }
  }
}

TEST_P(Definition, NoImagesAreNoWork) {
  for (const ImageShape& shape : {ImageShape{0, 28, 28, 1}, ImageShape{0, 4, 4, 3}}) {
    for (const OpCase& op : all_cases(shape)) {
      op.run(In::nhwc(nullptr, shape), Out::nhwc(nullptr, op.out_shape(shape)), stream());
    }
  }
}

// Inputs and outputs of different sizes; an input without pixels is all outside.
TEST_P(Definition, WarpsHaveAnyOutputSize) {
  for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bilinear}) {
    const WarpOptions options{.interpolation = interpolation, .fill = {1, 2, 3}};
    for (const ImageShape& shape : {ImageShape{2, 9, 14, 3}, ImageShape{1, 1, 3, 1}, ImageShape{1, 0, 5, 3}}) {
      for (const ImageSize size : {ImageSize{5, 40}, ImageSize{30, 7}, ImageSize{1, 1}}) {
        const std::vector<Image> images = test_images(shape, 5);
        const Batch in(images, shape, Memory::nhwc, stream());
        const ImageShape out_shape{shape.count, size.height, size.width, shape.channels};
        for (const AffineMatrix& m : test_matrices(out_shape)) {
          const Batch out(out_shape, Memory::nhwc, stream());
          affine_warp(in.view(), m, options, out.view(), stream());
          std::vector<Image> expected;
          for (const Image& image : images) {
            expected.push_back(reference::warp(image, m.m, sampling_of(options), fill_of(options.fill),
                                               static_cast<int>(size.height), static_cast<int>(size.width)));
          }
          expect_same_images(out.images(), expected, "affine_warp " + text(shape) + " to " + text(out_shape));
          out.expect_only_images_written();
        }
      }
    }
  }
}

TEST_P(Definition, AnInputWithoutPixelsIsAllFillWhateverTheBorder) {
  const ImageShape out_shape{1, 3, 4, 3};
  for (const ImageShape& shape : {ImageShape{1, 0, 5, 3}, ImageShape{1, 5, 0, 3}}) {
    for (const Border border : {Border::edge, Border::reflect, Border::wrap}) {
      for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bicubic}) {
        const Batch in(test_images(shape, 1), shape, Memory::nhwc, stream());
        const Batch out(out_shape, Memory::nhwc, stream());
        const WarpOptions options{.interpolation = interpolation, .fill = 9, .border = border};
        affine_warp(in.view(), AffineMatrix{}, options, out.view(), stream());
        expect_same_images(out.images(), {Image(3, 4, 3, 9)}, "empty");
      }
    }
  }
}

class DefinitionOnIsa : public testing::TestWithParam<CpuIsa> {
 protected:
  void SetUp() override {
    if (GetParam() > best_cpu_isa()) GTEST_SKIP() << "this machine has no " << name(GetParam());
    set_cpu_isa(GetParam());
  }
  void TearDown() override { set_cpu_isa(best_cpu_isa()); }
};

TEST_P(DefinitionOnIsa, Holds) {
  ASSERT_EQ(cpu_isa(), GetParam());
  for (const ImageShape& shape : {ImageShape{2, 31, 67, 3}, ImageShape{2, 66, 131, 1}}) {
    for (const OpCase& op : all_cases(shape)) {
      for (const Memory memory : {Memory::nhwc, Memory::nchw, Memory::padded_odd}) {
        expect_case(op, shape, memory, memory, Stream::cpu());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, DefinitionOnIsa,
                         testing::Values(CpuIsa::baseline, CpuIsa::avx2, CpuIsa::avx512),
                         [](const auto& test) { return std::string(name(test.param)); });

}  // namespace
}  // namespace leaven::test
