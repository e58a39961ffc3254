#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <leaven/buffer.hpp>
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

/// @throws IoError, its text beginning with the path: missing, not an image, truncated, 16 bits per channel, CMYK, more
/// than 2^28 pixels, no pixels.
HostImage read_image(const std::filesystem::path& path);

/// Writes a PNG atomically (a temporary file beside it, then a rename). @throws IoError
void write_png(const std::filesystem::path& path, const HostImage& image);

/// PNG bytes of an image, for embedding.
std::vector<std::uint8_t> encode_png(const HostImage& image);

/// One labelled picture of a contact sheet.
struct SheetTile {
  HostImage image;
  std::string caption;
};
struct SheetOptions {
  std::int64_t columns = 8;
  std::int64_t tile_px = 0;  ///< side of a tile; 0: the largest picture's, small pictures magnified to at least 96
};

/// A grid of captioned pictures, one PNG.
void write_contact_sheet(const std::filesystem::path& path, std::span<const SheetTile> tiles,
                         const SheetOptions& options);

/// Writes `bytes` so that `path` holds either its old or its whole new content. @throws IoError
void write_file_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);

}  // namespace leaven::io
