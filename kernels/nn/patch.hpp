#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <leaven/error.hpp>
#include "kernels/core/annotate.hpp"
#include "kernels/nn/divider.hpp"
#include "kernels/nn/layers.hpp"

// The three passes of a convolution as matrix products: where a pixel's patch and a weight lie. One description serves
// all passes: in forward and in the weights' gradient a patch of x belongs to each output pixel; in the data's gradient
// a patch of dy belongs to each input pixel, walked backwards. Nothing is copied out (no im2col buffer).
namespace leaven::nn {

struct Pixel {
  std::int64_t image;
  int row, column;
};

// The pixels that the product counts: `count` of them, images one after the other, row-major.
struct PixelGrid {
  std::int64_t count = 0;
  Divider per_image, per_row;

  PixelGrid(std::int64_t batch, std::int64_t rows, std::int64_t columns)
      : count(batch * rows * columns), per_image(rows * columns), per_row(columns) {}

  LEAVEN_HD Pixel locate(std::int64_t index) const {
    const std::int64_t image = per_image.divide_wide(index);
    return in_image(image, static_cast<int>(index - image * per_image.divisor()));
  }
  LEAVEN_HD Pixel locate_near(int index) const {
    const int image = per_image.divide(index);
    return in_image(image, index - image * per_image.divisor());
  }

 private:
  LEAVEN_HD Pixel in_image(std::int64_t image, int index) const {
    const int row = per_row.divide(index);
    return {image, row, index - row * per_row.divisor()};
  }
};

// A pixel's window in the image that is read: its first tap, which may lie outside the image.
struct alignas(16) PatchOrigin {
  int offset, row, column;
};

// One of a patch's elements: its place relative to the origin, and where its weight lies.
struct alignas(16) PatchElement {
  int offset, row, column, weight;
};

// Where the weight of (tap row, tap column, channel) lies.
struct WeightStrides {
  int tap_row, tap_column, channel;
};

// With small chunks neighbouring taps, which read mostly the same pixels, follow one another closely in the sum.
inline std::int64_t sum_chunk(std::int64_t channels) { return channels % 8 == 0 ? 8 : channels; }

// Rows no image has: elements there read as zero.
inline constexpr int kNowhere = -(1 << 30);

struct PatchSource {
  const float* data;
  int height, width, channels;
  int step, origin_row, origin_column;  // the window of grid pixel (r, c) begins at (origin_row + step r, ...)
  int direction;                        // of the taps: +1 or -1
  int depth;                            // elements of a patch
  int image_size;
  WeightStrides weight_strides;
  Divider per_chunk, per_tap, per_tap_row;

  // Elements are ordered by chunks of `chunk` channels (a divisor of all), then taps, then channels of the chunk.
  PatchSource(const float* image, std::int64_t image_height, std::int64_t image_width, std::int64_t image_channels,
              std::int64_t tap_rows, std::int64_t tap_columns, std::int64_t chunk)
      : data(image),
        height(static_cast<int>(image_height)),
        width(static_cast<int>(image_width)),
        channels(static_cast<int>(image_channels)),
        depth(static_cast<int>(tap_rows * tap_columns * image_channels)),
        image_size(height * width * channels) {
    per_chunk = Divider(tap_rows * tap_columns * chunk > 0 ? tap_rows * tap_columns * chunk : 1);
    per_tap = Divider(chunk);
    per_tap_row = Divider(tap_columns > 0 ? tap_columns : 1);
  }

  LEAVEN_HD const float* image(std::int64_t index) const { return data + index * image_size; }

  // Relative to image(first_image): offsets fit in 32 bits, for the images of one block.
  LEAVEN_HD PatchOrigin origin(const Pixel& pixel, std::int64_t first_image) const {
    const int row = origin_row + step * pixel.row;
    const int column = origin_column + step * pixel.column;
    return {static_cast<int>(pixel.image - first_image) * image_size + (row * width + column) * channels, row, column};
  }

  LEAVEN_HD PatchElement element(int index) const {
    if (index >= depth) return {0, kNowhere, 0, 0};
    const int chunk = per_chunk.divide(index);
    const int in_chunk = index - chunk * per_chunk.divisor();
    const int tap = per_tap.divide(in_chunk);
    const int channel = chunk * per_tap.divisor() + in_chunk - tap * per_tap.divisor();
    const int tap_row = per_tap_row.divide(tap);
    const int tap_column = tap - tap_row * per_tap_row.divisor();
    const int row = direction * tap_row, column = direction * tap_column;
    return {
        (row * width + column) * channels + channel, row, column,
        tap_row * weight_strides.tap_row + tap_column * weight_strides.tap_column + channel * weight_strides.channel};
  }

  LEAVEN_HD bool inside(const PatchOrigin& origin, const PatchElement& element) const {
    return static_cast<unsigned>(origin.row + element.row) < static_cast<unsigned>(height) &&
           static_cast<unsigned>(origin.column + element.column) < static_cast<unsigned>(width);
  }
};

// Offsets inside the weights and between the few images of a block are 32 bits wide.
inline constexpr std::int64_t kLargestTensor = 1 << 29;

inline void check_conv_size(const char* function, const ConvShape& shape) {
  const std::int64_t weights = shape.kernel * shape.kernel * shape.in_channels * shape.out_channels;
  const std::int64_t in = shape.in_height * shape.in_width * shape.in_channels;
  const std::int64_t out = shape.out_height() * shape.out_width() * shape.out_channels;
  if (std::max({weights, in, out}) > kLargestTensor)
    throw InvalidArgument(std::string(function) + ": an image or the weights have more than 2^29 elements");
}

}  // namespace leaven::nn
