#include <leaven/cpu.hpp>

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "host/core/check.hpp"

namespace leaven {
namespace {

std::atomic<int> chosen_isa{-1};

CpuIsa initial_isa() {
  const char* text = std::getenv("LEAVEN_ISA");
  const std::string_view asked = text != nullptr ? text : "";
  for (const CpuIsa isa : {CpuIsa::baseline, CpuIsa::avx2}) {
    if (asked == name(isa) && isa <= best_cpu_isa()) return isa;
  }
  return best_cpu_isa();
}

}  // namespace

std::string_view name(CpuIsa isa) {
  switch (isa) {
    case CpuIsa::avx2: return "avx2";
    case CpuIsa::avx512: return "avx512";
    case CpuIsa::baseline: break;
  }
  return "baseline";
}

CpuIsa best_cpu_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return CpuIsa::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma")) {
    return CpuIsa::avx2;
  }
#endif
  return CpuIsa::baseline;
}

CpuIsa cpu_isa() {
  int isa = chosen_isa.load(std::memory_order_relaxed);
  if (isa < 0) {
    isa = static_cast<int>(initial_isa());
    chosen_isa.store(isa);
  }
  return static_cast<CpuIsa>(isa);
}

void set_cpu_isa(CpuIsa isa) {
  check(isa <= best_cpu_isa(), "set_cpu_isa: isa is {}, expected at most {}, the widest here", name(isa),
        name(best_cpu_isa()));
  chosen_isa.store(static_cast<int>(isa));
}

}  // namespace leaven
