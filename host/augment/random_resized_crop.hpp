#pragma once

#include <cstdint>

#include "kernels/augment/random_resized_crop.hpp"

namespace leaven {

// @throws InvalidArgument in the name of `function`.
void check_rectangles(const char* function, const Interval& scale, const Interval& ratio);

RectangleRange rectangle_range(const Interval& scale, const Interval& ratio);

// Image i of `source`, sample ids[i], is cropped; see ResizedCropJob for data sets and for what is written.
ResizedCropJob resized_crop_job(const RandomResizedCropOptions& options, RandomKey key, const std::int64_t* ids,
                                std::int64_t count, const ResizeJob& source);

void run_resized_crops(const ResizedCropJob& job, Stream stream);

// Of the descriptions of the crops, at the start of the workspace.
inline std::int64_t crops_bytes(std::int64_t count) { return count * static_cast<std::int64_t>(sizeof(ImageRef)); }

}  // namespace leaven
