#pragma once

#include <string_view>

namespace leaven {

/// The instruction sets for which the CPU loops are compiled. u8 results have the same bits on each of them.
enum class CpuIsa { baseline, avx2, avx512 };

/// "baseline", "avx2" or "avx512".
std::string_view name(CpuIsa isa);

/// The widest instruction set that this machine and this build offer.
CpuIsa best_cpu_isa();

/// What the CPU backend uses now: best_cpu_isa() unless the environment variable LEAVEN_ISA or set_cpu_isa says less.
CpuIsa cpu_isa();

/// Makes the CPU backend use `isa`. Not to be called while other threads run leaven operations.
/// @throws InvalidArgument where this machine or build does not offer it.
void set_cpu_isa(CpuIsa isa);

/// Threads that one call on the CPU backend may use: the machine's, unless LEAVEN_THREADS or set_cpu_threads says less.
int cpu_threads();

/// @throws InvalidArgument unless 1 <= threads <= 1024.
void set_cpu_threads(int threads);

}  // namespace leaven
