#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <leaven/io.hpp>
#include <leaven/stream.hpp>

// One picture of everything that augment_images can do.
namespace leaven::samples {

struct GalleryTile {
  io::HostImage image;
  std::string caption;
  std::string text;  ///< what to give to --op, --policy or --mix; several operations with a blank between them
};

struct GalleryRow {
  std::string title;  ///< of a part of the gallery; empty: the part goes on
  std::string name;
  std::string strength;  ///< what the captions count
  std::vector<GalleryTile> tiles;
};

inline constexpr std::size_t kGalleryColumns = 5;

/// Each operation with strengths across, each policy and way of mixing with several draws. `partner` is what `picture`
/// is mixed with; both are squares of one side.
std::vector<GalleryRow> gallery_rows(const io::HostImage& picture, const io::HostImage& partner, Stream stream);

/// All rows on one sheet, behind a row with `picture` and `partner`: part by part, in as many columns as are needed.
io::HostImage gallery_sheet(const std::vector<GalleryRow>& rows, const io::HostImage& picture,
                            const io::HostImage& partner);

}  // namespace leaven::samples
