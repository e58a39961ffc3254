#pragma once

#include <cstdint>

#include "host/core/isa.hpp"
#include "host/loss/probability_loops.hpp"
#include "kernels/loss/loss_params.hpp"

namespace leaven {

struct PseudoLoops {
  // weights[i] * cross-entropy(strong, softmax(weak / T)) of the rows 0 .. rows - 1 of `p` (p.student: strong,
  // p.teacher: weak): losses, gradients (times `scale`) and status; their sum and count to `partial`. Rows of weight 0
  // are not looked at.
  void (*soft_consistency)(const LossParams& p, const float* weights, float scale, LossPartial& partial);
  // Sums over the rows begin .. end - 1 of softmax, per class. `confidence` is that of pseudo_label, as are the labels;
  // rows of confidence 0 do not count.
  void (*sum_probabilities)(const LogitRows& logits, std::int64_t begin, std::int64_t end, const std::int32_t* labels,
                            const float* confidence, float* sums);
};
LEAVEN_DECLARE_ISA_TABLE(PseudoLoops, pseudo_loops)

}  // namespace leaven
