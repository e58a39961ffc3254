#pragma once

// LEAVEN_HD marks shared maths: host and device, always inlined. Inlining is not a matter of speed: the CPU loops are
// compiled once per instruction set, and an out-of-line copy could be merged across them by the linker.
#ifdef __CUDACC__
#define LEAVEN_HD __host__ __device__ __forceinline__
#else
#define LEAVEN_HD [[gnu::always_inline]] inline
#endif

// 1 where a fused multiply-add is one instruction: on the device, and on CPUs whose flags say so.
#if defined(__CUDACC__) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define LEAVEN_HAS_FMA 1
#else
#define LEAVEN_HAS_FMA 0
#endif
