#include <leaven/buffer.hpp>

#include <cstring>
#include <new>

#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "kernels/core/runtime.hpp"

namespace leaven::detail {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

void* allocate(std::size_t size_bytes, Backend backend) {
  if (size_bytes == 0) return nullptr;
  if constexpr (kWithCuda) {
    if (backend == Backend::cuda) return cuda::allocate(size_bytes);
  }
  void* data = size_bytes > PTRDIFF_MAX ? nullptr : ::operator new(size_bytes, kAlignment, std::nothrow);
  if (data == nullptr) throw OutOfMemory(message("Buffer: no {} bytes of host memory", size_bytes));
  return data;
}

void deallocate(void* data, Backend backend) noexcept {
  if (data == nullptr) return;
  if constexpr (kWithCuda) {
    if (backend == Backend::cuda) return cuda::deallocate(data);
  }
  ::operator delete(data, kAlignment);
}

void copy(void* to, Backend to_backend, const void* from, Backend from_backend, std::size_t size_bytes, Stream stream) {
  if (size_bytes == 0) return;
  if constexpr (kWithCuda) {
    if (to_backend == Backend::cuda || from_backend == Backend::cuda) {
      cuda::copy(to, from, size_bytes, stream.cuda_handle());
      return cuda::synchronize(stream.cuda_handle());
    }
  }
  std::memcpy(to, from, size_bytes);
}

void fill_zero(void* data, std::size_t size_bytes, Stream stream) {
  if (size_bytes == 0) return;
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return cuda::fill_zero(data, size_bytes, stream.cuda_handle());
  }
  std::memset(data, 0, size_bytes);
}

}  // namespace leaven::detail
