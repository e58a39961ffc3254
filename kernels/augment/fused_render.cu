#include "kernels/augment/finish.cuh"
#include "kernels/augment/fused.cuh"
#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

// How a warp's 128 pixels, in order in its stage, become normalised values.
template <int kChannels, Layout kLayout, class T>
struct Finisher {
  const Normalise<T>& normalise;
  ImageView<T> out;  // one image
  bool in_vectors;   // 4 divides the values of an image, and so its planes; packed and aligned

  static constexpr bool kPlanes = kChannels == 1 || kLayout == Layout::nchw;

  __device__ void put(std::uint8_t* stage, std::uint32_t k, std::uint32_t pixel) const {
    if (kPlanes) return store_pixel<kChannels>(stage + k, kWarpPixels, pixel);
    store_pixel<kChannels>(stage + kChannels * k, 1, pixel);
  }

  __device__ void flush(const std::uint8_t* stage, std::uint32_t first, std::uint32_t count,
                        std::uint32_t width) const {
    if (!in_vectors) return flush_values(stage, first, count, width);
    const auto* words = reinterpret_cast<const std::uint32_t*>(stage);
    if constexpr (kPlanes) {
      const std::int64_t plane = out.height * out.width;
      if (4 * lane_id() >= count) return;
#pragma unroll
      for (int c = 0; c < kChannels; ++c) {
        const std::uint32_t word = words[c * (kWarpPixels / 4) + lane_id()];
        reinterpret_cast<Four<T>*>(out.data + c * plane + first)[lane_id()] = normalise.four(word, c, c, c, c);
      }
    } else {
#pragma unroll
      for (std::uint32_t k = 0; k < kChannels; ++k) {
        const std::uint32_t w = 32 * k + lane_id();
        if (4 * w >= kChannels * count) break;
        const int c = static_cast<int>(w % 3);  // 4 = 1 modulo 3
        reinterpret_cast<Four<T>*>(out.data + kChannels * static_cast<std::int64_t>(first))[w] =
            normalise.four(words[w], c, c == 2 ? 0 : c + 1, c == 0 ? 2 : c - 1, c);
      }
    }
  }

  __device__ void flush_values(const std::uint8_t* stage, std::uint32_t first, std::uint32_t count,
                               std::uint32_t width) const {
    for (std::uint32_t k = lane_id(); k < count; k += 32) {
      const std::uint32_t y = (first + k) / width;
      const std::uint32_t x = first + k - y * width;
      T* to = out.data + y * out.row_stride + x * out.pixel_stride;
      for (int c = 0; c < kChannels; ++c) {
        to[c * out.channel_stride] = normalise.value(stage[kPlanes ? c * kWarpPixels + k : kChannels * k + c], c);
      }
    }
  }
};

// The image's plan and its partner's.
struct BothPlans {
  ImagePlan plans[2];
  StepTables tables[2];
};

template <bool kMixes>
__device__ __forceinline__ void load_plans(BothPlans& both, const ImagePlan* plans, const StepTables* tables,
                                           std::int64_t image) {
  __syncthreads();  // nobody still reads the plans of the image before
  copy_words(plans[image], both.plans[0]);
  __syncthreads();
  const std::int64_t partner = both.plans[0].partner;
  if (both.plans[0].tables > 0) copy_words(tables[image], both.tables[0]);
  if (kMixes) {
    copy_words(plans[partner], both.plans[1]);
    __syncthreads();
    if (both.plans[1].tables > 0) copy_words(tables[partner], both.tables[1]);
  }
  __syncthreads();
}

// The own pixels, the partner's where the box is, or the mean of both.
template <int kChannels, bool kMixes>
__device__ __forceinline__ void augment_pixels(const BothPlans& both, const InView& own, const InView& partners,
                                               std::uint32_t wanted, Pixels& p) {
  const ImagePlan& plan = both.plans[0];
  if constexpr (!kMixes) {
    return evaluate<kChannels, true>({plan, both.tables[0], own}, plan.count, wanted, p);
  } else {
    const bool mean = plan.weight != 1.0f;
    std::uint32_t inside = 0;
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) inside |= (plan.box.has(p.x[i], p.y[i]) ? 1u : 0u) << i;
    const std::uint32_t owns = wanted & ~inside;
    const std::uint32_t others = mean ? wanted : wanted & inside;
    Pixels other = p;
    if (__any_sync(~0u, owns != 0)) evaluate<kChannels, true>({plan, both.tables[0], own}, plan.count, owns, p);
    if (!__any_sync(~0u, others != 0)) return;
    evaluate<kChannels, true>({both.plans[1], both.tables[1], partners}, both.plans[1].count, others, other);
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (mean) {
        p.value[i] = mixed_word(p.value[i], other.value[i], plan.weight);
      } else if ((inside >> i & 1) != 0) {
        p.value[i] = other.value[i];
      }
    }
  }
}

// What: the augmented, mixed and normalised images, from the source and the plans.
// Who: blockIdx.x counts images, blockIdx.y the blocks of an image; a warp has 128 neighbouring pixels at a time.
// Traffic: reads each source pixel that is wanted, a few times where lines of cache are shared; writes each value once,
// four at a time.
// Limits: see fused.hpp; any strides of the source.
template <int kChannels, Layout kLayout, bool kMixes, class T>
__global__ void __launch_bounds__(kMostThreads, 2)
    augment_images_kernel(InView in, InView kept, const ImagePlan* plans, const StepTables* tables, std::int64_t count,
                          Normalise<T> normalise, ImageView<T> out, bool in_vectors) {
  __shared__ BothPlans both;
  __shared__ uint4 stages[kMostWarps * kWarpPixels * kChannels / 16];
  const std::uint32_t pixels = static_cast<std::uint32_t>(in.height) * static_cast<std::uint32_t>(in.width);
  const auto width = static_cast<std::uint32_t>(in.width);
  auto* stage = reinterpret_cast<std::uint8_t*>(stages) + warp_id() * (kWarpPixels * kChannels);
  for (std::int64_t image = blockIdx.x; image < count; image += gridDim.x) {
    load_plans<kMixes>(both, plans, tables, image);
    const InView own = source_of(both.plans[0], in, kept, image);
    const InView partners = kMixes ? source_of(both.plans[1], in, kept, both.plans[0].partner) : own;
    ImageView<T> to = out;
    to.data += image * out.image_stride;
    const Finisher<kChannels, kLayout, T> finisher{normalise, to, in_vectors};
    const std::uint32_t stride = gridDim.y * blockDim.x * kAtOnce;
    std::uint32_t first = (blockIdx.y * (blockDim.x / 32) + warp_id()) * kWarpPixels;
    Cursor at(first + lane_id(), width);
    const Cursor::Step by_32 = at.step_of(32);
    const Cursor::Step to_next_turn = at.step_of(stride - kWarpPixels);
#pragma unroll 1
    for (; first < pixels; first += stride) {
      const std::uint32_t turn = pixels - first < kWarpPixels ? pixels - first : kWarpPixels;
      Pixels p;
      std::uint32_t wanted = 0;
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        wanted |= (32 * i + lane_id() < turn ? 1u : 0u) << i;
        p.x[i] = static_cast<std::int32_t>(at.x);
        p.y[i] = static_cast<std::int32_t>(at.y);
        at.advance(by_32);
      }
      augment_pixels<kChannels, kMixes>(both, own, partners, wanted, p);
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) finisher.put(stage, 32 * i + lane_id(), p.value[i]);
      __syncwarp();
      finisher.flush(stage, first, turn, width);
      __syncwarp();
      at.advance(to_next_turn);
    }
  }
}
static_assert(kWarpPixels == 32 * kAtOnce);

template <int kChannels, Layout kLayout, class T>
void launch_augment(const InView& in, const FusedJob& job, const FusedWorkspace& workspace, const ImageView<T>& out,
                    cudaStream_t stream) {
  constexpr std::int64_t kPartPixels = 4096;
  const std::int64_t pixels = in.height * in.width;
  const std::int64_t warps = (pixels + kWarpPixels - 1) / kWarpPixels;
  const unsigned threads = warps < kMostWarps ? static_cast<unsigned>(32 * warps) : kMostThreads;
  const dim3 grid(grid_for(job.mix.count, 1), grid_for(pixels, kPartPixels, 65535));
  const bool in_vectors = out.is_packed(kLayout) && pixels % 4 == 0 && is_aligned(out.data, sizeof(Four<T>));
  const auto kernel = job.mix.probability > 0 ? augment_images_kernel<kChannels, kLayout, true, T>
                                              : augment_images_kernel<kChannels, kLayout, false, T>;
  launch("Augmenter", kernel, grid, dim3(threads), 0, stream, in, static_cast<InView>(workspace.after), workspace.plans,
         workspace.tables, job.mix.count, Normalise<T>{job.scale_shift, job.type}, out, in_vectors);
}

}  // namespace
}  // namespace cuda

template <class T>
void augment_fused_cuda(ImageView<const std::uint8_t> in, const FusedJob& job, std::byte* workspace, ImageView<T> out,
                        CUstream_st* stream) {
  const cuda::FusedWorkspace parts(workspace, out.shape());
  cuda::launch_plan(in, job, parts, stream);
  if (in.channels == 1) return cuda::launch_augment<1, Layout::nhwc>(in, job, parts, out, stream);
  if (out.is_packed(Layout::nhwc)) return cuda::launch_augment<3, Layout::nhwc>(in, job, parts, out, stream);
  cuda::launch_augment<3, Layout::nchw>(in, job, parts, out, stream);
}
template void augment_fused_cuda(ImageView<const std::uint8_t>, const FusedJob&, std::byte*, ImageView<float>,
                                 CUstream_st*);
template void augment_fused_cuda(ImageView<const std::uint8_t>, const FusedJob&, std::byte*, ImageView<std::uint16_t>,
                                 CUstream_st*);

}  // namespace leaven
