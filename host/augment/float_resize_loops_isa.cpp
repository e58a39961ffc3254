#include "host/augment/float_resize_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

// Some rows of a channel from `from` on, so that the values of a column lie side by side.
void load_band(const float* from, const ImageView<const float>& in, std::int64_t rows, ResizeSpan x_span,
               float* __restrict band) {
  for (std::int64_t y = 0; y < rows; ++y) {
    const float* row = from + y * in.row_stride;
    for (std::int64_t x = x_span.first; x < x_span.end; ++x) {
      band[(x - x_span.first) * kFloatBandRows + y] = row[x * in.pixel_stride];
    }
  }
}

void rows(const ImageView<const float>& in, ResizeSpan y_span, const FloatResizeTable& table, float* band, float* out,
          std::int64_t pitch) {
  const ResizeSpan x_span = resize_span(table, in.width);
  for (std::int64_t y = y_span.first; y < y_span.end; y += kFloatBandRows) {
    const std::int64_t count = y_span.end - y < kFloatBandRows ? y_span.end - y : kFloatBandRows;
    for (std::int64_t c = 0; c < in.channels; ++c) {
      load_band(in.data + c * in.channel_stride + y * in.row_stride, in, count, x_span, band);
      float* to = out + (y - y_span.first) * pitch + c * table.out_size;
      for (std::int32_t x = 0; x < table.out_size; ++x, ++to) {
        const float* from = band + std::int64_t{table.first[x] - x_span.first} * kFloatBandRows;
        double sum[kFloatBandRows] = {};
        for (std::int32_t t = 0; t < table.count[x]; ++t, from += kFloatBandRows) {
          const double weight = table.weights[std::int64_t{t} * table.out_size + x];
          for (int j = 0; j < kFloatBandRows; ++j) sum[j] += weight * from[j];
        }
        for (std::int64_t j = 0; j < count; ++j) to[j * pitch] = static_cast<float>(sum[j]);
      }
    }
  }
}

void columns(const float* rows, std::int64_t pitch, const FloatResizeTable& table, const ImageView<float>& out) {
  for (std::int32_t y = 0; y < table.out_size; ++y) {
    const float* first = rows + std::int64_t{table.first[y] - table.first[0]} * pitch;
    for (std::int64_t begin = 0; begin < out.width * out.channels; begin += kFloatRun) {
      const float* from = first + begin;
      double sum[kFloatRun] = {};
      for (std::int32_t t = 0; t < table.count[y]; ++t, from += pitch) {
        const double weight = table.weights[std::int64_t{t} * table.out_size + y];
        for (int j = 0; j < kFloatRun; ++j) sum[j] += weight * from[j];
      }
      const std::int64_t left = out.width * out.channels - begin;
      for (std::int64_t j = 0; j < (left < kFloatRun ? left : kFloatRun); ++j) {
        const std::int64_t c = (begin + j) / out.width;
        const std::int64_t x = begin + j - c * out.width;
        out.data[y * out.row_stride + x * out.pixel_stride + c * out.channel_stride] = static_cast<float>(sum[j]);
      }
    }
  }
}

}  // namespace

extern const FloatResizeLoops float_resize_loops;
const FloatResizeLoops float_resize_loops{.rows = rows, .columns = columns};

}  // namespace leaven::LEAVEN_ISA
