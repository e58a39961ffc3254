#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"
#include "kernels/loss/pseudo_weight.hpp"

// What an update of a pseudo-label state sums up, and how the state takes it in.
namespace leaven {

// The state before the first batch: of each class, and the last two.
struct InitialState {
  float each_class = 0;
  float first = 0;
  float second = 0;
};
inline InitialState initial_state(WeightingKind kind, std::int64_t classes) {
  const float share = static_cast<float>(1.0 / static_cast<double>(classes));
  if (kind == WeightingKind::free_match) return {share, share, share};
  if (kind == WeightingKind::soft_match) return {0.0f, share, 1.0f};
  return {};
}

// Confidences of rows that have an answer. Doubles: the variance is a difference.
struct BatchStats {
  double sum = 0;
  double squares = 0;
  std::int64_t rows = 0;
};
LEAVEN_HD BatchStats merge(const BatchStats& x, const BatchStats& y) {
  return {x.sum + y.sum, x.squares + y.squares, x.rows + y.rows};
}
LEAVEN_HD void add_confidence(BatchStats& stats, float confidence) {
  if (!(confidence > 0.0f)) return;
  stats.sum += double{confidence};
  stats.squares += double{confidence} * double{confidence};
  ++stats.rows;
}

LEAVEN_HD float moving_average(float before, double now, float momentum) {
  return static_cast<float>(double{momentum} * double{before} + (1.0 - double{momentum}) * now);
}

// The unbiased one; only for two rows and more.
LEAVEN_HD double batch_variance(const BatchStats& stats) {
  const double rows = static_cast<double>(stats.rows);
  const double variance = (stats.squares - stats.sum * (stats.sum / rows)) / (rows - 1.0);
  return variance > 0.0 ? variance : 0.0;
}

// mu and sigma^2 of SoftMatch.
LEAVEN_HD void update_soft_match(float* tail, const BatchStats& stats, float momentum) {
  if (stats.rows == 0) return;
  tail[0] = moving_average(tail[0], stats.sum / static_cast<double>(stats.rows), momentum);
  if (stats.rows > 1) tail[1] = moving_average(tail[1], batch_variance(stats), momentum);
}

// Rows whose probabilities are summed up before the rest, by the number of rows alone.
struct BatchChunks {
  std::int64_t rows = 0;  // of a chunk, a multiple of kPieceRows
  std::int64_t count = 0;
};
inline constexpr std::int64_t kPieceRows = 256;
inline constexpr std::int64_t kMaxChunks = 512;
inline BatchChunks batch_chunks(std::int64_t rows) {
  const std::int64_t pieces = (rows + kPieceRows - 1) / kPieceRows;
  const std::int64_t pieces_per_chunk = pieces > kMaxChunks ? (pieces + kMaxChunks - 1) / kMaxChunks : 1;
  const std::int64_t chunk_rows = pieces_per_chunk * kPieceRows;
  return {chunk_rows, (rows + chunk_rows - 1) / chunk_rows};
}

// One update with everything resolved. Arrays from `stats` on are in the workspace.
struct StateUpdate {
  WeightingKind kind = WeightingKind::fix_match;
  float threshold = 0;
  float momentum = 0;
  std::int64_t rows = 0;
  std::int64_t classes = 0;
  BatchChunks chunks{};
  float* state = nullptr;
  BatchStats* stats = nullptr;       // per chunk
  float* sums = nullptr;             // of probabilities, per chunk and class
  std::int32_t* counts = nullptr;    // confident rows, per class
  std::int32_t* labels = nullptr;    // per row
  float* confidence = nullptr;       // per row, 0: no answer
  std::uint8_t* accepted = nullptr;  // per row
};

}  // namespace leaven
