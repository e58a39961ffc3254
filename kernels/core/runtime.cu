#include "kernels/core/runtime.hpp"

#include <leaven/error.hpp>
#include "kernels/core/launch.cuh"

namespace leaven::cuda {

void check(cudaError_t status, const char* function) {
  if (status == cudaSuccess) return;
  const std::string text =
      std::string(function) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")";
  if (status == cudaErrorMemoryAllocation) throw OutOfMemory(text);
  throw CudaError(text);
}

std::string unavailable_reason() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaSuccess && devices > 0) return {};
  cudaGetLastError();
  return status == cudaSuccess ? "no CUDA device is present"
                               : std::string("CUDA does not start: ") + cudaGetErrorString(status);
}

CUstream_st* create_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "OwnedStream");
  return stream;
}

void destroy_stream(CUstream_st* stream) noexcept { cudaStreamDestroy(stream); }

void synchronize(CUstream_st* stream) { check(cudaStreamSynchronize(stream), "Stream::synchronize"); }

void* allocate(std::size_t size_bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, size_bytes);
  if (status == cudaErrorMemoryAllocation) cudaGetLastError();
  check(status, "Buffer");
  return data;
}

void deallocate(void* data) noexcept { cudaFree(data); }

void copy(void* to, const void* from, std::size_t size_bytes, CUstream_st* stream) {
  check(cudaMemcpyAsync(to, from, size_bytes, cudaMemcpyDefault, stream), "copy");
}

void fill_zero(void* data, std::size_t size_bytes, CUstream_st* stream) {
  check(cudaMemsetAsync(data, 0, size_bytes, stream), "fill_zero");
}

int multiprocessors() {
  int device = 0;
  int count = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
  return count;
}

}  // namespace leaven::cuda
