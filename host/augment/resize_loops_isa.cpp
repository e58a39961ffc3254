#include "host/augment/resize_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// The columns of some rows, so that a column's values of one channel lie side by side.
template <int kChannels>
void load_band(const ImageRef& source, std::int64_t first_row, std::int64_t rows, ResizeSpan x_span,
               std::uint8_t* __restrict band) {
  for (std::int64_t y = 0; y < rows; ++y) {
    const std::uint8_t* row = source.data + (first_row + y) * source.row_stride;
    for (std::int64_t x = x_span.first; x < x_span.end; ++x) {
      for (int c = 0; c < kChannels; ++c) {
        band[((x - x_span.first) * kChannels + c) * kResizeBandRows + y] =
            row[x * source.pixel_stride + c * source.channel_stride];
      }
    }
  }
}

template <int kChannels>
void rows_of(const ImageRef& source, ResizeSpan y_span, const ResizeTable& table, std::uint8_t* band,
             std::uint8_t* __restrict out, std::int64_t pitch) {
  const ResizeSpan x_span = resize_span(table, source.width);
  for (std::int64_t y = y_span.first; y < y_span.end; y += kResizeBandRows) {
    const std::int64_t left = y_span.end - y;
    const std::int64_t rows = left < kResizeBandRows ? left : kResizeBandRows;
    load_band<kChannels>(source, y, rows, x_span, band);
    std::uint8_t* to = out + (y - y_span.first) * pitch;
    for (std::int32_t x = 0; x < table.out_size; ++x) {
      for (int c = 0; c < kChannels; ++c, ++to) {
        const std::uint8_t* from =
            band + (std::int64_t{table.first[x] - x_span.first} * kChannels + c) * kResizeBandRows;
        std::int32_t sum[kResizeBandRows];
        for (int j = 0; j < kResizeBandRows; ++j) sum[j] = kResizeOne / 2;
        for (std::int32_t t = 0; t < table.count[x]; ++t, from += kChannels * kResizeBandRows) {
          const std::int32_t weight = table.weights[std::int64_t{t} * table.out_size + x];
          for (int j = 0; j < kResizeBandRows; ++j) sum[j] += weight * from[j];
        }
        std::uint8_t values[kResizeBandRows];
        for (int j = 0; j < kResizeBandRows; ++j) values[j] = resize_clip(sum[j]);
        for (std::int64_t j = 0; j < rows; ++j) to[j * pitch] = values[j];
      }
    }
  }
}

void rows(const ImageRef& source, std::int64_t channels, ResizeSpan y_span, const ResizeTable& table,
          std::uint8_t* band, std::uint8_t* out, std::int64_t pitch) {
  if (channels == 1) return rows_of<1>(source, y_span, table, band, out, pitch);
  rows_of<3>(source, y_span, table, band, out, pitch);
}

void columns(const std::uint8_t* rows, std::int64_t pitch, const ResizeTable& table,
             const ImageView<std::uint8_t>& out) {
  const std::int64_t row_bytes = out.width * out.channels;
  const bool packed = out.pixel_stride == out.channels && (out.channels == 1 || out.channel_stride == 1);
  for (std::int32_t y = 0; y < table.out_size; ++y) {
    std::uint8_t* row = out.data + y * out.row_stride;
    for (std::int64_t first = 0; first < row_bytes; first += kResizeRunBytes) {
      const std::uint8_t* from = rows + std::int64_t{table.first[y] - table.first[0]} * pitch + first;
      std::int32_t sum[kResizeRunBytes];
      for (int j = 0; j < kResizeRunBytes; ++j) sum[j] = kResizeOne / 2;
      for (std::int32_t t = 0; t < table.count[y]; ++t, from += pitch) {
        const std::int32_t weight = table.weights[std::int64_t{t} * table.out_size + y];
        for (int j = 0; j < kResizeRunBytes; ++j) sum[j] += weight * from[j];
      }
      std::uint8_t values[kResizeRunBytes];
      for (int j = 0; j < kResizeRunBytes; ++j) values[j] = resize_clip(sum[j]);
      const std::int64_t left = row_bytes - first;
      const std::int64_t bytes = left < kResizeRunBytes ? left : kResizeRunBytes;
      if (packed) {
        __builtin_memcpy(row + first, values, static_cast<std::size_t>(bytes));
        continue;
      }
      for (std::int64_t j = 0; j < bytes; ++j) {
        const std::int64_t x = (first + j) / out.channels;
        row[x * out.pixel_stride + (first + j - x * out.channels) * out.channel_stride] = values[j];
      }
    }
  }
}

}  // namespace

extern const ResizeLoops resize_loops;
const ResizeLoops resize_loops{.rows = rows, .columns = columns};

}  // namespace leaven::LEAVEN_ISA
