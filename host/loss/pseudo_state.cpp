#include <algorithm>
#include <limits>

#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "host/loss/pseudo_loops.hpp"
#include "host/loss/pseudo_weighting.hpp"
#include "kernels/loss/pseudo_launchers.hpp"
#include "kernels/loss/pseudo_state.hpp"

namespace leaven {
namespace {

constexpr std::int64_t kMostClasses = std::numeric_limits<std::int32_t>::max();

void check_classes(const char* function, std::int64_t classes) {
  check(classes >= 1 && classes <= kMostClasses, "{}: classes is {}, expected 1 to {}", function, classes,
        kMostClasses);
}

// Gives the arrays of an update their places in the workspace; returns the bytes.
std::int64_t place(StateUpdate& u, std::byte* workspace) {
  std::int64_t end = 0;
  const auto take = [&]<class T>(T*& array, std::int64_t count) {
    array = reinterpret_cast<T*>(workspace + end);
    end += (count * static_cast<std::int64_t>(sizeof(T)) + 15) / 16 * 16;
  };
  u.chunks = batch_chunks(u.rows);
  take(u.stats, u.chunks.count);
  take(u.sums, u.chunks.count * u.classes);
  take(u.counts, u.classes);
  take(u.labels, u.rows);
  take(u.confidence, u.rows);
  take(u.accepted, u.rows);
  return end;
}

void keep_largest(const StateUpdate& u) {
  u.state[u.classes] = std::max(0.0f, *std::max_element(u.state, u.state + u.classes));
}

void update_flex_match(const StateUpdate& u) {
  std::fill_n(u.counts, u.classes, 0);
  for (std::int64_t row = 0; row < u.rows; ++row) {
    if (u.confidence[row] > 0.0f && u.confidence[row] >= u.threshold) ++u.counts[u.labels[row]];
  }
  for (std::int64_t c = 0; c < u.classes; ++c) u.state[c] += static_cast<float>(u.counts[c]);
  keep_largest(u);
}

void update_free_match(const InputRows& weak, const StateUpdate& u, const BatchStats& stats) {
  const auto rows = static_cast<double>(stats.rows);
  parallel_for(u.chunks.count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      pseudo_loops().sum_probabilities({weak, u.classes}, i * u.chunks.rows, std::min(u.rows, (i + 1) * u.chunks.rows),
                                       u.labels, u.confidence, u.sums + i * u.classes);
    }
  });
  for (std::int64_t c = 0; c < u.classes; ++c) {
    double sum = 0;
    for (std::int64_t i = 0; i < u.chunks.count; ++i) sum += double{u.sums[i * u.classes + c]};
    u.state[c] = moving_average(u.state[c], sum / rows, u.momentum);
  }
  keep_largest(u);
  float& tau = u.state[u.classes + 1];
  tau = moving_average(tau, stats.sum / rows, u.momentum);
}

void update_cpu(const InputRows& weak, const StateUpdate& u) {
  parallel_for(u.rows, std::max<std::int64_t>(16, 32768 / u.classes), [&](std::int64_t begin, std::int64_t end) {
    probability_loops().top({weak, u.classes}, begin, end, u.labels + begin, u.confidence + begin);
  });
  if (u.kind == WeightingKind::flex_match) return update_flex_match(u);
  BatchStats stats;
  for (std::int64_t row = 0; row < u.rows; ++row) add_confidence(stats, u.confidence[row]);
  if (u.kind == WeightingKind::soft_match) return update_soft_match(u.state + u.classes, stats, u.momentum);
  if (stats.rows > 0) update_free_match(weak, u, stats);
}

}  // namespace

std::int64_t pseudo_state_size(std::int64_t classes) {
  check_classes("pseudo_state_size", classes);
  return classes + 2;
}

void init_pseudo_state(const PseudoWeighting& weighting, std::int64_t classes, std::span<float> state, Stream stream) {
  constexpr const char* kName = "init_pseudo_state";
  check_classes(kName, classes);
  check_weighting(kName, weighting);
  check_size(kName, "state", state.size(), state.data(), pseudo_state_size(classes));
  const WeightingKind kind = kind_of(weighting);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::init_pseudo_state(kind, classes, state.data(), stream.cuda_handle());
    }
  }
  const InitialState initial = initial_state(kind, classes);
  std::fill_n(state.data(), classes, initial.each_class);
  state[state.size() - 2] = initial.first;
  state[state.size() - 1] = initial.second;
}

std::int64_t update_pseudo_state_workspace_bytes(std::int64_t rows, std::int64_t classes, Backend) {
  constexpr const char* kName = "update_pseudo_state_workspace_bytes";
  check(rows >= 0 && rows < (std::int64_t{1} << 40), "{}: rows is {}, expected 0 or more", kName, rows);
  check_classes(kName, classes);
  StateUpdate update;
  update.rows = rows;
  update.classes = classes;
  return place(update, nullptr);
}

void update_pseudo_state(LogitsView weak, const PseudoWeighting& weighting, std::span<float> state,
                         std::span<std::byte> workspace, Stream stream) {
  constexpr const char* kName = "update_pseudo_state";
  check_matrix(kName, argument("weak", weak));
  check_weighting(kName, weighting);
  StateUpdate update;
  update.kind = kind_of(weighting);
  if (update.kind == WeightingKind::fix_match) return;
  check_size(kName, "state", state.size(), state.data(), pseudo_state_size(weak.columns));
  const std::int64_t bytes = update_pseudo_state_workspace_bytes(weak.rows, weak.columns, stream.backend());
  check(static_cast<std::int64_t>(workspace.size()) >= bytes, "{}: workspace has {} bytes, expected at least {}", kName,
        workspace.size(), bytes);
  check(reinterpret_cast<std::uintptr_t>(workspace.data()) % alignof(BatchStats) == 0,
        "{}: workspace is not aligned to {} bytes", kName, alignof(BatchStats));
  if (weak.rows == 0) return;
  update.threshold = threshold_of(weighting);
  update.momentum = momentum_of(weighting);
  update.rows = weak.rows;
  update.classes = weak.columns;
  update.state = state.data();
  place(update, workspace.data());
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::update_pseudo_state(input_rows(weak), update, stream.cuda_handle());
    }
  }
  update_cpu(input_rows(weak), update);
}

}  // namespace leaven
