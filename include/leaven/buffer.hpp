#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <leaven/stream.hpp>

namespace leaven {

namespace detail {
void* allocate(std::size_t size_bytes, Backend backend);
void deallocate(void* data, Backend backend) noexcept;
void copy(void* to, Backend to_backend, const void* from, Backend from_backend, std::size_t size_bytes, Stream stream);
void fill_zero(void* data, std::size_t size_bytes, Stream stream);
}  // namespace detail

/// Memory with one owner, on the host (CPU backend, 64-byte aligned) or on the CUDA device. Views never own.
/// @throws OutOfMemory from the constructors where the memory cannot be had.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>, "Buffer holds plain values");

 public:
  Buffer() = default;

  /// `size` values, not initialised, where `stream` works.
  Buffer(std::int64_t size, Stream stream)
      : data_(static_cast<T*>(detail::allocate(checked_bytes(size), stream.backend()))),
        size_(size),
        backend_(stream.backend()) {}

  /// A copy of host values. Waits for the copy: `values` may go away afterwards.
  Buffer(std::span<const T> values, Stream stream) : Buffer(static_cast<std::int64_t>(values.size()), stream) {
    copy_from(values, stream);
  }

  /// `size` values, all bytes zero.
  static Buffer zeros(std::int64_t size, Stream stream) {
    Buffer buffer(size, stream);
    detail::fill_zero(buffer.data_, checked_bytes(size), stream);
    return buffer;
  }

  ~Buffer() { detail::deallocate(data_, backend_); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }

  T* data() const { return data_; }
  std::int64_t size() const { return size_; }
  std::int64_t size_bytes() const { return size_ * static_cast<std::int64_t>(sizeof(T)); }
  Backend backend() const { return backend_; }
  std::span<T> span() const { return {data_, static_cast<std::size_t>(size_)}; }
  std::span<const T> cspan() const { return {data_, static_cast<std::size_t>(size_)}; }

  /// Copies min(size, values.size()) host values to the front. Waits for the copy.
  void copy_from(std::span<const T> values, Stream stream) {
    const std::size_t count = std::min(values.size(), static_cast<std::size_t>(size_));
    detail::copy(data_, backend_, values.data(), Backend::cpu, count * sizeof(T), stream);
  }

  /// The values on the host, after all work queued on `stream`.
  std::vector<T> to_host(Stream stream) const {
    std::vector<T> values(static_cast<std::size_t>(size_));
    detail::copy(values.data(), Backend::cpu, data_, backend_, values.size() * sizeof(T), stream);
    return values;
  }

 private:
  static std::size_t checked_bytes(std::int64_t size) {
    return size < 0 || size > INT64_MAX / static_cast<std::int64_t>(sizeof(T))
               ? SIZE_MAX
               : static_cast<std::size_t>(size) * sizeof(T);
  }
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(backend_, other.backend_);
  }

  T* data_ = nullptr;
  std::int64_t size_ = 0;
  Backend backend_ = Backend::cpu;
};

}  // namespace leaven
