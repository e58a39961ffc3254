#include "kernels/augment/fused.cuh"
#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kPlanThreads = 128;

// Parts that an image's plan consists of.
__device__ void plan_steps(const FusedJob& job, std::int64_t image, const InView& in, ImagePlan& plan) {
  const auto height = static_cast<std::int32_t>(in.height);
  const auto width = static_cast<std::int32_t>(in.width);
  const auto channels = static_cast<std::int32_t>(in.channels);
  plan.source = source_image(job.pad_flip, image);
  plan.steps[0] =
      plan_pad_flip(draw_pad_flip(job.pad_flip, image), job.pad_flip.padding, width, fill_word(job.pad_flip.fill));
  for (int layer = 0; layer < kMostFusedLayers; ++layer) {
    plan.steps[1 + layer] =
        layer < job.layers ? plan_op(job.policy.of_layer(image, layer), height, width, channels, fill_word(job.fill))
                           : PlannedStep{};
  }
  const CutMixDraw mixed = job.mix.probability > 0 ? draw_cutmix(job.mix, image) : CutMixDraw{};
  plan.box = mixed.box;
  write_labels(job.mix, image, mixed);
}

// What the threads of a block that plans an image share.
struct Planner {
  ImagePlan plan;
  StepTables tables;
  ImageOpKind kinds[kMostSteps];  // of the policy's operations
  ChannelTables channels;
  std::uint64_t warp_sums[kPlanThreads / 32];
};

// Calls body(pixel word) for this thread's share of what kSteps steps make of the image.
template <int kSteps, int kChannels, int kCount, class Body>
__device__ __forceinline__ void for_each_pixel(const Planner& planner, const InView& in, const Body& body) {
  const auto width = static_cast<std::uint32_t>(in.width);
  const std::uint32_t pixels = width * static_cast<std::uint32_t>(in.height);
  Cursor at(threadIdx.x, width);
  const Cursor::Step step = at.step_of(blockDim.x);
#pragma unroll 1
  for (std::uint32_t first = threadIdx.x; first < pixels; first += kCount * blockDim.x) {
    Pixels<kCount> p;
    std::uint32_t wanted = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i, at.advance(step)) {
      wanted |= (first + i * blockDim.x < pixels ? 1u : 0u) << i;
      p.x[i] = static_cast<std::int32_t>(at.x);
      p.y[i] = static_cast<std::int32_t>(at.y);
    }
    evaluate<kSteps, kChannels>({planner.plan, planner.tables}, in, wanted, p);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if ((wanted >> i & 1) != 0) body(p.value[i]);
    }
  }
}

// The mean or the tables that step kStep needs of what the steps before it make.
template <int kStep, int kChannels>
__device__ void complete_step(const InView& in, Planner& planner) {
  const ImageOpKind kind = planner.kinds[kStep];
  const bool tables = kind == ImageOpKind::autocontrast || kind == ImageOpKind::equalize;
  if (!tables && kind != ImageOpKind::contrast) return;
  if (tables) clear_counts(planner.channels);
  std::uint64_t sum = 0;
  const auto look = [&](std::uint32_t pixel) {
    if (tables) return count_pixel<kChannels>(planner.channels, pixel);
    sum += kChannels == 1 ? pixel & 255 : luma_times_65536(pixel) >> 16;
  };
  if (sharpens(planner.plan, kStep)) {
    for_each_pixel<kStep, kChannels, 1>(planner, in, look);
  } else {
    for_each_pixel<kStep, kChannels, kAtOnce>(planner, in, look);
  }
  if (tables) {
    make_tables<kChannels>(kind, planner.channels);
    for (unsigned i = threadIdx.x; i < 3 * 256; i += blockDim.x) {
      (&planner.tables.values[kStep - 1][0][0])[i] = (&planner.channels.values[0][0])[i];
    }
    return __syncthreads();
  }
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
  if (lane_id() == 0) planner.warp_sums[warp_id()] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    std::uint64_t total = 0;
    for (unsigned w = 0; w < blockDim.x / 32; ++w) total += planner.warp_sums[w];
    const auto pixels = static_cast<std::uint64_t>(in.height * in.width);
    planner.plan.steps[kStep].map.base = static_cast<float>(rounded_mean(total, pixels));
  }
  __syncthreads();
}

template <class T>
__device__ __forceinline__ void copy_words(const T& from, T& to) {
  for (unsigned w = threadIdx.x; w < sizeof(T) / 4; w += blockDim.x) {
    reinterpret_cast<std::uint32_t*>(&to)[w] = reinterpret_cast<const std::uint32_t*>(&from)[w];
  }
}

__device__ __forceinline__ bool has_tables(const ImagePlan& plan) {
  bool found = false;
  for (int s = 1; s < kMostSteps; ++s) found |= plan.steps[s].kind == PlannedStep::Kind::table;
  return found;
}

// What: draws what happens to each image, with the means and tables that operations need, and writes the labels.
// Who: a block has an image; thread 0 draws, all count and add up.
// Traffic: writes one plan; reads the image once for each operation that looks at all of it.
// Limits: see fused.hpp.
template <int kChannels>
__global__ void __launch_bounds__(kPlanThreads)
    plan_images_kernel(InView in, FusedJob job, ImagePlan* plans, StepTables* tables) {
  __shared__ Planner planner;
  for (std::int64_t image = blockIdx.x; image < job.mix.count; image += gridDim.x) {
    __syncthreads();  // nobody still copies the plan of the image before
    if (threadIdx.x == 0) {
      plan_steps(job, image, in, planner.plan);
      for (int layer = 0; layer < kMostFusedLayers; ++layer) {
        planner.kinds[1 + layer] = layer < job.layers ? job.policy.of_layer(image, layer).kind : ImageOpKind::copy;
      }
    }
    __syncthreads();
    complete_step<1, kChannels>(in, planner);
    complete_step<2, kChannels>(in, planner);
    copy_words(planner.plan, plans[image]);
    if (has_tables(planner.plan)) copy_words(planner.tables, tables[image]);
  }
}
static_assert(kMostSteps == 3);

// How a warp's 128 pixels, in order in its stage, become normalised values.
template <int kChannels, Layout kLayout>
struct Finisher {
  const Normalise& normalise;
  ImageView<float> out;  // one image
  bool in_vectors;       // 4 divides the values of an image, and so its planes; packed and 16-byte aligned

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
        reinterpret_cast<float4*>(out.data + c * plane + first)[lane_id()] = four(word, c, c, c);
      }
    } else {
#pragma unroll
      for (std::uint32_t k = 0; k < kChannels; ++k) {
        const std::uint32_t w = 32 * k + lane_id();
        if (4 * w >= kChannels * count) break;
        const int c = static_cast<int>(w % 3);  // 4 = 1 modulo 3
        reinterpret_cast<float4*>(out.data + kChannels * static_cast<std::int64_t>(first))[w] =
            four(words[w], c, c == 2 ? 0 : c + 1, c == 0 ? 2 : c - 1);
      }
    }
  }

  // A word's values are of channels a, b, c, a.
  __device__ float4 four(std::uint32_t word, int a, int b, int c) const {
    return make_float4(normalise.value(byte_of(word, 0), a), normalise.value(byte_of(word, 1), b),
                       normalise.value(byte_of(word, 2), c), normalise.value(byte_of(word, 3), a));
  }

  __device__ void flush_values(const std::uint8_t* stage, std::uint32_t first, std::uint32_t count,
                               std::uint32_t width) const {
    for (std::uint32_t k = lane_id(); k < count; k += 32) {
      const std::uint32_t y = (first + k) / width;
      const std::uint32_t x = first + k - y * width;
      float* to = out.data + y * out.row_stride + x * out.pixel_stride;
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

  __device__ PlanView operator[](int i) const { return {plans[i], tables[i]}; }
};

template <bool kMixes>
__device__ __forceinline__ void load_plans(BothPlans& both, const ImagePlan* plans, const StepTables* tables,
                                           std::int64_t image, std::int64_t count) {
  const std::int64_t partner = partner_of(image, count);
  __syncthreads();  // nobody still reads the plans of the image before
  copy_words(plans[image], both.plans[0]);
  if (kMixes) copy_words(plans[partner], both.plans[1]);
  __syncthreads();
  if (has_tables(both.plans[0])) copy_words(tables[image], both.tables[0]);
  if (kMixes && has_tables(both.plans[1])) copy_words(tables[partner], both.tables[1]);
  __syncthreads();
}

// The own pixels, or the partner's where the box is.
template <int kChannels, bool kMixes, int kCount>
__device__ __forceinline__ void augment_pixels(const BothPlans& both, const InView& in, std::uint32_t wanted,
                                               Pixels<kCount>& p) {
  if constexpr (!kMixes) return evaluate<kMostSteps, kChannels>(both[0], in, wanted, p);
  const BoxPx& box = both.plans[0].box;
  std::uint32_t inside = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) inside |= (box.has(p.x[i], p.y[i]) ? 1u : 0u) << i;
  Pixels<kCount> other = p;
  if (__any_sync(~0u, (wanted & ~inside) != 0)) evaluate<kMostSteps, kChannels>(both[0], in, wanted & ~inside, p);
  if (!__any_sync(~0u, (wanted & inside) != 0)) return;
  evaluate<kMostSteps, kChannels>(both[1], in, wanted & inside, other);
#pragma unroll
  for (int i = 0; i < kCount; ++i) p.value[i] = (inside >> i & 1) != 0 ? other.value[i] : p.value[i];
}

// Pixels first, first + 32, ... of a warp's turn of `turn` pixels, kCount of them, into the stage.
template <int kChannels, bool kMixes, int kCount, class Finisher>
__device__ __forceinline__ void stage_pixels(const BothPlans& both, const InView& in, const Finisher& finisher,
                                             std::uint32_t first, std::uint32_t turn, Cursor& at, Cursor::Step by_32,
                                             std::uint8_t* stage) {
  Pixels<kCount> p;
  std::uint32_t wanted = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    wanted |= (first + 32 * i < turn ? 1u : 0u) << i;
    p.x[i] = static_cast<std::int32_t>(at.x);
    p.y[i] = static_cast<std::int32_t>(at.y);
    at.advance(by_32);
  }
  augment_pixels<kChannels, kMixes>(both, in, wanted, p);
#pragma unroll
  for (int i = 0; i < kCount; ++i) finisher.put(stage, first + 32 * i, p.value[i]);
}

// What: the augmented, mixed and normalised images, from the source and the plans.
// Who: blockIdx.x counts images, blockIdx.y the blocks of an image; a warp has 128 neighbouring pixels at a time.
// Traffic: reads each source pixel that is wanted, a few times where lines of cache are shared; writes each value once,
// in 16-byte vectors.
// Limits: see fused.hpp; any strides of the source.
template <int kChannels, Layout kLayout, bool kMixes>
__global__ void __launch_bounds__(kMostThreads, 2)
    augment_images_kernel(InView in, const ImagePlan* plans, const StepTables* tables, std::int64_t count,
                          Normalise normalise, ImageView<float> out, bool in_vectors) {
  __shared__ BothPlans both;
  __shared__ uint4 stages[kMostWarps * kWarpPixels * kChannels / 16];
  const std::uint32_t pixels = static_cast<std::uint32_t>(in.height) * static_cast<std::uint32_t>(in.width);
  const auto width = static_cast<std::uint32_t>(in.width);
  auto* stage = reinterpret_cast<std::uint8_t*>(stages) + warp_id() * (kWarpPixels * kChannels);
  for (std::int64_t image = blockIdx.x; image < count; image += gridDim.x) {
    load_plans<kMixes>(both, plans, tables, image, count);
    const bool sharp = sharpens(both.plans[0], kMostSteps) || (kMixes && sharpens(both.plans[1], kMostSteps));
    ImageView<float> to = out;
    to.data += image * out.image_stride;
    const Finisher<kChannels, kLayout> finisher{normalise, to, in_vectors};
    const std::uint32_t stride = gridDim.y * blockDim.x * kAtOnce;
    std::uint32_t first = (blockIdx.y * (blockDim.x / 32) + warp_id()) * kWarpPixels;
    Cursor at(first + lane_id(), width);
    const Cursor::Step by_32 = at.step_of(32);
    const Cursor::Step to_next_turn = at.step_of(stride - kWarpPixels);
#pragma unroll 1
    for (; first < pixels; first += stride) {
      const std::uint32_t turn = pixels - first < kWarpPixels ? pixels - first : kWarpPixels;
      if (!sharp) {
        stage_pixels<kChannels, kMixes, kAtOnce>(both, in, finisher, lane_id(), turn, at, by_32, stage);
      } else {
#pragma unroll 1
        for (std::uint32_t k = lane_id(); k < kWarpPixels; k += 32) {
          stage_pixels<kChannels, kMixes, 1>(both, in, finisher, k, turn, at, by_32, stage);
        }
      }
      __syncwarp();
      finisher.flush(stage, first, turn, width);
      __syncwarp();
      at.advance(to_next_turn);
    }
  }
}
static_assert(kWarpPixels == 32 * kAtOnce);

template <int kChannels, Layout kLayout>
void launch_augment(const InView& in, const FusedJob& job, const ImagePlan* plans, const StepTables* tables,
                    const ImageView<float>& out, cudaStream_t stream) {
  constexpr std::int64_t kPartPixels = 4096;
  const std::int64_t pixels = in.height * in.width;
  const std::int64_t warps = (pixels + kWarpPixels - 1) / kWarpPixels;
  const unsigned threads = warps < kMostWarps ? static_cast<unsigned>(32 * warps) : kMostThreads;
  const dim3 grid(grid_for(job.mix.count, 1), grid_for(pixels, kPartPixels, 65535));
  const bool in_vectors = out.is_packed(kLayout) && pixels % 4 == 0 && is_aligned(out.data, 16);
  const auto kernel = job.mix.probability > 0 ? augment_images_kernel<kChannels, kLayout, true>
                                              : augment_images_kernel<kChannels, kLayout, false>;
  launch("Augmenter", kernel, grid, dim3(threads), 0, stream, in, plans, tables, job.mix.count,
         Normalise{job.scale_shift}, out, in_vectors);
}

}  // namespace
}  // namespace cuda

void augment_fused_cuda(ImageView<const std::uint8_t> in, const FusedJob& job, std::byte* workspace,
                        ImageView<float> out, CUstream_st* stream) {
  const bool grey = in.channels == 1;
  auto* plans = reinterpret_cast<ImagePlan*>(workspace);
  auto* tables = reinterpret_cast<StepTables*>(plans + job.mix.count);
  const auto plan = grey ? cuda::plan_images_kernel<1> : cuda::plan_images_kernel<3>;
  cuda::launch("Augmenter", plan, dim3(cuda::grid_for(job.mix.count, 1)), dim3(cuda::kPlanThreads), 0, stream, in, job,
               plans, tables);
  if (grey) return cuda::launch_augment<1, Layout::nhwc>(in, job, plans, tables, out, stream);
  if (out.is_packed(Layout::nhwc)) return cuda::launch_augment<3, Layout::nhwc>(in, job, plans, tables, out, stream);
  cuda::launch_augment<3, Layout::nchw>(in, job, plans, tables, out, stream);
}

}  // namespace leaven
