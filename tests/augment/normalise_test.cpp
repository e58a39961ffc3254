#include <gtest/gtest.h>

#include <leaven/augment.hpp>
#include <leaven/cpu.hpp>
#include "tests/augment/policy_reference.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;

struct Case {
  ImageShape shape;
  Layout in, out;
};

const Normalisation kUneven{{0.1f, 0.5f, 0.9f}, {0.2f, 0.3f, 1.7f}};

std::vector<float> run(const std::vector<std::uint8_t>& images, const Case& c, const Normalisation& n, Stream stream) {
  const Buffer<std::uint8_t> in(images, stream);
  const GuardedBuffer<float> out(c.shape.size(), stream);
  normalise(In::packed(in.data(), c.shape, c.in), n, ImageView<float>::packed(out.data(), c.shape, c.out), stream);
  out.expect_guards_intact();
  return out.to_host();
}

// value * scale + shift, in float32, as the header says; and the same to the real number within a few roundings.
void expect_definition(const std::vector<std::uint8_t>& images, const Case& c, const Normalisation& n,
                       const std::vector<float>& got) {
  const ImageShape& s = c.shape;
  const auto in = In::packed(images.data(), s, c.in);
  const auto out = ImageView<const float>::packed(got.data(), s, c.out);
  for (std::int64_t i = 0; i < s.count; ++i) {
    for (std::int64_t y = 0; y < s.height; ++y) {
      for (std::int64_t x = 0; x < s.width; ++x) {
        for (std::int64_t k = 0; k < s.channels; ++k) {
          const auto at = [&](const auto& v) {
            return v.data[i * v.image_stride + y * v.row_stride + x * v.pixel_stride + k * v.channel_stride];
          };
          const float mean = n.mean[static_cast<std::size_t>(k)];
          const float std = n.std[static_cast<std::size_t>(k)];
          const float scale = 1.0f / (255.0f * std);
          const float product = static_cast<float>(at(in)) * scale;
          ASSERT_EQ(at(out), product + -mean / std) << "image " << i << " y " << y << " x " << x << " channel " << k;
          const double exact = (at(in) / 255.0 - mean) / std;
          ASSERT_NEAR(at(out), exact, 3e-7 * (1 + (1 + mean) / std)) << static_cast<int>(at(in));
        }
      }
    }
  }
}

const Case kCases[] = {
    {{9, 28, 28, 1}, Layout::nhwc, Layout::nchw}, {{5, 32, 32, 3}, Layout::nhwc, Layout::nhwc},
    {{5, 32, 32, 3}, Layout::nhwc, Layout::nchw}, {{5, 32, 32, 3}, Layout::nchw, Layout::nchw},
    {{5, 32, 32, 3}, Layout::nchw, Layout::nhwc}, {{3, 31, 33, 3}, Layout::nhwc, Layout::nhwc},
    {{3, 31, 33, 3}, Layout::nhwc, Layout::nchw}, {{4, 31, 33, 3}, Layout::nchw, Layout::nchw},
    {{7, 31, 33, 1}, Layout::nchw, Layout::nhwc}, {{1, 1, 1, 1}, Layout::nhwc, Layout::nhwc},
    {{1, 1, 1, 3}, Layout::nhwc, Layout::nchw},   {{4, 1, 1, 3}, Layout::nchw, Layout::nhwc},
    {{33, 1, 31, 3}, Layout::nhwc, Layout::nhwc}, {{2, 128, 130, 3}, Layout::nhwc, Layout::nchw},
    {{0, 8, 8, 3}, Layout::nhwc, Layout::nchw},   {{3, 0, 8, 1}, Layout::nhwc, Layout::nhwc},
};

class NormaliseTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(NormaliseTest);

TEST_P(NormaliseTest, IsOneMultiplyAndOneAddPerValue) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.shape.height << "x" << c.shape.width << "x" << c.shape.channels);
    const std::vector<std::uint8_t> images = noise(c.shape.size(), 3);
    expect_definition(images, c, kUneven, run(images, c, kUneven, stream()));
  }
}

TEST_P(NormaliseTest, DefaultOptionsGiveValuesFrom0To1) {
  std::vector<std::uint8_t> every(256);
  for (std::size_t v = 0; v < 256; ++v) every[v] = static_cast<std::uint8_t>(v);
  const std::vector<float> got = run(every, {{1, 16, 16, 1}, Layout::nhwc, Layout::nhwc}, {}, stream());
  for (std::size_t v = 0; v < 256; ++v) EXPECT_FLOAT_EQ(got[v], static_cast<float>(v) / 255.0f);
}

TEST_P(NormaliseTest, TakesBatchesOfAnySize) {
  const Case c{{70000, 2, 1, 3}, Layout::nhwc, Layout::nchw};
  const std::vector<std::uint8_t> images = noise(c.shape.size(), 4);
  expect_definition(images, c, kImageNet, run(images, c, kImageNet, stream()));
}

TEST_P(NormaliseTest, TakesAnyStrides) {
  const ImageShape shape{3, 8, 8, 3};
  const std::vector<std::uint8_t> images = noise(shape.size() + 1, 5);
  const Buffer<std::uint8_t> in(images, stream());
  const GuardedBuffer<float> out(3 * 8 * 8 * 5, stream());  // five values to a pixel
  const ImageView<float> wide{out.data(), 3, 8, 8, 3, 320, 40, 5, 1};
  normalise(In::nhwc(in.data() + 1, shape), kUneven, wide, stream());
  out.expect_guards_intact();
  const std::vector<float> got = out.to_host();
  const std::vector<std::uint8_t> shifted(images.begin() + 1, images.end());
  const std::vector<float> expected = run(shifted, {shape, Layout::nhwc, Layout::nhwc}, kUneven, stream());
  float untouched = 0;
  std::memset(&untouched, 0xA5, sizeof untouched);
  for (std::size_t pixel = 0; pixel < 192; ++pixel) {
    for (std::size_t k = 0; k < 5; ++k) {
      ASSERT_EQ(got[pixel * 5 + k], k < 3 ? expected[pixel * 3 + k] : untouched) << pixel << " " << k;
    }
  }
}

TEST_P(NormaliseTest, RefusesBadArguments) {
  const ImageShape shape{2, 4, 4, 3};
  const Buffer<std::uint8_t> in(noise(shape.size(), 1), stream());
  const GuardedBuffer<float> out(shape.size(), stream());
  const auto call = [&](const Normalisation& n, const ImageShape& out_shape) {
    return message_of<InvalidArgument>(
        [&] { normalise(In::nhwc(in.data(), shape), n, ImageView<float>::nhwc(out.data(), out_shape), stream()); });
  };
  EXPECT_EQ(call({{0, 0, 0}, {1, 0, 1}}, shape),
            "normalise: normalisation.std[1] is 0, expected a finite value above 0");
  EXPECT_EQ(call({{0, 0, 0}, {1, 1, -2}}, shape),
            "normalise: normalisation.std[2] is -2, expected a finite value above 0");
  EXPECT_EQ(call({{NAN, 0, 0}, {1, 1, 1}}, shape), "normalise: normalisation.mean[0] is nan, expected a finite value");
  EXPECT_EQ(call({}, {2, 4, 5, 3}), "normalise: out has shape 2x4x5x3, expected 2x4x4x3");
  EXPECT_EQ(
      message_of<InvalidArgument>([&] {
        normalise(In::nhwc(in.data(), {2, 4, 4, 2}), {}, ImageView<float>::nhwc(out.data(), {2, 4, 4, 2}), stream());
      }),
      "normalise: in has 2 channels, expected 1 or 3");
  out.expect_guards_intact();
  for (const float value : out.to_host()) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    ASSERT_EQ(bits, 0xA5A5A5A5u);
  }
}

TEST(NormaliseIsa, EveryInstructionSetGivesTheSameBits) {
  for (const Case& c : kCases) {
    const std::vector<std::uint8_t> images = noise(c.shape.size(), 6);
    for (const CpuIsa isa : {CpuIsa::baseline, CpuIsa::avx2, CpuIsa::avx512}) {
      if (isa > best_cpu_isa()) continue;
      set_cpu_isa(isa);
      expect_definition(images, c, kImageNet, run(images, c, kImageNet, Stream::cpu()));
    }
  }
  set_cpu_isa(best_cpu_isa());
}

// Sixteen bits: the nearest of both neighbours, ties to even, against exact arithmetic; every float16 comes back.
TEST(Float16Test, RoundsToNearestEven) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const Float16 half{static_cast<std::uint16_t>(bits)};
    const float value = to_float(half);
    if ((bits & 0x7C00) == 0x7C00 && (bits & 0x3FF) != 0) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_TRUE(std::isnan(to_float(to_float16(value))));
      continue;
    }
    EXPECT_EQ(to_float16(value).bits, bits);
    if ((bits & 0x7FFF) >= 0x7BFF) continue;
    const float next = to_float(Float16{static_cast<std::uint16_t>(bits + 1)});
    const float middle = (value + next) / 2;
    const std::uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    EXPECT_EQ(to_float16(middle).bits, even) << bits;
    EXPECT_EQ(to_float16(std::nextafter(middle, value)).bits, bits) << bits;
    EXPECT_EQ(to_float16(std::nextafter(middle, next)).bits, bits + 1) << bits;
  }
  EXPECT_EQ(to_float16(65520.0f).bits, 0x7C00);
  EXPECT_EQ(to_float16(65519.996f).bits, 0x7BFF);
  EXPECT_EQ(to_float16(-INFINITY).bits, 0xFC00);
}

TEST(BFloat16Test, RoundsToNearestEven) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = to_float(BFloat16{static_cast<std::uint16_t>(bits)});
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(value))));
      continue;
    }
    EXPECT_EQ(to_bfloat16(value).bits, bits);
    if ((bits & 0x7FFF) >= 0x7F7F) continue;
    const float next = to_float(BFloat16{static_cast<std::uint16_t>(bits + 1)});
    const float middle = value + (next - value) / 2;
    EXPECT_EQ(to_bfloat16(middle).bits, bits % 2 == 0 ? bits : bits + 1) << bits;
    EXPECT_EQ(to_bfloat16(std::nextafter(middle, value)).bits, bits) << bits;
    EXPECT_EQ(to_bfloat16(std::nextafter(middle, next)).bits, bits + 1) << bits;
  }
}

// Each layout pair, aligned and not: what f32 gives, rounded.
TEST_P(NormaliseTest, SixteenBitOutputsAreTheFloatsRounded) {
  for (const ImageShape& shape : {ImageShape{3, 28, 28, 1}, ImageShape{3, 32, 32, 3}, ImageShape{2, 5, 7, 3}}) {
    for (const Layout in_layout : {Layout::nhwc, Layout::nchw}) {
      for (const Layout out_layout : {Layout::nhwc, Layout::nchw}) {
        std::vector<std::uint8_t> bytes(static_cast<std::size_t>(shape.size()));
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + i / 256);
        const Buffer<std::uint8_t> in(bytes, stream());
        const Buffer<float> floats(shape.size(), stream());
        const GuardedBuffer<Float16> halves(shape.size(), stream());
        const GuardedBuffer<BFloat16> brains(shape.size(), stream());
        const auto from = ImageView<const std::uint8_t>::packed(in.data(), shape, in_layout);
        normalise(from, kImageNet, ImageView<float>::packed(floats.data(), shape, out_layout), stream());
        normalise(from, kImageNet, ImageView<Float16>::packed(halves.data(), shape, out_layout), stream());
        normalise(from, kImageNet, ImageView<BFloat16>::packed(brains.data(), shape, out_layout), stream());
        halves.expect_guards_intact();
        brains.expect_guards_intact();
        const std::vector<float> expected = floats.to_host(stream());
        const std::vector<Float16> got_halves = halves.to_host();
        const std::vector<BFloat16> got_brains = brains.to_host();
        for (std::size_t i = 0; i < expected.size(); ++i) {
          ASSERT_EQ(got_halves[i].bits, to_float16(expected[i]).bits) << i;
          ASSERT_EQ(got_brains[i].bits, to_bfloat16(expected[i]).bits) << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace leaven::test
