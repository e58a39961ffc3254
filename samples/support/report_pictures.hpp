#pragma once

#include <cstdint>
#include <vector>

#include "samples/support/experiment.hpp"
#include "samples/support/recipes.hpp"
#include "samples/support/report.hpp"

// The pictures of the demo's report.
namespace leaven::samples {

/// Some training pictures, each followed by `copies` augmented versions of it (without mixing).
std::vector<ReportImage> augmented_pictures(const Experiment& experiment, const AugmenterOptions& options,
                                            std::int64_t samples, std::int64_t copies);

/// Test pictures, each followed by its shifted copy.
std::vector<ReportImage> shifted_pictures(const Experiment& experiment, std::int64_t count);

/// CutMix of labelled pictures: both labels with their weights.
std::vector<ReportImage> cutmix_pictures(const Experiment& experiment, std::int64_t count);

std::vector<ReportImage> pseudo_labelled_pictures(const Experiment& experiment,
                                                  const std::vector<PseudoLabelledPicture>& pictures);

}  // namespace leaven::samples
