#include "host/loss/arguments.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "host/core/check.hpp"
#include "kernels/loss/typed_rows.hpp"

namespace leaven {
namespace {

std::uintptr_t address(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

bool overlap(const MatrixArgument& a, const MatrixArgument& b) {
  if (a.data == nullptr || b.data == nullptr || a.rows == 0 || b.rows == 0) return false;
  const auto extent = [](const MatrixArgument& m) {
    return static_cast<std::uintptr_t>(((m.rows - 1) * m.row_stride + m.columns) * size_of(m.type));
  };
  const MatrixArgument& low = address(a.data) <= address(b.data) ? a : b;
  const MatrixArgument& high = address(a.data) <= address(b.data) ? b : a;
  const std::uintptr_t apart = address(high.data) - address(low.data);
  if (apart >= extent(low)) return false;
  const auto size = static_cast<std::uintptr_t>(size_of(a.type));
  if (a.row_stride != b.row_stride || a.type != b.type || apart % size != 0) return true;
  const auto offset = static_cast<std::int64_t>(apart / size) % low.row_stride;
  return offset < low.columns || offset + high.columns > low.row_stride;
}

void check_probability(const char* function, const char* name, float value) {
  check(value >= 0.0f && value <= 1.0f, "{}: {} is {}, expected 0 to 1", function, name, value);
}

const char* name(FloatType type) { return type == FloatType::f32 ? "f32" : type == FloatType::f16 ? "f16" : "bf16"; }

}  // namespace

void check_matrix(const char* function, const MatrixArgument& m) {
  check(m.rows >= 0 && m.columns >= 1 && m.columns <= std::numeric_limits<std::int32_t>::max(),
        "{}: {} has shape {}x{}, expected at least 0 rows and 1 to 2147483647 columns", function, m.name, m.rows,
        m.columns);
  check(m.rows <= 1 || m.row_stride >= m.columns, "{}: {} has row stride {}, expected at least its {} columns",
        function, m.name, m.row_stride, m.columns);
  check(m.rows == 0 || m.data != nullptr, "{}: {} is null, expected {}x{} values", function, m.name, m.rows, m.columns);
  const auto size = static_cast<std::uintptr_t>(size_of(m.type));
  check(address(m.data) % size == 0, "{}: {} is not aligned to {} bytes", function, m.name, size);
}

void check_same_shape(const char* function, const MatrixArgument& m, const MatrixArgument& expected) {
  check(m.rows == expected.rows && m.columns == expected.columns, "{}: {} has shape {}x{}, expected {}x{} (as {})",
        function, m.name, m.rows, m.columns, expected.rows, expected.columns, expected.name);
}

void check_result(const char* function, const MatrixArgument& result, const MatrixArgument& logits) {
  check_matrix(function, result);
  check_same_shape(function, result, logits);
  check(result.type == logits.type || result.type == FloatType::f32, "{}: {} has type {}, expected {} (as {}) or f32",
        function, result.name, name(result.type), name(logits.type), logits.name);
}

void check_disjoint(const char* function, const MatrixArgument& written, const MatrixArgument& read) {
  check(!overlap(written, read), "{}: {} overlaps {}, expected separate memory", function, written.name, read.name);
}

bool is_same(const MatrixArgument& a, const MatrixArgument& b) {
  return a.data == b.data && a.type == b.type && (a.rows <= 1 || a.row_stride == b.row_stride);
}

void check_size(const char* function, const char* name, std::size_t size, const void* data, std::int64_t expected) {
  check(size == static_cast<std::size_t>(expected), "{}: {} has {} values, expected {}", function, name, size,
        expected);
  check(expected == 0 || data != nullptr, "{}: {} is null, expected {} values", function, name, expected);
}

void check_temperature(const char* function, float temperature) {
  check(std::isfinite(temperature) && temperature > 0.0f, "{}: temperature is {}, expected a finite value above 0",
        function, temperature);
}

// Subnormal temperatures, whose inverse overflows, act as the smallest normal one.
Temperature make_temperature(float temperature) {
  const double value = std::max(temperature, std::numeric_limits<float>::min());
  constexpr double kLn2 = 0.693147180559945309417232121458;
  int exponent = 0;
  const double fraction = std::frexp(value * kLn2, &exponent);
  const double high = std::ldexp(std::floor(std::ldexp(fraction, 16)), exponent - 16);
  Temperature t;
  t.value = static_cast<float>(value);
  t.inverse = static_cast<float>(1.0 / value);
  t.log2e = static_cast<float>(1.0 / (value * kLn2));
  t.ln2_hi = static_cast<float>(high);
  t.ln2_lo = static_cast<float>(value * kLn2 - high);
  return t;
}

void resolve_targets(const char* function, const Targets& targets, float label_smoothing, std::int32_t ignore_label,
                     const MatrixArgument& logits, LossParams& loss_params) {
  check_probability(function, "label_smoothing", label_smoothing);
  TargetParams& params = loss_params.targets;
  params.ignore_label = ignore_label;
  params.smoothing = label_smoothing;
  if (const auto* hard = std::get_if<HardTargets>(&targets)) {
    check_size(function, "targets.labels", hard->labels.size(), hard->labels.data(), logits.rows);
    params.a = hard->labels.data();
  } else if (const auto* mixed = std::get_if<MixedTargets>(&targets)) {
    check_size(function, "targets.a", mixed->a.size(), mixed->a.data(), logits.rows);
    check_size(function, "targets.b", mixed->b.size(), mixed->b.data(), logits.rows);
    check_size(function, "targets.weight_a", mixed->weight_a.size(), mixed->weight_a.data(), logits.rows);
    params.a = mixed->a.data();
    params.b = mixed->b.data();
    params.weight_a = mixed->weight_a.data();
  } else {
    const MatrixArgument soft = argument("targets.weights", LogitsView(std::get<SoftTargets>(targets).weights));
    check_matrix(function, soft);
    check_same_shape(function, soft, logits);
    check(label_smoothing == 0.0f, "{}: label_smoothing is {}, expected 0 with soft targets", function,
          label_smoothing);
    params.soft = std::get<SoftTargets>(targets).weights.data;
    params.soft_stride = soft.row_stride;
  }
}

void resolve_weights(const char* function, const LossWeights& weights, const MatrixArgument& logits,
                     LossParams& params) {
  if (weights.classes.data() != nullptr || !weights.classes.empty()) {
    check_size(function, "weights.classes", weights.classes.size(), weights.classes.data(), logits.columns);
    params.targets.class_weights = weights.classes.data();
  }
  if (weights.rows.data() != nullptr || !weights.rows.empty()) {
    check_size(function, "weights.rows", weights.rows.size(), weights.rows.data(), logits.rows);
    params.row_weights = weights.rows.data();
  }
}

void resolve_output(const char* function, const LossOutput& out, Reduction reduction, const MatrixArgument& logits,
                    std::span<std::byte> workspace, LossParams& params) {
  if (!out.row_losses.empty() || out.row_losses.data() != nullptr) {
    check_size(function, "out.row_losses", out.row_losses.size(), out.row_losses.data(), logits.rows);
  }
  check(out.loss == nullptr || reduction != Reduction::none, "{}: out.loss is given, expected null without a reduction",
        function);
  if (out.gradient.data != nullptr) {
    const MatrixArgument gradient = argument("out.gradient", out.gradient);
    check_result(function, gradient, logits);
    const bool same = is_same(gradient, logits);
    if (out.in_place == InPlace::no || !same) check_disjoint(function, gradient, logits);
  }
  check(static_cast<std::int64_t>(workspace.size()) >= loss_workspace_bytes(logits.rows),
        "{}: workspace has {} bytes, expected at least {}", function, workspace.size(),
        loss_workspace_bytes(logits.rows));
  check(address(workspace.data()) % alignof(LossPartial) == 0, "{}: workspace is not aligned to {} bytes", function,
        alignof(LossPartial));
  params.rows = logits.rows;
  params.classes = logits.columns;
  params.divisor = reduction == Reduction::mean_all ? static_cast<float>(logits.rows) : 1.0f;
  params.divide_by_valid = reduction == Reduction::mean_valid;
  params.row_losses = out.row_losses.data();
  params.loss = out.loss;
  params.gradient = output_rows(out.gradient);
  params.valid_rows = out.valid_rows;
  params.status = out.status;
  params.workspace = reinterpret_cast<LossWorkspace*>(workspace.data());
  params.partials = reinterpret_cast<LossPartial*>(workspace.data() + sizeof(LossWorkspace));
}

std::int64_t loss_workspace_bytes(std::int64_t rows) {
  check(rows >= 0 && rows < (std::int64_t{1} << 59), "loss_workspace_bytes: rows is {}, expected 0 or more", rows);
  return static_cast<std::int64_t>(sizeof(LossWorkspace)) +
         std::max<std::int64_t>(rows, 1) * static_cast<std::int64_t>(sizeof(LossPartial));
}

}  // namespace leaven
