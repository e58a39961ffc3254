#pragma once

#include <cstdint>
#include <vector>

#include <leaven/train/fit.hpp>

namespace leaven::train {

// Which images make up the batch of a step: a pure function of the lists, their rows, the seed and the step. Each list
// is gone through in a new random order, pass after pass; what is left of a pass when it has fewer samples than a batch
// wants is skipped.
class BatchOrder {
 public:
  BatchOrder(const FitData& data, std::int64_t batch, std::uint64_t seed);

  std::int64_t rows() const { return first_.rows + second_.rows; }
  // The ids of the steps begin .. end - 1, rows() each.
  std::vector<std::int64_t> ids(std::int64_t begin, std::int64_t end);

 private:
  struct List {
    std::vector<std::int64_t> samples;
    std::int64_t rows = 0;
    std::int64_t pass = -1;
    std::vector<std::int64_t> order{};  // of that pass
  };
  void append(List& list, std::int64_t step, std::vector<std::int64_t>& ids) const;

  std::uint64_t seed_;
  List first_, second_;
};

}  // namespace leaven::train
