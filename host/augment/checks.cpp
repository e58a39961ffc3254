#include "host/augment/checks.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "host/core/check.hpp"

namespace leaven {
namespace {

using View = AnyImages;

constexpr std::int64_t kMostSide = std::int64_t{1} << 30;

std::string text(const View& v) { return message("{}x{}x{}x{}", v.count, v.height, v.width, v.channels); }

struct Range {
  const std::byte* first;
  const std::byte* last;
};

Range range_of(const View& v) {
  Range range{v.data, v.data + v.element_bytes - 1};
  const std::int64_t ends[] = {(v.count - 1) * v.image_stride, (v.height - 1) * v.row_stride,
                               (v.width - 1) * v.pixel_stride, (v.channels - 1) * v.channel_stride};
  for (const std::int64_t end : ends) (end < 0 ? range.first : range.last) += end * v.element_bytes;
  return range;
}

bool overlap(const View& in, const View& out) {
  if (in.shape().size() == 0 || out.shape().size() == 0) return false;
  const Range a = range_of(in);
  const Range b = range_of(out);
  return a.first <= b.last && b.first <= a.last;
}

bool same_view(const View& a, const View& b) {
  return a.data == b.data && a.element_bytes == b.element_bytes && a.image_stride == b.image_stride &&
         a.row_stride == b.row_stride && a.pixel_stride == b.pixel_stride && a.channel_stride == b.channel_stride;
}

void check_two_images(const char* function, const View& in, const View& out) {
  check_image(function, "in", in);
  check_image(function, "out", out);
}

}  // namespace

void check_pixel_strides(const char* function, const char* argument, const View& v) {
  constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;
  check(v.row_stride >= -kMost && v.row_stride <= kMost && v.pixel_stride >= -kMost && v.pixel_stride <= kMost,
        "{}: {} has row stride {} and pixel stride {}, expected less than 2^31", function, argument, v.row_stride,
        v.pixel_stride);
  check(v.height == 0 || v.width <= kMost / v.height, "{}: {} has {}x{} pixels an image, expected less than 2^31",
        function, argument, v.height, v.width);
}

void check_image(const char* function, const char* argument, const View& v) {
  check(v.count >= 0 && v.height >= 0 && v.width >= 0 && v.height < kMostSide && v.width < kMostSide,
        "{}: {} has shape {}, expected sizes of at least 0 and sides below 2^30", function, argument, text(v));
  check(v.channels == 1 || v.channels == 3, "{}: {} has {} channels, expected 1 or 3", function, argument, v.channels);
  check(v.data != nullptr || v.shape().size() == 0, "{}: {} is null, expected {} values", function, argument,
        v.shape().size());
}

void check_area(const char* function, const char* argument, const ImageShape& s) {
  check(s.height * s.width < std::int64_t{1} << 29, "{}: {} has {}x{} pixels per image, expected fewer than 2^29",
        function, argument, s.height, s.width);
}

void check_same_shape(const char* function, const View& in, const View& out) {
  check(in.shape() == out.shape(), "{}: out has shape {}, expected {} (the shape of in)", function, text(out),
        text(in));
}

void check_same_batch(const char* function, const View& in, const View& out) {
  check(in.count == out.count && in.channels == out.channels,
        "{}: out has {} images of {} channels, expected {} of {} (as in)", function, out.count, out.channels, in.count,
        in.channels);
}

void check_no_overlap(const char* function, const View& in, const View& out) {
  check(!overlap(in, out), "{}: out overlaps in, expected memory of its own", function);
}

void check_same_view_or_no_overlap(const char* function, const View& in, const View& out) {
  check(same_view(in, out) || !overlap(in, out), "{}: out overlaps in, expected the same view or memory of its own",
        function);
}

void check_pixel_operation(const char* function, const View& in, const View& out) {
  check_two_images(function, in, out);
  check_same_shape(function, in, out);
  check_same_view_or_no_overlap(function, in, out);
}

void check_move(const char* function, const View& in, const View& out) {
  check_two_images(function, in, out);
  check_same_shape(function, in, out);
  check_geometry(function, in, out);
}

void check_geometry(const char* function, const View& in, const View& out) {
  check_two_images(function, in, out);
  check_same_batch(function, in, out);
  check_pixel_strides(function, "in", in);
  check_pixel_strides(function, "out", out);
  check_no_overlap(function, in, out);
}

void check_options(const char* function, const WarpOptions& options) {
  check(options.interpolation >= Interpolation::nearest && options.interpolation <= Interpolation::bicubic,
        "{}: options.interpolation is {}, expected nearest (0), bilinear (1) or bicubic (2)", function,
        static_cast<std::int32_t>(options.interpolation));
  check(options.border >= Border::fill && options.border <= Border::wrap,
        "{}: options.border is {}, expected fill (0), edge (1), reflect (2) or wrap (3)", function,
        static_cast<std::int32_t>(options.border));
}

void check_finite(const char* function, const char* argument, double value) {
  check(std::isfinite(value), "{}: {} is {}, expected a finite number", function, argument, value);
}

void check_count(const char* function, const char* argument, std::int64_t size, const void* values,
                 std::int64_t count) {
  check(size == count, "{}: {} has {} values, expected {} (one per image)", function, argument, size, count);
  check(values != nullptr || count == 0, "{}: {} is null, expected {} values", function, argument, count);
}

}  // namespace leaven
