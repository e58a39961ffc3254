#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <leaven/augment.hpp>
#include <leaven/io.hpp>
#include <leaven/train/data.hpp>

// Pictures on the host, to look at: for contact sheets and reports.
namespace leaven::samples {

/// Those of `ids`, in that order. @throws InvalidArgument for an id outside the data set.
std::vector<io::HostImage> pictures_of(const train::DataSet& data, std::span<const std::int64_t> ids, Stream stream);

/// What an Augmenter wrote, its normalisation undone and rounded to 0..255.
std::vector<io::HostImage> pictures_of(const Augmenter::Batch& batch, const Normalisation& normalisation,
                                       Stream stream);

}  // namespace leaven::samples
