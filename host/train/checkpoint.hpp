#pragma once

#include <string>

#include <leaven/train/checkpoint.hpp>

namespace leaven::train {

// What save() writes.
TensorFile to_tensor_file(const Network& network);

// The network that the file describes. @throws IoError beginning with `path`
Network from_tensor_file(const std::filesystem::path& path, const TensorFile& file, Stream stream);

// Sets the parameters of `network`; nothing where one is missing or has another shape. @throws IoError
void set_parameters(Network& network, const std::filesystem::path& path, const TensorFile& file);

}  // namespace leaven::train
