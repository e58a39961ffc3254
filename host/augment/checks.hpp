#pragma once

#include <cstddef>
#include <cstdint>

#include <leaven/augment.hpp>

// What every augmentation checks before any work. Each throws InvalidArgument with function, argument, expected, got.
namespace leaven {

// A view of any element type, for checks of its shape and its place in memory.
struct AnyImages : ImageView<const std::byte> {  // data: of the first element; strides count elements
  template <class T>
  AnyImages(const ImageView<T>& v)
      : ImageView<const std::byte>{reinterpret_cast<const std::byte*>(v.data),
                                   v.count,
                                   v.height,
                                   v.width,
                                   v.channels,
                                   v.image_stride,
                                   v.row_stride,
                                   v.pixel_stride,
                                   v.channel_stride},
        element_bytes(sizeof(T)) {}
  std::int64_t element_bytes;
};

// Sizes not negative and below 2^30 a side, 1 or 3 channels, data where there are values.
void check_image(const char* function, const char* argument, const AnyImages& view);

// Fewer than 2^29 pixels per image: drawn positions and offsets within an image are 32-bit.
void check_area(const char* function, const char* argument, const ImageShape& shape);

// Row and pixel strides and the pixels of an image below 2^31: geometry multiplies 32-bit coordinates by 32-bit
// strides.
void check_pixel_strides(const char* function, const char* argument, const AnyImages& view);

// Images that one thread takes at a time, at least.
inline std::int64_t images_per_range(const ImageShape& s) { return 1 + 32768 / (s.height * s.width * s.channels); }

// `out` has the shape of `in`.
void check_same_shape(const char* function, const AnyImages& in, const AnyImages& out);

// `out` has the count and the channels of `in`.
void check_same_batch(const char* function, const AnyImages& in, const AnyImages& out);

// No value of `out` lies between the first and the last of `in`, or the other way round.
void check_no_overlap(const char* function, const AnyImages& in, const AnyImages& out);
// The same, but both may be one view.
void check_same_view_or_no_overlap(const char* function, const AnyImages& in, const AnyImages& out);

// What a pixel operation (same shape, same view or no overlap), a move (same shape, no overlap) and a warp (same batch,
// no overlap) ask for.
void check_pixel_operation(const char* function, const AnyImages& in, const AnyImages& out);
void check_move(const char* function, const AnyImages& in, const AnyImages& out);
void check_geometry(const char* function, const AnyImages& in, const AnyImages& out);

void check_options(const char* function, const WarpOptions& options);

void check_finite(const char* function, const char* argument, double value);

void check_count(const char* function, const char* argument, std::int64_t size, const void* values, std::int64_t count);

// One value per image: as many values as images. One for the batch: what `check_value` says.
template <class T, class CheckValue>
void check_values(const char* function, const char* argument, const PerImage<T>& values, std::int64_t count,
                  const CheckValue& check_value) {
  if (values.size < 0 && values.values == nullptr) return check_value(values.value);
  check_count(function, argument, values.size, values.values, count);
}

}  // namespace leaven
