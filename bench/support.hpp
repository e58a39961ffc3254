#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include <leaven/buffer.hpp>
#include <leaven/stream.hpp>

#if LEAVEN_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

namespace leaven::bench {

// The backends that a benchmark runs on: the CPU, and CUDA where a device answers.
inline std::vector<Backend> backends() {
  std::vector<Backend> all{Backend::cpu};
  if (cuda_available()) all.push_back(Backend::cuda);
  return all;
}

// How a row of `backend` is timed, for Benchmark::Apply: see time_calls.
inline void (*timed_by(Backend backend))(benchmark::internal::Benchmark*) {
  if (backend == Backend::cuda) return [](benchmark::internal::Benchmark* row) { row->UseManualTime(); };
  return [](benchmark::internal::Benchmark* row) { row->UseRealTime(); };
}

// Runs `call` once untimed, then once per iteration. On CUDA an iteration's time is that between two events round it;
// on the CPU it is the call's own.
template <class Call>
void time_calls(benchmark::State& state, Stream stream, const Call& call) {
  call();
  stream.synchronize();
#if LEAVEN_WITH_CUDA
  if (stream.backend() == Backend::cuda) {
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
    cudaEventCreate(&begin);
    cudaEventCreate(&end);
    for (auto _ : state) {
      cudaEventRecord(begin, stream.cuda_handle());
      call();
      cudaEventRecord(end, stream.cuda_handle());
      cudaEventSynchronize(end);
      float milliseconds = 0;
      cudaEventElapsedTime(&milliseconds, begin, end);
      state.SetIterationTime(1e-3 * static_cast<double>(milliseconds));
    }
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    return;
  }
#endif
  for (auto _ : state) call();
}

// Reproducible bytes.
inline std::vector<std::uint8_t> noise(std::int64_t size) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  std::uint32_t state = 1;
  for (std::uint8_t& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

}  // namespace leaven::bench
