#pragma once

#include <cstddef>
#include <span>

#include <leaven/loss/output.hpp>
#include <leaven/loss/targets.hpp>
#include <leaven/stream.hpp>

namespace leaven {

struct CrossEntropyOptions {
  float label_smoothing = 0.0f;  ///< 0..1, spread over the classes whose logit is not -inf; not with SoftTargets
  std::int32_t ignore_label = kIgnoreLabel;
  LossWeights weights{};
  Reduction reduction = Reduction::mean_valid;
};

/// -sum over classes of q_c log softmax(logits)_c. The gradient must not overlap the logits unless out.in_place is set.
/// One launch; two with mean_valid, the first of which reads targets and weights only.
void cross_entropy(LogitsView logits, const Targets& targets, const CrossEntropyOptions& options, const LossOutput& out,
                   std::span<std::byte> workspace, Stream stream);

/// softmax(logits / temperature). A fully masked row (all -inf) gives zeros, one with NaN or +inf NaN. `out` may be
/// `logits`; its type is the logits' or float.
void softmax(LogitsView logits, float temperature, MutableLogitsView out, Stream stream);

/// logits / temperature - lse(logits / temperature), not as the logarithm of softmax: exact where that underflows. A
/// masked class gives -inf, a fully masked row too, one with NaN or +inf NaN. `out` as in softmax.
void log_softmax(LogitsView logits, float temperature, MutableLogitsView out, Stream stream);

}  // namespace leaven
