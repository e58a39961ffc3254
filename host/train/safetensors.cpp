#include <bit>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include <leaven/io.hpp>
#include <leaven/train/checkpoint.hpp>
#include "host/core/check.hpp"

// https://github.com/huggingface/safetensors: the header's length (u64, little endian), the header (JSON, padded with
// blanks to a multiple of 8), the values. The header maps a tensor's name to its type, shape and first and last byte.
namespace leaven::train {
namespace {

using Json = nlohmann::ordered_json;
using Path = std::filesystem::path;

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t kMostHeaderBytes = 100'000'000;

std::int64_t values_of(const std::vector<std::int64_t>& shape) {
  std::int64_t product = 1;
  for (const std::int64_t n : shape) product *= n;
  return product;
}

[[noreturn]] void fail(const Path& path, const std::string& what) { throw IoError(path.string() + ": " + what); }

// A tensor of the header, checked against the `size` bytes of values that are there.
TensorFile::Tensor read_entry(const Path& path, const std::string& name, const Json& entry, const char* values,
                              std::uint64_t size) {
  TensorFile::Tensor tensor{.name = name, .shape = {}, .values = {}};
  if (entry.at("dtype") != "F32") fail(path, message("tensor {} is {}, expected F32", name, entry.at("dtype").dump()));
  std::uint64_t count = 1;
  for (const Json& dimension : entry.at("shape")) {
    const auto n = dimension.get<std::uint64_t>();
    if (!dimension.is_number_unsigned() || (n != 0 && count > (std::uint64_t{1} << 40) / n)) {
      fail(path, message("tensor {} has an impossible shape", name));
    }
    count *= n;
    tensor.shape.push_back(static_cast<std::int64_t>(n));
  }
  const Json& offsets = entry.at("data_offsets");
  const auto begin = offsets.at(0).get<std::uint64_t>();
  const auto end = offsets.at(1).get<std::uint64_t>();
  if (begin > end || end - begin != count * sizeof(float)) {
    fail(path, message("tensor {} has {} bytes, expected {} for its shape", name, end - begin, count * sizeof(float)));
  }
  if (end > size) fail(path, message("truncated: tensor {} ends at byte {} of {}", name, end, size));
  tensor.values.resize(static_cast<std::size_t>(count));
  if (count > 0) std::memcpy(tensor.values.data(), values + begin, tensor.values.size() * sizeof(float));
  return tensor;
}

std::vector<char> read_all(const Path& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  if (!file || std::filesystem::is_directory(path, error)) fail(path, "cannot be opened");
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) fail(path, "cannot be read");
  return bytes;
}

}  // namespace

void write_tensors(const Path& path, const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::uint64_t at = 0;
  for (const TensorFile::Tensor& tensor : file.tensors) {
    check(tensor.name != "__metadata__" && !header.contains(tensor.name), "write_tensors: there are two tensors {}",
          tensor.name);
    check(values_of(tensor.shape) == static_cast<std::int64_t>(tensor.values.size()),
          "write_tensors: tensor {} has {} values, expected {} for its shape", tensor.name, tensor.values.size(),
          values_of(tensor.shape));
    const std::uint64_t end = at + tensor.values.size() * sizeof(float);
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::vector<std::uint8_t> bytes(sizeof(length) + text.size() + static_cast<std::size_t>(at));
  std::memcpy(bytes.data(), &length, sizeof(length));
  std::memcpy(bytes.data() + sizeof(length), text.data(), text.size());
  std::uint8_t* to = bytes.data() + sizeof(length) + text.size();
  for (const TensorFile::Tensor& tensor : file.tensors) {
    if (tensor.values.empty()) continue;
    std::memcpy(to, tensor.values.data(), tensor.values.size() * sizeof(float));
    to += tensor.values.size() * sizeof(float);
  }
  io::write_file_atomically(path, bytes);
}

TensorFile read_tensors(const Path& path) {
  const std::vector<char> bytes = read_all(path);
  std::uint64_t length = 0;
  if (bytes.size() < sizeof(length)) fail(path, "not a safetensors file: shorter than 8 bytes");
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > kMostHeaderBytes) fail(path, message("not a safetensors file: a header of {} bytes", length));
  if (length > bytes.size() - sizeof(length)) fail(path, "truncated: it ends within the header");
  const char* begin = bytes.data() + sizeof(length);
  const char* values = begin + length;
  const std::uint64_t size = bytes.size() - sizeof(length) - length;
  TensorFile file;
  std::uint64_t used = 0;
  try {
    const Json header = Json::parse(begin, values);
    if (!header.is_object()) fail(path, "not a safetensors file: its header is no JSON object");
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        file.metadata = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      file.tensors.push_back(read_entry(path, name, entry, values, size));
      used += file.tensors.back().values.size() * sizeof(float);
    }
  } catch (const Json::exception& error) {
    fail(path, message("not a safetensors file: {}", error.what()));
  }
  if (used != size) fail(path, message("{} bytes of values, but its tensors have {}", size, used));
  return file;
}

}  // namespace leaven::train
