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
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t row_stride;
};
template <class T>
MatrixArgument argument(const char* name, const MatrixView<T>& m) {
  return {name, m.data, m.rows, m.columns, m.row_stride};
}

// A readable matrix of at least one column.
void check_matrix(const char* function, const MatrixArgument& m);
void check_same_shape(const char* function, const MatrixArgument& m, const MatrixArgument& expected);
// Two float matrices without a common element. Column blocks of one wider matrix are fine.
void check_disjoint(const char* function, const MatrixArgument& written, const MatrixArgument& read);
void check_size(const char* function, const char* name, std::size_t size, const void* data, std::int64_t expected);
void check_temperature(const char* function, float temperature);

Temperature make_temperature(float temperature);

// Checks and resolves what cross_entropy and distillation_loss have in common.
TargetParams resolve_targets(const char* function, const Targets& targets, float label_smoothing,
                             std::int32_t ignore_label, const MatrixArgument& logits);
void resolve_output(const char* function, const LossOutput& out, Reduction reduction, const MatrixArgument& logits,
                    std::span<std::byte> workspace, LossParams& params);

// Runs a call whose arguments are checked.
void run_loss(const LossParams& params, Stream stream);

}  // namespace leaven
