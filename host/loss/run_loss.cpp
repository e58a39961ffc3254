#include <atomic>

#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/loss_loops.hpp"
#include "host/loss/partials.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {
namespace {

LossRowsFunction rows_function(const LossParams& p) {
  const LossLoops& loops = loss_loops();
  return p.teacher.data == nullptr ? loops.hard : p.hard ? loops.both : loops.soft;
}

// As if all rows were valid. False where one is not: then the outputs are not yet those of the call.
bool run_all_valid(LossParams p) {
  p.divide_by_valid = false;
  p.divisor = static_cast<float>(p.rows);
  std::atomic<bool> all_valid = true;
  const LossRowsFunction function = rows_function(p);
  run_partials(
      p, [](std::int64_t, std::int64_t) { return 0; },
      [&](float scale, LossPartial& partial, std::int64_t begin, std::int64_t end) {
        if (!all_valid.load(std::memory_order_relaxed)) return;
        function(p, scale, begin, end, partial);
        if (partial.valid != end - begin) all_valid.store(false, std::memory_order_relaxed);
      });
  return all_valid;
}

void run_loss_cpu(const LossParams& p) {
  // Counting the valid rows of dense targets reads all of them, and seldom is one ignored. In place there is one try.
  const bool reads_weights = p.divide_by_valid && p.targets.soft != nullptr && p.teacher.data == nullptr;
  if (reads_weights && p.gradient.data != p.student.data && run_all_valid(p)) return;
  const LossRowsFunction function = rows_function(p);
  run_partials(
      p, [&](std::int64_t begin, std::int64_t end) { return loss_loops().count_valid(p, begin, end); },
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
