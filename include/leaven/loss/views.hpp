#pragma once

#include <cstdint>
#include <type_traits>

#include <leaven/float16.hpp>
#include <leaven/view.hpp>

namespace leaven {

/// What logits and gradients may be made of: float, Float16 and BFloat16.
template <class T>
concept Logit = std::is_same_v<T, float> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

template <Logit T>
inline constexpr FloatType kFloatType = std::is_same_v<T, float>     ? FloatType::f32
                                        : std::is_same_v<T, Float16> ? FloatType::f16
                                                                     : FloatType::bf16;

/// Rows of logits of any of the three types, to read: what a MatrixView becomes when it is passed. Element (row,
/// column) is at data[row * row_stride + column]; strides count elements.
struct LogitsView {
  const void* data = nullptr;
  FloatType type = FloatType::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_stride = 0;

  LogitsView() = default;
  template <class T>
  requires Logit<std::remove_const_t<T>> LogitsView(const MatrixView<T>& m)
      : data(m.data),
        type(kFloatType<std::remove_const_t<T>>),
        rows(m.rows),
        columns(m.columns),
        row_stride(m.row_stride) {}
};

/// The same to write: gradients, probabilities.
struct MutableLogitsView {
  void* data = nullptr;
  FloatType type = FloatType::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_stride = 0;

  MutableLogitsView() = default;
  template <Logit T>
  MutableLogitsView(const MatrixView<T>& m)
      : data(m.data), type(kFloatType<T>), rows(m.rows), columns(m.columns), row_stride(m.row_stride) {}
};

}  // namespace leaven
