#include <cub/device/device_select.cuh>

#include "kernels/core/launch.cuh"
#include "kernels/loss/launchers.hpp"

namespace leaven::cuda {

std::int64_t select_accepted_workspace_bytes(std::int64_t count) {
  std::size_t bytes = 0;
  check(cub::DeviceSelect::Flagged(nullptr, bytes, static_cast<const std::int64_t*>(nullptr),
                                   static_cast<const std::uint8_t*>(nullptr), static_cast<std::int64_t*>(nullptr),
                                   static_cast<std::int64_t*>(nullptr), count),
        "select_accepted_workspace_bytes");
  return static_cast<std::int64_t>(bytes);
}

void select_accepted(std::span<const std::int64_t> sample_ids, const std::uint8_t* accepted, std::int64_t* selected,
                     std::int64_t* selected_count, std::span<std::byte> workspace, CUstream_st* stream) {
  std::size_t bytes = workspace.size();
  check(cub::DeviceSelect::Flagged(workspace.data(), bytes, sample_ids.data(), accepted, selected, selected_count,
                                   static_cast<std::int64_t>(sample_ids.size()), stream),
        "select_accepted");
}

}  // namespace leaven::cuda
