#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "tests/reference/loss_reference.hpp"

// Pseudo-labels in long double, from the papers' definitions. Independent of kernels/.
namespace leaven::reference {

struct WeakAnswer {
  bool valid = false;
  std::int64_t label = 0;
  Real confidence = 0;
  std::vector<Real> probabilities;
};

inline WeakAnswer weak_answer(std::span<const float> logits) {
  WeakAnswer answer;
  if (fully_masked(logits) || has_nan_or_infinity(logits)) return answer;
  answer.valid = true;
  for (const Real x : log_softmax(logits, 1)) answer.probabilities.push_back(std::exp(x));
  answer.label = std::max_element(logits.begin(), logits.end()) - logits.begin();
  answer.confidence = answer.probabilities[static_cast<std::size_t>(answer.label)];
  return answer;
}

// FlexMatch: a_c counts confident rows; the threshold is tau M(a_c / max a) with M(x) = x / (2 - x).
struct FlexState {
  std::vector<Real> counts;

  void update(const std::vector<WeakAnswer>& batch, Real threshold) {
    for (const WeakAnswer& row : batch) {
      if (row.valid && row.confidence >= threshold) counts[static_cast<std::size_t>(row.label)] += 1;
    }
  }
  Real threshold(std::int64_t label, Real threshold) const {
    const Real most = *std::max_element(counts.begin(), counts.end());
    const Real beta = most > 0 ? counts[static_cast<std::size_t>(label)] / most : 0;
    return threshold * beta / (2 - beta);
  }
};

// FreeMatch: moving averages of the batch's mean confidence and mean probabilities.
struct FreeState {
  std::vector<Real> p;
  Real tau = 0;

  explicit FreeState(std::size_t classes)
      : p(classes, 1 / static_cast<Real>(classes)), tau(1 / static_cast<Real>(classes)) {}
  void update(const std::vector<WeakAnswer>& batch, Real momentum) {
    std::vector<Real> mean(p.size(), 0);
    Real confidence = 0, rows = 0;
    for (const WeakAnswer& row : batch) {
      if (!row.valid) continue;
      rows += 1;
      confidence += row.confidence;
      for (std::size_t c = 0; c < p.size(); ++c) mean[c] += row.probabilities[c];
    }
    if (rows == 0) return;
    tau = momentum * tau + (1 - momentum) * confidence / rows;
    for (std::size_t c = 0; c < p.size(); ++c) p[c] = momentum * p[c] + (1 - momentum) * mean[c] / rows;
  }
  Real threshold(std::int64_t label) const {
    return tau * p[static_cast<std::size_t>(label)] / *std::max_element(p.begin(), p.end());
  }
};

// SoftMatch: moving averages of the confidences' mean and unbiased variance.
struct SoftState {
  Real mean;
  Real variance = 1;

  explicit SoftState(std::size_t classes) : mean(1 / static_cast<Real>(classes)) {}
  void update(const std::vector<WeakAnswer>& batch, Real momentum) {
    std::vector<Real> values;
    for (const WeakAnswer& row : batch) {
      if (row.valid) values.push_back(row.confidence);
    }
    const auto rows = static_cast<Real>(values.size());
    if (rows == 0) return;
    const Real batch_mean = std::accumulate(values.begin(), values.end(), Real{0}) / rows;
    Real squares = 0;
    for (const Real x : values) squares += (x - batch_mean) * (x - batch_mean);
    mean = momentum * mean + (1 - momentum) * batch_mean;
    if (rows > 1) variance = momentum * variance + (1 - momentum) * squares / (rows - 1);
  }
  Real weight(Real confidence) const {
    const Real gap = std::min(confidence - mean, Real{0});
    return std::exp(-gap * gap / (2 * variance / 4));
  }
};

}  // namespace leaven::reference
