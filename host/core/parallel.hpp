#pragma once

#include <cstdint>
#include <type_traits>

namespace leaven {

namespace detail {
using RangeFunction = void (*)(void* context, std::int64_t begin, std::int64_t end);
void parallel_ranges(std::int64_t count, std::int64_t ranges, RangeFunction function, void* context);
}  // namespace detail

// Calls body(begin, end) for the ranges of a fixed split of 0 .. count - 1 into `ranges` nearly equal parts, on the
// threads of the pool. Which thread runs a range is left open; what a range covers depends on `count` and `ranges`
// only. Inside a range a further call runs serially. An exception of a body is thrown again by the call (one of them).
template <class Body>
void parallel_ranges(std::int64_t count, std::int64_t ranges, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::parallel_ranges(
      count, ranges,
      [](void* context, std::int64_t begin, std::int64_t end) { (*static_cast<Plain*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// The same with a split chosen for speed: ranges of at least `grain` items, a few per thread. For results that do not
// depend on the split.
std::int64_t ranges_for(std::int64_t count, std::int64_t grain);

template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
  parallel_ranges(count, ranges_for(count, grain), body);
}

}  // namespace leaven
