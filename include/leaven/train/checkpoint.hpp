#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <leaven/error.hpp>
#include <leaven/train/network.hpp>

// Checkpoints are safetensors files (https://github.com/huggingface/safetensors): float32, PyTorch's names and layouts,
// the network's description, input and normalisation as metadata.
namespace leaven::train {

/// Writes all parameters. Atomic: `path` holds either its old or its whole new content. Equal networks give equal
/// bytes.
/// @throws IoError
void save(const Network& network, const std::filesystem::path& path);

/// The network of a file that save() or fit() wrote.
/// @throws IoError, its text beginning with the path: missing, truncated, not safetensors, no description, a tensor
/// missing or of another shape.
Network load(const std::filesystem::path& path, Stream stream);

/// Sets the parameters of `network` that the file has; `network` stays as it was where something is wrong.
/// @throws IoError where the file lacks one, or has it in another shape.
void load_parameters(Network& network, const std::filesystem::path& path);

/// A safetensors file of float32 tensors in host memory.
struct TensorFile {
  struct Tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  std::vector<Tensor> tensors;  ///< kept in this order in the file
  std::map<std::string, std::string> metadata;
};
/// @throws IoError; InvalidArgument for a tensor whose values do not fit its shape, or two of one name.
void write_tensors(const std::filesystem::path& path, const TensorFile& file);
TensorFile read_tensors(const std::filesystem::path& path);

}  // namespace leaven::train
