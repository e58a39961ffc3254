#pragma once

#include "tests/loss/loss_support.hpp"

// Matrices of any type of logits on the backend.
namespace leaven::test {

inline constexpr FloatType kLogitTypes[] = {FloatType::f32, FloatType::f16, FloatType::bf16};

// A matrix between guards, with padding behind each row and `offset` elements before the first. All elements round it
// are NaN (0xFFFF or 0xFFFFFFFF).
class LogitMatrix {
 public:
  LogitMatrix(const HostMatrix& m, FloatType type, Stream stream, Layout2d layout = {})
      : rows_(m.rows),
        columns_(m.columns),
        stride_(m.columns + layout.padding),
        offset_(layout.offset),
        type_(type),
        buffer_(spread(m), stream) {}
  LogitMatrix(std::int64_t rows, std::int64_t columns, FloatType type, Stream stream, Layout2d layout = {})
      : LogitMatrix(HostMatrix{rows, columns, std::vector<float>(static_cast<std::size_t>(rows * columns), kNan)}, type,
                    stream, layout) {}

  MutableLogitsView view() const {
    if (type_ == FloatType::f16) return typed<Float16>();
    if (type_ == FloatType::bf16) return typed<BFloat16>();
    return typed<float>();
  }
  LogitsView cview() const {
    if (type_ == FloatType::f16) return typed<Float16>();
    if (type_ == FloatType::bf16) return typed<BFloat16>();
    return typed<float>();
  }
  HostMatrix to_host() const {
    const std::vector<std::uint8_t> all = buffer_.to_host();
    HostMatrix m{rows_, columns_, {}};
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = 0; c < columns_; ++c) m.values.push_back(read(all, offset_ + r * stride_ + c));
    }
    return m;
  }
  void expect_only_matrix_written() const {
    buffer_.expect_guards_intact();
    const std::vector<std::uint8_t> all = buffer_.to_host();
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(all.size()) / size(); ++i) {
      const std::int64_t at = i - offset_;
      if (at >= 0 && at % stride_ < columns_ && at / stride_ < rows_) continue;
      ASSERT_TRUE(std::isnan(read(all, i))) << "padding written at element " << i;
    }
  }

 private:
  std::int64_t size() const { return type_ == FloatType::f32 ? 4 : 2; }
  template <class T>
  MatrixView<T> typed() const {
    return {reinterpret_cast<T*>(buffer_.data()) + offset_, rows_, columns_, stride_};
  }
  float read(const std::vector<std::uint8_t>& all, std::int64_t i) const {
    const std::uint8_t* from = all.data() + i * size();
    if (type_ == FloatType::f32) {
      float value = 0;
      std::memcpy(&value, from, sizeof value);
      return value;
    }
    std::uint16_t bits = 0;
    std::memcpy(&bits, from, sizeof bits);
    return type_ == FloatType::f16 ? to_float(Float16{bits}) : to_float(BFloat16{bits});
  }
  std::vector<std::uint8_t> spread(const HostMatrix& m) const {
    std::vector<std::uint8_t> all(static_cast<std::size_t>((offset_ + rows_ * stride_) * size()), 0xFF);
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = 0; c < columns_; ++c) {
        const float value = m.row(r)[static_cast<std::size_t>(c)];
        std::uint8_t* to = all.data() + (offset_ + r * stride_ + c) * size();
        const std::uint16_t bits = type_ == FloatType::f16 ? to_float16(value).bits : to_bfloat16(value).bits;
        if (type_ == FloatType::f32) {
          std::memcpy(to, &value, sizeof value);
        } else {
          std::memcpy(to, &bits, sizeof bits);
        }
      }
    }
    return all;
  }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t stride_;
  std::int64_t offset_;
  FloatType type_;
  GuardedBuffer<std::uint8_t> buffer_;
};

// What the backend sees of a matrix: its values rounded to the type.
inline HostMatrix rounded_to(const HostMatrix& m, FloatType type) {
  return LogitMatrix(m, type, Stream::cpu()).to_host();
}

}  // namespace leaven::test
