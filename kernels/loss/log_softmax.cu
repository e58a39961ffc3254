#include "kernels/loss/launchers.hpp"
#include "kernels/loss/softmax_rows.cuh"

namespace leaven::cuda {

void log_softmax(const InputRows& logits, std::int64_t rows, std::int64_t classes, const Temperature& temperature,
                 const OutputRows& out, CUstream_st* stream) {
  launch_softmax<ProbabilityScale::logarithmic>("log_softmax", logits, rows, classes, temperature, out, stream);
}

}  // namespace leaven::cuda
