#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <leaven/error.hpp>
#include <leaven/view.hpp>

// Image files, by stb_image: PNG, JPEG, PPM/PGM, BMP are read; PNG is written.
namespace leaven::io {

/// One decoded picture in host memory, packed NHWC with count 1; 1 or 3 channels (grey with alpha and RGBA lose alpha).
struct HostImage {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::vector<std::uint8_t> pixels;

  ImageView<const std::uint8_t> view() const {
    return ImageView<const std::uint8_t>::nhwc(pixels.data(), {1, height, width, channels});
  }
};

/// Grey files give 1 channel, all others 3. Orientation tags and colour profiles are not looked at, as in Pillow. JPEG
/// pixels differ from libjpeg's by a few levels (another inverse transform), all other formats' do not.
/// @throws IoError, its text beginning with the path: missing, not an image, truncated or damaged, 16 bits per channel,
/// CMYK, more than 2^28 pixels, no pixels. Memory is asked for only where the file is large enough to fill it.
HostImage read_image(const std::filesystem::path& path);

/// Writes a PNG with write_file_atomically(). @throws IoError, InvalidArgument as encode_png()
void write_png(const std::filesystem::path& path, const HostImage& image);

/// PNG bytes of an image, for embedding. @throws InvalidArgument unless it has pixels, 1 or 3 channels
std::vector<std::uint8_t> encode_png(const HostImage& image);

/// `image` made to fit into a square of side_px: magnified by a whole number (nearest) or reduced (area mean), in its
/// proportions. @throws InvalidArgument
HostImage fit(const HostImage& image, std::int64_t side_px);

/// One labelled picture of a contact sheet.
struct SheetTile {
  HostImage image;
  std::string caption;
};
struct SheetOptions {
  std::int64_t columns = 8;
  std::int64_t tile_px = 0;  ///< side of a tile, pictures fit() into it; 0: the largest picture's, within 96 to 320
};

/// A grid of captioned pictures, one PNG. Captions are wrapped; they show ASCII. @throws IoError, InvalidArgument
void write_contact_sheet(const std::filesystem::path& path, std::span<const SheetTile> tiles,
                         const SheetOptions& options = {});

/// Writes `bytes` so that `path` holds either its old or its whole new content: a temporary file beside it, flushed to
/// the disk, then renamed. A failure leaves no temporary file. @throws IoError, its text beginning with the path
void write_file_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);

}  // namespace leaven::io
