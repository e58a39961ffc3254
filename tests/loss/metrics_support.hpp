#pragma once

#include "tests/loss/typed_matrix.hpp"
#include "tests/reference/metrics_reference.hpp"

namespace leaven::test {

using Labels = std::vector<std::int32_t>;
using Counts = std::vector<std::int64_t>;

// So many that each block of a grid gets several pieces of work.
inline constexpr std::int64_t kManyRows = 1024 * 256 + 77;

// Few different values: many ties.
inline HostMatrix tied_matrix(std::int64_t rows, std::int64_t columns, std::uint32_t seed) {
  HostMatrix m = normal_matrix(rows, columns, 2.0f, seed);
  for (float& x : m.values) x = std::round(x);
  return m;
}

// One label in five is no class, on either side.
inline Labels labels_with_bad_ones(std::int64_t rows, std::int64_t classes) {
  Labels labels = some_labels(rows, classes);
  for (std::size_t r = 0; r < labels.size(); r += 5) {
    labels[r] = r % 2 == 0 ? kIgnoreLabel : static_cast<std::int32_t>(classes);
  }
  return labels;
}

// NaN, +inf and -inf in some rows.
inline void make_delicate(HostMatrix& m) {
  for (std::int64_t r = 0; r < m.rows; ++r) {
    if (r % 7 == 1) m.at(r, m.columns - 1) = kNan;
    if (r % 7 == 2) m.at(r, m.columns / 2) = kInfinity;
    if (r % 7 == 3) m.at(r, 0) = -kInfinity;
    if (r % 7 == 4) {
      for (std::int64_t c = 0; c < m.columns; ++c) m.at(r, c) = -kInfinity;
    }
  }
}

// Batches of a row's type and layout: call(logits, labels) for rows first .. first + count - 1 each.
template <class Call>
void for_each_batch(const HostMatrix& logits, const Labels& labels, std::int64_t batch, FloatType type, Stream stream,
                    Layout2d layout, Call&& call) {
  for (std::int64_t first = 0; first < logits.rows; first += batch) {
    const std::int64_t count = std::min(batch, logits.rows - first);
    HostMatrix part{count, logits.columns, {}};
    const auto begin = logits.values.begin() + first * logits.columns;
    part.values.assign(begin, begin + count * logits.columns);
    const Labels some(labels.begin() + first, labels.begin() + first + count);
    const TypedMatrix in(part, type, stream, layout);
    const Buffer<std::int32_t> on_backend(std::span<const std::int32_t>(some), stream);
    call(in.cview(), on_backend.cspan());
    expect_same_bits(in.to_host().values, rounded(part, type).values, "the logits themselves");
  }
}

}  // namespace leaven::test
