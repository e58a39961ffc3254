#pragma once

#include "kernels/loss/loss_params.hpp"
#include "kernels/loss/row_memory.cuh"

namespace leaven::cuda {

// How the matrices of a call are reached.
struct LossAccess {
  Access student, teacher, dense, gradient;
  int tile_bytes;  // of one
  __host__ __device__ bool tiles() const {
    return student == Access::tile || teacher == Access::tile || dense == Access::tile || gradient == Access::tile;
  }
};
// Tiles in shared memory.
enum TileSlot { kGradientTile, kStudentTile, kTeacherTile, kDenseTile };

__device__ inline InputRows dense_rows(const LossParams& p) {
  return {p.targets.soft, p.targets.soft_stride, FloatType::f32};
}

// The rows that a block works on at a time.
struct BlockRows {
  const LossAccess& access;
  std::int64_t first;
  int count;
  int classes;

  __device__ BlockRows(const LossParams& p, const LossAccess& how, std::int64_t first_row, int most)
      : access(how),
        first(first_row),
        count(static_cast<int>(p.rows - first_row < most ? p.rows - first_row : most)),
        classes(static_cast<int>(p.classes)) {}

  __device__ unsigned char* tile(TileSlot slot) const {
    extern __shared__ uint4 tiles[];
    return reinterpret_cast<unsigned char*>(tiles) + slot * access.tile_bytes;
  }
  __device__ void read_tile(const InputRows& m, Access how, TileSlot slot) const {
    if (how != Access::tile) return;
    const int size = static_cast<int>(size_of(m.type));
    const auto* from = static_cast<const unsigned char*>(m.data) + first * m.stride * size;
    copy_to_tile(tile(slot), from, count * classes * size);
  }
  __device__ void write_tile(const OutputRows& m) const {
    if (access.gradient != Access::tile) return;
    __syncthreads();
    const int size = static_cast<int>(size_of(m.type));
    auto* to = static_cast<unsigned char*>(m.data) + first * m.stride * size;
    copy_from_tile(tile(kGradientTile), to, count * classes * size);
  }

  // Reads all that the kernel needs; all threads of the block call.
  template <bool kSoft, bool kDense>
  __device__ void read_tiles(const LossParams& p) const {
    if (!access.tiles()) return;
    __syncthreads();  // the rows before are done with
    read_tile(p.student, access.student, kStudentTile);
    if constexpr (kSoft) read_tile(p.teacher, access.teacher, kTeacherTile);
    if constexpr (kDense) read_tile(dense_rows(p), access.dense, kDenseTile);
    __syncthreads();
  }

  // Row first + index, in its tile or in global memory.
  __device__ RowRef student(const LossParams& p, int index) const {
    return row<RowRef, const unsigned char>(p.student, access.student, kStudentTile, index);
  }
  __device__ RowRef teacher(const LossParams& p, int index) const {
    return row<RowRef, const unsigned char>(p.teacher, access.teacher, kTeacherTile, index);
  }
  __device__ RowRef dense(const LossParams& p, int index) const {
    return row<RowRef, const unsigned char>(dense_rows(p), access.dense, kDenseTile, index);
  }
  __device__ MutableRowRef gradient(const LossParams& p, int index) const {
    return row<MutableRowRef, unsigned char>(p.gradient, access.gradient, kGradientTile, index);
  }

 private:
  template <class Ref, class Byte, class Rows>
  __device__ Ref row(const Rows& m, Access how, TileSlot slot, int index) const {
    const std::int64_t size = size_of(m.type);
    auto* data = static_cast<Byte*>(m.data) + first * m.stride * size;
    if (how == Access::tile) {
      return {tile(slot) + tile_shift(data) + index * classes * static_cast<int>(size), m.type, false};
    }
    return {data + index * m.stride * size, m.type, how == Access::vectors};
  }
};

}  // namespace leaven::cuda
