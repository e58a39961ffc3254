#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include <leaven/io.hpp>
#include "host/core/check.hpp"
#include "host/io/image_header.hpp"

namespace leaven::io {
namespace {

// A new file in `folder` that nobody else has; removed again unless kept.
class TemporaryFile {
 public:
  TemporaryFile(const std::filesystem::path& folder, const std::filesystem::path& target) : target_(target) {
    static std::atomic<unsigned> counter{0};
    do {
      path_ = folder / message(".leaven-{}-{}.tmp", ::getpid(), counter++);
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) fail_to_write();
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(Bytes bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_to_write();
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  void rename_to(const std::filesystem::path& path) {
    if (::fsync(descriptor_) != 0) fail_to_write();
    const int descriptor = descriptor_;
    descriptor_ = -1;
    if (::close(descriptor) != 0) fail_to_write();
    if (::rename(path_.c_str(), path.c_str()) != 0) fail_to_write();
    path_.clear();
  }

 private:
  [[noreturn]] void fail_to_write() const { fail(target_, message("cannot be written: {}", std::strerror(errno))); }

  const std::filesystem::path& target_;
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace

void write_file_atomically(const std::filesystem::path& path, Bytes bytes) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) fail(path, "cannot be written: not a regular file");
  // A link stays a link: the file that it names is replaced.
  const fs::path target = fs::exists(status) ? fs::canonical(path, error) : path;
  if (target.empty() || !target.has_filename()) fail(path, "cannot be written: not the name of a file");
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  TemporaryFile file(folder, path);
  file.write(bytes);
  file.rename_to(target);
}

}  // namespace leaven::io
