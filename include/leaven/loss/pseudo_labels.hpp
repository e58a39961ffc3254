#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include <leaven/loss/output.hpp>
#include <leaven/stream.hpp>

namespace leaven {

struct PseudoLabels {
  std::span<std::int32_t> labels;    ///< arg max, the lowest index on ties
  std::span<float> confidence;       ///< largest probability
  std::span<std::uint8_t> accepted;  ///< 1 where confidence >= threshold
};

/// From teacher logits; 0 <= threshold <= 1. Rows with NaN or +inf and fully masked rows: label 0, confidence 0, not
/// accepted.
void pseudo_label(LogitsView logits, float threshold, const PseudoLabels& out, Stream stream);

std::int64_t select_accepted_workspace_bytes(std::int64_t count, Backend backend);

/// The sample ids whose `accepted` is not 0, in their order, to the front of `selected`; their count to
/// *selected_count.
void select_accepted(std::span<const std::int64_t> sample_ids, std::span<const std::uint8_t> accepted,
                     std::span<std::int64_t> selected, std::int64_t* selected_count, std::span<std::byte> workspace,
                     Stream stream);

/// What select_class_balanced takes.
struct ClassBalancedInput {
  std::span<const std::int64_t> sample_ids;
  std::span<const std::int32_t> labels;      ///< pseudo-labels; outside 0 .. classes - 1: never selected
  std::span<const float> confidence;         ///< NaN: never selected
  std::span<const std::uint8_t> accepted{};  ///< empty: all
};
struct ClassBalancedOutput {
  std::span<std::int64_t> sample_ids;    ///< at least min(count, classes * per_class) values
  std::span<std::int32_t> labels{};      ///< the same, or empty: not written
  std::span<std::int32_t> class_counts;  ///< classes values: how many of each were selected
  std::int64_t* selected_count = nullptr;
};

std::int64_t select_class_balanced_workspace_bytes(std::int64_t count, std::int64_t classes, Backend backend);

/// Of each class the `per_class` most confident samples (the earlier one on ties), so that no class floods the training
/// set. Class after class, the most confident first: the same result for any backend. Up to 2^31 - 1 samples.
void select_class_balanced(const ClassBalancedInput& in, std::int64_t classes, std::int64_t per_class,
                           const ClassBalancedOutput& out, std::span<std::byte> workspace, Stream stream);

// How much an unlabelled row counts, from the weak view's confidence (its largest probability) and label (arg max).

/// 1 where confidence >= threshold, else 0 (Sohn et al. 2020, arXiv:2001.07685).
struct FixMatch {
  float threshold = 0.95f;
};
/// The threshold of class c is threshold b / (2 - b) with b = a_c / max a, a_c the rows confidently (at `threshold`)
/// labelled c so far (Zhang et al. 2021, arXiv:2110.08263, equations 6 and 11; no sample yet: b = 0, all rows count).
struct FlexMatch {
  float threshold = 0.95f;
};
/// The threshold of class c is tau p_c / max p, tau and p moving averages of the confidence and of the probabilities
/// (Wang et al. 2023, arXiv:2205.07246, equations 5 to 7).
struct FreeMatch {
  float momentum = 0.999f;
};
/// exp(-min(confidence - mu, 0)^2 / (2 sigma^2 / 4)), mu and sigma^2 moving averages of the confidence's mean and
/// unbiased variance (Chen et al. 2023, arXiv:2301.10921, equations 8 to 10).
struct SoftMatch {
  float momentum = 0.999f;
};
using PseudoWeighting = std::variant<FixMatch, FlexMatch, FreeMatch, SoftMatch>;

/// Floats that a weighting keeps on the device between batches: classes + 2 for each of them.
std::int64_t pseudo_state_size(std::int64_t classes);

/// The state before the first batch (FreeMatch: tau = p_c = 1/classes; SoftMatch: mu = 1/classes, sigma^2 = 1).
void init_pseudo_state(const PseudoWeighting& weighting, std::int64_t classes, std::span<float> state, Stream stream);

std::int64_t update_pseudo_state_workspace_bytes(std::int64_t rows, std::int64_t classes, Backend backend);

/// Takes a batch of weak views into account. FreeMatch and SoftMatch are updated before the batch's loss, FlexMatch
/// after it. Rows with NaN or +inf and fully masked rows do not count. Sums in a fixed order: the same bits each time.
/// FixMatch has no state: nothing happens.
void update_pseudo_state(LogitsView weak, const PseudoWeighting& weighting, std::span<float> state,
                         std::span<std::byte> workspace, Stream stream);

struct ConsistencyInput {
  LogitsView weak;    ///< makes the target; gets no gradient
  LogitsView strong;  ///< learns
};

enum class ConsistencyTarget {
  hard,  ///< cross-entropy with the weak view's arg max
  soft,  ///< cross-entropy with softmax(weak / temperature)
};

struct ConsistencyOptions {
  PseudoWeighting weighting = FixMatch{};
  std::span<const float> state{};  ///< pseudo_state_size values; not read by FixMatch
  ConsistencyTarget target = ConsistencyTarget::hard;
  float temperature = 1.0f;  ///< of the soft target; below 1 sharpens it
  /// Rows of weight 0 are the invalid ones; mean_all is what the papers divide by.
  Reduction reduction = Reduction::mean_all;
};

/// The unlabelled part of semi-supervised training: weight(weak) * cross-entropy(strong, target(weak)), weights, loss
/// and gradient (of the strong logits) in one launch; mean_valid takes one before it. Rows whose weak logits have NaN,
/// +inf or nothing but -inf have weight 0.
void consistency_loss(const ConsistencyInput& in, const ConsistencyOptions& options, const LossOutput& out,
                      std::span<std::byte> workspace, Stream stream);

}  // namespace leaven
