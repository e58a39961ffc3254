#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include <leaven/io.hpp>
#include "host/core/check.hpp"
#include "host/io/image_header.hpp"
#include "host/io/stb.hpp"

namespace leaven::io {
namespace {

constexpr std::uintmax_t kMostFileBytes = INT32_MAX;

// The whole file, but only where its first bytes look like an image.
std::vector<std::uint8_t> read_image_bytes(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) fail(path, "no such file");
  if (std::filesystem::is_directory(status)) fail(path, "is a folder, not an image");
  if (!std::filesystem::is_regular_file(status)) fail(path, "is not a regular file");
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, error);
  if (error) fail(path, "cannot be read: " + error.message());
  if (size_bytes == 0) fail(path, "is empty");

  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, message("cannot be read: {}", std::strerror(errno)));
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(std::min<std::uintmax_t>(size_bytes, 16)));
  const auto read_from = [&](std::size_t begin) {
    file.read(reinterpret_cast<char*>(bytes.data() + begin), static_cast<std::streamsize>(bytes.size() - begin));
    if (!file) fail(path, message("cannot be read: {}", std::strerror(errno)));
  };
  read_from(0);
  if (looks_like_image(bytes)) {
    if (size_bytes > kMostFileBytes) fail(path, message("too large: {} bytes", size_bytes));
    const std::size_t head = bytes.size();
    bytes.resize(static_cast<std::size_t>(size_bytes));
    read_from(head);
  }
  return bytes;
}

// Largest values below 255 are stretched, as Pillow does.
void decode_netpbm(Bytes values, std::int64_t largest_value, std::vector<std::uint8_t>& pixels) {
  pixels.assign(values.begin(), values.end());
  if (largest_value == 255) return;
  for (std::uint8_t& v : pixels) {
    v = static_cast<std::uint8_t>(std::min(255.0, std::nearbyint(v * 255.0 / static_cast<double>(largest_value))));
  }
}

}  // namespace

HostImage read_image(const std::filesystem::path& path) {
  const std::vector<std::uint8_t> file = read_image_bytes(path);
  const ImageHeader header = inspect_image(path, file);
  HostImage image{.height = header.height, .width = header.width, .channels = header.channels, .pixels = {}};
  const auto size = static_cast<std::size_t>(image.view().shape().size());
  try {
    if (header.format == FileFormat::netpbm) {
      decode_netpbm(Bytes(file).subspan(header.pixels_offset, size), header.largest_value, image.pixels);
    } else if (const char* reason = stb_decode(file, header.channels, image.pixels)) {
      fail(path, message("cannot be decoded: {}", reason));
    }
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(path.string() + ": no memory for its pixels");
  }
  if (image.pixels.size() != size) fail(path, "damaged: its decoded size is not the one in its header");
  return image;
}

std::vector<std::uint8_t> encode_png(const HostImage& image) {
  const bool sizes_valid = image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3) &&
                           image.height <= kMostPixels / image.width;
  check(sizes_valid, "encode_png: image is {} x {} with {} channels, expected 1 to 2^28 pixels and 1 or 3 channels",
        image.height, image.width, image.channels);
  const std::int64_t size = image.view().shape().size();
  check(static_cast<std::int64_t>(image.pixels.size()) == size, "encode_png: image.pixels has {} values, expected {}",
        image.pixels.size(), size);
  std::vector<std::uint8_t> file = stb_encode_png(image.pixels.data(), image.width, image.height, image.channels);
  if (file.empty()) throw OutOfMemory("encode_png: no memory for the file");
  return file;
}

void write_png(const std::filesystem::path& path, const HostImage& image) {
  write_file_atomically(path, encode_png(image));
}

}  // namespace leaven::io
