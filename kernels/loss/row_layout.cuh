#pragma once

#include "kernels/loss/row_memory.cuh"

namespace leaven::cuda {

// Which columns of a row are whose: kGroup_ lanes, each with kVectors_ times kVector_ neighbouring columns. The order
// of a row's sums follows from it, so it must follow from the number of classes alone.
template <int kGroup_, int kVectors_, int kVector_>
struct RowLayout {
  static constexpr int kGroup = kGroup_;
  static constexpr int kVectors = kVectors_;
  static constexpr int kVector = kVector_;
  static constexpr int kElements = kVectors * kVector;
  static constexpr int kStep = kGroup * kVector;
  static constexpr int kRows = kBlockThreads / kGroup;  // of a block, at a time

  // The first column of a thread, and how far vector v is from it.
  __device__ static int start(int thread) { return thread % kGroup * kVector; }
  __device__ static constexpr int offset(int v) { return v * kStep; }
  // Whether any lane has columns in vector v: the same answer in the whole grid. Layouts of more than 8 lanes are for
  // rows that use all.
  __device__ static bool used(int v, int classes) { return v == 0 || kGroup > 8 || v * kStep < classes; }
};

template <class L>
__device__ void read_lane(float (&x)[L::kElements], const RowRef& row, int start, int classes, float padding) {
  typed(row, [&](const auto* data) {
#pragma unroll
    for (int v = 0; v < L::kVectors; ++v) {
      float part[L::kVector];
      read_columns(part, data, row.vectors, start + L::offset(v), classes, padding);
#pragma unroll
      for (int j = 0; j < L::kVector; ++j) x[v * L::kVector + j] = part[j];
    }
  });
}
template <class L>
__device__ void write_lane(const MutableRowRef& row, int start, int classes, const float (&x)[L::kElements]) {
  typed(row, [&](auto* data) {
#pragma unroll
    for (int v = 0; v < L::kVectors; ++v) {
      float part[L::kVector];
#pragma unroll
      for (int j = 0; j < L::kVector; ++j) part[j] = x[v * L::kVector + j];
      write_columns(data, row.vectors, start + L::offset(v), classes, part);
    }
  });
}

// body(i) where element i of the lane that starts at column `start` is the column `label` (-1: nowhere).
template <class L, class Body>
__device__ void at_label(int label, int start, Body&& body) {
#pragma unroll
  for (int v = 0; v < L::kVectors; ++v) {
    const int at = label - start - L::offset(v);
    if (label >= 0 && static_cast<unsigned>(at) < static_cast<unsigned>(L::kVector)) {
#pragma unroll
      for (int j = 0; j < L::kVector; ++j) {
        if (at == j) body(v * L::kVector + j);
      }
    }
  }
}

}  // namespace leaven::cuda
