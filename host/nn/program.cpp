#include "host/nn/program.hpp"

#include <algorithm>
#include <utility>

#include "host/core/parallel.hpp"
#include "host/nn/onednn.hpp"

namespace leaven::nn {
namespace {

// About 8 images a slice: a layer's input and output of that many stay in a core's cache. More slices than that for
// small batches, so that there is work for more threads; no more than 32, for their sums cost memory.
std::int64_t slices_of(std::int64_t count) {
  const std::int64_t by_cache = (count + 7) / 8;
  const std::int64_t by_threads = std::min<std::int64_t>(16, (count + 3) / 4);
  return std::clamp<std::int64_t>(std::max(by_cache, by_threads), 1, 32);
}

}  // namespace

Program::Program(std::int64_t count) : count_(count), slices_(slices_of(count)) {}

Slice Program::slice(std::int64_t index) const {
  const std::int64_t begin = count_ * index / slices_;
  return {index, begin, count_ * (index + 1) / slices_ - begin};
}

void Program::each_slice(std::function<void(const Slice&)> step) {
  if (stages_.empty() || stages_.back().slice_steps.empty()) stages_.emplace_back();
  stages_.back().slice_steps.push_back(std::move(step));
}

void Program::each_range(std::int64_t ranges, std::function<void(std::int64_t)> step) {
  if (stages_.empty() || stages_.back().ranges.empty()) stages_.emplace_back();
  stages_.back().ranges.push_back({ranges, std::move(step)});
}

void Program::wait() { stages_.emplace_back(); }

void Program::once(std::function<void()> step) {
  stages_.emplace_back();
  stages_.back().once = std::move(step);
}

void Program::run() const {
  for (const Stage& stage : stages_) {
    if (stage.once) stage.once();
    parallel_ranges(stage.slice_steps.empty() ? 0 : slices_, slices_, [&](std::int64_t begin, std::int64_t end) {
      const SingleThreadedOneDnn guard;
      for (std::int64_t i = begin; i < end; ++i) {
        for (const auto& step : stage.slice_steps) step(slice(i));
      }
    });
    std::int64_t total = 0;
    for (const Range& range : stage.ranges) total += range.count;
    parallel_ranges(total, total, [&](std::int64_t begin, std::int64_t end) {
      const SingleThreadedOneDnn guard;
      for (std::int64_t i = begin; i < end; ++i) {
        std::int64_t at = i;
        auto range = stage.ranges.begin();
        for (; at >= range->count; ++range) at -= range->count;
        range->step(at);
      }
    });
  }
}

}  // namespace leaven::nn
