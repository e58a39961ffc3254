#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <leaven/augment.hpp>
#include "tests/reference/augment_reference.hpp"
#include "tests/support/backend.hpp"

// Batches of images in any memory layout, for the augmentation tests.
namespace leaven::test {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;
using reference::Image;

// How a batch lies in its buffer.
enum class Memory { nhwc, nchw, padded_odd, four_byte_pixels, upside_down_bgr };

inline const char* name(Memory memory) {
  constexpr const char* kNames[] = {"nhwc", "nchw", "padded_odd", "four_byte_pixels", "upside_down_bgr"};
  return kNames[static_cast<int>(memory)];
}

inline constexpr Memory kAllMemories[] = {Memory::nhwc, Memory::nchw, Memory::padded_odd, Memory::four_byte_pixels,
                                          Memory::upside_down_bgr};

struct Placement {
  Out view;  // its data: an offset from nullptr; see in()
  std::int64_t first = 0;
  std::int64_t size = 0;
};

inline Placement place(const ImageShape& s, Memory memory) {
  Placement p;
  p.view = Out::nhwc(nullptr, s);
  p.size = s.size();
  switch (memory) {
    case Memory::nhwc: break;
    case Memory::nchw: p.view = Out::nchw(nullptr, s); break;
    case Memory::padded_odd:  // starts at an odd address; 5 bytes between rows, 3 more between images
      p.first = 1;
      p.view.row_stride += 5;
      p.view.image_stride = s.height * p.view.row_stride + 3;
      p.size = 1 + s.count * p.view.image_stride;
      break;
    case Memory::four_byte_pixels:
      p.view.pixel_stride = 4;
      p.view.row_stride = 4 * s.width;
      p.view.image_stride = s.height * p.view.row_stride;
      p.size = s.count * p.view.image_stride;
      break;
    case Memory::upside_down_bgr:
      p.first = s.height > 0 ? (s.height - 1) * p.view.row_stride + s.channels - 1 : 0;
      p.view.row_stride = -p.view.row_stride;
      p.view.channel_stride = -1;
      break;
  }
  return p;
}

inline std::size_t index_of(const Placement& p, std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
  const Out& v = p.view;
  return static_cast<std::size_t>(p.first + n * v.image_stride + y * v.row_stride + x * v.pixel_stride +
                                  c * v.channel_stride);
}

template <class Visit>
void for_each_value(const ImageShape& s, const Visit& visit) {
  for (std::int64_t n = 0; n < s.count; ++n)
    for (std::int64_t y = 0; y < s.height; ++y)
      for (std::int64_t x = 0; x < s.width; ++x)
        for (std::int64_t c = 0; c < s.channels; ++c) visit(n, y, x, c);
}

// Images in a guarded buffer; whatever lies between their values is 0x5A and must stay so.
class Batch {
 public:
  Batch(const ImageShape& shape, Memory memory, Stream stream)
      : shape_(shape), placement_(place(shape, memory)), buffer_(placement_.size, stream) {
    buffer_.set(std::vector<std::uint8_t>(static_cast<std::size_t>(placement_.size), kGap));
  }
  Batch(const std::vector<Image>& images, const ImageShape& shape, Memory memory, Stream stream)
      : Batch(shape, memory, stream) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(placement_.size), kGap);
    for_each_value(shape, [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
      bytes[index_of(placement_, n, y, x, c)] =
          images[static_cast<std::size_t>(n)].at(static_cast<int>(y), static_cast<int>(x), static_cast<int>(c));
    });
    buffer_.set(bytes);
  }

  Out view() const {
    Out v = placement_.view;
    v.data = buffer_.data() + placement_.first;
    return v;
  }

  std::vector<Image> images() const {
    const std::vector<std::uint8_t> bytes = buffer_.to_host();
    std::vector<Image> images(
        static_cast<std::size_t>(shape_.count),
        Image(static_cast<int>(shape_.height), static_cast<int>(shape_.width), static_cast<int>(shape_.channels)));
    for_each_value(shape_, [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
      images[static_cast<std::size_t>(n)].at(static_cast<int>(y), static_cast<int>(x), static_cast<int>(c)) =
          bytes[index_of(placement_, n, y, x, c)];
    });
    return images;
  }

  void expect_only_images_written() const {
    buffer_.expect_guards_intact();
    std::vector<std::uint8_t> bytes = buffer_.to_host();
    for_each_value(shape_, [&](std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
      bytes[index_of(placement_, n, y, x, c)] = kGap;
    });
    for (std::size_t i = 0; i < bytes.size(); ++i)
      ASSERT_EQ(bytes[i], kGap) << "written between the images, byte " << i;
  }

 private:
  static constexpr std::uint8_t kGap = 0x5A;
  ImageShape shape_;
  Placement placement_;
  GuardedBuffer<std::uint8_t> buffer_;
};

// Noise, with flat and dark images among it.
inline std::vector<Image> test_images(const ImageShape& s, std::uint32_t seed) {
  std::vector<Image> images;
  std::uint32_t state = seed * 2654435761u + 1;
  const auto next = [&] {
    state = state * 1664525u + 1013904223u;
    return state >> 24;
  };
  for (std::int64_t n = 0; n < s.count; ++n) {
    const std::uint32_t low = n % 3 == 1 ? next() : 0;
    const std::uint32_t range = n % 3 == 0 ? 256 : (n % 3 == 1 ? 4 : 40);
    images.push_back(reference::make(static_cast<int>(s.height), static_cast<int>(s.width),
                                     static_cast<int>(s.channels),
                                     [&](int, int, int) { return std::min(255u, low + next() % range); }));
  }
  return images;
}

inline void expect_same_images(const std::vector<Image>& got, const std::vector<Image>& expected,
                               const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t n = 0; n < got.size(); ++n) {
    for (int y = 0; y < got[n].height; ++y)
      for (int x = 0; x < got[n].width; ++x)
        for (int c = 0; c < got[n].channels; ++c)
          ASSERT_EQ(int{got[n].at(y, x, c)}, int{expected[n].at(y, x, c)})
              << what << ": image " << n << ", y " << y << ", x " << x << ", channel " << c;
  }
}

inline std::string text(const ImageShape& s) {
  return std::to_string(s.count) + "x" + std::to_string(s.height) + "x" + std::to_string(s.width) + "x" +
         std::to_string(s.channels);
}

}  // namespace leaven::test
