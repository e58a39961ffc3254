#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include <leaven/error.hpp>
#include <leaven/stream.hpp>
#include <leaven/view.hpp>

// Losses over rows of class logits (float32). A row is one sample, a column one class.
//
// For every function here: all pointers are in the memory of the stream's backend; no function allocates, synchronises
// or copies from the host; every row has a defined result (docs/losses.md lists the delicate ones); a row's bits depend
// on that row and the number of classes only, not on the batch, the threads or the alignment. Bad arguments throw
// InvalidArgument before any work; bad values in device memory (labels, weights) set the status word.
namespace leaven {

/// How row losses become one number, and what the gradient is divided by.
enum class Reduction {
  none,  ///< no number; gradients of the single rows
  sum,
  mean_valid,  ///< divided by the count of valid (not ignored) rows; 0 where there is none
  mean_all,    ///< divided by the count of rows
};

/// Bits of the status word; 0: nothing to report.
enum LossStatus : std::uint32_t {
  kLabelOutOfRange = 1,   ///< a label outside 0 .. classes - 1 that is not the ignore label: the row was ignored
  kWeightOutOfRange = 2,  ///< a mixed weight outside 0..1, a soft target negative, NaN or infinite: the row was ignored
  kLogitPlusInfinity = 4,  ///< a logit +inf: that row's loss and gradient are NaN
  kLogitNaN = 8,           ///< a NaN logit: that row's loss and gradient are NaN
};

inline constexpr std::int32_t kIgnoreLabel = -100;

/// One label per row.
struct HardTargets {
  std::span<const std::int32_t> labels;
};
/// weight_a CE(a) + (1 - weight_a) CE(b), as CutMix and MixUp give them. Where one of the two is the ignore label, the
/// other counts alone with its own weight.
struct MixedTargets {
  std::span<const std::int32_t> a;
  std::span<const std::int32_t> b;
  std::span<const float> weight_a;
};
/// One weight per row and class; rows need not sum to 1; a row of zeros is ignored.
struct SoftTargets {
  MatrixView<const float> weights;
};
using Targets = std::variant<HardTargets, MixedTargets, SoftTargets>;

struct CrossEntropyOptions {
  float label_smoothing = 0.0f;  ///< 0..1, spread over the classes whose logit is not -inf; not with SoftTargets
  std::int32_t ignore_label = kIgnoreLabel;
  Reduction reduction = Reduction::mean_valid;
};

enum class InPlace { no, yes };

/// Where results go. Empty spans and a null gradient are not written (and not computed).
struct LossOutput {
  std::span<float> row_losses{};   ///< rows values, before the reduction
  float* loss = nullptr;           ///< the reduced value; null with Reduction::none
  MatrixView<float> gradient{};    ///< d(reduced loss) / d(logits); data == nullptr: none
  InPlace in_place = InPlace::no;  ///< yes: the gradient may be written over the (student's) logits
  std::int32_t* valid_rows = nullptr;
  std::uint32_t* status = nullptr;  ///< bits of LossStatus are OR-ed into it; the caller zeroes it
};

/// Scratch for cross_entropy and distillation_loss of up to `rows` rows (at most 8 bytes per row). It must be zero
/// before its first use (a Buffer::zeros); every call leaves it ready for the next one.
std::int64_t loss_workspace_bytes(std::int64_t rows);

/// -sum over classes of q_c log softmax(logits)_c. The gradient must not overlap the logits unless out.in_place is set.
/// One launch; two with mean_valid, the first of which reads the targets only.
void cross_entropy(MatrixView<const float> logits, const Targets& targets, const CrossEntropyOptions& options,
                   const LossOutput& out, std::span<std::byte> workspace, Stream stream);

struct DistillationInput {
  MatrixView<const float> student;
  MatrixView<const float> teacher;
  std::optional<Targets> targets{};  ///< needed where hard_weight is not 0
};

struct DistillationOptions {
  float temperature = 4.0f;  ///< > 1 softens, < 1 sharpens
  float hard_weight = 0.1f;  ///< of the cross-entropy with the targets
  float soft_weight =
      0.9f;  ///< of T^2 KL(softmax(teacher/T) || softmax(student/T)) (Hinton et al. 2015, arXiv:1503.02531)
  float label_smoothing = 0.0f;
  std::int32_t ignore_label = kIgnoreLabel;
  /// A row without a valid hard label still counts for the soft part; it is valid where soft_weight is not 0.
  Reduction reduction = Reduction::mean_valid;
};

/// hard_weight CE(student, targets) + soft_weight T^2 KL(teacher || student): loss and gradient in one pass over the
/// two rows, by a formula without cancellation (docs/losses.md): the soft part is never negative, exactly 0 for equal
/// rows. A part whose weight is 0 is not computed, its input not read. One launch unless soft_weight is 0.
void distillation_loss(const DistillationInput& in, const DistillationOptions& options, const LossOutput& out,
                       std::span<std::byte> workspace, Stream stream);

/// softmax(logits / temperature). A fully masked row (all -inf) gives zeros, one with NaN or +inf NaN. `out` may be
/// `logits`.
void softmax(MatrixView<const float> logits, float temperature, MatrixView<float> out, Stream stream);

struct PseudoLabels {
  std::span<std::int32_t> labels;    ///< arg max, the lowest index on ties
  std::span<float> confidence;       ///< largest probability
  std::span<std::uint8_t> accepted;  ///< 1 where confidence >= threshold
};

/// From teacher logits; 0 <= threshold <= 1. Rows with NaN or +inf and fully masked rows: label 0, confidence 0, not
/// accepted.
void pseudo_label(MatrixView<const float> logits, float threshold, const PseudoLabels& out, Stream stream);

std::int64_t select_accepted_workspace_bytes(std::int64_t count, Backend backend);

/// The sample ids whose `accepted` is not 0, in their order, to the front of `selected`; their count to
/// *selected_count.
void select_accepted(std::span<const std::int64_t> sample_ids, std::span<const std::uint8_t> accepted,
                     std::span<std::int64_t> selected, std::int64_t* selected_count, std::span<std::byte> workspace,
                     Stream stream);

/// Top-1: adds to counts[0] the rows whose arg max (the lowest index on ties) is their label and to counts[1] the rows
/// with a valid label. Rows with NaN and fully masked rows are wrong.
void accuracy(MatrixView<const float> logits, std::span<const std::int32_t> labels, std::span<std::int64_t> counts,
              Stream stream);

}  // namespace leaven
