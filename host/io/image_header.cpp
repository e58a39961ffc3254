#include "host/io/image_header.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <leaven/error.hpp>
#include "host/io/cursor.hpp"

namespace leaven::io {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n"sv;
constexpr std::string_view kJpeg = "\xff\xd8\xff"sv;
constexpr std::string_view kBmp = "BM"sv;
constexpr std::string_view kNotAnImage = "not an image that can be read (PNG, JPEG, BMP, PGM, PPM)";

bool begins_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

bool is_netpbm(Bytes bytes) {
  return bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' && bytes[2] <= ' ';
}

std::uint32_t crc32(Bytes bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0u);
      table[i] = value;
    }
    return table;
  }();
  std::uint32_t crc = ~0u;
  for (const std::uint8_t b : bytes) crc = crc >> 8 ^ kTable[(crc ^ b) & 255];
  return ~crc;
}

ImageHeader inspect_png(Cursor cursor) {
  ImageHeader header{.format = FileFormat::png};
  std::int64_t bits_per_pixel = 0;
  std::uint64_t data_bytes = 0;
  cursor.skip(kPng.size());
  for (bool first = true, last = false; !last; first = false) {
    const std::uint32_t length = cursor.big_endian(4);
    cursor.need(std::uint64_t{length} + 8);
    const Bytes chunk = Cursor(cursor).take(std::uint64_t{length} + 4);
    const std::string_view type(reinterpret_cast<const char*>(chunk.data()), 4);
    cursor.skip(4);
    if (first && (type != "IHDR" || length != 13)) cursor.fail("not a PNG file: its first part is not a header");
    if (first) {
      Cursor fields = cursor;
      header.width = fields.big_endian(4);
      header.height = fields.big_endian(4);
      const int depth = fields.byte();
      const int colour = fields.byte();
      check_size(cursor, header);
      if (depth == 16) cursor.fail("has 16 bits per channel, only 8 are read");
      header.channels = colour == 0 || colour == 4 ? 1 : 3;
      bits_per_pixel = depth * (colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1);
    }
    if (type == "IDAT") data_bytes += length;
    last = type == "IEND";
    cursor.skip(length);
    if (cursor.big_endian(4) != crc32(chunk)) cursor.fail("damaged: the checksum of its part {} is wrong", type);
  }
  constexpr std::int64_t kBestDeflateRatio = 1032;
  const std::int64_t raw_bytes = (header.width * bits_per_pixel + 7) / 8 * header.height;
  check_plausible(cursor, header, raw_bytes / kBestDeflateRatio, data_bytes);
  return header;
}

bool is_frame_header(int marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// stb_image writes over the end of its table where a table promises more than 256 symbols.
void check_huffman_tables(Cursor cursor, std::uint32_t length) {
  for (std::uint32_t used = 0; used < length;) {
    cursor.skip(1);
    std::uint32_t symbols = 0;
    for (const std::uint8_t count : cursor.take(16)) symbols += count;
    if (symbols > 256) cursor.fail("damaged: a Huffman table of {} symbols", symbols);
    cursor.skip(symbols);
    used += 17 + symbols;
  }
}

ImageHeader inspect_jpeg(Cursor cursor) {
  ImageHeader header{.format = FileFormat::jpeg};
  cursor.skip(2);
  std::uint64_t scan_bytes = 0;
  for (;;) {
    int marker = cursor.byte();
    while (marker != 0xFF) marker = cursor.byte();
    while (marker == 0xFF) marker = cursor.byte();
    if (marker == 0xD9) break;
    if (marker == 0 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;
    const std::uint32_t length = cursor.big_endian(2);
    if (length < 2) cursor.fail("damaged: a JPEG segment of {} bytes", length);
    cursor.need(length - 2);
    if (marker == 0xC4) check_huffman_tables(cursor, length - 2);
    if (is_frame_header(marker)) {
      Cursor fields = cursor;
      const int bits = fields.byte();
      header.height = fields.big_endian(2);
      header.width = fields.big_endian(2);
      const int components = fields.byte();
      check_size(cursor, header);
      if (bits != 8) cursor.fail("has {} bits per channel, only 8 are read", bits);
      if (components == 4) cursor.fail("is a CMYK image, only grey and RGB are read");
      header.channels = components == 1 ? 1 : 3;
    }
    cursor.skip(length - 2);
    if (marker == 0xDA) {
      const std::size_t begin = cursor.at();
      cursor.skip_jpeg_scan();
      scan_bytes += cursor.at() - begin;
    }
  }
  if (header.channels == 0) cursor.fail("damaged: a JPEG file without an image in it");
  // A block of 8 x 8 samples takes one bit or more; a component may have a quarter as many samples as pixels.
  check_plausible(cursor, header, header.width * header.height / (64 * 8 * 4), scan_bytes);
  return header;
}

ImageHeader inspect_bmp(Cursor cursor) {
  ImageHeader header{.format = FileFormat::bmp, .channels = 3};
  const Cursor begin = cursor;
  cursor.skip(10);
  const std::uint32_t offset = cursor.little_endian(4);
  const std::uint32_t header_bytes = cursor.little_endian(4);
  const bool old = header_bytes == 12;
  if (!old && header_bytes != 40 && header_bytes != 56 && header_bytes != 108 && header_bytes != 124) {
    cursor.fail(kNotAnImage);
  }
  const int field = old ? 2 : 4;
  const auto side = [&] {
    const std::int64_t value = cursor.little_endian(field);
    return old || value <= INT32_MAX ? value : (std::int64_t{1} << 32) - value;  // negative heights: top row first
  };
  header.width = side();
  header.height = side();
  cursor.skip(2);
  const std::int64_t bits_per_pixel = cursor.little_endian(2);
  check_size(cursor, header);
  const std::int64_t row_bytes = (header.width * bits_per_pixel + 31) / 32 * 4;
  begin.need(static_cast<std::uint64_t>(offset + row_bytes * header.height));
  return header;
}

std::int64_t netpbm_number(Cursor& cursor) {
  int c = cursor.byte();
  for (bool comment = c == '#'; comment || c <= ' '; comment = c == '#' || (comment && c != '\n' && c != '\r')) {
    c = cursor.byte();
  }
  std::int64_t value = 0;
  while (c >= '0' && c <= '9') {
    value = std::min<std::int64_t>(value * 10 + (c - '0'), INT32_MAX);
    c = cursor.byte();
  }
  if (c > ' ') cursor.fail("damaged: a Netpbm header with something that is not a number");
  return value;
}

ImageHeader inspect_netpbm(Cursor cursor) {
  const int kind = Cursor(cursor).take(2)[1];
  if (kind != '5' && kind != '6') {
    cursor.fail("is a P{} file, of the Netpbm formats only binary PGM and PPM (P5, P6) are read", kind - '0');
  }
  cursor.skip(2);
  ImageHeader header{.format = FileFormat::netpbm, .channels = kind == '5' ? 1 : 3};
  header.width = netpbm_number(cursor);
  header.height = netpbm_number(cursor);
  header.largest_value = netpbm_number(cursor);
  check_size(cursor, header);
  if (header.largest_value > 255) cursor.fail("has 16 bits per channel, only 8 are read");
  if (header.largest_value == 0) cursor.fail("damaged: a largest value of 0");
  header.pixels_offset = cursor.at();
  cursor.need(static_cast<std::uint64_t>(header.width * header.height * header.channels));
  return header;
}

}  // namespace

void fail(const std::filesystem::path& path, const std::string& reason) {
  throw IoError(path.string() + ": " + reason);
}

bool looks_like_image(Bytes first) {
  return begins_with(first, kPng) || begins_with(first, kJpeg) || begins_with(first, kBmp) || is_netpbm(first);
}

ImageHeader inspect_image(const std::filesystem::path& path, Bytes file) {
  const Cursor cursor(path, file);
  if (begins_with(file, kPng)) return inspect_png(cursor);
  if (begins_with(file, kJpeg)) return inspect_jpeg(cursor);
  if (begins_with(file, kBmp)) return inspect_bmp(cursor);
  if (is_netpbm(file)) return inspect_netpbm(cursor);
  cursor.fail(kNotAnImage);
}

}  // namespace leaven::io
