#pragma once

#include <atomic>
#include <cstdint>

namespace leaven {

// Counters that ranges of rows add to from several threads. Up to kFew of them are counted in the range's own memory
// first, and added up at its end. Integers: the order does not matter.
template <int kFew>
class RangeCounts {
 public:
  RangeCounts(std::int64_t* counts, std::int64_t size) : counts_(counts), size_(size) {
    for (std::int64_t i = 0; i < size && is_few(); ++i) own_[i] = 0;
  }
  ~RangeCounts() {
    for (std::int64_t i = 0; i < size_ && is_few(); ++i) {
      if (own_[i] != 0) add_in_place(i, own_[i]);
    }
  }
  RangeCounts(const RangeCounts&) = delete;
  RangeCounts& operator=(const RangeCounts&) = delete;

  void add(std::int64_t index, std::int64_t value) {
    if (is_few()) {
      own_[index] += value;
    } else {
      add_in_place(index, value);
    }
  }

 private:
  bool is_few() const { return size_ <= kFew; }
  void add_in_place(std::int64_t index, std::int64_t value) {
    std::atomic_ref<std::int64_t>(counts_[index]).fetch_add(value, std::memory_order_relaxed);
  }

  std::int64_t* counts_;
  std::int64_t size_;
  std::int64_t own_[kFew];
};

}  // namespace leaven
