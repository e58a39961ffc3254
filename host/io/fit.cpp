#include <algorithm>

#include <leaven/io.hpp>
#include "host/core/check.hpp"

namespace leaven::io {
namespace {

HostImage magnify(const HostImage& image, std::int64_t times) {
  HostImage out{image.height * times, image.width * times, image.channels, {}};
  out.pixels.resize(static_cast<std::size_t>(out.height * out.width * out.channels));
  std::uint8_t* to = out.pixels.data();
  for (std::int64_t y = 0; y < out.height; ++y) {
    for (std::int64_t x = 0; x < out.width; ++x) {
      const std::int64_t from = (y / times * image.width + x / times) * image.channels;
      to = std::copy_n(image.pixels.data() + from, image.channels, to);
    }
  }
  return out;
}

// Each output pixel is the rounded mean of the input pixels that begin inside it.
HostImage reduce(const HostImage& image, std::int64_t height, std::int64_t width) {
  HostImage out{height, width, image.channels, {}};
  out.pixels.reserve(static_cast<std::size_t>(height * width * image.channels));
  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t top = y * image.height / height;
    const std::int64_t bottom = (y + 1) * image.height / height;
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t left = x * image.width / width;
      const std::int64_t right = (x + 1) * image.width / width;
      const std::int64_t count = (bottom - top) * (right - left);
      for (std::int64_t c = 0; c < image.channels; ++c) {
        std::int64_t sum = count / 2;
        for (std::int64_t v = top; v < bottom; ++v) {
          for (std::int64_t u = left; u < right; ++u) {
            sum += image.pixels[static_cast<std::size_t>((v * image.width + u) * image.channels + c)];
          }
        }
        out.pixels.push_back(static_cast<std::uint8_t>(sum / count));
      }
    }
  }
  return out;
}

}  // namespace

HostImage fit(const HostImage& image, std::int64_t side_px) {
  check(side_px > 0, "fit: side_px is {}, expected 1 or more", side_px);
  const bool valid = image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3) &&
                     static_cast<std::int64_t>(image.pixels.size()) == image.view().shape().size();
  check(valid, "fit: image is {} x {} with {} channels and {} values, expected 1 or 3 channels and as many values",
        image.height, image.width, image.channels, image.pixels.size());
  const std::int64_t longer = std::max(image.height, image.width);
  if (longer <= side_px) return magnify(image, side_px / longer);
  const auto reduced = [&](std::int64_t side) { return std::max<std::int64_t>(1, side * side_px / longer); };
  return reduce(image, reduced(image.height), reduced(image.width));
}

}  // namespace leaven::io
