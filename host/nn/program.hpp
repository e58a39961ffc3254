#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace leaven::nn {

// A part of a batch: images begin .. begin + count - 1.
struct Slice {
  std::int64_t index, begin, count;
};

// The steps of one pass over a batch, in order; built once, run for every batch. A batch is cut into slices whose
// number depends on its size only, and every sum over slices has a fixed order: results do not depend on the threads.
//
// Neighbouring slice steps run together: a thread takes a slice through all of them while it is in the cache.
// Neighbouring range steps must not depend on each other; their ranges run in any order.
class Program {
 public:
  explicit Program(std::int64_t count);

  std::int64_t slices() const { return slices_; }
  Slice slice(std::int64_t index) const;
  std::int64_t largest_slice() const { return (count_ + slices_ - 1) / slices_; }

  void each_slice(std::function<void(const Slice&)> step);
  void each_range(std::int64_t ranges, std::function<void(std::int64_t range)> step);
  // What follows waits for all steps so far: between range steps that do depend on each other.
  void wait();
  void once(std::function<void()> step);

  // On the CPU the threads of the pool run it, and oneDNN uses one thread in each.
  void run() const;

 private:
  struct Range {
    std::int64_t count;
    std::function<void(std::int64_t)> step;
  };
  struct Stage {  // one of the three
    std::vector<std::function<void(const Slice&)>> slice_steps;
    std::vector<Range> ranges;
    std::function<void()> once;
  };
  std::int64_t count_;
  std::int64_t slices_;
  std::vector<Stage> stages_;
};

}  // namespace leaven::nn
