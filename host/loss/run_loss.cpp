#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/loss_loops.hpp"
#include "host/loss/partials.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {
namespace {

void run_loss_cpu(const LossParams& p) {
  const LossLoops& loops = loss_loops();
  const LossRowsFunction function = p.teacher.data == nullptr ? loops.hard : p.hard ? loops.both : loops.soft;
  run_partials(
      p, [&](std::int64_t begin, std::int64_t end) { return loops.count_valid(p, begin, end); },
      [&](float scale, LossPartial& partial, std::int64_t begin, std::int64_t end) {
        function(p, scale, begin, end, partial);
      });
}

}  // namespace

void run_loss(const LossParams& params, Stream stream) {
  LossParams p = params;
  if (p.divide_by_valid && p.teacher.data != nullptr && p.row_weights == nullptr) {  // every row is valid
    p.divide_by_valid = false;
    p.divisor = static_cast<float>(p.rows);
  }
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return cuda::loss(p, stream.cuda_handle());
  }
  run_loss_cpu(p);
}

}  // namespace leaven
