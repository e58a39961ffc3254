#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace leaven::io {

using Bytes = std::span<const std::uint8_t>;

enum class FileFormat { png, jpeg, bmp, netpbm };

// What a file says of itself, and what its size allows it to say.
struct ImageHeader {
  FileFormat format{};
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t channels = 0;         // after decoding, without alpha: 1 or 3
  std::size_t pixels_offset = 0;     // netpbm: where the pixels begin
  std::int64_t largest_value = 255;  // netpbm
};

inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;

// Throws IoError "path: reason".
[[noreturn]] void fail(const std::filesystem::path& path, const std::string& reason);

// Looks through the whole file without decoding it. @throws IoError where it is not of a known format, is cut short,
// has no pixels or too many, has 16 bits per channel or is CMYK, or promises more pixels than its bytes can hold: what
// passes may be decoded without a memory request out of proportion to the file.
ImageHeader inspect_image(const std::filesystem::path& path, Bytes file);

// True where a file may be an image, by its first bytes (at least 8, unless the file is shorter).
bool looks_like_image(Bytes first_bytes);

}  // namespace leaven::io
