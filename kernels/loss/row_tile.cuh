#pragma once

#include <type_traits>

#include "kernels/core/launch.cuh"
#include "kernels/loss/row_memory.cuh"

// Rows of a block in shared memory, as float32, whatever the type, stride and alignment of their matrix.
namespace leaven::cuda {

// Of a block whose rows lie in shared memory; of one that works on a wide row, which may be larger than that.
inline constexpr int kRowThreads = 128;
inline constexpr int kWideThreads = 512;

// Division of 0 .. 2^16 by a number below 2^12, in two instructions.
struct Divisor {
  std::uint32_t inverse;  // 2^31 / divisor, rounded up

  static Divisor of(std::int64_t value) {
    const auto divisor = static_cast<std::uint32_t>(value > 0 ? value : 1);
    return {(0x80000000u + divisor - 1) / divisor};
  }
  __device__ int divide(int x) const { return static_cast<int>(__umulhi(2u * static_cast<unsigned>(x), inverse)); }
};

struct TileShape {
  std::int32_t classes;
  std::int32_t stride;  // elements from row to row
  Divisor by_classes;
  Divisor by_vectors;  // whole vectors of four in a row
  Divisor by_rest;     // what is left of it
};

inline TileShape shape_of(std::int64_t classes, std::int64_t stride) {
  return {static_cast<std::int32_t>(classes), static_cast<std::int32_t>(stride), Divisor::of(classes),
          Divisor::of(classes / 4), Divisor::of(classes % 4)};
}
// Of rows that `lanes` lanes work on, each on neighbouring columns, four at a time where there are several (one lane:
// as many as divide the classes). Lanes that read at the same time read from different banks.
inline TileShape tile_shape(int lanes, std::int64_t classes) {
  std::int64_t stride = (classes + 3) / 4 * 4;
  if (lanes == 1) stride = classes % 8 == 0 ? classes + 4 : classes;
  if (lanes == 4) stride = (classes + 15) / 32 * 32 + 16;
  return shape_of(classes, stride);
}

// body(place in the tile, place in the matrix, how many elements, whether the tile is aligned there): each element of
// the rows once, neighbours by neighbouring threads; 16 bytes of the matrix at a time where it is aligned and its rows
// lie side by side in both, else four elements where its rows are aligned. kWhole: the tile's rows are. kUnroll: pieces
// of a thread that are on their way at once, which takes registers.
template <int kThreads, bool kWhole, int kUnroll, class T, class Body>
__device__ void for_each_piece(const TileShape& tile, const T* rows, std::int64_t stride, int count, Body&& body) {
  using One = std::integral_constant<int, 1>;
  using Four = std::integral_constant<int, 4>;
  constexpr int kPiece = 16 / static_cast<int>(sizeof(T));
  using Piece = std::integral_constant<int, kPiece>;
  const int thread = static_cast<int>(threadIdx.x);
  if (stride == tile.classes && tile.stride == tile.classes) {  // one long row
    const int size = count * tile.classes;
    int at = thread;
    if (reinterpret_cast<std::uintptr_t>(rows) % 16 == 0) {
#pragma unroll kUnroll
      for (int i = thread * kPiece; i + kPiece <= size; i += kThreads * kPiece) body(i, i, Piece{}, std::true_type{});
      at += size / kPiece * kPiece;
    }
#pragma unroll 1
    for (; at < size; at += kThreads) body(at, at, One{}, std::false_type{});
    return;
  }
  const bool vectors = stride % 4 == 0 && reinterpret_cast<std::uintptr_t>(rows) % (4 * sizeof(T)) == 0;
  const int whole = vectors ? tile.classes / 4 : 0;
  if (vectors) {
    const Divisor by = tile.by_vectors;
#pragma unroll kUnroll
    for (int i = thread; i < count * whole; i += kThreads) {
      const int row = by.divide(i);
      const int column = (i - row * whole) * 4;
      body(row * tile.stride + column, row * stride + column, Four{}, std::bool_constant<kWhole>{});
    }
  }
  const Divisor by = vectors ? tile.by_rest : tile.by_classes;
  const int rest = tile.classes - whole * 4;
#pragma unroll kUnroll
  for (int i = thread; i < count * rest; i += kThreads) {
    const int row = by.divide(i);
    const int column = tile.classes - rest + i - row * rest;
    body(row * tile.stride + column, row * stride + column, One{}, std::false_type{});
  }
}

// Four or eight elements of a matrix, at once. Compilers split plain stores here.
__device__ inline void read_piece(float4 (&x)[1], const float* from) { x[0] = *reinterpret_cast<const float4*>(from); }
__device__ inline void write_piece(float* to, const float4 (&x)[1]) { __stwb(reinterpret_cast<float4*>(to), x[0]); }
template <class T>
__device__ void read_piece(float4 (&x)[1], const T* from) {
  x[0] = unpack(*reinterpret_cast<const uint2*>(from), T{});
}
template <class T>
__device__ void write_piece(T* to, const float4 (&x)[1]) {
  __stwb(reinterpret_cast<uint2*>(to), pack(x[0], T{}));
}
template <class T>
__device__ void read_piece(float4 (&x)[2], const T* from) {
  const uint4 all = *reinterpret_cast<const uint4*>(from);
  x[0] = unpack(make_uint2(all.x, all.y), T{});
  x[1] = unpack(make_uint2(all.z, all.w), T{});
}
template <class T>
__device__ void write_piece(T* to, const float4 (&x)[2]) {
  const uint2 a = pack(x[0], T{});
  const uint2 b = pack(x[1], T{});
  __stwb(reinterpret_cast<uint4*>(to), make_uint4(a.x, a.y, b.x, b.y));
}

// Four elements of a tile.
template <bool kAligned>
__device__ float4 load_four(const float* tile) {
  if constexpr (kAligned) return *reinterpret_cast<const float4*>(tile);
  return make_float4(tile[0], tile[1], tile[2], tile[3]);
}
template <bool kAligned>
__device__ void store_four(float* tile, const float4& x) {
  if constexpr (kAligned) {  // compilers split a plain store here too
    asm volatile(
        "st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(tile))),
        "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w)
        : "memory");
  } else {
    tile[0] = x.x;
    tile[1] = x.y;
    tile[2] = x.z;
    tile[3] = x.w;
  }
}

// All threads of the block call these two.
template <int kThreads, bool kWhole, int kUnroll = 2>
__device__ void read_tile(float* tile, const TileShape& shape, const InputRows& m, std::int64_t first, int count) {
  typed({m.data, m.type, false}, [&](const auto* data) {
    const auto* const from = data + first * m.stride;
    const auto copy = [&](int to, std::int64_t at, auto elements, auto aligned) {
      constexpr int kElements = decltype(elements)::value;
      if constexpr (kElements == 1) {
        tile[to] = read_one(from + at);
      } else {
        float4 x[kElements / 4];
        read_piece(x, from + at);
#pragma unroll
        for (int i = 0; i < kElements / 4; ++i) store_four<decltype(aligned)::value>(tile + to + 4 * i, x[i]);
      }
    };
    for_each_piece<kThreads, kWhole, kUnroll>(shape, from, m.stride, count, copy);
  });
}
template <int kThreads, bool kWhole, int kUnroll = 2>
__device__ void write_tile(const float* tile, const TileShape& shape, const OutputRows& m, std::int64_t first,
                           int count) {
  typed(MutableRowRef{m.data, m.type, false}, [&](auto* data) {
    auto* const to = data + first * m.stride;
    const auto copy = [&](int from, std::int64_t at, auto elements, auto aligned) {
      constexpr int kElements = decltype(elements)::value;
      if constexpr (kElements == 1) {
        write_one(to + at, tile[from]);
      } else {
        float4 x[kElements / 4];
#pragma unroll
        for (int i = 0; i < kElements / 4; ++i) x[i] = load_four<decltype(aligned)::value>(tile + from + 4 * i);
        write_piece(to + at, x);
      }
    };
    for_each_piece<kThreads, kWhole, kUnroll>(shape, to, m.stride, count, copy);
  });
}

// Neighbouring elements of a tile.
template <int kCount>
__device__ void load(float (&x)[kCount], const float* from) {
  if constexpr (kCount == 4) {
    const float4 all = *reinterpret_cast<const float4*>(from);
    x[0] = all.x;
    x[1] = all.y;
    x[2] = all.z;
    x[3] = all.w;
  } else if constexpr (kCount == 2) {
    const float2 all = *reinterpret_cast<const float2*>(from);
    x[0] = all.x;
    x[1] = all.y;
  } else {
    x[0] = *from;
  }
}
template <int kCount>
__device__ void store(float* to, const float (&x)[kCount]) {
  if constexpr (kCount == 4) {
    *reinterpret_cast<float4*>(to) = make_float4(x[0], x[1], x[2], x[3]);
  } else if constexpr (kCount == 2) {
    *reinterpret_cast<float2*>(to) = make_float2(x[0], x[1]);
  } else {
    *to = x[0];
  }
}

// Shared memory that a block of this device may ask for, less what kernels have of their own.
std::int64_t shared_memory_limit();

// Asks for more shared memory than kernels have by default.
template <class Kernel>
void allow_shared_memory(const char* name, Kernel kernel, std::int64_t bytes) {
  constexpr std::int64_t kByDefault = 46 << 10;
  if (bytes <= kByDefault) return;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)), name);
}

// Rows of few classes are worked on by a thread each, in shared memory: launch(std::integral_constant<int, lanes>) with
// the lanes per row that fit the number of classes, one where rows are staged.
inline constexpr std::int64_t kStagedClasses = 28;  // two matrices fit in 62 KiB
template <class Launch>
void for_staged_group(std::int64_t classes, Launch&& launch) {
  if (classes <= kStagedClasses) return launch(std::integral_constant<int, 1>{});
  if (classes <= 64) return launch(std::integral_constant<int, 16>{});
  if (classes <= 1024) return launch(std::integral_constant<int, 32>{});
  launch(std::integral_constant<int, kBlockThreads>{});
}

// Logits as find_top and its like read them.
template <int kGroup>
struct StagedLogits {
  InputRows rows;
  bool aligned;
  TileShape tile;

  static StagedLogits of(const InputRows& m, std::int64_t classes) {
    return {m, is_aligned(m), tile_shape(1, kGroup == 1 ? classes : 1)};
  }
  // Of one matrix.
  std::size_t shared_bytes() const { return kGroup == 1 ? sizeof(float) * kBlockThreads * tile.stride : 0; }
  __device__ static float* tile_of(int slot, const TileShape& tile) {
    extern __shared__ float4 shared[];
    return reinterpret_cast<float*>(shared) + slot * kBlockThreads * tile.stride;
  }
  // Those of the block's rows from `first` on, under their own numbers, in the slot's shared memory. All threads of the
  // block call.
  __device__ StagedLogits of_block(std::int64_t first, std::int64_t all_rows, int slot = 0) const {
    if constexpr (kGroup > 1) return *this;
    float* const to = tile_of(slot, tile);
    const std::int64_t left = all_rows - first;
    __syncthreads();  // the rows before are done with
    read_tile<kBlockThreads, false>(to, tile, rows, first,
                                    static_cast<int>(left < kBlockThreads ? left : kBlockThreads));
    __syncthreads();
    return {{to - first * tile.stride, tile.stride, FloatType::f32}, tile.stride % 4 == 0, tile};
  }
};

}  // namespace leaven::cuda
