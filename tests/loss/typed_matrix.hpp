#pragma once

#include <cstring>

#include "tests/loss/loss_support.hpp"

namespace leaven::test {

inline constexpr FloatType kFloatTypes[] = {FloatType::f32, FloatType::f16, FloatType::bf16};

inline const char* type_name(FloatType type) {
  return type == FloatType::f32 ? "f32" : type == FloatType::f16 ? "f16" : "bf16";
}

// Half a unit in the last place, relative to the value; and the smallest step, near 0.
inline double relative_rounding(FloatType type) {
  return type == FloatType::f32 ? 0x1p-24 : type == FloatType::f16 ? 0x1p-11 : 0x1p-8;
}
inline double smallest_step(FloatType type) { return type == FloatType::f16 ? 0x1p-24 : 0x1p-126; }

inline std::int64_t size_of_type(FloatType type) { return type == FloatType::f32 ? 4 : 2; }

inline void encode(float value, FloatType type, std::uint8_t* to) {
  if (type == FloatType::f32) {
    std::memcpy(to, &value, sizeof value);
  } else {
    const std::uint16_t bits = type == FloatType::f16 ? to_float16(value).bits : to_bfloat16(value).bits;
    std::memcpy(to, &bits, sizeof bits);
  }
}
inline float decode(const std::uint8_t* from, FloatType type) {
  if (type == FloatType::f32) {
    float value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, from, sizeof bits);
  return type == FloatType::f16 ? to_float(Float16{bits}) : to_float(BFloat16{bits});
}

// The values that the type can hold nearest to these.
inline float rounded(float value, FloatType type) {
  std::uint8_t bytes[4];
  encode(value, type, bytes);
  return decode(bytes, type);
}
inline HostMatrix rounded(HostMatrix m, FloatType type) {
  for (float& value : m.values) value = rounded(value, type);
  return m;
}
// The error of one rounding to the type; none for f32, which tolerances contain.
inline double rounding_of(double value, FloatType type) {
  return type == FloatType::f32 ? 0.0 : std::fabs(value) * relative_rounding(type) + smallest_step(type) / 2;
}

// A BackendMatrix of any type of logits.
class TypedMatrix {
 public:
  TypedMatrix(const HostMatrix& m, FloatType type, Stream stream, Layout2d layout = {})
      : type_(type),
        rows_(m.rows),
        columns_(m.columns),
        stride_(m.columns + layout.padding),
        offset_(layout.offset),
        bytes_(spread(m), stream) {}
  TypedMatrix(std::int64_t rows, std::int64_t columns, FloatType type, Stream stream, Layout2d layout = {})
      : TypedMatrix(HostMatrix{rows, columns, std::vector<float>(static_cast<std::size_t>(rows * columns), kNan)}, type,
                    stream, layout) {}

  MutableLogitsView view() const {
    MutableLogitsView v;
    v.data = bytes_.data() + offset_ * size_of_type(type_);
    v.type = type_;
    v.rows = rows_;
    v.columns = columns_;
    v.row_stride = stride_;
    return v;
  }
  LogitsView cview() const {
    const MutableLogitsView m = view();
    LogitsView v;
    v.data = m.data;
    v.type = m.type;
    v.rows = m.rows;
    v.columns = m.columns;
    v.row_stride = m.row_stride;
    return v;
  }
  // Guard bytes round everything and the padding of the rows must be as they were.
  HostMatrix to_host() const {
    bytes_.expect_guards_intact();
    const std::vector<std::uint8_t> all = bytes_.to_host();
    HostMatrix m{rows_, columns_, {}};
    const std::int64_t size = static_cast<std::int64_t>(all.size()) / size_of_type(type_);
    for (std::int64_t i = 0; i < size; ++i) {
      const float value = decode(all.data() + i * size_of_type(type_), type_);
      const std::int64_t at = i - offset_;
      if (at >= 0 && at % stride_ < columns_ && at / stride_ < rows_) {
        m.values.push_back(value);
      } else {
        EXPECT_TRUE(std::isnan(value)) << "padding written at element " << i;
      }
    }
    return m;
  }
  void expect_only_matrix_written() const { to_host(); }

 private:
  std::vector<std::uint8_t> spread(const HostMatrix& m) const {
    const std::int64_t size = size_of_type(type_);
    std::vector<std::uint8_t> all(static_cast<std::size_t>((offset_ + rows_ * stride_) * size));
    for (std::int64_t i = 0; i < offset_ + rows_ * stride_; ++i) encode(kNan, type_, all.data() + i * size);
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = 0; c < columns_; ++c) {
        encode(m.row(r)[static_cast<std::size_t>(c)], type_, all.data() + (offset_ + r * stride_ + c) * size);
      }
    }
    return all;
  }

  FloatType type_;
  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t stride_;
  std::int64_t offset_;
  GuardedBuffer<std::uint8_t> bytes_;
};

}  // namespace leaven::test
