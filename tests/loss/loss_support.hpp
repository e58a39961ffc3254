#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <leaven/cpu.hpp>
#include <leaven/loss.hpp>
#include "tests/reference/loss_reference.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A matrix on the host, packed.
struct HostMatrix {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<float> values{};

  std::span<const float> row(std::int64_t r) const {
    return std::span<const float>(values).subspan(static_cast<std::size_t>(r * columns),
                                                  static_cast<std::size_t>(columns));
  }
  float& at(std::int64_t r, std::int64_t c) { return values[static_cast<std::size_t>(r * columns + c)]; }
};

inline HostMatrix matrix(std::vector<std::vector<float>> rows) {
  HostMatrix m{static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows.at(0).size()), {}};
  for (const auto& row : rows) m.values.insert(m.values.end(), row.begin(), row.end());
  return m;
}

inline HostMatrix normal_matrix(std::int64_t rows, std::int64_t columns, float deviation, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  HostMatrix m{rows, columns, std::vector<float>(static_cast<std::size_t>(rows * columns))};
  for (float& value : m.values) value = normal(generator);
  return m;
}

inline std::vector<std::int32_t> some_labels(std::int64_t rows, std::int64_t classes) {
  std::vector<std::int32_t> labels;
  for (std::int64_t r = 0; r < rows; ++r) labels.push_back(static_cast<std::int32_t>(r * 7919 % classes));
  return labels;
}

// A matrix on the backend: with padding behind each row and `offset` elements before the first, all of it NaN.
class BackendMatrix {
 public:
  BackendMatrix(const HostMatrix& m, Stream stream, std::int64_t padding = 0, std::int64_t offset = 0)
      : rows_(m.rows), columns_(m.columns), stride_(m.columns + padding), offset_(offset), buffer_(spread(m), stream) {}
  BackendMatrix(std::int64_t rows, std::int64_t columns, Stream stream, std::int64_t padding = 0,
                std::int64_t offset = 0)
      : BackendMatrix(HostMatrix{rows, columns, std::vector<float>(static_cast<std::size_t>(rows * columns), kNan)},
                      stream, padding, offset) {}

  MatrixView<float> view() const { return {buffer_.data() + offset_, rows_, columns_, stride_}; }
  MatrixView<const float> cview() const { return view(); }
  HostMatrix to_host() const {
    const std::vector<float> all = buffer_.to_host();
    HostMatrix m{rows_, columns_, {}};
    for (std::int64_t r = 0; r < rows_; ++r) {
      const auto first = all.begin() + offset_ + r * stride_;
      m.values.insert(m.values.end(), first, first + columns_);
    }
    return m;
  }
  // Guard bytes round everything and the padding of the rows are as they were.
  void expect_only_matrix_written() const {
    buffer_.expect_guards_intact();
    const std::vector<float> all = buffer_.to_host();
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(all.size()); ++i) {
      const std::int64_t at = i - offset_;
      if (at >= 0 && at % stride_ < columns_ && at / stride_ < rows_) continue;
      ASSERT_TRUE(std::isnan(all[static_cast<std::size_t>(i)])) << "padding written at element " << i;
    }
  }

 private:
  std::vector<float> spread(const HostMatrix& m) const {
    std::vector<float> all(static_cast<std::size_t>(offset_ + rows_ * stride_), kNan);
    for (std::int64_t r = 0; r < rows_; ++r) {
      const auto row = m.row(r);
      std::copy(row.begin(), row.end(), all.begin() + offset_ + r * stride_);
    }
    return all;
  }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t stride_;
  std::int64_t offset_;
  GuardedBuffer<float> buffer_;
};

// Targets on the host; made into Targets on the backend by BackendTargets.
struct HostTargets {
  std::vector<std::int32_t> a{};
  std::vector<std::int32_t> b{};
  std::vector<float> weight_a{};
  std::optional<HostMatrix> soft{};
};

class BackendTargets {
 public:
  BackendTargets(const HostTargets& t, Stream stream, std::int64_t padding = 0, std::int64_t offset = 0)
      : a_(std::span<const std::int32_t>(t.a), stream),
        b_(std::span<const std::int32_t>(t.b), stream),
        weight_a_(std::span<const float>(t.weight_a), stream) {
    if (t.soft) soft_.emplace(*t.soft, stream, padding, offset);
  }
  Targets get() const {
    if (soft_) return SoftTargets{soft_->cview()};
    if (b_.size() > 0) return MixedTargets{a_.cspan(), b_.cspan(), weight_a_.cspan()};
    return HardTargets{a_.cspan()};
  }

 private:
  Buffer<std::int32_t> a_;
  Buffer<std::int32_t> b_;
  Buffer<float> weight_a_;
  std::optional<BackendMatrix> soft_{};
};

struct Layout2d {
  std::int64_t padding = 0;
  std::int64_t offset = 0;
};

// What one call gave. `loss` and `valid_rows` are NaN and -1 where they were not asked for.
struct LossResult {
  std::vector<float> row_losses;
  HostMatrix gradient;
  float loss = kNan;
  std::int32_t valid_rows = -1;
  std::uint32_t status = 0;
};

// Runs a call with all outputs asked for, each between guards, on memory that `layout` shapes.
template <class Call>  // call(const LossOutput&, workspace)
LossResult run_guarded(std::int64_t rows, std::int64_t classes, Reduction reduction, Stream stream, Layout2d layout,
                       Call&& call) {
  GuardedBuffer<float> row_losses(rows, stream);
  GuardedBuffer<float> loss(1, stream);
  GuardedBuffer<std::int32_t> valid(1, stream);
  GuardedBuffer<std::uint32_t> status(std::vector<std::uint32_t>{0}, stream);
  GuardedBuffer<std::byte> workspace(std::vector<std::byte>(static_cast<std::size_t>(loss_workspace_bytes(rows))),
                                     stream);
  BackendMatrix gradient(rows, classes, stream, layout.padding, layout.offset);
  LossOutput out;
  out.row_losses = row_losses.span();
  out.loss = reduction == Reduction::none ? nullptr : loss.data();
  out.gradient = gradient.view();
  out.valid_rows = valid.data();
  out.status = status.data();
  call(out, workspace.span());
  stream.synchronize();
  row_losses.expect_guards_intact();
  loss.expect_guards_intact();
  valid.expect_guards_intact();
  status.expect_guards_intact();
  workspace.expect_guards_intact();
  gradient.expect_only_matrix_written();
  const float value = reduction == Reduction::none ? kNan : loss.to_host()[0];
  return {row_losses.to_host(), gradient.to_host(), value, valid.to_host()[0], status.to_host()[0]};
}

inline LossResult run_cross_entropy(const HostMatrix& logits, const HostTargets& targets,
                                    const CrossEntropyOptions& options, Stream stream, Layout2d layout = {}) {
  const BackendMatrix in(logits, stream, layout.padding, layout.offset);
  const BackendTargets on_backend(targets, stream, layout.padding, layout.offset);
  LossResult result = run_guarded(logits.rows, logits.columns, options.reduction, stream, layout,
                                  [&](const LossOutput& out, auto workspace) {
                                    cross_entropy(in.cview(), on_backend.get(), options, out, workspace, stream);
                                  });
  in.expect_only_matrix_written();
  return result;
}

inline LossResult run_distillation(const HostMatrix& student, const HostMatrix& teacher,
                                   const std::optional<HostTargets>& targets, const DistillationOptions& options,
                                   Stream stream, Layout2d layout = {}) {
  const BackendMatrix s(student, stream, layout.padding, layout.offset);
  const BackendMatrix t(teacher, stream, layout.padding, layout.offset);
  std::optional<BackendTargets> on_backend;
  if (targets) on_backend.emplace(*targets, stream, layout.padding, layout.offset);
  return run_guarded(student.rows, student.columns, options.reduction, stream, layout,
                     [&](const LossOutput& out, auto workspace) {
                       DistillationInput in{.student = s.cview(), .teacher = t.cview()};
                       if (on_backend) in.targets = on_backend->get();
                       distillation_loss(in, options, out, workspace, stream);
                     });
}

// The same bits, NaN for NaN.
inline void expect_same_bits(std::span<const float> got, std::span<const float> expected, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::memcpy(&a, &got[i], sizeof a);
    std::memcpy(&b, &expected[i], sizeof b);
    ASSERT_EQ(a, b) << what << ", element " << i << ": " << got[i] << " and " << expected[i];
  }
}

}  // namespace leaven::test
