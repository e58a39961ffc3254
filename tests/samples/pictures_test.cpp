#include "samples/support/pictures.hpp"

#include <numeric>

#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

class PicturesTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(PicturesTest);

std::vector<std::uint8_t> numbered(std::int64_t size) {
  std::vector<std::uint8_t> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i * 7);
  return values;
}

TEST_P(PicturesTest, OfADataSetAreThoseOfTheIds) {
  const std::vector<std::uint8_t> values = numbered(4 * 2 * 3 * 3);
  const std::vector<std::int32_t> labels(4, 0);
  const train::DataSet data = train::make_data_set(values, {4, 2, 3, 3}, labels, {"only"}, stream());
  const std::vector<std::int64_t> ids{2, 0};
  const std::vector<io::HostImage> pictures = samples::pictures_of(data, ids, stream());
  ASSERT_EQ(pictures.size(), 2u);
  EXPECT_EQ(pictures[0].height, 2);
  EXPECT_EQ(pictures[0].width, 3);
  EXPECT_EQ(pictures[0].channels, 3);
  EXPECT_EQ(pictures[0].pixels, std::vector<std::uint8_t>(values.begin() + 36, values.begin() + 54));
  EXPECT_EQ(pictures[1].pixels, std::vector<std::uint8_t>(values.begin(), values.begin() + 18));
}

TEST_P(PicturesTest, OfABatchHaveTheNormalisationUndone) {
  const std::vector<std::uint8_t> values = numbered(3 * 5 * 4 * 3);
  const Buffer<std::uint8_t> images(std::span<const std::uint8_t>(values), stream());
  const std::vector<std::int64_t> host_ids{0, 1, 2};
  const Buffer<std::int64_t> ids(std::span<const std::int64_t>(host_ids), stream());
  for (const Layout layout : {Layout::nhwc, Layout::nchw}) {
    const Augmenter plain({.normalise = kImageNet, .output_layout = layout}, {0, 5, 4, 3});
    Augmenter::Batch batch = plain.make_batch(7, stream());
    plain(ImageView<const std::uint8_t>::nhwc(images.data(), {3, 5, 4, 3}), ids.cspan(), {}, {}, batch, stream());
    const std::vector<io::HostImage> pictures = samples::pictures_of(batch, kImageNet, stream());
    ASSERT_EQ(pictures.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i * 60);
      EXPECT_EQ(pictures[i].pixels, std::vector<std::uint8_t>(begin, begin + 60)) << "picture " << i;
    }
  }
}

}  // namespace
}  // namespace leaven::test
