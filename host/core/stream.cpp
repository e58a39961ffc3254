#include <leaven/stream.hpp>

#include <string>
#include <utility>

#include <leaven/error.hpp>
#include "host/core/config.hpp"
#include "kernels/core/runtime.hpp"

namespace leaven {
namespace {

const std::string& unavailable_reason() {
  static const std::string reason = [] {
    if constexpr (kWithCuda) return cuda::unavailable_reason();
    return std::string("this build of leaven has no CUDA support");
  }();
  return reason;
}

void require_cuda(const char* function) {
  if (!cuda_available()) throw CudaError(std::string(function) + ": " + unavailable_reason());
}

}  // namespace

std::string_view name(Backend backend) { return backend == Backend::cuda ? "cuda" : "cpu"; }

bool cuda_available() { return unavailable_reason().empty(); }
std::string_view cuda_unavailable_reason() { return unavailable_reason(); }

Stream Stream::cuda(CUstream_st* handle) {
  require_cuda("Stream::cuda");
  return Stream{Backend::cuda, handle};
}

void Stream::synchronize() const {
  if constexpr (kWithCuda) {
    if (backend_ == Backend::cuda) cuda::synchronize(handle_);
  }
}

OwnedStream::OwnedStream(Backend backend) : stream_(Stream::cpu()) {
  if (backend == Backend::cpu) return;
  require_cuda("OwnedStream");
  if constexpr (kWithCuda) stream_ = Stream{Backend::cuda, cuda::create_stream()};
}

OwnedStream::~OwnedStream() {
  if constexpr (kWithCuda) {
    if (stream_.cuda_handle() != nullptr) cuda::destroy_stream(stream_.cuda_handle());
  }
}

OwnedStream::OwnedStream(OwnedStream&& other) noexcept : stream_(std::exchange(other.stream_, Stream::cpu())) {}

OwnedStream& OwnedStream::operator=(OwnedStream&& other) noexcept {
  std::swap(stream_, other.stream_);
  return *this;
}

OwnedStream best_stream() { return OwnedStream(cuda_available() ? Backend::cuda : Backend::cpu); }

}  // namespace leaven
