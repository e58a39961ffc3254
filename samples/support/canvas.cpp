#include "samples/support/canvas.hpp"

#include <algorithm>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_easy_font.h>
#pragma GCC diagnostic pop

namespace leaven::samples {
namespace {

constexpr std::int64_t kScale = 2;

// What stb_easy_font writes: four of these for each stroke, a rectangle, from its upper left corner clockwise.
struct Vertex {
  float x, y, z;
  std::uint8_t colour[4];
};

std::vector<Vertex> strokes(std::string text) {
  std::vector<Vertex> vertices(text.size() * 4 * 20);
  const int quads = stb_easy_font_print(0, 0, text.data(), nullptr, vertices.data(),
                                        static_cast<int>(vertices.size() * sizeof(Vertex)));
  vertices.resize(static_cast<std::size_t>(quads) * 4);
  return vertices;
}

std::int64_t scaled(float value) { return static_cast<std::int64_t>(value) * kScale; }

}  // namespace

Canvas::Canvas(std::int64_t height, std::int64_t width, Ink paper) : image_{height, width, 3, {}} {
  image_.pixels.resize(static_cast<std::size_t>(height * width * 3));
  fill(0, 0, width, height, paper);
}

void Canvas::fill(std::int64_t left, std::int64_t top, std::int64_t width, std::int64_t height, Ink ink) {
  for (std::int64_t y = std::max<std::int64_t>(top, 0); y < std::min(top + height, image_.height); ++y) {
    for (std::int64_t x = std::max<std::int64_t>(left, 0); x < std::min(left + width, image_.width); ++x) {
      std::uint8_t* pixel = image_.pixels.data() + (y * image_.width + x) * 3;
      pixel[0] = ink.red;
      pixel[1] = ink.green;
      pixel[2] = ink.blue;
    }
  }
}

void Canvas::draw(const io::HostImage& picture, std::int64_t left, std::int64_t top) {
  const std::int64_t step = picture.channels == 3 ? 1 : 0;
  for (std::int64_t y = 0; y < picture.height; ++y) {
    for (std::int64_t x = 0; x < picture.width; ++x) {
      const std::uint8_t* from = picture.pixels.data() + (y * picture.width + x) * picture.channels;
      fill(left + x, top + y, 1, 1, {from[0], from[step], from[2 * step]});
    }
  }
}

void Canvas::write(const std::string& text, std::int64_t left, std::int64_t top, Ink ink) {
  const std::vector<Vertex> vertices = strokes(text);
  for (std::size_t i = 0; i < vertices.size(); i += 4) {
    const Vertex &from = vertices[i], &to = vertices[i + 2];
    fill(left + scaled(from.x), top + scaled(from.y), scaled(to.x - from.x), scaled(to.y - from.y), ink);
  }
}

std::int64_t text_width(const std::string& text) {
  std::string copy = text;
  return stb_easy_font_width(copy.data()) * kScale;
}

}  // namespace leaven::samples
