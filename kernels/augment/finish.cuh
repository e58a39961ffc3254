#pragma once

#include <cuda_runtime.h>

#include "kernels/augment/cutmix.hpp"
#include "kernels/augment/normalise.hpp"

// The last step of the pipeline, and the single operations cutmix and normalise: each output value is written once,
// taken from the own image or, inside the box, from the partner's, and normalised or kept.
namespace leaven::cuda {

struct NoMix {
  using Index = std::int64_t;  // of a group: the whole batch may count as one image
  static constexpr bool kMixes = false;
};

struct CutMixer {
  using Index = std::uint32_t;
  static constexpr bool kMixes = true;
  CutMixJob job;
};

struct Keep {
  using Out = std::uint8_t;
  __device__ std::uint8_t value(std::uint8_t v, int) const { return v; }
};

struct Normalise {
  using Out = float;
  ScaleShift p;
  // (An index into the kernel's parameters would put them into local memory.)
  __device__ float value(std::uint8_t v, int channel) const {
    return normalise_value(v, channel == 0 ? p.scale[0] : (channel == 1 ? p.scale[1] : p.scale[2]),
                           channel == 0 ? p.shift[0] : (channel == 1 ? p.shift[1] : p.shift[2]));
  }
};

constexpr int kUnroll = 4;  // groups (what one thread moves at once) per thread, all loaded before the first is stored

// One part of one image: blockIdx.x is the part; the blocks of a part, blockIdx.y, share the images.
template <class Mix>
struct Tile {
  std::int64_t image;
  std::int64_t partner;
  typename Mix::Index first_group;  // of this thread; the next ones follow at distance blockDim.x
  BoxPx box;
};

// Every thread of the block must come here: one of them draws the image's box for all and writes the image's labels.
template <class Mix>
__device__ Tile<Mix> start_tile(const Mix& mix, std::int64_t image) {
  using Index = typename Mix::Index;
  Tile<Mix> tile{image, image, static_cast<Index>(blockIdx.x) * (blockDim.x * kUnroll) + threadIdx.x, {}};
  if constexpr (Mix::kMixes) {
    __shared__ BoxPx box;
    __syncthreads();  // nobody still reads the box of the tile before
    if (threadIdx.x == 0) {
      const CutMixDraw drawn = draw_cutmix(mix.job, image);
      if (blockIdx.x == 0) write_labels(mix.job, image, drawn);
      box = drawn.box;
    }
    __syncthreads();
    tile.box = box;
    tile.partner = partner_of(image, mix.job.count);
  }
  return tile;
}

// 4 * kWords bytes at once.
template <int kWords>
struct alignas(4 * kWords) Bytes {
  std::uint32_t word[kWords];
};

// The own bytes, with those inside the box replaced by the partner's. A row of the image has `row_bytes`, a pixel
// `pixel_bytes` of them; `height` rows follow each other, once per plane (a group never meets two planes: where it
// divides three planes it divides one).
template <int kWords>
__device__ Bytes<kWords> load_mixed(const std::uint8_t* in, std::int64_t image_bytes, std::uint32_t offset,
                                    std::uint32_t row_bytes, int pixel_bytes, int height, const Tile<CutMixer>& tile) {
  using Group = Bytes<kWords>;
  Group own = *reinterpret_cast<const Group*>(in + tile.image * image_bytes + offset);
  if (tile.box.left >= tile.box.right) return own;
  const std::uint32_t row = offset / row_bytes;
  int column = static_cast<int>(offset - row * row_bytes);
  int y = static_cast<int>(row % static_cast<std::uint32_t>(height));
  Group mask{};
  std::uint32_t any = 0;
#pragma unroll
  for (int i = 0; i < 4 * kWords; ++i) {
    const bool inside =
        tile.box.has_row(y) && column >= tile.box.left * pixel_bytes && column < tile.box.right * pixel_bytes;
    const std::uint32_t bits = inside ? 0xffu << (i % 4 * 8) : 0u;
    mask.word[i / 4] |= bits;
    any |= bits;
    if (++column == static_cast<int>(row_bytes)) {
      column = 0;
      ++y;
    }
  }
  if (any == 0) return own;
  const Group other = *reinterpret_cast<const Group*>(in + tile.partner * image_bytes + offset);
#pragma unroll
  for (int w = 0; w < kWords; ++w) own.word[w] = (own.word[w] & ~mask.word[w]) | (other.word[w] & mask.word[w]);
  return own;
}

__device__ inline std::uint8_t byte_of(std::uint32_t word, int i) { return static_cast<std::uint8_t>(word >> (8 * i)); }

}  // namespace leaven::cuda
