#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/probability_loops.hpp"
#include "host/loss/range_counts.hpp"
#include "host/loss/row_ranges.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {
namespace {

constexpr int kFewCounts = 32 * 32;

void confusion_matrix_cpu(const LogitRows& rows, std::span<const std::int32_t> labels, std::int64_t* counts) {
  const auto count = static_cast<std::int64_t>(labels.size());
  for_row_ranges(count, rows.classes, [&](std::int64_t begin, std::int64_t end) {
    RangeCounts<kFewCounts> range(counts, rows.classes * rows.classes);
    for_some_rows(begin, end, [&](std::int64_t first, std::int64_t last) {
      std::int32_t top[kRowsAtOnce];
      probability_loops().top(rows, first, last, top, nullptr);
      for (std::int64_t i = first; i < last; ++i) {
        const std::int32_t label = labels[static_cast<std::size_t>(i)];
        const bool is_class = label >= 0 && label < rows.classes;
        if (is_class && top[i - first] >= 0) range.add(label * rows.classes + top[i - first], 1);
      }
    });
  });
}

}  // namespace

void confusion_matrix(LogitsView logits, std::span<const std::int32_t> labels, std::span<std::int64_t> counts,
                      Stream stream) {
  constexpr const char* kName = "confusion_matrix";
  check_matrix(kName, argument("logits", logits));
  check_size(kName, "labels", labels.size(), labels.data(), logits.rows);
  check_size(kName, "counts", counts.size(), counts.data(), logits.columns * logits.columns);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::confusion_matrix(input_rows(logits), logits.rows, logits.columns, labels.data(), counts.data(),
                                    stream.cuda_handle());
    }
  }
  confusion_matrix_cpu({input_rows(logits), logits.columns}, labels, counts.data());
}

}  // namespace leaven
