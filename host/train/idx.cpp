#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <leaven/train/data.hpp>
#include "host/core/check.hpp"

namespace leaven::train {
namespace {

using Path = std::filesystem::path;

[[noreturn]] void fail(const Path& path, const std::string& what) { throw IoError(path.string() + ": " + what); }

// A file, unpacked on the way where it is gzip.
class GzipFile {
 public:
  explicit GzipFile(const Path& path) : path_(path) {
    errno = 0;
    file_ = gzopen(path.c_str(), "rb");
    if (file_ == nullptr) fail(path, message("cannot be opened: {}", std::strerror(errno != 0 ? errno : ENOMEM)));
    gzbuffer(file_, 1u << 18);
  }
  ~GzipFile() { gzclose(file_); }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  // `size` bytes. Memory grows as bytes arrive: a header that promises too much costs nothing.
  std::vector<std::uint8_t> read(std::uint64_t size) {
    constexpr std::uint64_t kChunk = 1u << 24;
    std::vector<std::uint8_t> bytes;
    while (bytes.size() < size) {
      const std::size_t before = bytes.size();
      bytes.resize(before + static_cast<std::size_t>(std::min(kChunk, size - before)));
      const std::size_t got = read_some(bytes.data() + before, bytes.size() - before);
      if (before + got < bytes.size()) {
        fail(path_, message("truncated: {} bytes of content are there, {} were expected", offset_ + before + got,
                            offset_ + size));
      }
    }
    offset_ += size;
    return bytes;
  }
  // Also makes zlib compare the checksum.
  void expect_end() {
    std::uint8_t more = 0;
    if (read_some(&more, 1) != 0) fail(path_, message("longer than its header says, {} bytes", offset_));
  }

 private:
  std::size_t read_some(std::uint8_t* to, std::size_t size) {
    const int got = gzread(file_, to, static_cast<unsigned>(size));
    int code = Z_OK;
    const char* text = gzerror(file_, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      if (code == Z_BUF_ERROR) fail(path_, "truncated: the gzip stream ends too early");
      if (code == Z_ERRNO) fail(path_, message("cannot be read: {}", std::strerror(errno)));
      const std::string_view all = text;  // begins with the path
      fail(path_, message("damaged: {}", all.substr(std::min(all.size(), path_.native().size() + 2))));
    }
    return static_cast<std::size_t>(got);
  }

  const Path& path_;
  gzFile file_;
  std::uint64_t offset_ = 0;
};

struct Idx {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> values;
};

// Two zero bytes, the type (8: unsigned byte), the number of dimensions; the dimensions, big endian; the values.
Idx read_file(const Path& path, int dimensions) {
  GzipFile file(path);
  const std::vector<std::uint8_t> magic = file.read(4);
  if (magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || magic[3] != dimensions) {
    fail(path, message("not an IDX file of {}: it begins with the bytes {} {} {} {}, expected 0 0 8 {}",
                       dimensions == 3 ? "8-bit images" : "8-bit labels", int{magic[0]}, int{magic[1]}, int{magic[2]},
                       int{magic[3]}, dimensions));
  }
  Idx idx;
  std::uint64_t size = 1;
  for (int d = 0; d < dimensions; ++d) {
    const std::vector<std::uint8_t> b = file.read(4);
    const std::uint64_t n = std::uint64_t{b[0]} << 24 | std::uint64_t{b[1]} << 16 | std::uint64_t{b[2]} << 8 | b[3];
    idx.shape.push_back(static_cast<std::int64_t>(n));
    if (n != 0 && size > (std::uint64_t{1} << 40) / n) fail(path, "its header asks for more than 2^40 bytes");
    size *= n;
  }
  idx.values = file.read(size);
  file.expect_end();
  return idx;
}

Path with_or_without_gz(const Path& path) {
  if (std::filesystem::exists(path)) return path;
  Path packed = path;
  packed += ".gz";
  return std::filesystem::exists(packed) ? packed : path;
}

}  // namespace

DataSet read_idx(const Path& images, const Path& labels, std::vector<std::string> class_names, Stream stream) {
  const Idx pixels = read_file(images, 3);
  const Idx classes = read_file(labels, 1);
  if (pixels.shape[0] != classes.shape[0]) {
    fail(labels, message("{} labels, but {} has {} images", classes.shape[0], images.string(), pixels.shape[0]));
  }
  if (pixels.shape[1] == 0 || pixels.shape[2] == 0) fail(images, "its images have no pixels");
  std::vector<std::int32_t> numbers;
  for (std::size_t i = 0; i < classes.values.size(); ++i) {
    if (classes.values[i] >= class_names.size()) {
      fail(labels,
           message("label {} of image {}, but there are {} classes", int{classes.values[i]}, i, class_names.size()));
    }
    numbers.push_back(classes.values[i]);
  }
  return make_data_set(pixels.values, {pixels.shape[0], pixels.shape[1], pixels.shape[2], 1}, numbers,
                       std::move(class_names), stream);
}

Path fashion_mnist_folder() {
  const char* folder = std::getenv("LEAVEN_FASHION_MNIST");
  return folder != nullptr && *folder != '\0' ? folder : "/usr/share/datasets/fashion-mnist";
}

DataSet read_fashion_mnist(const Path& folder, FashionMnist part, Stream stream) {
  const std::string prefix = part == FashionMnist::train ? "train" : "t10k";
  return read_idx(with_or_without_gz(folder / (prefix + "-images-idx3-ubyte")),
                  with_or_without_gz(folder / (prefix + "-labels-idx1-ubyte")),
                  {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"},
                  stream);
}

}  // namespace leaven::train
