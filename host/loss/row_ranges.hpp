#pragma once

#include <algorithm>
#include <cstdint>

#include "host/core/parallel.hpp"

namespace leaven {

// body(begin, end) for ranges of rows of logits, on the threads of the pool.
template <class Body>
void for_row_ranges(std::int64_t rows, std::int64_t classes, Body&& body) {
  parallel_for(rows, std::max<std::int64_t>(16, 32768 / classes), body);
}

// body(first, last) for a range's rows, at most kRowsAtOnce at a time: what is found of each has room on the stack.
inline constexpr std::int64_t kRowsAtOnce = 256;
template <class Body>
void for_some_rows(std::int64_t begin, std::int64_t end, Body&& body) {
  for (std::int64_t first = begin; first < end; first += kRowsAtOnce) body(first, std::min(end, first + kRowsAtOnce));
}

}  // namespace leaven
