#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include <algorithm>
#include <bit>

#include "kernels/core/launch.cuh"
#include "kernels/loss/class_balanced.hpp"
#include "kernels/loss/pseudo_launchers.hpp"

namespace leaven::cuda {
namespace {

constexpr int kThreads = 256;
constexpr const char* kName = "select_class_balanced";
constexpr std::int64_t kAlignment = 256;

// Where the parts of the workspace lie, by the sizes alone.
struct SelectionLayout {
  std::int64_t keys[2], indices[2], starts, offsets, cub, bytes;
  std::size_t cub_bytes;
  int key_bits;
};

using Keys = cub::DoubleBuffer<std::uint64_t>;
using Indices = cub::DoubleBuffer<std::uint32_t>;

SelectionLayout selection_layout(std::int64_t count, std::int64_t classes) {
  SelectionLayout at{};
  std::int64_t end = 0;
  const auto take = [&end](std::int64_t bytes) {
    const std::int64_t begin = end;
    end += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return begin;
  };
  for (std::int64_t& keys : at.keys) keys = take(count * 8);
  for (std::int64_t& indices : at.indices) indices = take(count * 4);
  at.starts = take(classes * 4);
  at.offsets = take(classes * 4);
  at.key_bits = 32 + std::bit_width(static_cast<std::uint64_t>(classes));
  std::size_t sort_bytes = 0;
  Keys keys;
  Indices indices;
  check(cub::DeviceRadixSort::SortPairs(nullptr, sort_bytes, keys, indices, count, 0, at.key_bits), kName);
  std::size_t scan_bytes = 0;
  check(cub::DeviceScan::ExclusiveSum(nullptr, scan_bytes, static_cast<const std::int32_t*>(nullptr),
                                      static_cast<std::int32_t*>(nullptr), classes),
        kName);
  at.cub_bytes = std::max(sort_bytes, scan_bytes);
  at.cub = take(static_cast<std::int64_t>(at.cub_bytes));
  at.bytes = end + kAlignment;  // to round the workspace's address up
  return at;
}

template <class T>
T* part(std::byte* workspace, std::int64_t offset) {
  return reinterpret_cast<T*>(workspace + offset);
}

__global__ void __launch_bounds__(kThreads)
    make_keys_kernel(const std::int32_t* labels, const float* confidence, const std::uint8_t* accepted,
                     std::int64_t count, std::int32_t classes, std::uint64_t* keys, std::uint32_t* indices) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count;
       i += std::int64_t{gridDim.x} * kThreads) {
    keys[i] = selection_key(labels[i], confidence[i], accepted == nullptr || accepted[i] != 0, classes);
    indices[i] = static_cast<std::uint32_t>(i);
  }
}

__device__ std::int32_t lower_bound(const std::uint64_t* keys, std::int32_t count, std::uint64_t key) {
  std::int32_t low = 0;
  std::int32_t high = count;
  while (low < high) {
    const std::int32_t middle = low + (high - low) / 2;
    if (keys[middle] < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// what     where each class starts among the sorted keys, and how many of it are taken
// who      a thread per class
// traffic  two binary searches
// limits   none
__global__ void __launch_bounds__(kThreads)
    class_ranges_kernel(const std::uint64_t* keys, std::int32_t count, std::int64_t classes, std::int64_t per_class,
                        std::int32_t* starts, std::int32_t* taken) {
  for (std::int64_t c = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; c < classes;
       c += std::int64_t{gridDim.x} * kThreads) {
    const std::int32_t begin = lower_bound(keys, count, static_cast<std::uint64_t>(c) << 32);
    const std::int32_t end = lower_bound(keys, count, static_cast<std::uint64_t>(c + 1) << 32);
    starts[c] = begin;
    taken[c] = end - begin < per_class ? end - begin : static_cast<std::int32_t>(per_class);
  }
}

// what     the first samples of each class to their places
// who      a thread per sorted key; the first one writes the count
// traffic  reads each key once, index and sample id of the taken ones
// limits   none
__global__ void __launch_bounds__(kThreads, 1)
    gather_kernel(const std::uint64_t* keys, const std::uint32_t* indices, std::int64_t count, std::int64_t classes,
                  const std::int64_t* sample_ids, const std::int32_t* starts, const std::int32_t* offsets,
                  const std::int32_t* taken, std::int64_t* selected, std::int32_t* labels,
                  std::int64_t* selected_count) {
  const std::int64_t thread = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (thread == 0) *selected_count = std::int64_t{offsets[classes - 1]} + taken[classes - 1];
  for (std::int64_t i = thread; i < count; i += std::int64_t{gridDim.x} * kThreads) {
    const std::int64_t label = key_label(keys[i]);
    if (label >= classes) continue;
    const std::int64_t rank = i - starts[label];
    if (rank >= taken[label]) continue;
    selected[offsets[label] + rank] = sample_ids[indices[i]];
    if (labels != nullptr) labels[offsets[label] + rank] = static_cast<std::int32_t>(label);
  }
}

}  // namespace

std::int64_t select_class_balanced_workspace_bytes(std::int64_t count, std::int64_t classes) {
  return selection_layout(count, classes).bytes;
}

void select_class_balanced(const ClassBalancedInput& in, std::int64_t classes, std::int64_t per_class,
                           const ClassBalancedOutput& out, std::span<std::byte> workspace, CUstream_st* stream) {
  const auto count = static_cast<std::int64_t>(in.sample_ids.size());
  SelectionLayout at = selection_layout(count, classes);
  const auto address = reinterpret_cast<std::uintptr_t>(workspace.data());
  std::byte* const base = workspace.data() + (kAlignment - address % kAlignment) % kAlignment;
  Keys keys(part<std::uint64_t>(base, at.keys[0]), part<std::uint64_t>(base, at.keys[1]));
  Indices indices(part<std::uint32_t>(base, at.indices[0]), part<std::uint32_t>(base, at.indices[1]));
  std::int32_t* const starts = part<std::int32_t>(base, at.starts);
  std::int32_t* const offsets = part<std::int32_t>(base, at.offsets);
  std::int32_t* const taken = out.class_counts.data();
  const unsigned blocks = count > 0 ? grid_for(count, kThreads, 4096) : 1;
  if (count > 0) {
    launch(kName, make_keys_kernel, blocks, kThreads, 0, stream, in.labels.data(), in.confidence.data(),
           in.accepted.empty() ? nullptr : in.accepted.data(), count, static_cast<std::int32_t>(classes),
           keys.Current(), indices.Current());
    check(cub::DeviceRadixSort::SortPairs(base + at.cub, at.cub_bytes, keys, indices, count, 0, at.key_bits, stream),
          kName);
  }
  launch(kName, class_ranges_kernel, grid_for(classes, kThreads, 4096), kThreads, 0, stream, keys.Current(),
         static_cast<std::int32_t>(count), classes, per_class, starts, taken);
  check(cub::DeviceScan::ExclusiveSum(base + at.cub, at.cub_bytes, taken, offsets, classes, stream), kName);
  launch(kName, gather_kernel, blocks, kThreads, 0, stream, keys.Current(), indices.Current(), count, classes,
         in.sample_ids.data(), starts, offsets, taken, out.sample_ids.data(),
         out.labels.empty() ? nullptr : out.labels.data(), out.selected_count);
}

}  // namespace leaven::cuda
