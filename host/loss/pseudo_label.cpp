#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "host/loss/probability_loops.hpp"
#include "host/loss/row_ranges.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {

void pseudo_label(LogitsView logits, float threshold, const PseudoLabels& out, Stream stream) {
  constexpr const char* kName = "pseudo_label";
  check_matrix(kName, argument("logits", logits));
  check(threshold >= 0.0f && threshold <= 1.0f, "{}: threshold is {}, expected 0 to 1", kName, threshold);
  check_size(kName, "out.labels", out.labels.size(), out.labels.data(), logits.rows);
  check_size(kName, "out.confidence", out.confidence.size(), out.confidence.data(), logits.rows);
  check_size(kName, "out.accepted", out.accepted.size(), out.accepted.data(), logits.rows);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::pseudo_label(input_rows(logits), logits.rows, logits.columns, threshold, out.labels.data(),
                                out.confidence.data(), out.accepted.data(), stream.cuda_handle());
    }
  }
  const LogitRows rows{input_rows(logits), logits.columns};
  for_row_ranges(logits.rows, logits.columns, [&](std::int64_t begin, std::int64_t end) {
    probability_loops().top(rows, begin, end, out.labels.data() + begin, out.confidence.data() + begin);
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const bool found = out.labels[i] >= 0;
      out.accepted[i] = found && out.confidence[i] >= threshold ? 1 : 0;
      if (!found) out.labels[i] = 0;
    }
  });
}

}  // namespace leaven
