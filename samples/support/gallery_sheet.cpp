#include <algorithm>

#include "samples/support/canvas.hpp"
#include "samples/support/gallery.hpp"

namespace leaven::samples {
namespace {

constexpr Ink kPaper{250, 250, 248};
constexpr Ink kTitleInk{176, 66, 38};
constexpr Ink kNameInk{28, 28, 30};
constexpr Ink kPaleInk{120, 120, 126};

constexpr std::size_t kMostRows = 14;  // of a column of the sheet
constexpr std::int64_t kMargin = 24;
constexpr std::int64_t kColumnGap = 40;
constexpr std::int64_t kTileGap = 8;
constexpr std::int64_t kTitleHeight = 44;
constexpr std::int64_t kTitleGap = 20;  // over a title that is not at the top
constexpr std::int64_t kRowGap = 14;

// The side of the square that each tile lies in.
std::int64_t cell_side(const std::vector<GalleryRow>& rows) {
  std::int64_t side = 0;
  for (const GalleryRow& row : rows) {
    for (const GalleryTile& tile : row.tiles) side = std::max({side, tile.image.height, tile.image.width});
  }
  return side;
}

bool has_captions(const GalleryRow& row) {
  return std::any_of(row.tiles.begin(), row.tiles.end(), [](const GalleryTile& tile) { return !tile.caption.empty(); });
}

std::int64_t gap_before(const std::vector<GalleryRow>& column, std::size_t row) {
  return row > 0 && !column[row].title.empty() ? kTitleGap : 0;
}

std::int64_t height_of(const GalleryRow& row, std::int64_t side) {
  return (row.title.empty() ? 0 : kTitleHeight) + kLineHeight + side + (has_captions(row) ? kLineHeight : 0) + kRowGap;
}

// Parts, from a title to the next, are not divided.
std::vector<std::vector<GalleryRow>> columns_of(const std::vector<GalleryRow>& rows) {
  std::vector<std::vector<GalleryRow>> columns(1);
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    for (end = begin + 1; end < rows.size() && rows[end].title.empty();) ++end;
    if (!columns.back().empty() && columns.back().size() + (end - begin) > kMostRows) columns.emplace_back();
    columns.back().insert(columns.back().end(), rows.begin() + static_cast<std::ptrdiff_t>(begin),
                          rows.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return columns;
}

void draw_row(const GalleryRow& row, std::int64_t left, std::int64_t top, std::int64_t side, Canvas& canvas) {
  const std::int64_t width = kGalleryColumns * side + (kGalleryColumns - 1) * kTileGap;
  if (!row.title.empty()) {
    canvas.write(row.title, left, top, kTitleInk);
    canvas.fill(left, top + kLineHeight, width, 2, kTitleInk);
    top += kTitleHeight;
  }
  canvas.write(row.name, left, top, kNameInk);
  canvas.write(row.strength, left + text_width(row.name + "  "), top, kPaleInk);
  top += kLineHeight;
  for (const GalleryTile& tile : row.tiles) {
    canvas.draw(tile.image, left + (side - tile.image.width) / 2, top + (side - tile.image.height) / 2);
    canvas.write(tile.caption, left + (side - text_width(tile.caption)) / 2, top + side + 5, kPaleInk);
    left += side + kTileGap;
  }
}

}  // namespace

io::HostImage gallery_sheet(const std::vector<GalleryRow>& rows, const io::HostImage& picture,
                            const io::HostImage& partner) {
  std::vector<GalleryRow> all{
      {"What goes in", "picture, and what it is mixed with", "", {{picture, "", ""}, {partner, "", ""}}}};
  all.insert(all.end(), rows.begin(), rows.end());
  const std::int64_t side = cell_side(all);
  const std::vector<std::vector<GalleryRow>> columns = columns_of(all);
  std::int64_t height = 0;
  for (const std::vector<GalleryRow>& column : columns) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < column.size(); ++i) sum += gap_before(column, i) + height_of(column[i], side);
    height = std::max(height, sum);
  }
  const std::int64_t pitch = kGalleryColumns * (side + kTileGap) - kTileGap + kColumnGap;
  const auto count = static_cast<std::int64_t>(columns.size());
  Canvas canvas(height + 2 * kMargin - kRowGap, count * pitch - kColumnGap + 2 * kMargin, kPaper);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t top = kMargin;
    const std::vector<GalleryRow>& column = columns[static_cast<std::size_t>(i)];
    for (std::size_t row = 0; row < column.size(); ++row) {
      top += gap_before(column, row);
      draw_row(column[row], kMargin + i * pitch, top, side, canvas);
      top += height_of(column[row], side);
    }
  }
  return canvas.image();
}

}  // namespace leaven::samples
