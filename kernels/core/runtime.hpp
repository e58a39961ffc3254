#pragma once

#include <cstddef>
#include <string>

struct CUstream_st;

// The few calls of the CUDA runtime that host code needs, behind plain functions: host/ includes no CUDA header.
namespace leaven::cuda {

std::string unavailable_reason();  // empty where a device answers
CUstream_st* create_stream();
void destroy_stream(CUstream_st* stream) noexcept;
void synchronize(CUstream_st* stream);
void* allocate(std::size_t size_bytes);  // throws OutOfMemory
void deallocate(void* data) noexcept;
void copy(void* to, const void* from, std::size_t size_bytes, CUstream_st* stream);  // any direction, asynchronous
void fill_zero(void* data, std::size_t size_bytes, CUstream_st* stream);
int multiprocessors();  // of the current device

}  // namespace leaven::cuda
