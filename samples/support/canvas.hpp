#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <leaven/io.hpp>

// A picture to draw on.
namespace leaven::samples {

struct Ink {
  std::uint8_t red = 0, green = 0, blue = 0;
};

class Canvas {
 public:
  Canvas(std::int64_t height, std::int64_t width, Ink paper);

  /// Parts outside of the canvas are left out. Grey pictures become RGB.
  void draw(const io::HostImage& picture, std::int64_t left, std::int64_t top);
  /// ASCII in stb_easy_font's letters, twice their size; lines end with '\n'.
  void write(const std::string& text, std::int64_t left, std::int64_t top, Ink ink);
  void fill(std::int64_t left, std::int64_t top, std::int64_t width, std::int64_t height, Ink ink);

  const io::HostImage& image() const { return image_; }

 private:
  io::HostImage image_;
};

inline constexpr std::int64_t kLineHeight = 24;  ///< of write()

/// Of the widest line of a text.
std::int64_t text_width(const std::string& text);

}  // namespace leaven::samples
