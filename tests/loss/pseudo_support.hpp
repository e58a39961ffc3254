#pragma once

#include "tests/loss/logit_matrix.hpp"
#include "tests/reference/pseudo_reference.hpp"

// Calls of the pseudo-label functions, between guards.
namespace leaven::test {

inline std::vector<reference::WeakAnswer> weak_answers(const HostMatrix& weak) {
  std::vector<reference::WeakAnswer> answers;
  for (std::int64_t r = 0; r < weak.rows; ++r) answers.push_back(reference::weak_answer(weak.row(r)));
  return answers;
}

inline std::vector<float> initial_pseudo_state(const PseudoWeighting& weighting, std::int64_t classes, Stream stream) {
  GuardedBuffer<float> state(pseudo_state_size(classes), stream);
  init_pseudo_state(weighting, classes, state.span(), stream);
  state.expect_guards_intact();
  return state.to_host();
}

inline std::vector<float> updated_pseudo_state(const std::vector<float>& before, const HostMatrix& weak,
                                               const PseudoWeighting& weighting, Stream stream,
                                               FloatType type = FloatType::f32, Layout2d layout = {}) {
  const LogitMatrix in(weak, type, stream, layout);
  GuardedBuffer<float> state(before, stream);
  GuardedBuffer<std::byte> workspace(update_pseudo_state_workspace_bytes(weak.rows, weak.columns, stream.backend()),
                                     stream);
  update_pseudo_state(in.cview(), weighting, state.span(), workspace.span(), stream);
  state.expect_guards_intact();
  workspace.expect_guards_intact();
  in.expect_only_matrix_written();
  return state.to_host();
}

struct ConsistencyLayout {
  FloatType weak = FloatType::f32;
  FloatType strong = FloatType::f32;
  Layout2d layout{};
};

inline LossResult run_consistency(const HostMatrix& weak, const HostMatrix& strong, ConsistencyOptions options,
                                  const std::vector<float>& state, Stream stream, ConsistencyLayout on = {}) {
  const LogitMatrix w(weak, on.weak, stream, on.layout);
  const LogitMatrix s(strong, on.strong, stream, on.layout);
  const GuardedBuffer<float> on_backend(state, stream);
  options.state = on_backend.cspan();
  LossResult result = run_guarded(
      weak.rows, weak.columns, options.reduction, stream, on.layout, [&](const LossOutput& out, auto workspace) {
        consistency_loss({.weak = w.cview(), .strong = s.cview()}, options, out, workspace, stream);
      });
  w.expect_only_matrix_written();
  s.expect_only_matrix_written();
  return result;
}

// The distribution that a row of the strong view learns.
inline std::vector<reference::Real> consistency_target(const HostMatrix& weak, std::int64_t row,
                                                       const ConsistencyOptions& options) {
  std::vector<reference::Real> q(static_cast<std::size_t>(weak.columns), 0);
  if (options.target == ConsistencyTarget::hard) {
    q[static_cast<std::size_t>(reference::weak_answer(weak.row(row)).label)] = 1;
  } else {
    const std::vector<reference::Real> log_q = reference::log_softmax(weak.row(row), options.temperature);
    for (std::size_t c = 0; c < q.size(); ++c) q[c] = std::exp(log_q[c]);
  }
  return q;
}

struct HostPseudoLabels {
  std::vector<std::int32_t> labels;
  std::vector<float> confidence;
  std::vector<std::uint8_t> accepted;
};
inline HostPseudoLabels run_pseudo_label(const HostMatrix& logits, float threshold, Stream stream,
                                         FloatType type = FloatType::f32) {
  const LogitMatrix in(logits, type, stream);
  const Buffer<std::int32_t> labels(logits.rows, stream);
  const Buffer<float> confidence(logits.rows, stream);
  const Buffer<std::uint8_t> accepted(logits.rows, stream);
  pseudo_label(in.cview(), threshold, {labels.span(), confidence.span(), accepted.span()}, stream);
  return {labels.to_host(stream), confidence.to_host(stream), accepted.to_host(stream)};
}

}  // namespace leaven::test
