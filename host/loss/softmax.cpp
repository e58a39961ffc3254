#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/probability_loops.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {

void softmax(MatrixView<const float> logits, float temperature, MatrixView<float> out, Stream stream) {
  constexpr const char* kName = "softmax";
  const MatrixArgument in = argument("logits", logits);
  const MatrixArgument result = argument("out", out);
  check_matrix(kName, in);
  check_matrix(kName, result);
  check_same_shape(kName, result, in);
  check_temperature(kName, temperature);
  const bool same = in.data == result.data && (in.rows <= 1 || in.row_stride == result.row_stride);
  if (!same) check_disjoint(kName, result, in);
  const Temperature resolved = make_temperature(temperature);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return cuda::softmax(logits, resolved, out, stream.cuda_handle());
  }
  const LogitRows rows{logits.data, logits.row_stride, logits.columns};
  parallel_for(logits.rows, std::max<std::int64_t>(16, 32768 / logits.columns),
               [&](std::int64_t begin, std::int64_t end) {
                 probability_loops().softmax(rows, resolved, out.data, out.row_stride, begin, end);
               });
}

}  // namespace leaven
