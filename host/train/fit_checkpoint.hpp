#pragma once

#include <cstdint>
#include <string>

#include <leaven/train/fit.hpp>

namespace leaven::train {

// What decides on the course of a training, as text: a checkpoint of another training is not continued.
std::string fingerprint(const FitData& data, const FitOptions& options, std::int64_t steps, std::int64_t rows);

// The network's tensors, the optimiser's ("momentum.conv1.weight", ...), step and fingerprint.
void save_fit(const Network& network, const Sgd& sgd, std::int64_t step, const std::string& fingerprint,
              const std::filesystem::path& path);

// Returns the step to go on from: 0 where there is no file.
// @throws IoError; InvalidArgument where the file is of another training
std::int64_t resume_fit(Network& network, const Sgd& sgd, const std::string& fingerprint,
                        const std::filesystem::path& path);

}  // namespace leaven::train
