#include "samples/support/gallery.hpp"

#include <algorithm>
#include <set>

#include "samples/support/canvas.hpp"
#include "samples/support/op_spec.hpp"
#include "samples/support/scenes.hpp"
#include "tests/samples/program.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using samples::GalleryRow;
using samples::GalleryTile;

class GalleryTest : public BackendTest {
 protected:
  std::vector<GalleryRow> rows() const {
    return samples::gallery_rows(samples::lake_scene(80), samples::balloon_scene(80), stream());
  }
};
LEAVEN_ON_BOTH_BACKENDS(GalleryTest);

TEST_P(GalleryTest, EachTileDiffersFromThePictureAndFromItsNeighbour) {
  const io::HostImage picture = samples::lake_scene(80);
  for (const GalleryRow& row : rows()) {
    ASSERT_GE(row.tiles.size(), 3u) << row.name;
    ASSERT_LE(row.tiles.size(), samples::kGalleryColumns) << row.name;
    for (std::size_t i = 0; i < row.tiles.size(); ++i) {
      EXPECT_NE(row.tiles[i].image.pixels, picture.pixels) << row.name << " " << row.tiles[i].caption;
      if (i > 0) {
        EXPECT_NE(row.tiles[i].image.pixels, row.tiles[i - 1].image.pixels) << row.name << " " << row.tiles[i].caption;
      }
    }
  }
}

TEST_P(GalleryTest, ShowsEveryOperationPolicyAndWayOfMixing) {
  std::set<std::string> shown;
  for (const GalleryRow& row : rows()) {
    for (const GalleryTile& tile : row.tiles) {
      for (std::size_t at = 0; at < tile.text.size();) {
        const std::string text = tile.text.substr(at, tile.text.find(' ', at) - at);
        shown.insert(text.substr(0, text.find(':')));
        at += text.size() + 1;
      }
    }
  }
  for (const auto specs : {samples::operation_specs(), samples::policy_specs(), samples::mix_specs()}) {
    for (const samples::OpSpec& spec : specs) EXPECT_TRUE(shown.contains(spec.name)) << spec.name;
  }
  EXPECT_TRUE(shown.contains("rand-m9-mstd0.5-inc1"));
  EXPECT_TRUE(shown.contains("augmix-m5-w4-d2"));
}

TEST_P(GalleryTest, IsOnePictureThatTheProgramWrites) {
  const io::HostImage picture = samples::lake_scene(80), partner = samples::balloon_scene(80);
  const io::HostImage sheet = samples::gallery_sheet(rows(), picture, partner);
  const TemporaryFolder folder;
  const ProgramOutcome outcome = run_program(
      "augment_gallery", {"--out", folder / "sheet.png", "--backend", std::string(name(stream().backend()))});
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const io::HostImage written = io::read_image(folder / "sheet.png");
  EXPECT_EQ(written.width, 1424);
  EXPECT_EQ(written.height, sheet.height);
  EXPECT_EQ(written.pixels, sheet.pixels);
  EXPECT_NE(outcome.out.find("1424 x "), std::string::npos) << outcome.out;
  const io::HostImage documented = io::read_image(std::string(LEAVEN_TEST_DATA) + "/../docs/images/augmentation.png");
  EXPECT_EQ(documented.width, written.width) << "scripts/make_gallery_picture.py";
  EXPECT_EQ(documented.height, written.height) << "scripts/make_gallery_picture.py";
}

TEST(Gallery, TakesPicturesOfOnesOwn) {
  const std::string images = std::string(LEAVEN_TEST_DATA) + "/core/images/";
  const TemporaryFolder folder;
  const ProgramOutcome two =
      run_program("augment_gallery", {images + "rgb.png", images + "baseline.jpg", "--out", folder / "sheet.png"});
  EXPECT_EQ(two.status, 0) << two.errors;
  EXPECT_EQ(io::read_image(folder / "sheet.png").width, 1424);
  const ProgramOutcome unlike =
      run_program("augment_gallery", {images + "rgb.png", images + "grey.png", "--out", folder / "none.png"});
  EXPECT_EQ(unlike.status, 1);
  EXPECT_NE(unlike.errors.find("both in grey or both in RGB"), std::string::npos) << unlike.errors;
  EXPECT_EQ(run_program("augment_gallery", {}).status, 2);
}

TEST(Canvas, LeavesOutWhatLiesOutside) {
  samples::Canvas canvas(4, 6, {1, 2, 3});
  canvas.draw({2, 2, 1, {10, 20, 30, 40}}, -1, 3);
  canvas.write("far", 100, 100, {9, 9, 9});
  const std::vector<std::uint8_t>& pixels = canvas.image().pixels;
  ASSERT_EQ(pixels.size(), 72u);
  EXPECT_EQ(pixels[3 * 6 * 3], 20) << "grey becomes RGB";
  EXPECT_EQ(pixels[3 * 6 * 3 + 2], 20);
  EXPECT_EQ(std::count(pixels.begin(), pixels.end(), 20), 3);
  EXPECT_EQ(std::count(pixels.begin(), pixels.end(), 9), 0);
}

TEST(Canvas, WritesWithinTheWidthThatItPromises) {
  const std::string text = "rand-m9-mstd0.5-inc1";
  const std::int64_t width = samples::text_width(text);
  samples::Canvas canvas(samples::kLineHeight, width + 40, {255, 255, 255});
  canvas.write(text, 0, 0, {0, 0, 0});
  std::int64_t last = 0;
  for (std::int64_t i = 0; i < canvas.image().width * canvas.image().height; ++i) {
    if (canvas.image().pixels[static_cast<std::size_t>(3 * i)] == 0) last = std::max(last, i % canvas.image().width);
  }
  EXPECT_GT(last, width / 2);
  EXPECT_LE(last, width);
}

}  // namespace
}  // namespace leaven::test
