#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "kernels/loss/loss_params.hpp"

namespace leaven {

struct LogitRows {
  InputRows rows;
  std::int64_t classes;
};

struct ProbabilityLoops {
  // softmax(row / temperature) of the rows begin .. end - 1.
  void (*softmax)(const LogitRows& logits, const Temperature& temperature, const OutputRows& out, std::int64_t begin,
                  std::int64_t end);
  // Arg max (the lowest index on ties) and, where `confidence` is not null, the largest probability of the rows
  // begin .. end - 1, to the fronts of the arrays. Label -1 for rows without one: NaN, or all -inf, or (with a
  // confidence) +inf.
  void (*top)(const LogitRows& logits, std::int64_t begin, std::int64_t end, std::int32_t* labels, float* confidence);
};
LEAVEN_DECLARE_ISA_TABLE(ProbabilityLoops, probability_loops)

}  // namespace leaven
