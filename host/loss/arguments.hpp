#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <leaven/loss.hpp>
#include "kernels/loss/loss_params.hpp"

// Checks that the loss functions share. Each throws InvalidArgument "function: argument is ..., expected ...".
namespace leaven {

// One matrix argument, for the checks.
struct MatrixArgument {
  const char* name;
  const void* data;
  FloatType type;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t row_stride;
};
inline MatrixArgument argument(const char* name, const LogitsView& m) {
  return {name, m.data, m.type, m.rows, m.columns, m.row_stride};
}
inline MatrixArgument argument(const char* name, const MutableLogitsView& m) {
  return {name, m.data, m.type, m.rows, m.columns, m.row_stride};
}
inline InputRows input_rows(const LogitsView& m) { return {m.data, m.row_stride, m.type}; }
inline OutputRows output_rows(const MutableLogitsView& m) { return {m.data, m.row_stride, m.type}; }

// A readable matrix of at least one column.
void check_matrix(const char* function, const MatrixArgument& m);
void check_same_shape(const char* function, const MatrixArgument& m, const MatrixArgument& expected);
// An output that goes with `logits`: of their shape, and of their type or float.
void check_result(const char* function, const MatrixArgument& result, const MatrixArgument& logits);
// Two matrices without a common element. Column blocks of one wider matrix are fine.
void check_disjoint(const char* function, const MatrixArgument& written, const MatrixArgument& read);
// The same memory, element for element.
bool is_same(const MatrixArgument& a, const MatrixArgument& b);
void check_size(const char* function, const char* name, std::size_t size, const void* data, std::int64_t expected);
void check_temperature(const char* function, float temperature);

Temperature make_temperature(float temperature);

// Checks and resolves what cross_entropy and distillation_loss have in common.
void resolve_targets(const char* function, const Targets& targets, float label_smoothing, std::int32_t ignore_label,
                     const MatrixArgument& logits, LossParams& params);
void resolve_weights(const char* function, const LossWeights& weights, const MatrixArgument& logits,
                     LossParams& params);
void resolve_output(const char* function, const LossOutput& out, Reduction reduction, const MatrixArgument& logits,
                    std::span<std::byte> workspace, LossParams& params);

// Runs a call whose arguments are checked.
void run_loss(const LossParams& params, Stream stream);

}  // namespace leaven
