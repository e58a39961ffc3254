#include <algorithm>
#include <atomic>

#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/probability_loops.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {
namespace {

void accuracy_cpu(const LogitRows& rows, std::span<const std::int32_t> labels, std::span<std::int64_t> counts) {
  std::atomic<std::int64_t> right{0};
  std::atomic<std::int64_t> valid{0};
  constexpr std::int64_t kAtOnce = 256;
  parallel_for(static_cast<std::int64_t>(labels.size()), std::max<std::int64_t>(16, 32768 / rows.classes),
               [&](std::int64_t begin, std::int64_t end) {
                 std::int32_t top[kAtOnce];
                 std::int64_t range_right = 0;
                 std::int64_t range_valid = 0;
                 for (std::int64_t first = begin; first < end; first += kAtOnce) {
                   const std::int64_t last = std::min(end, first + kAtOnce);
                   probability_loops().top(rows, first, last, top, nullptr);
                   for (std::int64_t i = first; i < last; ++i) {
                     const std::int32_t label = labels[static_cast<std::size_t>(i)];
                     range_valid += label >= 0 && label < rows.classes ? 1 : 0;
                     range_right += label >= 0 && label == top[i - first] ? 1 : 0;
                   }
                 }
                 right += range_right;
                 valid += range_valid;
               });
  counts[0] += right;
  counts[1] += valid;
}

}  // namespace

void accuracy(LogitsView logits, std::span<const std::int32_t> labels, std::int64_t k, std::span<std::int64_t> counts,
              Stream stream) {
  constexpr const char* kName = "accuracy";
  check_matrix(kName, argument("logits", logits));
  check(k >= 1 && k <= logits.columns, "{}: k is {}, expected 1 to {} (the classes)", kName, k, logits.columns);
  check_size(kName, "labels", labels.size(), labels.data(), logits.rows);
  check_size(kName, "counts", counts.size(), counts.data(), 2);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::accuracy(input_rows(logits), logits.rows, logits.columns, labels.data(), counts.data(),
                            stream.cuda_handle());
    }
  }
  accuracy_cpu({input_rows(logits), logits.columns}, labels, counts);
}

}  // namespace leaven
