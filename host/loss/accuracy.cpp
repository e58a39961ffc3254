#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/probability_loops.hpp"
#include "host/loss/range_counts.hpp"
#include "host/loss/row_ranges.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {
namespace {

void accuracy_cpu(const LogitRows& rows, std::span<const std::int32_t> labels, std::int64_t k, std::int64_t* counts) {
  const auto count = static_cast<std::int64_t>(labels.size());
  for_row_ranges(count, rows.classes, [&](std::int64_t begin, std::int64_t end) {
    RangeCounts<2> range(counts, 2);
    for_some_rows(begin, end, [&](std::int64_t first, std::int64_t last) {
      std::int32_t ranks[kRowsAtOnce];
      probability_loops().rank(rows, labels.data(), first, last, ranks);
      std::int32_t right = 0;
      std::int32_t valid = 0;
      for (std::int64_t i = 0; i < last - first; ++i) {
        const std::int32_t label = labels[static_cast<std::size_t>(first + i)];
        right += ranks[i] < k ? 1 : 0;
        valid += static_cast<int>(label >= 0) & static_cast<int>(label < rows.classes);
      }
      range.add(0, right);
      range.add(1, valid);
    });
  });
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
      return cuda::accuracy(input_rows(logits), logits.rows, logits.columns, labels.data(), k, counts.data(),
                            stream.cuda_handle());
    }
  }
  accuracy_cpu({input_rows(logits), logits.columns}, labels, k, counts.data());
}

}  // namespace leaven
