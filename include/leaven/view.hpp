#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

namespace leaven {

/// Element types of image and matrix views. f16 and bf16 are named here and not yet accepted by any operation.
enum class DType { u8, f32, f16, bf16 };

/// Order of the dimensions in memory, slowest first.
enum class Layout { nhwc, nchw };

struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

/// What a batch of images looks like, without its memory.
struct ImageShape {
  std::int64_t count = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
  std::int64_t size() const { return count * height * width * channels; }
};

/// A batch of images in somebody else's memory: element (n, y, x, c) is at
/// data[n * image_stride + y * row_stride + x * pixel_stride + c * channel_stride]; strides count elements.
template <class T>
struct ImageView {
  T* data = nullptr;
  std::int64_t count = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t image_stride = 0;
  std::int64_t row_stride = 0;
  std::int64_t pixel_stride = 0;
  std::int64_t channel_stride = 0;

  /// Packed: rows without padding, images one after the other.
  static constexpr ImageView packed(T* data, const ImageShape& s, Layout layout) {
    if (layout == Layout::nhwc) {
      return {data,       s.count, s.height, s.width, s.channels, s.height * s.width * s.channels, s.width * s.channels,
              s.channels, 1};
    }
    return {data,    s.count, s.height,          s.width, s.channels, s.height * s.width * s.channels,
            s.width, 1,       s.height * s.width};
  }
  static constexpr ImageView nhwc(T* data, const ImageShape& s) { return packed(data, s, Layout::nhwc); }
  static constexpr ImageView nchw(T* data, const ImageShape& s) { return packed(data, s, Layout::nchw); }

  constexpr ImageShape shape() const { return {count, height, width, channels}; }
  constexpr bool is_packed(Layout layout) const {
    const ImageView p = packed(data, shape(), layout);
    return image_stride == p.image_stride && row_stride == p.row_stride && pixel_stride == p.pixel_stride &&
           channel_stride == p.channel_stride;
  }
  /// Images first, first + 1, ... first + n - 1.
  constexpr ImageView slice(std::int64_t first, std::int64_t n) const {
    ImageView part = *this;
    part.data += first * image_stride;
    part.count = n;
    return part;
  }
  template <class U>
  requires(std::is_same_v<U, T> && !std::is_const_v<U>) constexpr operator ImageView<const U>() const {
    return {data, count, height, width, channels, image_stride, row_stride, pixel_stride, channel_stride};
  }
};

/// A matrix in somebody else's memory: element (row, column) is at data[row * row_stride + column].
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_stride = 0;

  static constexpr MatrixView packed(T* data, std::int64_t rows, std::int64_t columns) {
    return {data, rows, columns, columns};
  }
  template <class U>
  requires(std::is_same_v<U, T> && !std::is_const_v<U>) constexpr operator MatrixView<const U>() const {
    return {data, rows, columns, row_stride};
  }
};

}  // namespace leaven
