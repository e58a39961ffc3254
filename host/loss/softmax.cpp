#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/probability_loops.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {

void softmax(LogitsView logits, float temperature, MutableLogitsView out, Stream stream) {
  constexpr const char* kName = "softmax";
  const MatrixArgument in = argument("logits", logits);
  const MatrixArgument result = argument("out", out);
  check_matrix(kName, in);
  check_result(kName, result, in);
  check_temperature(kName, temperature);
  if (!is_same(result, in)) check_disjoint(kName, result, in);
  const Temperature resolved = make_temperature(temperature);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::softmax(input_rows(logits), logits.rows, logits.columns, resolved, output_rows(out),
                           stream.cuda_handle());
    }
  }
  const LogitRows rows{input_rows(logits), logits.columns};
  parallel_for(logits.rows, std::max<std::int64_t>(16, 32768 / logits.columns),
               [&](std::int64_t begin, std::int64_t end) {
                 probability_loops().softmax(rows, resolved, output_rows(out), begin, end);
               });
}

}  // namespace leaven
