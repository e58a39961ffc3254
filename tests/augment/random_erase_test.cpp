#include <gtest/gtest.h>

#include <leaven/augment.hpp>
#include "tests/augment/mix_reference.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

class RandomEraseTest : public BackendTest {
 protected:
  std::vector<std::uint8_t> erased(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                   const RandomEraseOptions& options, RandomKey key, bool in_place) const {
    GuardedBuffer<std::uint8_t> in(shape.size(), stream());
    in.set(images);
    const GuardedBuffer<std::uint8_t> out(shape.size(), stream());
    const Buffer<std::int64_t> ids(ids_from(9, shape.count), stream());
    const Out to = Out::nhwc(in_place ? in.data() : out.data(), shape);
    random_erase(In::nhwc(in.data(), shape), ids.cspan(), options, key, to, stream());
    in.expect_guards_intact();
    out.expect_guards_intact();
    return in_place ? in.to_host() : out.to_host();
  }
};
LEAVEN_ON_BOTH_BACKENDS(RandomEraseTest);

TEST_P(RandomEraseTest, ErasesTheDrawnRectangle) {
  RandomKey key{.seed = 5};
  for (const ImageShape& shape : {ImageShape{40, 28, 28, 1}, ImageShape{20, 33, 31, 3}, ImageShape{9, 1, 40, 3},
                                  ImageShape{9, 2, 2, 1}, ImageShape{0, 8, 8, 1}}) {
    for (const RandomEraseOptions& options :
         {RandomEraseOptions{.probability = 1}, RandomEraseOptions{.scale = {0.5, 1}, .ratio = {0.01, 100}},
          RandomEraseOptions{.probability = 0.8f, .scale = {0.01, 0.05}, .colour = {1, 2, 3}}}) {
      ++key.epoch.value;
      const std::vector<std::uint8_t> images = noise(shape.size(), 3);
      std::vector<std::uint8_t> expected = images;
      for (std::int64_t i = 0; i < shape.count; ++i) {
        const RectPx r =
            expected_erase(options, static_cast<int>(shape.width), static_cast<int>(shape.height), key, 9 + i);
        const std::uint8_t colour[] = {options.colour.red, options.colour.green, options.colour.blue};
        for (std::int64_t y = r.top; y < r.top + r.height; ++y) {
          for (std::int64_t x = r.left; x < r.left + r.width; ++x) {
            for (std::int64_t c = 0; c < shape.channels; ++c) {
              expected[static_cast<std::size_t>(((i * shape.height + y) * shape.width + x) * shape.channels + c)] =
                  colour[c];
            }
          }
        }
      }
      EXPECT_EQ(erased(images, shape, options, key, false), expected);
      EXPECT_EQ(erased(images, shape, options, key, true), expected);
    }
  }
}

TEST_P(RandomEraseTest, RefusesBadArguments) {
  const ImageShape shape{2, 6, 5, 1};
  const GuardedBuffer<std::uint8_t> images(shape.size(), stream());
  const Buffer<std::int64_t> ids(ids_from(0, 2), stream());
  const auto refused = [&](const RandomEraseOptions& options, std::size_t id_count = 2) {
    return message_of<InvalidArgument>([&] {
      random_erase(In::nhwc(images.data(), shape), ids.cspan().first(id_count), options, {},
                   Out::nhwc(images.data(), shape), stream());
    });
  };
  EXPECT_EQ(refused({.probability = 2}), "random_erase: options.probability is 2, expected 0 to 1");
  EXPECT_EQ(refused({.scale = {0, 0.5}}),
            "random_erase: options.scale is 0 to 0.5, expected a range within 0 (excluded) to 1");
  EXPECT_EQ(refused({.ratio = {3, 2}}), "random_erase: options.ratio is 3 to 2, expected a range within 1e-6 to 1e6");
  EXPECT_EQ(refused({}, 1), "random_erase: sample_ids has 1 values, expected 2 (one per image)");
  for (const std::uint8_t byte : images.to_host()) ASSERT_EQ(byte, 0xA5);
}

}  // namespace
}  // namespace leaven::test
