#include "kernels/augment/finish.hpp"

#include "kernels/augment/finish.cuh"
#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

// What: CutMix and MixUp of packed u8 or f32 images whose order of bytes is kept, in either layout.
// Who: a block works on one image (or a part of it), a thread on 16 bytes at a time.
// Traffic: each own byte read once (the partner's where the group meets the box), each output byte written once.
// Limits: 16 divides the bytes of an image; both sides packed alike and 16-byte aligned.
template <class Mix>
__global__ void __launch_bounds__(256)
    mix_bytes_kernel(const Bytes<4>* in, std::int64_t count, std::uint32_t groups, Rows rows, Mix mix, Bytes<4>* out) {
  for (std::int64_t image = blockIdx.y; image < count; image += gridDim.y) {
    const Tile<Mix> tile = start_tile(mix, image);
    Bytes<4> loaded[kUnroll];
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      const std::uint32_t group = tile.first_group + k * blockDim.x;
      if (group < groups) loaded[k] = load_group(in, groups, group, rows, tile);
    }
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      const std::uint32_t group = tile.first_group + k * blockDim.x;
      if (group < groups) out[image * groups + group] = loaded[k];
    }
  }
}

// What: normalise with or without mixing where the order of the values is kept (both interleaved or both planar).
// Who: a block works on one image or a part of it (without mixing also on a plane, or on the batch as one image).
// Traffic: each byte read once (the partner's where its group meets the box), each value written once, four at a time.
// Limits: 4 divides the values of an image; input 4-byte aligned, output as four of its values are.
template <int kChannels, class Mix, class T>
__global__ void __launch_bounds__(256)
    normalise_values_kernel(const Bytes<1>* in, std::int64_t count, typename Mix::Index groups, int planes, Rows rows,
                            Mix mix, Normalise<T> finish, Four<T>* out) {
  for (std::int64_t image = blockIdx.y; image < count; image += gridDim.y) {
    const Tile<Mix> tile = start_tile(mix, image);
    std::uint32_t words[kUnroll];
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      const typename Mix::Index group = tile.first_group + k * blockDim.x;
      if (group < groups) words[k] = load_group(in, groups, group, rows, tile).word[0];
    }
    const int plane = kChannels == 1 && planes == 3 ? static_cast<int>(image % 3) : 0;
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      const typename Mix::Index group = tile.first_group + k * blockDim.x;
      if (group >= groups) continue;
      const int first = kChannels == 1 ? plane : static_cast<int>(group % kChannels);  // 4 = 1 modulo 3
      const int second = kChannels == 1 ? plane : (first == 2 ? 0 : first + 1);
      const int third = kChannels == 1 ? plane : 3 - first - second;
      out[image * static_cast<std::int64_t>(groups) + group] = finish.four(words[k], first, second, third, first);
    }
  }
}

// What: three interleaved channels to three planes, normalised, with or without mixing.
// Who: a block works on one image or a part of it, a thread on four pixels: 12 bytes in, 16 bytes to each plane.
// Traffic: each byte read once (the partner's where its word meets the box), each value written once, four at a time.
// Limits: 4 divides the pixels of an image; input 4-byte aligned, output as four of its values are, both packed.
template <class Mix, class T>
__global__ void __launch_bounds__(256, 3)
    normalise_to_planes_kernel(const Bytes<1>* in, std::int64_t count, typename Mix::Index groups, Rows rows, Mix mix,
                               Normalise<T> finish, Four<T>* out) {
  using Index = typename Mix::Index;
  __shared__ std::uint32_t stages[256 / 32][96];  // a warp's words: read side by side, used three to a thread
  std::uint32_t* stage = stages[threadIdx.x / 32];
  const Index lane = threadIdx.x % 32;
  for (std::int64_t image = blockIdx.y; image < count; image += gridDim.y) {
    const Tile<Mix> tile = start_tile(mix, image);
    std::uint32_t words[kUnroll][3] = {};
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      const Index first_word = 3 * (tile.first_group - lane + k * blockDim.x);
#pragma unroll
      for (int w = 0; w < 3; ++w) {
        const Index word = first_word + 32 * w + lane;
        if (word < 3 * groups) words[k][w] = load_group(in, 3 * groups, word, rows, tile).word[0];
      }
    }
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      const Index group = tile.first_group + k * blockDim.x;
#pragma unroll
      for (int w = 0; w < 3; ++w) stage[32 * w + lane] = words[k][w];
      __syncwarp();
      const std::uint32_t mine[3] = {stage[3 * lane], stage[3 * lane + 1], stage[3 * lane + 2]};
      __syncwarp();
      if (group >= groups) continue;
#pragma unroll
      for (int c = 0; c < 3; ++c) {
        std::uint32_t word = 0;  // the channel's bytes of four pixels
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          word |= static_cast<std::uint32_t>(byte_of(mine[(3 * i + c) / 4], (3 * i + c) % 4)) << (8 * i);
        }
        out[(image * 3 + c) * static_cast<std::int64_t>(groups) + group] = finish.four(word, c, c, c, c);
      }
    }
  }
}

// What: any strides and sizes, any of the three jobs.
// Who: a block works on one image (or a part of it), a thread on one pixel at a time.
// Traffic: each value read once and written once, in steps of one value.
// Limits: none.
template <class Mix, class Finish>
__global__ void __launch_bounds__(256) finish_strided_kernel(ImageView<const typename Finish::In> in, Mix mix,
                                                             Finish finish, ImageView<typename Finish::Out> out) {
  using In = typename Finish::In;
  const auto width = static_cast<std::uint32_t>(in.width);
  for (std::int64_t image = blockIdx.y; image < in.count; image += gridDim.y) {
    const Tile<Mix> tile = start_tile(mix, image);
    for (int k = 0; k < kUnroll; ++k) {
      const typename Mix::Index pixel = tile.first_group + k * blockDim.x;
      if (pixel >= in.height * in.width) break;
      const std::uint32_t y = static_cast<std::uint32_t>(pixel) / width;
      const std::uint32_t x = static_cast<std::uint32_t>(pixel) - y * width;
      const bool inside = Mix::kMixes && tile.box.has(static_cast<std::int32_t>(x), static_cast<std::int32_t>(y));
      const In* from =
          in.data + (inside ? tile.partner : tile.image) * in.image_stride + y * in.row_stride + x * in.pixel_stride;
      typename Finish::Out* to = out.data + tile.image * out.image_stride + y * out.row_stride + x * out.pixel_stride;
      const In* partners = in.data + tile.partner * in.image_stride + y * in.row_stride + x * in.pixel_stride;
      for (int c = 0; c < in.channels; ++c) {
        In v = from[c * in.channel_stride];
        if (Mix::kMixes && tile.weight != 1.0f) {
          v = static_cast<In>(mixed_value(v, partners[c * in.channel_stride], tile.weight));
        }
        to[c * out.channel_stride] = finish.value(v, c);
      }
    }
  }
}

// `groups` per image.
struct Tiles {
  std::int64_t count;
  std::int64_t groups;
};

// A block has at most 256 threads (fewer for small images), and kUnroll groups for each.
template <class... Parameters, class... Arguments>
void launch_tiles(const char* function, void (*kernel)(Parameters...), const Tiles& tiles, cudaStream_t stream,
                  Arguments&&... arguments) {
  const std::int64_t warps = (tiles.groups + 32 * kUnroll - 1) / (32 * kUnroll);
  const unsigned block = warps < 8 ? static_cast<unsigned>(32 * warps) : 256u;
  const dim3 grid(grid_for(tiles.groups, std::int64_t{block} * kUnroll), grid_for(tiles.count, 1, 65535));
  launch(function, kernel, grid, dim3(block), 0, stream, static_cast<Arguments&&>(arguments)...);
}

template <class Mix, class Finish>
void finish_strided(const char* function, ImageView<const typename Finish::In> in, const Mix& mix, const Finish& finish,
                    ImageView<typename Finish::Out> out, cudaStream_t stream) {
  launch_tiles(function, finish_strided_kernel<Mix, Finish>, {in.count, in.height * in.width}, stream, in, mix, finish,
               out);
}

template <class View>
bool is_interleaved(const View& v) {
  return v.is_packed(Layout::nhwc) || (v.channels == 1 && v.is_packed(Layout::nchw));
}
template <class View>
bool is_planar(const View& v) {
  return v.is_packed(Layout::nchw);
}

// Without mixing, interleaved images need no bounds: the batch is one image.
Tiles value_tiles(const NoMix&, const ImageShape& s) { return {1, s.size() / 4}; }
Tiles value_tiles(const Mixer&, const ImageShape& s) { return {s.count, s.height * s.width * s.channels / 4}; }
bool can_group(const NoMix&, const ImageShape& s) { return s.size() % 4 == 0; }
bool can_group(const Mixer&, const ImageShape& s) { return s.height * s.width * s.channels % 4 == 0; }

template <class Mix, class T>
void normalise_any(const char* function, ImageView<const std::uint8_t> in, const Mix& mix, const Normalise<T>& finish,
                   ImageView<T> out, cudaStream_t stream) {
  const ImageShape s = in.shape();
  const std::int64_t plane = s.height * s.width;
  const Rows rows{static_cast<std::uint32_t>(s.width * s.channels), static_cast<std::int32_t>(s.channels),
                  static_cast<std::int32_t>(s.height)};
  const auto* words = reinterpret_cast<const Bytes<1>*>(in.data);
  auto* vectors = reinterpret_cast<Four<T>*>(out.data);
  const bool aligned = is_aligned(in.data, 4) && is_aligned(out.data, sizeof(Four<T>));
  if (aligned && is_interleaved(in) && is_interleaved(out) && can_group(mix, s)) {
    const Tiles tiles = value_tiles(mix, s);
    const auto kernel = s.channels == 1 ? normalise_values_kernel<1, Mix, T> : normalise_values_kernel<3, Mix, T>;
    return launch_tiles(function, kernel, tiles, stream, words, tiles.count, tiles.groups, 1, rows, mix, finish,
                        vectors);
  }
  if (aligned && is_interleaved(in) && is_planar(out) && plane % 4 == 0) {
    return launch_tiles(function, normalise_to_planes_kernel<Mix, T>, {s.count, plane / 4}, stream, words, s.count,
                        plane / 4, rows, mix, finish, vectors);
  }
  if constexpr (!Mix::kMixes) {
    if (aligned && is_planar(in) && is_planar(out) && plane % 4 == 0) {
      return launch_tiles(function, normalise_values_kernel<1, Mix, T>, {s.count * s.channels, plane / 4}, stream,
                          words, s.count * s.channels, plane / 4, static_cast<int>(s.channels), rows, mix, finish,
                          vectors);
    }
  }
  finish_strided(function, in, mix, finish, out, stream);
}

template <class T, class Mix>
void mix_any(const char* function, const ImageView<const T>& in, const Mix& mix, const ImageView<T>& out,
             cudaStream_t stream) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  const ImageShape s = in.shape();
  const std::int64_t image_bytes = s.height * s.width * s.channels * kSize;
  const bool interleaved = is_interleaved(in) && is_interleaved(out);
  const bool planar = is_planar(in) && is_planar(out);
  if ((interleaved || planar) && image_bytes % 16 == 0 && image_bytes < 0x80000000 && is_aligned(in.data, 16) &&
      is_aligned(out.data, 16)) {
    const auto pixel_bytes = static_cast<std::int32_t>(kSize * (interleaved ? s.channels : 1));
    const Rows rows{static_cast<std::uint32_t>(s.width * pixel_bytes), pixel_bytes,
                    static_cast<std::int32_t>(s.height)};
    return launch_tiles(function, mix_bytes_kernel<Mix>, {s.count, image_bytes / 16}, stream,
                        reinterpret_cast<const Bytes<4>*>(in.data), s.count,
                        static_cast<std::uint32_t>(image_bytes / 16), rows, mix, reinterpret_cast<Bytes<4>*>(out.data));
  }
  finish_strided(function, in, mix, Keep<T>{}, out, stream);
}

}  // namespace
}  // namespace cuda

template <class T>
void normalise_cuda(ImageView<const std::uint8_t> in, const ScaleShift& parameters, FloatType type, ImageView<T> out,
                    CUstream_st* stream) {
  cuda::normalise_any("normalise", in, cuda::NoMix{}, cuda::Normalise<T>{parameters, type}, out, stream);
}
template void normalise_cuda(ImageView<const std::uint8_t>, const ScaleShift&, FloatType, ImageView<float>,
                             CUstream_st*);
template void normalise_cuda(ImageView<const std::uint8_t>, const ScaleShift&, FloatType, ImageView<std::uint16_t>,
                             CUstream_st*);

template <class T>
void mix_normalise_cuda(ImageView<const std::uint8_t> in, const MixJob& job, const ScaleShift& parameters,
                        FloatType type, ImageView<T> out, CUstream_st* stream) {
  cuda::normalise_any("Augmenter", in, cuda::Mixer{job}, cuda::Normalise<T>{parameters, type}, out, stream);
}
template void mix_normalise_cuda(ImageView<const std::uint8_t>, const MixJob&, const ScaleShift&, FloatType,
                                 ImageView<float>, CUstream_st*);
template void mix_normalise_cuda(ImageView<const std::uint8_t>, const MixJob&, const ScaleShift&, FloatType,
                                 ImageView<std::uint16_t>, CUstream_st*);

void mix_cuda(const char* function, ImageView<const std::uint8_t> in, const MixJob& job, ImageView<std::uint8_t> out,
              CUstream_st* stream) {
  cuda::mix_any(function, in, cuda::Mixer{job}, out, stream);
}

void mix_cuda(const char* function, ImageView<const float> in, const MixJob& job, ImageView<float> out,
              CUstream_st* stream) {
  cuda::mix_any(function, in, cuda::FloatMixer{job}, out, stream);
}

}  // namespace leaven
