#include <cmath>
#include <limits>

#include "tests/augment/images.hpp"

// Resizing against its definition in double, its properties, its edges and its contract. Pillow's bytes: golden_test.
namespace leaven::test {
namespace {

constexpr Interpolation kAll[] = {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Axis {
  double low, high;
  int out;
};

// The filter of support 1 (bilinear) or 2 (Keys' cubic, a = -0.5), stretched where the image shrinks.
double weight_at(Interpolation interpolation, double distance) {
  const double x = std::abs(distance);
  if (interpolation == Interpolation::bilinear) return std::max(0.0, 1 - x);
  if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
  return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

// out(i) = sum of value(j) w(j) / sum of w(j); `size` input values.
template <class Value>
int filtered(Interpolation interpolation, const Axis& axis, int size, int i, const Value& value) {
  const double scale = (axis.high - axis.low) / axis.out;
  const double centre = axis.low + (i + 0.5) * scale;
  if (interpolation == Interpolation::nearest) return value(std::min(size - 1, static_cast<int>(centre)));
  const double stretch = std::max(1.0, scale);
  const double support = (interpolation == Interpolation::bilinear ? 1 : 2) * stretch;
  const int first = std::max(0, static_cast<int>(std::floor(centre - support + 0.5)));
  const int end = std::min(size, static_cast<int>(std::floor(centre + support + 0.5)));
  double sum = 0, weights = 0;
  for (int j = first; j < end; ++j) {
    const double w = weight_at(interpolation, (j + 0.5 - centre) / stretch);
    sum += w * value(j);
    weights += w;
  }
  return static_cast<int>(std::clamp(std::floor(sum / weights + 0.5), 0.0, 255.0));
}

Image resized(const Image& in, const SourceBox& box, Interpolation interpolation, int height, int width) {
  const bool whole = box == SourceBox{};
  const Axis x{box.left, whole ? in.width : double{box.right}, width};
  const Axis y{box.top, whole ? in.height : double{box.bottom}, height};
  const Image rows = reference::make(in.height, width, in.channels, [&](int row, int column, int c) {
    return filtered(interpolation, x, in.width, column, [&](int j) { return in.at(row, j, c); });
  });
  return reference::make(height, width, in.channels, [&](int row, int column, int c) {
    return filtered(interpolation, y, in.height, row, [&](int j) { return rows.at(j, column, c); });
  });
}

class Resize : public BackendTest {
 protected:
  GuardedBuffer<std::byte> workspace(const ImageShape& in, const ImageShape& out, Interpolation interpolation) const {
    return {resize_workspace_bytes(in, {out.height, out.width}, interpolation), stream()};
  }

  std::vector<Image> run(const std::vector<Image>& images, const ImageShape& shape, const PerImage<SourceBox>& box,
                         Interpolation interpolation, const ImageShape& out_shape, Memory memory = Memory::nhwc) const {
    const Batch in(images, shape, memory, stream());
    const Batch out(out_shape, memory, stream());
    const auto scratch = workspace(shape, out_shape, interpolation);
    resize(in.view(), box, interpolation, out.view(), scratch.span(), stream());
    out.expect_only_images_written();
    scratch.expect_guards_intact();
    return out.images();
  }
};
LEAVEN_ON_BOTH_BACKENDS(Resize);

TEST_P(Resize, IsTheFilterOfItsDefinition) {
  const ImageShape shape{2, 31, 33, 3};
  const std::vector<Image> images = test_images(shape, 3);
  for (const Interpolation interpolation : kAll) {
    for (const SourceBox& box : {SourceBox{}, SourceBox{2.25f, 1.5f, 30.125f, 17.75f}}) {
      for (const ImageSize size : {ImageSize{7, 9}, ImageSize{31, 50}, ImageSize{64, 33}}) {
        const ImageShape out_shape{2, size.height, size.width, 3};
        const std::vector<Image> got = run(images, shape, box, interpolation, out_shape);
        for (std::size_t n = 0; n < got.size(); ++n) {
          const Image expected = resized(images[n], box, interpolation, got[n].height, got[n].width);
          for (std::size_t i = 0; i < expected.values.size(); ++i)
            ASSERT_LE(std::abs(got[n].values[i] - expected.values[i]), interpolation == Interpolation::nearest ? 0 : 1)
                << "interpolation " << static_cast<int>(interpolation) << ", image " << n << ", value " << i;
        }
      }
    }
  }
}

TEST_P(Resize, ToTheSameSizeIsACopyInAnyMemory) {
  for (const ImageShape& shape : {ImageShape{3, 31, 33, 3}, ImageShape{3, 33, 31, 1}, ImageShape{1, 1, 1, 3}}) {
    const std::vector<Image> images = test_images(shape, 4);
    for (const Memory memory : kAllMemories) {
      for (const Interpolation interpolation : kAll) {
        expect_same_images(run(images, shape, SourceBox{}, interpolation, shape, memory), images, name(memory));
      }
    }
  }
}

TEST_P(Resize, OfABoxOfTheOutputsSizeIsACrop) {
  const ImageShape shape{2, 31, 33, 3};
  const std::vector<Image> images = test_images(shape, 5);
  std::vector<Image> expected;
  for (const Image& image : images) {
    expected.push_back(reference::make(8, 11, 3, [&](int y, int x, int c) { return image.at(y + 23, x + 4, c); }));
  }
  for (const Interpolation interpolation : kAll) {
    expect_same_images(run(images, shape, SourceBox{4, 23, 15, 31}, interpolation, {2, 8, 11, 3}), expected, "crop");
  }
}

TEST_P(Resize, KeepsAFlatImageFlat) {
  const ImageShape shape{1, 31, 33, 1};
  for (const Interpolation interpolation : kAll) {
    for (const int value : {0, 1, 127, 255}) {
      const std::vector<Image> flat{Image(31, 33, 1, static_cast<std::uint8_t>(value))};
      const std::vector<Image> got =
          run(flat, shape, SourceBox{0.3f, 0.7f, 29.1f, 30.9f}, interpolation, {1, 70, 5, 1});
      expect_same_images(got, {Image(70, 5, 1, static_cast<std::uint8_t>(value))}, "flat");
    }
  }
}

TEST_P(Resize, MemoryOfAnyKindGivesTheSameImages) {
  for (const std::int64_t channels : {1, 3}) {
    const ImageShape shape{3, 33, 31, channels};
    const std::vector<Image> images = test_images(shape, 6);
    for (const Interpolation interpolation : kAll) {
      const ImageShape out_shape{3, 20, 47, channels};
      const std::vector<Image> packed = run(images, shape, SourceBox{}, interpolation, out_shape);
      for (const Memory memory : kAllMemories) {
        expect_same_images(run(images, shape, SourceBox{}, interpolation, out_shape, memory), packed, name(memory));
      }
    }
  }
}

TEST_P(Resize, BoxesInTheBackendsMemoryAreClipped) {
  const ImageShape shape{6, 31, 33, 3};
  const ImageShape out_shape{6, 12, 13, 3};
  const std::vector<Image> images(6, test_images(shape, 7)[0]);
  const std::vector<SourceBox> odd{{-5, -1, 20, 50},     {10, 3, kInf, 9}, {kNan, 2, 17, kNan},
                                   {-kInf, 20, kInf, 4}, {40, 0, 50, 31},  {}};
  const std::vector<SourceBox> clipped{{0, 0, 20, 31}, {10, 3, 33, 9}, {0, 2, 17, 31}, {}, {}, {}};
  const GuardedBuffer<SourceBox> odd_boxes(odd, stream());
  const GuardedBuffer<SourceBox> clipped_boxes(clipped, stream());
  for (const Interpolation interpolation : kAll) {
    const std::vector<Image> got = run(images, shape, odd_boxes.cspan(), interpolation, out_shape);
    expect_same_images(got, run(images, shape, clipped_boxes.cspan(), interpolation, out_shape), "odd boxes");
    for (std::size_t i = 0; i < clipped.size(); ++i) {
      const ImageShape one{1, 31, 33, 3};
      expect_same_images({got[i]}, run({images[i]}, one, clipped[i], interpolation, {1, 12, 13, 3}), "one box");
    }
  }
}

TEST_P(Resize, RaggedImagesAreResizedLikeEachAlone) {
  const std::vector<ImageShape> shapes{{1, 31, 33, 3}, {1, 1, 90, 3}, {1, 64, 5, 3}, {1, 12, 13, 3}, {1, 65, 5, 3}};
  const ImageShape out_shape{6, 12, 13, 3};
  std::vector<Batch> batches;
  std::vector<ImageRef> refs;
  for (const ImageShape& s : shapes) {
    const auto seed = static_cast<std::uint32_t>(s.height);
    batches.emplace_back(test_images(s, seed), s, refs.size() % 2 == 0 ? Memory::nhwc : Memory::upside_down_bgr,
                         stream());
    const Out v = batches.back().view();
    refs.push_back({v.data, v.height, v.width, v.row_stride, v.pixel_stride, v.channel_stride});
  }
  refs.push_back({});
  const GuardedBuffer<ImageRef> device(refs, stream());
  for (const Interpolation interpolation : kAll) {
    const Batch out(out_shape, Memory::nhwc, stream());
    const auto scratch = workspace({6, 64, 90, 3}, out_shape, interpolation);
    resize(RaggedImages{device.cspan(), {64, 90}}, SourceBox{}, interpolation, out.view(), scratch.span(), stream());
    out.expect_only_images_written();
    scratch.expect_guards_intact();
    std::vector<Image> expected;
    for (const ImageShape& s : shapes) {
      const std::vector<Image> image = test_images(s, static_cast<std::uint32_t>(s.height));
      expected.push_back(s.height > 64 ? Image(12, 13, 3)
                                       : run(image, s, SourceBox{}, interpolation, {1, 12, 13, 3})[0]);
    }
    expected.emplace_back(12, 13, 3);
    expect_same_images(out.images(), expected, "ragged");
  }
}

TEST_P(Resize, OfNothingWritesNothing) {
  for (const ImageShape& out_shape : {ImageShape{0, 4, 4, 3}, ImageShape{2, 0, 4, 3}, ImageShape{2, 4, 0, 3}}) {
    const ImageShape shape{out_shape.count, 8, 9, 3};
    run(test_images(shape, 1), shape, SourceBox{}, Interpolation::bicubic, out_shape);
  }
}

TEST_P(Resize, WrongCallsAreRefused) {
  const ImageShape shape{2, 8, 9, 3};
  const Batch in(test_images(shape, 1), shape, Memory::nhwc, stream());
  const Batch out(ImageShape{2, 4, 5, 3}, Memory::nhwc, stream());
  const std::vector<Image> before = out.images();
  const auto scratch = workspace(shape, {2, 4, 5, 3}, Interpolation::bilinear);
  const auto text = [&](const PerImage<SourceBox>& box, Interpolation interpolation, std::span<std::byte> space) {
    return message_of<InvalidArgument>([&] { resize(in.view(), box, interpolation, out.view(), space, stream()); });
  };
  constexpr Interpolation kBilinear = Interpolation::bilinear;
  const std::string bounds = ", expected a part of the image, 9 wide and 8 high";
  EXPECT_EQ(text(SourceBox{0, 0, 9.5f, 8}, kBilinear, scratch.span()), "resize: box is (0, 0) to (9.5, 8)" + bounds);
  EXPECT_EQ(text(SourceBox{-1, 0, 9, 8}, kBilinear, scratch.span()), "resize: box is (-1, 0) to (9, 8)" + bounds);
  EXPECT_EQ(text(SourceBox{4, 3, 4, 8}, kBilinear, scratch.span()), "resize: box is (4, 3) to (4, 8)" + bounds);
  EXPECT_EQ(text(SourceBox{0, kNan, 9, 8}, kBilinear, scratch.span()),
            "resize: an edge of box is nan, expected a finite number");
  EXPECT_EQ(text(SourceBox{}, static_cast<Interpolation>(3), scratch.span()),
            "resize: interpolation is 3, expected nearest (0), bilinear (1) or bicubic (2)");
  const std::string size = std::to_string(scratch.size());
  EXPECT_EQ(text(SourceBox{}, kBilinear, scratch.span().subspan(4)),
            "resize: workspace has " + std::to_string(scratch.size() - 4) + " bytes, expected " + size);
  EXPECT_EQ(text(SourceBox{}, kBilinear, {}), "resize: workspace has 0 bytes (null), expected " + size);
  const GuardedBuffer<std::byte> wide(scratch.size() + 1, stream());
  EXPECT_EQ(text(SourceBox{}, kBilinear, wide.span().subspan(1)),
            "resize: workspace is not aligned, expected a multiple of 4 bytes");
  const GuardedBuffer<SourceBox> three(3, stream());
  EXPECT_EQ(text(three.cspan(), kBilinear, scratch.span()), "resize: box has 3 values, expected 2 (one per image)");
  const GuardedBuffer<ImageRef> refs(1, stream());
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              resize(RaggedImages{refs.cspan(), {8, 9}}, SourceBox{}, kBilinear, out.view(), scratch.span(), stream());
            }),
            "resize: in.images has 1 values, expected 2 (one per image)");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              resize_workspace_bytes(shape, {-1, 3}, kBilinear);
            }),
            "resize_workspace_bytes: out is -1x3, expected sides of 0 to 2^24");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              resize_workspace_bytes({1, 8, 8, 4}, {3, 3}, kBilinear);
            }),
            "resize_workspace_bytes: in has 4 channels, expected 1 or 3");
  expect_same_images(out.images(), before, "after refused calls");
}

}  // namespace
}  // namespace leaven::test
