#include <leaven/io.hpp>

#include "tests/support/backend.hpp"
#include "tests/support/temporary_folder.hpp"

namespace leaven::test {
namespace {

io::HostImage flat(std::int64_t height, std::int64_t width, std::int64_t channels, std::uint8_t value) {
  return {height, width, channels,
          std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels), value)};
}

std::int64_t count(const io::HostImage& sheet, std::uint8_t value) {
  std::int64_t found = 0;
  for (std::size_t i = 0; i < sheet.pixels.size(); i += 3) {
    found += sheet.pixels[i] == value && sheet.pixels[i + 1] == value && sheet.pixels[i + 2] == value;
  }
  return found;
}

TEST(Fit, MagnifiesByAWholeNumberWithNearest) {
  const io::HostImage image{2, 3, 1, {1, 2, 3, 4, 5, 6}};
  const io::HostImage large = io::fit(image, 8);
  EXPECT_EQ(large.height, 4);
  EXPECT_EQ(large.width, 6);
  EXPECT_EQ(large.pixels,
            std::vector<std::uint8_t>({1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 4, 4, 5, 5, 6, 6}));
}

TEST(Fit, ReducesByTheMeanOfTheArea) {
  const io::HostImage image{2, 4, 1, {0, 10, 20, 30, 1, 10, 20, 31}};
  const io::HostImage small = io::fit(image, 2);
  EXPECT_EQ(small.height, 1);
  EXPECT_EQ(small.width, 2);
  EXPECT_EQ(small.pixels, std::vector<std::uint8_t>({5, 25}));  // 21 / 4 and 101 / 4
  EXPECT_EQ(io::fit(flat(1000, 3, 3, 77), 10).pixels, std::vector<std::uint8_t>(10 * 1 * 3, 77));
}

TEST(Fit, KeepsAnImageOfTheRightSize) {
  const io::HostImage image{1, 3, 1, {7, 8, 9}};
  EXPECT_EQ(io::fit(image, 3).pixels, image.pixels);
  EXPECT_EQ(io::fit(image, 5).pixels, image.pixels);
}

TEST(Fit, RefusesWhatIsNoImage) {
  EXPECT_THROW(io::fit({0, 0, 1, {}}, 5), InvalidArgument);
  EXPECT_THROW(io::fit({1, 2, 1, {1}}, 5), InvalidArgument);
  EXPECT_THROW(io::fit(flat(2, 2, 3, 0), 0), InvalidArgument);
}

TEST(ContactSheet, HoldsEveryPixelOfEveryPictureAndTheCaptions) {
  const TemporaryFolder folder;
  const std::vector<io::SheetTile> tiles{
      {flat(28, 28, 1, 200), "grey"}, {flat(28, 14, 3, 100), "three: channels"}, {flat(96, 96, 3, 150), ""}};
  io::write_contact_sheet(folder / "sheet.png", tiles, {.columns = 2});
  const io::HostImage sheet = io::read_image(folder / "sheet.png");
  EXPECT_EQ(sheet.channels, 3);
  EXPECT_EQ(sheet.width, 2 * (96 + 8) + 8);
  EXPECT_EQ(count(sheet, 200), 84 * 84) << "magnified three times";
  EXPECT_EQ(count(sheet, 100), 84 * 42);
  EXPECT_EQ(count(sheet, 150), 96 * 96);
  std::int64_t ink = 0;
  for (std::size_t i = 0; i < sheet.pixels.size(); i += 3) ink += sheet.pixels[i] == 28 && sheet.pixels[i + 2] == 30;
  EXPECT_GT(ink, 100) << "captions are drawn";
}

TEST(ContactSheet, IsOnlyAsWideAsItsPictures) {
  const TemporaryFolder folder;
  io::write_contact_sheet(folder / "sheet.png", std::vector<io::SheetTile>{{flat(5, 5, 1, 1), "a"}});
  EXPECT_EQ(io::read_image(folder / "sheet.png").width, 96 + 2 * 8);
}

TEST(ContactSheet, WrapsLongCaptionsAndShowsStrangeOnesAsQuestionMarks) {
  const TemporaryFolder folder;
  const auto height_with = [&](const std::string& caption) {
    io::write_contact_sheet(folder / "sheet.png", std::vector<io::SheetTile>{{flat(96, 96, 1, 1), caption}});
    return io::read_image(folder / "sheet.png").height;
  };
  const std::int64_t line = height_with("a") - height_with("");
  EXPECT_GT(line, 0);
  EXPECT_EQ(height_with("rotate:angle=30,interpolation=bilinear,fill=128") - height_with(""), 4 * line);
  EXPECT_EQ(height_with(std::string(16, 'x')) - height_with(""), line);
  EXPECT_EQ(height_with(std::string(17, 'x')) - height_with(""), 2 * line);
  height_with("caf\xc3\xa9 ?");
  const std::vector<std::uint8_t> accented = read_bytes(folder / "sheet.png");
  height_with("caf? ?");
  EXPECT_EQ(accented, read_bytes(folder / "sheet.png"));
  height_with("tab\there\n\x7f");
}

TEST(ContactSheet, RefusesBadArguments) {
  const TemporaryFolder folder;
  const std::vector<io::SheetTile> one{{flat(5, 5, 1, 1), "a"}};
  EXPECT_THROW(io::write_contact_sheet(folder / "x.png", {}), InvalidArgument);
  EXPECT_THROW(io::write_contact_sheet(folder / "x.png", one, {.columns = 0}), InvalidArgument);
  EXPECT_THROW(io::write_contact_sheet(folder / "x.png", one, {.tile_px = -1}), InvalidArgument);
  EXPECT_THROW(io::write_contact_sheet(folder / "x.png", std::vector<io::SheetTile>{{{}, "empty"}}), InvalidArgument);
  EXPECT_THROW(io::write_contact_sheet(folder / "missing/x.png", one), IoError);
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace leaven::test
