#pragma once

#include <cstdint>
#include <limits>

#include "host/core/isa.hpp"
#include "kernels/loss/loss_params.hpp"

namespace leaven {

struct LogitRows {
  InputRows rows;
  std::int64_t classes;
};

inline constexpr std::int32_t kNoRank = std::numeric_limits<std::int32_t>::max();

struct ProbabilityLoops {
  // softmax(row / temperature), and its logarithm, of the rows begin .. end - 1.
  void (*softmax)(const LogitRows& logits, const Temperature& temperature, const OutputRows& out, std::int64_t begin,
                  std::int64_t end);
  void (*log_softmax)(const LogitRows& logits, const Temperature& temperature, const OutputRows& out,
                      std::int64_t begin, std::int64_t end);
  // Arg max (the lowest index on ties) and, where `confidence` is not null, the largest probability of the rows
  // begin .. end - 1, to the fronts of the arrays. Label -1 for rows without one: NaN, or all -inf, or (with a
  // confidence) +inf.
  void (*top)(const LogitRows& logits, std::int64_t begin, std::int64_t end, std::int32_t* labels, float* confidence);
  // How many logits of each of the rows begin .. end - 1 come before that of its label (all rows' labels are given), to
  // the front of `ranks`: larger ones, and equal ones of lower index. kNoRank for a label that is not a class or whose
  // logit is -inf, and for rows with NaN.
  void (*rank)(const LogitRows& logits, const std::int32_t* labels, std::int64_t begin, std::int64_t end,
               std::int32_t* ranks);
};
LEAVEN_DECLARE_ISA_TABLE(ProbabilityLoops, probability_loops)

}  // namespace leaven
