#pragma once

#include <leaven/float16.hpp>
#include "tests/loss/loss_support.hpp"

namespace leaven::test {

inline const char* type_name(FloatType type) {
  return type == FloatType::f32 ? "f32" : type == FloatType::f16 ? "f16" : "bf16";
}

// The value as the type holds it.
inline float rounded(float value, FloatType type) {
  if (type == FloatType::f16) return to_float(to_float16(value));
  if (type == FloatType::bf16) return to_float(to_bfloat16(value));
  return value;
}
inline HostMatrix rounded(HostMatrix m, FloatType type) {
  for (float& value : m.values) value = rounded(value, type);
  return m;
}
// Half a unit in the last place of a rounding to the type, relative and absolute.
inline double rounding_of(double value, FloatType type) {
  if (type == FloatType::f32) return 0;
  return type == FloatType::f16 ? std::fabs(value) * 0x1p-11 + 0x1p-25 : std::fabs(value) * 0x1p-8;
}

// A matrix of any type on the backend, NaN in its padding, with guard bytes round it.
class TypedMatrix {
 public:
  TypedMatrix(const HostMatrix& m, FloatType type, Stream stream, Layout2d layout = {})
      : rows_(m.rows),
        columns_(m.columns),
        stride_(m.columns + layout.padding),
        offset_(layout.offset),
        type_(type),
        stream_(stream),
        buffer_(spread(m), stream) {}

  MutableLogitsView view() const {
    MutableLogitsView v;
    v.data = buffer_.data() + offset_ * size();
    v.type = type_;
    v.rows = rows_;
    v.columns = columns_;
    v.row_stride = stride_;
    return v;
  }
  LogitsView cview() const {
    LogitsView v;
    v.data = buffer_.data() + offset_ * size();
    v.type = type_;
    v.rows = rows_;
    v.columns = columns_;
    v.row_stride = stride_;
    return v;
  }
  HostMatrix to_host() const {
    const std::vector<std::uint8_t> all = buffer_.to_host();
    HostMatrix m{rows_, columns_, {}};
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = 0; c < columns_; ++c) m.values.push_back(value_at(all, offset_ + r * stride_ + c));
    }
    return m;
  }
  void expect_only_matrix_written() const {
    buffer_.expect_guards_intact();
    const std::vector<std::uint8_t> all = buffer_.to_host();
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(all.size()) / size(); ++i) {
      const std::int64_t at = i - offset_;
      if (at >= 0 && at % stride_ < columns_ && at / stride_ < rows_) continue;
      ASSERT_TRUE(std::isnan(value_at(all, i))) << "padding written at element " << i;
    }
  }

 private:
  std::int64_t size() const { return type_ == FloatType::f32 ? 4 : 2; }
  void put(std::vector<std::uint8_t>& all, std::int64_t i, float value) const {
    std::uint8_t* const to = all.data() + i * size();
    if (type_ == FloatType::f32) {
      std::memcpy(to, &value, 4);
    } else {
      const std::uint16_t bits = type_ == FloatType::f16 ? to_float16(value).bits : to_bfloat16(value).bits;
      std::memcpy(to, &bits, 2);
    }
  }
  float value_at(const std::vector<std::uint8_t>& all, std::int64_t i) const {
    const std::uint8_t* const from = all.data() + i * size();
    if (type_ == FloatType::f32) {
      float value = 0;
      std::memcpy(&value, from, 4);
      return value;
    }
    std::uint16_t bits = 0;
    std::memcpy(&bits, from, 2);
    return type_ == FloatType::f16 ? to_float(Float16{bits}) : to_float(BFloat16{bits});
  }
  std::vector<std::uint8_t> spread(const HostMatrix& m) const {
    std::vector<std::uint8_t> all(static_cast<std::size_t>((offset_ + rows_ * stride_) * size()));
    for (std::int64_t i = 0; i < offset_ + rows_ * stride_; ++i) put(all, i, kNan);
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = 0; c < columns_; ++c) {
        put(all, offset_ + r * stride_ + c, m.row(r)[static_cast<std::size_t>(c)]);
      }
    }
    return all;
  }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t stride_;
  std::int64_t offset_;
  FloatType type_;
  Stream stream_;
  GuardedBuffer<std::uint8_t> buffer_;
};

}  // namespace leaven::test
