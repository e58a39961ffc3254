#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include <leaven/io.hpp>
#include "host/core/check.hpp"
#include "host/io/font.hpp"

namespace leaven::io {
namespace {

constexpr std::int64_t kSmallestTile = 96;
constexpr std::int64_t kLargestTile = 320;
constexpr std::int64_t kGap = 8;
constexpr std::int64_t kLineHeight = kGlyphHeight + 1;
constexpr std::array<std::uint8_t, 3> kPaper{250, 250, 248};
constexpr std::array<std::uint8_t, 3> kInk{28, 28, 30};

// Breaks a caption into lines of at most `most` characters: behind a blank or punctuation where there is one in the
// line's second half, otherwise anywhere. Each character outside ASCII becomes one question mark.
std::vector<std::string> wrap(std::string_view caption, std::int64_t most) {
  std::string text;
  for (const char c : caption) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x80 && code < 0xC0) continue;  // the later bytes of a UTF-8 character
    text += c >= kFirstGlyph && c <= kLastGlyph ? c : code < ' ' ? ' ' : '?';
  }
  const auto length = static_cast<std::size_t>(std::max<std::int64_t>(most, 1));
  std::vector<std::string> lines;
  while (text.size() > length) {
    std::size_t cut = text.find_last_of(" ,:;_-=/", length - 1);
    cut = cut == std::string::npos || cut + 1 < length / 2 ? length : cut + 1;
    lines.push_back(text.substr(0, cut));
    text.erase(0, text[cut] == ' ' ? cut + 1 : cut);
  }
  if (!text.empty()) lines.push_back(text);
  return lines;
}

// An RGB picture to draw on.
class Canvas {
 public:
  Canvas(std::int64_t width, std::int64_t height) : image_{height, width, 3, {}} {
    check(width <= (std::int64_t{1} << 28) / height, "write_contact_sheet: the sheet would have {} x {} pixels", width,
          height);
    image_.pixels.reserve(static_cast<std::size_t>(width * height * 3));
    for (std::int64_t i = 0; i < width * height; ++i) {
      image_.pixels.insert(image_.pixels.end(), kPaper.begin(), kPaper.end());
    }
  }
  const HostImage& image() const { return image_; }

  void draw(const HostImage& picture, std::int64_t left, std::int64_t top) {
    for (std::int64_t y = 0; y < picture.height; ++y) {
      for (std::int64_t x = 0; x < picture.width; ++x) {
        const std::uint8_t* from = picture.pixels.data() + (y * picture.width + x) * picture.channels;
        std::uint8_t* to = pixel(left + x, top + y);
        for (int c = 0; c < 3; ++c) to[c] = from[picture.channels == 3 ? c : 0];
      }
    }
  }
  void draw(std::string_view line, std::int64_t left, std::int64_t top) {
    for (const char c : line) {
      const auto& rows = kGlyphs[static_cast<std::size_t>(c - kFirstGlyph)];
      for (std::int64_t y = 0; y < kGlyphHeight; ++y) {
        for (std::int64_t x = 0; x < kGlyphWidth; ++x) {
          if (rows[static_cast<std::size_t>(y)] >> (kGlyphWidth - 1 - x) & 1) {
            std::copy(kInk.begin(), kInk.end(), pixel(left + x, top + y));
          }
        }
      }
      left += kGlyphWidth;
    }
  }

 private:
  std::uint8_t* pixel(std::int64_t x, std::int64_t y) {
    return image_.pixels.data() + (y * image_.width + x) * image_.channels;
  }
  HostImage image_;
};

std::int64_t tile_side(std::span<const SheetTile> tiles, const SheetOptions& options) {
  if (options.tile_px > 0) return options.tile_px;
  std::int64_t side = kSmallestTile;
  for (const SheetTile& tile : tiles) side = std::max({side, tile.image.height, tile.image.width});
  return std::min(side, kLargestTile);
}

void check_tiles(std::span<const SheetTile> tiles, const SheetOptions& options) {
  check(!tiles.empty(), "write_contact_sheet: tiles is empty");
  check(options.columns > 0, "write_contact_sheet: options.columns is {}, expected 1 or more", options.columns);
  check(options.tile_px >= 0 && options.tile_px <= 8192,
        "write_contact_sheet: options.tile_px is {}, expected 0 to 8192", options.tile_px);
}

}  // namespace

void write_contact_sheet(const std::filesystem::path& path, std::span<const SheetTile> tiles,
                         const SheetOptions& options) {
  check_tiles(tiles, options);
  const std::int64_t side = tile_side(tiles, options);
  const auto count = static_cast<std::int64_t>(tiles.size());
  const std::int64_t columns = std::min(options.columns, count);
  const std::int64_t pitch = side + kGap;

  struct Row {
    std::int64_t picture_height = 0;
    std::size_t lines = 0;
  };
  std::vector<Row> rows(static_cast<std::size_t>((count + columns - 1) / columns));
  std::vector<HostImage> pictures;
  std::vector<std::vector<std::string>> captions;
  for (std::int64_t i = 0; i < count; ++i) {
    const SheetTile& tile = tiles[static_cast<std::size_t>(i)];
    pictures.push_back(fit(tile.image, side));
    captions.push_back(wrap(tile.caption, (side + kGap / 2) / kGlyphWidth));
    Row& row = rows[static_cast<std::size_t>(i / columns)];
    row.picture_height = std::max(row.picture_height, pictures.back().height);
    row.lines = std::max(row.lines, captions.back().size());
  }

  const auto height_of = [](const Row& row) {
    return row.picture_height + static_cast<std::int64_t>(row.lines) * kLineHeight + kGap + kGap / 2;
  };
  Canvas canvas(columns * pitch + kGap, std::accumulate(rows.begin(), rows.end(), kGap, [&](auto sum, const Row& row) {
                  return sum + height_of(row);
                }));
  for (std::int64_t i = 0, top = kGap; i < count; ++i) {
    const Row& row = rows[static_cast<std::size_t>(i / columns)];
    const std::int64_t left = kGap + i % columns * pitch;
    canvas.draw(pictures[static_cast<std::size_t>(i)], left, top);
    std::int64_t line_top = top + row.picture_height + 2;
    for (const std::string& line : captions[static_cast<std::size_t>(i)]) {
      canvas.draw(line, left, line_top);
      line_top += kLineHeight;
    }
    if (i % columns == columns - 1) top += height_of(row);
  }
  write_png(path, canvas.image());
}

}  // namespace leaven::io
