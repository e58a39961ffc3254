#pragma once

#include <leaven/cpu.hpp>

// Files named *_isa.cpp are compiled once per instruction set, each time with LEAVEN_ISA naming a namespace (baseline,
// avx2, avx512). Such a file defines one table of function pointers and may not use inline standard-library code: its
// copies would be compiled with wider instructions and merged by the linker.
#if defined(__x86_64__)
#define LEAVEN_DECLARE_ISA_TABLE(Type, table) \
  namespace baseline {                        \
  extern const Type table;                    \
  }                                           \
  namespace avx2 {                            \
  extern const Type table;                    \
  }                                           \
  namespace avx512 {                          \
  extern const Type table;                    \
  }                                           \
  inline const Type& table() { return for_isa(baseline::table, avx2::table, avx512::table); }
#else
#define LEAVEN_DECLARE_ISA_TABLE(Type, table) \
  namespace baseline {                        \
  extern const Type table;                    \
  }                                           \
  inline const Type& table() { return baseline::table; }
#endif

namespace leaven {

template <class T>
const T& for_isa(const T& baseline, const T& avx2, const T& avx512) {
  switch (cpu_isa()) {
    case CpuIsa::avx512: return avx512;
    case CpuIsa::avx2: return avx2;
    case CpuIsa::baseline: break;
  }
  return baseline;
}

}  // namespace leaven
