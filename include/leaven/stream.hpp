#pragma once

#include <string_view>

struct CUstream_st;  // what cudaStream_t points to; no CUDA header is needed to use this one

namespace leaven {

enum class Backend { cpu, cuda };

/// "cpu" or "cuda".
std::string_view name(Backend backend);

/// Where and in which order work runs: the CPU (a call returns when its work is done) or a CUDA stream (a call returns
/// when its work is queued). Does not own the CUDA stream. A small value: pass it by copy.
class Stream {
 public:
  /// The CPU backend, with the threads and instruction set that leaven/cpu.hpp chooses.
  static Stream cpu() { return Stream{Backend::cpu, nullptr}; }

  /// The CUDA stream `handle` of the current device (nullptr: the default stream).
  /// @throws CudaError where the library was built without CUDA or no CUDA device answers.
  static Stream cuda(CUstream_st* handle);

  Backend backend() const { return backend_; }
  CUstream_st* cuda_handle() const { return handle_; }

  /// Waits until everything queued so far is done. On the CPU there is nothing to wait for.
  void synchronize() const;

  friend bool operator==(Stream, Stream) = default;

 private:
  Stream(Backend backend, CUstream_st* handle) : backend_(backend), handle_(handle) {}
  friend class OwnedStream;

  Backend backend_;
  CUstream_st* handle_;
};

/// A stream with an owner: creates a (non-blocking) CUDA stream and destroys it, or stands for the CPU.
class OwnedStream {
 public:
  /// @throws CudaError as Stream::cuda does.
  explicit OwnedStream(Backend backend);
  ~OwnedStream();
  OwnedStream(OwnedStream&& other) noexcept;
  OwnedStream& operator=(OwnedStream&& other) noexcept;

  operator Stream() const { return stream_; }
  Backend backend() const { return stream_.backend(); }
  void synchronize() const { stream_.synchronize(); }

 private:
  Stream stream_;
};

/// True where the library was built with CUDA and a device answers.
bool cuda_available();

/// Why cuda_available() is false, in one sentence; empty where it is true.
std::string_view cuda_unavailable_reason();

/// A CUDA stream where there is a device, otherwise the CPU.
OwnedStream best_stream();

}  // namespace leaven
