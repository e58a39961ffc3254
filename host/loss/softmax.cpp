#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/probability_loops.hpp"
#include "host/loss/row_ranges.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {
namespace {

void check_arguments(const char* function, const LogitsView& logits, float temperature, const MutableLogitsView& out) {
  const MatrixArgument in = argument("logits", logits);
  const MatrixArgument result = argument("out", out);
  check_matrix(function, in);
  check_result(function, result, in);
  check_temperature(function, temperature);
  if (!is_same(result, in)) check_disjoint(function, result, in);
}

}  // namespace

void softmax(LogitsView logits, float temperature, MutableLogitsView out, Stream stream) {
  check_arguments("softmax", logits, temperature, out);
  const Temperature resolved = make_temperature(temperature);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::softmax(input_rows(logits), logits.rows, logits.columns, resolved, output_rows(out),
                           stream.cuda_handle());
    }
  }
  const LogitRows rows{input_rows(logits), logits.columns};
  for_row_ranges(logits.rows, logits.columns, [&](std::int64_t begin, std::int64_t end) {
    probability_loops().softmax(rows, resolved, output_rows(out), begin, end);
  });
}

void log_softmax(LogitsView logits, float temperature, MutableLogitsView out, Stream stream) {
  check_arguments("log_softmax", logits, temperature, out);
  const Temperature resolved = make_temperature(temperature);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::log_softmax(input_rows(logits), logits.rows, logits.columns, resolved, output_rows(out),
                               stream.cuda_handle());
    }
  }
  const LogitRows rows{input_rows(logits), logits.columns};
  for_row_ranges(logits.rows, logits.columns, [&](std::int64_t begin, std::int64_t end) {
    probability_loops().log_softmax(rows, resolved, output_rows(out), begin, end);
  });
}

}  // namespace leaven
