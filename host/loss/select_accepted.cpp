#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/loss/arguments.hpp"
#include "kernels/loss/launchers.hpp"

namespace leaven {
namespace {

void select_accepted_cpu(std::span<const std::int64_t> sample_ids, std::span<const std::uint8_t> accepted,
                         std::int64_t* selected, std::int64_t* selected_count) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < sample_ids.size(); ++i) {
    if (accepted[i] != 0) selected[count++] = sample_ids[i];
  }
  *selected_count = count;
}

}  // namespace

std::int64_t select_accepted_workspace_bytes(std::int64_t count, Backend backend) {
  check(count >= 0, "select_accepted_workspace_bytes: count is {}, expected 0 or more", count);
  if constexpr (kWithCuda) {
    if (backend == Backend::cuda) return cuda::select_accepted_workspace_bytes(count);
  }
  return 0;
}

void select_accepted(std::span<const std::int64_t> sample_ids, std::span<const std::uint8_t> accepted,
                     std::span<std::int64_t> selected, std::int64_t* selected_count, std::span<std::byte> workspace,
                     Stream stream) {
  constexpr const char* kName = "select_accepted";
  const auto count = static_cast<std::int64_t>(sample_ids.size());
  check_size(kName, "sample_ids", sample_ids.size(), sample_ids.data(), count);
  check_size(kName, "accepted", accepted.size(), accepted.data(), count);
  check(selected.size() >= sample_ids.size() && (count == 0 || selected.data() != nullptr),
        "{}: selected has room for {} ids, expected at least {}", kName, selected.size(), count);
  check(selected_count != nullptr, "{}: selected_count is null", kName);
  const std::int64_t bytes = select_accepted_workspace_bytes(count, stream.backend());
  check(static_cast<std::int64_t>(workspace.size()) >= bytes, "{}: workspace has {} bytes, expected at least {}", kName,
        workspace.size(), bytes);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::select_accepted(sample_ids, accepted.data(), selected.data(), selected_count, workspace,
                                   stream.cuda_handle());
    }
  }
  select_accepted_cpu(sample_ids, accepted, selected.data(), selected_count);
}

}  // namespace leaven
