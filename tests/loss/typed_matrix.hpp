#pragma once

#include <leaven/float16.hpp>

#include "tests/loss/loss_support.hpp"

namespace leaven::test {

inline float round_to(FloatType type, float value) {
  if (type == FloatType::f32) return value;
  return type == FloatType::f16 ? to_float(to_float16(value)) : to_float(to_bfloat16(value));
}
inline HostMatrix round_to(FloatType type, HostMatrix m) {
  for (float& value : m.values) value = round_to(type, value);
  return m;
}
inline const char* type_name(FloatType type) {
  return type == FloatType::f32 ? "f32" : type == FloatType::f16 ? "f16" : "bf16";
}

// A matrix of any type of logits on the backend, with padding behind each row and `offset` elements before the first,
// all of it NaN, between guard bytes.
class TypedMatrix {
 public:
  TypedMatrix(const HostMatrix& m, FloatType type, Stream stream, Layout2d layout = {})
      : type_(type),
        rows_(m.rows),
        columns_(m.columns),
        stride_(m.columns + layout.padding),
        offset_(layout.offset),
        buffer_(bytes_of(m), stream) {}

  LogitsView view() const {
    LogitsView v;
    v.data = buffer_.data() + offset_ * size();
    v.type = type_;
    v.rows = rows_;
    v.columns = columns_;
    v.row_stride = stride_;
    return v;
  }
  MutableLogitsView mutable_view() const {
    MutableLogitsView v;
    v.data = buffer_.data() + offset_ * size();
    v.type = type_;
    v.rows = rows_;
    v.columns = columns_;
    v.row_stride = stride_;
    return v;
  }
  // Also checks that nothing but the matrix was written.
  HostMatrix to_host() const {
    buffer_.expect_guards_intact();
    const std::vector<std::uint8_t> bytes = buffer_.to_host();
    HostMatrix m{rows_, columns_, {}};
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(bytes.size()) / size(); ++i) {
      const std::int64_t at = i - offset_;
      const float value = element(bytes, i);
      if (at >= 0 && at % stride_ < columns_) {
        m.values.push_back(value);
      } else {
        EXPECT_TRUE(std::isnan(value)) << "padding written at element " << i;
      }
    }
    return m;
  }

 private:
  std::int64_t size() const { return type_ == FloatType::f32 ? 4 : 2; }
  void put(std::vector<std::uint8_t>& bytes, std::int64_t i, float value) const {
    const std::uint16_t bits = type_ == FloatType::f16 ? to_float16(value).bits : to_bfloat16(value).bits;
    if (type_ == FloatType::f32) {
      std::memcpy(bytes.data() + i * 4, &value, 4);
    } else {
      std::memcpy(bytes.data() + i * 2, &bits, 2);
    }
  }
  float element(const std::vector<std::uint8_t>& bytes, std::int64_t i) const {
    float value = 0;
    std::uint16_t bits = 0;
    if (type_ == FloatType::f32) {
      std::memcpy(&value, bytes.data() + i * 4, 4);
      return value;
    }
    std::memcpy(&bits, bytes.data() + i * 2, 2);
    return type_ == FloatType::f16 ? to_float(Float16{bits}) : to_float(BFloat16{bits});
  }
  std::vector<std::uint8_t> bytes_of(const HostMatrix& m) const {
    const std::int64_t count = offset_ + rows_ * stride_;
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count * size()));
    for (std::int64_t i = 0; i < count; ++i) put(bytes, i, kNan);
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = 0; c < columns_; ++c) {
        put(bytes, offset_ + r * stride_ + c, m.row(r)[static_cast<std::size_t>(c)]);
      }
    }
    return bytes;
  }

  FloatType type_;
  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t stride_;
  std::int64_t offset_;
  GuardedBuffer<std::uint8_t> buffer_;
};

struct LossTypes {
  FloatType student = FloatType::f32;
  FloatType teacher = FloatType::f32;
  FloatType gradient = FloatType::f32;
};
struct HostWeights {
  std::vector<float> classes{};
  std::vector<float> rows{};
};

// As run_distillation, for any types and with weights; the cross-entropy where there is no teacher.
inline LossResult run_typed(const HostMatrix& student, const HostMatrix* teacher,
                            const std::optional<HostTargets>& targets, DistillationOptions options,
                            const HostWeights& weights, LossTypes types, Stream stream, Layout2d layout = {}) {
  const TypedMatrix s(student, types.student, stream, layout);
  const TypedMatrix t(teacher != nullptr ? *teacher : student, types.teacher, stream, layout);
  const HostMatrix nothing{student.rows, student.columns, std::vector<float>(student.values.size(), kNan)};
  const TypedMatrix gradient(nothing, types.gradient, stream, layout);
  std::optional<BackendTargets> on_backend;
  if (targets) on_backend.emplace(*targets, stream, layout.padding, layout.offset);
  const Buffer<float> classes(std::span<const float>(weights.classes), stream);
  const Buffer<float> rows(std::span<const float>(weights.rows), stream);
  options.weights = {.classes = classes.cspan(), .rows = rows.cspan()};
  LossResult result =
      run_guarded(student.rows, student.columns, options.reduction, stream, {}, [&](LossOutput out, auto workspace) {
        out.gradient = gradient.mutable_view();
        if (teacher == nullptr) {
          const CrossEntropyOptions hard{.label_smoothing = options.label_smoothing,
                                         .ignore_label = options.ignore_label,
                                         .weights = options.weights,
                                         .reduction = options.reduction};
          return cross_entropy(s.view(), on_backend->get(), hard, out, workspace, stream);
        }
        DistillationInput in{.student = s.view(), .teacher = t.view()};
        if (on_backend) in.targets = on_backend->get();
        distillation_loss(in, options, out, workspace, stream);
      });
  result.gradient = gradient.to_host();
  EXPECT_EQ(s.to_host().values.size(), student.values.size());
  return result;
}

}  // namespace leaven::test
