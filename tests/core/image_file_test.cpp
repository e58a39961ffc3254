#include <leaven/io.hpp>

#include <cmath>
#include <random>
#include <sstream>

#include "tests/support/backend.hpp"
#include "tests/support/temporary_folder.hpp"

namespace leaven::test {
namespace {

namespace fs = std::filesystem;

// Written, with the expected pixels, by images/make.py (Pillow).
fs::path sample(const std::string& name) { return fs::path(LEAVEN_TEST_DATA) / "core" / "images" / name; }

io::HostImage checkered(std::int64_t height, std::int64_t width, std::int64_t channels) {
  io::HostImage image{height, width, channels, {}};
  for (std::int64_t i = 0; i < height * width * channels; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(i * 37 + i / 5));
  }
  return image;
}

// Expects an IoError that begins with the path and has `reason` in it.
void expect_refused(const fs::path& path, const std::string& reason) {
  const std::string text = message_of<IoError>([&] { io::read_image(path); });
  EXPECT_EQ(text.rfind(path.string() + ": ", 0), 0u) << text;
  EXPECT_NE(text.find(reason), std::string::npos) << text;
}

TEST(ImageFile, LosslessFilesHavePillowsPixels) {
  std::ifstream list(sample("expected.txt"));
  std::int64_t files = 0;
  std::string name, hash;
  for (std::int64_t height, width, channels; list >> name >> height >> width >> channels >> hash; ++files) {
    const io::HostImage image = io::read_image(sample(name));
    EXPECT_EQ(image.height, height) << name;
    EXPECT_EQ(image.width, width) << name;
    EXPECT_EQ(image.channels, channels) << name;
    EXPECT_EQ(sha256(image.pixels), hash) << name;
  }
  EXPECT_EQ(files, 12);
}

TEST(ImageFile, JpegsAreWithinAFewLevelsOfPillows) {
  for (const auto& [name, reference, most] :
       {std::tuple{"baseline.jpg", "baseline.jpg.ppm", 3}, std::tuple{"grey.jpg", "grey.jpg.pgm", 2},
        std::tuple{"progressive.jpg", "progressive.jpg.ppm", 8}, std::tuple{"restarts.jpg", "restarts.jpg.ppm", 8}}) {
    const io::HostImage image = io::read_image(sample(name));
    const io::HostImage expected = io::read_image(sample(reference));
    ASSERT_EQ(image.pixels.size(), expected.pixels.size()) << name;
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      ASSERT_LE(std::abs(image.pixels[i] - expected.pixels[i]), most) << name << " value " << i;
    }
  }
}

// Few bytes for many pixels, and many parts: what a header that lies looks like too.
TEST(ImageFile, AFlatJpegWithRestartsIsRead) {
  const io::HostImage image = io::read_image(sample("flat_restarts.jpg"));
  EXPECT_EQ(image.pixels, std::vector<std::uint8_t>(800 * 800, 118));
}

TEST(ImageFile, PngReturnsWhatWasWritten) {
  const TemporaryFolder folder;
  for (const std::int64_t channels : {1, 3}) {
    for (const auto& [height, width] : {std::pair{1, 1}, std::pair{1, 31}, std::pair{33, 1}, std::pair{31, 33}}) {
      const io::HostImage image = checkered(height, width, channels);
      io::write_png(folder / "image.png", image);
      const io::HostImage again = io::read_image(folder / "image.png");
      EXPECT_EQ(again.height, height);
      EXPECT_EQ(again.width, width);
      EXPECT_EQ(again.channels, channels);
      EXPECT_EQ(again.pixels, image.pixels) << height << " x " << width << " x " << channels;
      EXPECT_EQ(io::encode_png(image), read_bytes(folder / "image.png"));
    }
  }
}

TEST(ImageFile, NamesWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  write_bytes(folder / "empty.png", "");
  write_bytes(folder / "text.png", "this is no picture at all");
  write_bytes(folder / "short.png", "\x89PN");
  write_bytes(folder / "letters.bmp", "BMW and other cars, a list of them");
  write_bytes(folder / "ascii.ppm", "P3\n1 1\n255\n1 2 3\n");
  write_bytes(folder / "zero.ppm", "P6\n0 5\n255\n");
  write_bytes(folder / "deep.pgm", "P5\n1 1\n65535\nab");
  write_bytes(folder / "letters.ppm", "P6\nten 5\n255\n");
  write_bytes(folder / "huge.ppm", "P6\n16385 16384\n255\nabc");
  write_bytes(folder / "overflow.ppm", "P6\n99999999999999999999 99999999999999999999\n255\nabc");
  write_bytes(folder / "no_values.ppm", "P6\n1 1\n0\nabc");

  expect_refused(folder / "missing.png", "no such file");
  expect_refused(folder.path(), "is a folder");
  expect_refused("/dev/zero", "not a regular file");
  expect_refused(folder / "empty.png", "is empty");
  expect_refused(folder / "text.png", "not an image");
  expect_refused(folder / "short.png", "not an image");
  expect_refused(folder / "letters.bmp", "not an image");
  expect_refused(folder / "ascii.ppm", "P3");
  expect_refused(folder / "zero.ppm", "no pixels (0 x 5)");
  expect_refused(folder / "deep.pgm", "16 bits per channel");
  expect_refused(folder / "letters.ppm", "not a number");
  expect_refused(folder / "huge.ppm", "at most 2^28");
  expect_refused(folder / "overflow.ppm", "at most 2^28");
  expect_refused(folder / "no_values.ppm", "largest value of 0");
  expect_refused(sample("grey_16_bit.png"), "16 bits per channel");
  expect_refused(sample("rgb_16_bit.png"), "16 bits per channel");
  expect_refused(sample("cmyk.jpg"), "CMYK");
}

const char* const kOfEachFormat[] = {"rgb.png", "interlaced.png",  "palette_4_bit.png", "rgb.bmp",  "palette.bmp",
                                     "rgb.ppm", "progressive.jpg", "baseline.jpg",      "grey.jpg", "restarts.jpg"};

TEST(ImageFile, EveryTruncationIsRefused) {
  const TemporaryFolder folder;
  for (const char* name : kOfEachFormat) {
    const std::vector<std::uint8_t> whole = read_bytes(sample(name));
    const std::size_t step = whole.size() / 64 + 1;
    for (std::size_t size = 0; size < whole.size(); size += size + 40 < whole.size() ? step : 1) {
      write_bytes(folder / "cut", std::span(whole).first(size));
      expect_refused(folder / "cut", "");
    }
  }
}

// A frame header that promises much more than the file can hold must not lead to a large request for memory.
TEST(ImageFile, HeadersThatLieAreSeenBeforeDecoding) {
  const TemporaryFolder folder;
  std::vector<std::uint8_t> bmp = read_bytes(sample("rgb.bmp"));
  for (const std::size_t at : {18u, 22u}) bmp[at + 1] = 0x3F;  // 16,000 x 16,000
  write_bytes(folder / "lies.bmp", bmp);
  expect_refused(folder / "lies.bmp", "truncated");

  std::vector<std::uint8_t> jpeg = read_bytes(sample("baseline.jpg"));
  std::size_t frame = 0;
  while (jpeg[frame] != 0xFF || jpeg[frame + 1] != 0xC0) ++frame;
  for (const std::size_t at : {5u, 7u}) jpeg[frame + at] = 0x3F;
  write_bytes(folder / "lies.jpg", jpeg);
  expect_refused(folder / "lies.jpg", "do not fit");
  for (const std::size_t at : {5u, 7u}) jpeg[frame + at] = 0xFF;
  write_bytes(folder / "huge.jpg", jpeg);
  expect_refused(folder / "huge.jpg", "at most 2^28");

  expect_refused(sample("lies.png"), "do not fit");
}

TEST(ImageFile, ADamagedPngIsSeenByItsChecksum) {
  const TemporaryFolder folder;
  std::vector<std::uint8_t> png = read_bytes(sample("rgb.png"));
  png[60] ^= 1;
  write_bytes(folder / "damaged.png", png);
  expect_refused(folder / "damaged.png", "checksum of its part IDAT");
}

TEST(ImageFile, DamageLeadsToAnImageOrAnIoErrorOnly) {
  const TemporaryFolder folder;
  std::mt19937 random(3);
  std::int64_t refused = 0;
  for (int round = 0; round < 60; ++round) {
    for (const char* name : kOfEachFormat) {
      std::vector<std::uint8_t> bytes = read_bytes(sample(name));
      for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
      write_bytes(folder / "damaged", bytes);
      try {
        const io::HostImage image = io::read_image(folder / "damaged");
        EXPECT_EQ(static_cast<std::int64_t>(image.pixels.size()), image.height * image.width * image.channels);
      } catch (const IoError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(ImageFile, EncodingRefusesWhatIsNoImage) {
  EXPECT_THROW(io::encode_png({0, 5, 3, {}}), InvalidArgument);
  EXPECT_THROW(io::encode_png({2, 2, 2, std::vector<std::uint8_t>(8)}), InvalidArgument);
  EXPECT_THROW(io::encode_png({2, 2, 3, std::vector<std::uint8_t>(11)}), InvalidArgument);
  EXPECT_THROW(io::encode_png({INT64_MAX / 2, 4, 1, {}}), InvalidArgument);
}

}  // namespace
}  // namespace leaven::test
