#include "host/train/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "host/core/check.hpp"
#include "host/train/network_impl.hpp"

namespace leaven::train {
namespace {

using Path = std::filesystem::path;

constexpr std::string_view kFormat = "leaven network 1";

// Numbers as the shortest text that reads back to the same bits.
template <class T>
std::string numbers(std::initializer_list<T> values) {
  std::string text;
  for (const T value : values) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text += (text.empty() ? "" : " ") + std::string(digits.data(), end);
  }
  return text;
}

template <class T, std::size_t N>
std::array<T, N> parse_numbers(const Path& path, const TensorFile& file, const char* key) {
  std::array<T, N> values{};
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) throw IoError(message("{}: its metadata lack {}", path.string(), key));
  const std::string& text = found->second;
  const char* at = text.data();
  const char* end = at + text.size();
  for (T& value : values) {
    while (at != end && *at == ' ') ++at;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{})
      throw IoError(message("{}: metadata {} are \"{}\", expected {} numbers", path.string(), key, text, N));
    at = next;
  }
  return values;
}

}  // namespace

TensorFile to_tensor_file(const Network& network) {
  TensorFile file;
  const NetworkOptions& o = network.options();
  const Normalisation& n = o.normalisation;
  file.metadata = {{"format", std::string(kFormat)},
                   {"description", o.description},
                   {"input", numbers({o.input.height, o.input.width, o.input.channels})},
                   {"normalisation_mean", numbers({n.mean[0], n.mean[1], n.mean[2]})},
                   {"normalisation_std", numbers({n.std[0], n.std[1], n.std[2]})}};
  for (const ParameterInfo& info : network.parameters()) {
    file.tensors.push_back({info.name, info.shape, network.parameter(info.name)});
  }
  return file;
}

void save(const Network& network, const Path& path) { write_tensors(path, to_tensor_file(network)); }

void set_parameters(Network& network, const Path& path, const TensorFile& file) {
  std::vector<const TensorFile::Tensor*> found;
  const std::vector<ParameterInfo> infos = network.parameters();
  for (const ParameterInfo& info : infos) {
    const auto tensor = std::ranges::find(file.tensors, info.name, &TensorFile::Tensor::name);
    if (tensor == file.tensors.end()) throw IoError(message("{}: tensor {} is missing", path.string(), info.name));
    if (tensor->shape != info.shape) {
      const auto text = [](const std::vector<std::int64_t>& shape) {
        std::string all;
        for (const std::int64_t size : shape) all += (all.empty() ? "" : "x") + std::to_string(size);
        return all;
      };
      throw IoError(
          message("{}: tensor {} is {}, expected {}", path.string(), info.name, text(tensor->shape), text(info.shape)));
    }
    found.push_back(&*tensor);
  }
  for (std::size_t i = 0; i < infos.size(); ++i) network.set_parameter(infos[i].name, found[i]->values);
}

Network from_tensor_file(const Path& path, const TensorFile& file, Stream stream) {
  const auto format = file.metadata.find("format");
  const auto description = file.metadata.find("description");
  if (format == file.metadata.end() || format->second != kFormat || description == file.metadata.end()) {
    throw IoError(message("{}: no network of Leaven: the metadata lack its description", path.string()));
  }
  const auto input = parse_numbers<std::int64_t, 3>(path, file, "input");
  NetworkOptions options{.description = description->second, .input = {1, input[0], input[1], input[2]}};
  options.normalisation = {parse_numbers<float, 3>(path, file, "normalisation_mean"),
                           parse_numbers<float, 3>(path, file, "normalisation_std")};
  try {
    Network network(options, stream);
    set_parameters(network, path, file);
    return network;
  } catch (const InvalidArgument& error) {
    throw IoError(path.string() + ": " + error.what());
  }
}

Network load(const Path& path, Stream stream) { return from_tensor_file(path, read_tensors(path), stream); }

void load_parameters(Network& network, const Path& path) { set_parameters(network, path, read_tensors(path)); }

}  // namespace leaven::train
