#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <leaven/loss/views.hpp>

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
  kLabelOutOfRange = 1,  ///< a label outside 0 .. classes - 1 that is not the ignore label: the row was ignored
  /// A mixed weight outside 0..1; a soft target or row weight negative, NaN or infinite: the row was ignored. A class
  /// weight of that kind counts as 0.
  kWeightOutOfRange = 2,
  kLogitPlusInfinity = 4,  ///< a logit +inf: that row's loss and gradient are NaN
  kLogitNaN = 8,           ///< a NaN logit: that row's loss and gradient are NaN
};

inline constexpr std::int32_t kIgnoreLabel = -100;

enum class InPlace { no, yes };

/// Where results go. Empty spans and a null gradient are not written (and not computed).
struct LossOutput {
  std::span<float> row_losses{};  ///< rows values, before the reduction
  float* loss = nullptr;          ///< the reduced value; null with Reduction::none
  /// d(reduced loss) / d(logits), in the logits' type or float; data == nullptr: none.
  MutableLogitsView gradient{};
  InPlace in_place =
      InPlace::no;  ///< yes: the gradient, of the logits' type, may be written over the (student's) logits
  std::int32_t* valid_rows = nullptr;
  std::uint32_t* status = nullptr;  ///< bits of LossStatus are OR-ed into it; the caller zeroes it
};

/// Scratch for the losses of up to `rows` rows (64 bytes and 8 per row). It must be zero before its first use (a
/// Buffer::zeros); every call leaves it ready for the next one.
std::int64_t loss_workspace_bytes(std::int64_t rows);

}  // namespace leaven
