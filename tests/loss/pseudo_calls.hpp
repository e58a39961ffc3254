#pragma once

#include "tests/loss/loss_support.hpp"

// Every call of the pseudo-label functions with what it needs made before it, to count its hidden work.
namespace leaven::test {

struct PreparedPseudo {
  PreparedPseudo(Stream on, std::int64_t classes_)
      : stream(on),
        classes(classes_),
        weak(normal_matrix(kRows, classes, 4.0f, 181), on),
        strong(normal_matrix(kRows, classes, 4.0f, 182), on),
        gradient(kRows, classes, on),
        loss(1, on),
        workspace(Buffer<std::byte>::zeros(loss_workspace_bytes(kRows), on)),
        state(Buffer<float>::zeros(pseudo_state_size(classes), on)),
        update_workspace(update_pseudo_state_workspace_bytes(kRows, classes, on.backend()), on),
        ids(Buffer<std::int64_t>::zeros(kRows, on)),
        selected(kRows, on),
        selected_count(1, on),
        labels(std::span<const std::int32_t>(some_labels(kRows, classes)), on),
        counts(classes, on),
        confidence(Buffer<float>::zeros(kRows, on)),
        select_workspace(select_class_balanced_workspace_bytes(kRows, classes, on.backend()), on) {}

  void consistency(const PseudoWeighting& weighting, ConsistencyTarget target, Reduction reduction) const {
    consistency_loss({.weak = weak.cview(), .strong = strong.cview()},
                     {.weighting = weighting, .state = state.cspan(), .target = target, .reduction = reduction},
                     {.loss = loss.data(), .gradient = gradient.view()}, workspace.span(), stream);
  }
  void init(const PseudoWeighting& weighting) const { init_pseudo_state(weighting, classes, state.span(), stream); }
  void update(const PseudoWeighting& weighting) const {
    update_pseudo_state(weak.cview(), weighting, state.span(), update_workspace.span(), stream);
  }
  void select() const {
    select_class_balanced({ids.cspan(), labels.cspan(), confidence.cspan()}, classes, 3,
                          {selected.span(), {}, counts.span(), selected_count.data()}, select_workspace.span(), stream);
  }

  static constexpr std::int64_t kRows = 300;
  Stream stream;
  std::int64_t classes;
  BackendMatrix weak, strong, gradient;
  Buffer<float> loss;
  Buffer<std::byte> workspace;
  Buffer<float> state;
  Buffer<std::byte> update_workspace;
  Buffer<std::int64_t> ids, selected, selected_count;
  Buffer<std::int32_t> labels, counts;
  Buffer<float> confidence;
  Buffer<std::byte> select_workspace;
};

// check(what, launches, call)
template <class Check>
void for_each_pseudo_call(const PreparedPseudo& p, Check&& check) {
  constexpr auto kHard = ConsistencyTarget::hard;
  constexpr auto kSoft = ConsistencyTarget::soft;
  check("consistency, hard", 1, [&] { p.consistency(FixMatch{}, kHard, Reduction::mean_all); });
  check("consistency, soft", 1, [&] { p.consistency(SoftMatch{}, kSoft, Reduction::sum); });
  check("consistency, mean over valid rows", 2, [&] { p.consistency(FreeMatch{}, kHard, Reduction::mean_valid); });
  check("init_pseudo_state", 1, [&] { p.init(FreeMatch{}); });
  check("update of FlexMatch", 4, [&] { p.update(FlexMatch{}); });
  check("update of FreeMatch", 5, [&] { p.update(FreeMatch{}); });
  check("update of SoftMatch", 3, [&] { p.update(SoftMatch{}); });
}

}  // namespace leaven::test
