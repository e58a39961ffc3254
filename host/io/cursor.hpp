#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "host/core/check.hpp"
#include "host/io/image_header.hpp"

namespace leaven::io {

// A file with a place in it; reading over its end says "truncated".
class Cursor {
 public:
  Cursor(const std::filesystem::path& path, Bytes file) : path_(path), file_(file) {}

  std::size_t at() const { return at_; }
  void skip(std::uint64_t count) {
    need(count);
    at_ += static_cast<std::size_t>(count);
  }
  Bytes take(std::uint64_t count) {
    skip(count);
    return file_.subspan(at_ - static_cast<std::size_t>(count), static_cast<std::size_t>(count));
  }
  std::uint8_t byte() { return take(1)[0]; }
  std::uint32_t big_endian(int bytes) {
    std::uint32_t value = 0;
    for (const std::uint8_t b : take(static_cast<std::uint64_t>(bytes))) value = value << 8 | b;
    return value;
  }
  std::uint32_t little_endian(int bytes) {
    std::uint32_t value = 0;
    int shift = 0;
    for (const std::uint8_t b : take(static_cast<std::uint64_t>(bytes))) {
      value |= static_cast<std::uint32_t>(b) << shift;
      shift += 8;
    }
    return value;
  }
  // To the marker behind coded data, one that is neither a stuffed 0xFF nor a restart.
  void skip_jpeg_scan() {
    for (;; ++at_) {
      need(2);
      const int code = file_[at_ + 1];
      if (file_[at_] == 0xFF && code != 0 && code != 0xFF && (code < 0xD0 || code > 0xD7)) return;
    }
  }
  void need(std::uint64_t count) const {
    if (count > file_.size() - at_) fail("truncated: it ends in the middle of the image");
  }
  template <class... Values>
  [[noreturn]] void fail(std::string_view pattern, const Values&... values) const {
    io::fail(path_, message(pattern, values...));
  }

 private:
  const std::filesystem::path& path_;
  Bytes file_;
  std::size_t at_ = 0;
};

inline void check_size(const Cursor& cursor, const ImageHeader& header) {
  if (header.width == 0 || header.height == 0) {
    cursor.fail("has no pixels ({} x {})", header.width, header.height);
  }
  if (header.width > kMostPixels || header.height > kMostPixels / header.width) {
    cursor.fail("too large: {} x {} pixels, at most 2^28 are read", header.width, header.height);
  }
}

inline void check_plausible(const Cursor& cursor, const ImageHeader& header, std::int64_t fewest_bytes,
                            std::uint64_t bytes) {
  if (static_cast<std::uint64_t>(fewest_bytes) > bytes) {
    cursor.fail("truncated or damaged: {} x {} pixels do not fit in its {} bytes of image data", header.width,
                header.height, bytes);
  }
}

}  // namespace leaven::io
