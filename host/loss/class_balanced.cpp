#include <algorithm>
#include <limits>

#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "kernels/loss/class_balanced.hpp"
#include "kernels/loss/pseudo_launchers.hpp"

namespace leaven {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

void check_sizes(const char* function, std::int64_t count, std::int64_t classes) {
  check(count >= 0 && count <= kMost, "{}: count is {}, expected 0 to {}", function, count, kMost);
  check(classes >= 1 && classes <= kMost, "{}: classes is {}, expected 1 to {}", function, classes, kMost);
}

// A sample that may be selected; in the workspace.
struct Candidate {
  std::uint64_t key;
  std::size_t index;
};

// Sorted, the earlier sample first on ties: std::stable_sort would allocate.
std::span<Candidate> sorted_candidates(const ClassBalancedInput& in, std::int64_t classes, Candidate* candidates) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < in.sample_ids.size(); ++i) {
    const bool accepted = in.accepted.empty() || in.accepted[i] != 0;
    const std::uint64_t key =
        selection_key(in.labels[i], in.confidence[i], accepted, static_cast<std::int32_t>(classes));
    if (key_label(key) < classes) candidates[size++] = {key, i};
  }
  std::sort(candidates, candidates + size,
            [](const Candidate& x, const Candidate& y) { return x.key != y.key ? x.key < y.key : x.index < y.index; });
  return {candidates, size};
}

void select_cpu(const ClassBalancedInput& in, std::int64_t classes, std::int64_t per_class,
                const ClassBalancedOutput& out, std::span<std::byte> workspace) {
  std::fill(out.class_counts.begin(), out.class_counts.end(), 0);
  std::size_t selected = 0;
  for (const Candidate& candidate : sorted_candidates(in, classes, reinterpret_cast<Candidate*>(workspace.data()))) {
    const std::int64_t label = key_label(candidate.key);
    std::int32_t& taken = out.class_counts[static_cast<std::size_t>(label)];
    if (taken >= per_class) continue;
    ++taken;
    out.sample_ids[selected] = in.sample_ids[candidate.index];
    if (!out.labels.empty()) out.labels[selected] = static_cast<std::int32_t>(label);
    ++selected;
  }
  *out.selected_count = static_cast<std::int64_t>(selected);
}

void check_input(const char* function, const ClassBalancedInput& in, std::int64_t count) {
  check_size(function, "sample_ids", in.sample_ids.size(), in.sample_ids.data(), count);
  check_size(function, "labels", in.labels.size(), in.labels.data(), count);
  check_size(function, "confidence", in.confidence.size(), in.confidence.data(), count);
  if (!in.accepted.empty()) check_size(function, "accepted", in.accepted.size(), in.accepted.data(), count);
}

void check_output(const char* function, const ClassBalancedOutput& out, std::int64_t classes, std::int64_t most) {
  check(static_cast<std::int64_t>(out.sample_ids.size()) >= most && (most == 0 || out.sample_ids.data() != nullptr),
        "{}: out.sample_ids has room for {} ids, expected at least {}", function, out.sample_ids.size(), most);
  check(out.labels.empty() || static_cast<std::int64_t>(out.labels.size()) >= most,
        "{}: out.labels has room for {} labels, expected at least {} or none", function, out.labels.size(), most);
  check_size(function, "out.class_counts", out.class_counts.size(), out.class_counts.data(), classes);
  check(out.selected_count != nullptr, "{}: out.selected_count is null", function);
}

}  // namespace

std::int64_t select_class_balanced_workspace_bytes(std::int64_t count, std::int64_t classes, Backend backend) {
  check_sizes("select_class_balanced_workspace_bytes", count, classes);
  if constexpr (kWithCuda) {
    if (backend == Backend::cuda) return cuda::select_class_balanced_workspace_bytes(count, classes);
  }
  return count * static_cast<std::int64_t>(sizeof(Candidate));
}

void select_class_balanced(const ClassBalancedInput& in, std::int64_t classes, std::int64_t per_class,
                           const ClassBalancedOutput& out, std::span<std::byte> workspace, Stream stream) {
  constexpr const char* kName = "select_class_balanced";
  const auto count = static_cast<std::int64_t>(in.sample_ids.size());
  check_sizes(kName, count, classes);
  check(per_class >= 0, "{}: per_class is {}, expected 0 or more", kName, per_class);
  check_input(kName, in, count);
  const std::int64_t most = per_class > count / classes ? count : classes * per_class;
  check_output(kName, out, classes, most);
  const std::int64_t bytes = select_class_balanced_workspace_bytes(count, classes, stream.backend());
  check(static_cast<std::int64_t>(workspace.size()) >= bytes, "{}: workspace has {} bytes, expected at least {}", kName,
        workspace.size(), bytes);
  check(reinterpret_cast<std::uintptr_t>(workspace.data()) % alignof(Candidate) == 0,
        "{}: workspace is not aligned to {} bytes", kName, alignof(Candidate));
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::select_class_balanced(in, classes, per_class, out, workspace, stream.cuda_handle());
    }
  }
  select_cpu(in, classes, per_class, out, workspace);
}

}  // namespace leaven
