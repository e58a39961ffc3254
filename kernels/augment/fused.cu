#include "kernels/augment/fused.cuh"
#include "kernels/core/launch.cuh"

namespace leaven {
namespace cuda {
namespace {

constexpr unsigned kMostPlanThreads = 512;

// Parts that an image's plan consists of.
__device__ void plan_steps(const FusedJob& job, std::int64_t image, const InView& in, ImagePlan& plan) {
  const auto height = static_cast<std::int32_t>(in.height);
  const auto width = static_cast<std::int32_t>(in.width);
  const auto channels = static_cast<std::int32_t>(in.channels);
  plan.source = source_image(job.pad_flip, image);
  plan.steps[0] =
      plan_pad_flip(draw_pad_flip(job.pad_flip, image), job.pad_flip.padding, width, fill_word(job.pad_flip.fill));
  for (int layer = 0; layer < kMostFusedLayers; ++layer) {
    plan.steps[1 + layer] = layer < job.policy.plan.layers ? plan_op(job.policy.of_layer(image, layer), height, width,
                                                                     channels, fill_word(job.fill))
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
  ImageOp ops[kMostSteps];  // of the policy
  ChannelTables channels;
  std::uint64_t warp_sums[kMostPlanThreads / 32];
};

// The images of the workspace: what sharpening is applied to, and what it makes, to write and to read.
struct KeptImages {
  OutView before, after;
  InView written_before, written_after;
};

// Calls body(x, y, pixel word) for this thread's share of what kSteps steps make of the image.
template <int kSteps, int kChannels, class Body>
__device__ __forceinline__ void for_each_pixel(const PlanView& view, const Body& body) {
  const auto width = static_cast<std::uint32_t>(view.source.width);
  const std::uint32_t pixels = width * static_cast<std::uint32_t>(view.source.height);
  Cursor at(threadIdx.x, width);
  const Cursor::Step step = at.step_of(blockDim.x);
#pragma unroll 1
  for (std::uint32_t first = threadIdx.x; first < pixels; first += kAtOnce * blockDim.x) {
    Pixels p;
    std::int32_t x[kAtOnce], y[kAtOnce];
    std::uint32_t wanted = 0;
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i, at.advance(step)) {
      wanted |= (first + i * blockDim.x < pixels ? 1u : 0u) << i;
      p.x[i] = x[i] = static_cast<std::int32_t>(at.x);
      p.y[i] = y[i] = static_cast<std::int32_t>(at.y);
    }
    evaluate<kSteps, kChannels>(view, wanted, p);
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if ((wanted >> i & 1) != 0) body(x[i], y[i], p.value[i]);
    }
  }
}

template <int kChannels>
__device__ __forceinline__ void keep_pixel(const OutView& to, std::int32_t x, std::int32_t y, std::uint32_t pixel) {
  store_pixel<kChannels>(to.data + pixel_offset(to, x, y), 1, pixel);
}

// Step kStep is sharpness: its result becomes the source, and the steps so far copies.
template <int kStep, int kChannels>
__device__ void sharpen_source(const PlanView& view, Planner& planner, const KeptImages& kept, std::int64_t image) {
  OutView before = kept.before;
  OutView after = kept.after;
  InView from = kept.written_before;
  before.data += image * before.image_stride;
  after.data += image * after.image_stride;
  from.data += image * from.image_stride;
  for_each_pixel<kStep, kChannels>(
      view, [&](std::int32_t x, std::int32_t y, std::uint32_t pixel) { keep_pixel<kChannels>(before, x, y, pixel); });
  __syncthreads();
  const float factor = planner.ops[kStep].value;
  Cursor at(threadIdx.x, static_cast<std::uint32_t>(from.width));
  const Cursor::Step step = at.step_of(blockDim.x);
#pragma unroll 1
  for (; at.y < from.height; at.advance(step)) {
    const auto x = static_cast<std::int32_t>(at.x);
    const auto y = static_cast<std::int32_t>(at.y);
    keep_pixel<kChannels>(after, x, y, sharpened_pixel<kChannels>(from, x, y, factor));
  }
  if (threadIdx.x == 0) {
    planner.plan.source = -1;
    for (int s = 0; s < kStep; ++s) planner.plan.steps[s] = PlannedStep{};
  }
  __syncthreads();
}

// The mean that contrast needs of what the steps before it make.
template <int kStep, int kChannels>
__device__ void find_mean(const PlanView& view, Planner& planner) {
  std::uint64_t sum = 0;
  for_each_pixel<kStep, kChannels>(view, [&](std::int32_t, std::int32_t, std::uint32_t pixel) {
    sum += kChannels == 1 ? pixel & 255 : luma_times_65536(pixel) >> 16;
  });
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
  if (lane_id() == 0) planner.warp_sums[warp_id()] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    std::uint64_t total = 0;
    for (unsigned w = 0; w < blockDim.x / 32; ++w) total += planner.warp_sums[w];
    const auto pixels = static_cast<std::uint64_t>(view.source.height * view.source.width);
    planner.plan.steps[kStep].map.base = static_cast<float>(rounded_mean(total, pixels));
  }
  __syncthreads();
}

template <int kStep, int kChannels>
__device__ void find_tables(const PlanView& view, Planner& planner) {
  clear_counts(planner.channels);
  for_each_pixel<kStep, kChannels>(
      view, [&](std::int32_t, std::int32_t, std::uint32_t pixel) { count_pixel<kChannels>(planner.channels, pixel); });
  make_tables<kChannels>(planner.ops[kStep].kind, planner.channels);
  for (unsigned i = threadIdx.x; i < 3 * 256; i += blockDim.x) {
    (&planner.tables.values[kStep - 1][0][0])[i] = (&planner.channels.values[0][0])[i];
  }
  __syncthreads();
}

// What step kStep needs to know of all pixels, or of a pixel's neighbours.
template <int kStep, int kChannels>
__device__ void complete_step(const InView& in, const KeptImages& kept, std::int64_t image, Planner& planner) {
  const PlanView view{planner.plan, planner.tables, source_of(planner.plan, in, kept.written_after, image)};
  switch (planner.ops[kStep].kind) {
    case ImageOpKind::contrast: return find_mean<kStep, kChannels>(view, planner);
    case ImageOpKind::autocontrast:
    case ImageOpKind::equalize: return find_tables<kStep, kChannels>(view, planner);
    case ImageOpKind::sharpness: return sharpen_source<kStep, kChannels>(view, planner, kept, image);
    default: return;
  }
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
// Who: a block has an image; thread 0 draws, all count, add up and sharpen.
// Traffic: writes one plan; reads the image once for each operation that looks at all of it.
// Limits: see fused.hpp.
template <int kChannels>
__global__ void __launch_bounds__(kMostPlanThreads)
    plan_images_kernel(InView in, FusedJob job, KeptImages kept, ImagePlan* plans, StepTables* tables) {
  __shared__ Planner planner;
  for (std::int64_t image = blockIdx.x; image < job.mix.count; image += gridDim.x) {
    __syncthreads();  // nobody still copies the plan of the image before
    if (threadIdx.x == 0) {
      plan_steps(job, image, in, planner.plan);
      for (int layer = 0; layer < kMostFusedLayers; ++layer) {
        planner.ops[1 + layer] = layer < job.policy.plan.layers ? job.policy.of_layer(image, layer) : ImageOp{};
      }
    }
    __syncthreads();
    complete_step<1, kChannels>(in, kept, image, planner);
    complete_step<2, kChannels>(in, kept, image, planner);
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
};

template <bool kMixes>
__device__ __forceinline__ void load_plans(BothPlans& both, const ImagePlan* plans, const StepTables* tables,
                                           std::int64_t image, std::int64_t partner) {
  __syncthreads();  // nobody still reads the plans of the image before
  copy_words(plans[image], both.plans[0]);
  if (kMixes) copy_words(plans[partner], both.plans[1]);
  __syncthreads();
  if (has_tables(both.plans[0])) copy_words(tables[image], both.tables[0]);
  if (kMixes && has_tables(both.plans[1])) copy_words(tables[partner], both.tables[1]);
  __syncthreads();
}

// The own pixels, or the partner's where the box is.
template <int kChannels, bool kMixes>
__device__ __forceinline__ void augment_pixels(const BothPlans& both, const InView& own, const InView& partners,
                                               std::uint32_t wanted, Pixels& p) {
  if constexpr (!kMixes) return evaluate<kMostSteps, kChannels>({both.plans[0], both.tables[0], own}, wanted, p);
  const BoxPx& box = both.plans[0].box;
  std::uint32_t inside = 0;
#pragma unroll
  for (int i = 0; i < kAtOnce; ++i) inside |= (box.has(p.x[i], p.y[i]) ? 1u : 0u) << i;
  Pixels other = p;
  if (__any_sync(~0u, (wanted & ~inside) != 0)) {
    evaluate<kMostSteps, kChannels>({both.plans[0], both.tables[0], own}, wanted & ~inside, p);
  }
  if (!__any_sync(~0u, (wanted & inside) != 0)) return;
  evaluate<kMostSteps, kChannels>({both.plans[1], both.tables[1], partners}, wanted & inside, other);
#pragma unroll
  for (int i = 0; i < kAtOnce; ++i) p.value[i] = (inside >> i & 1) != 0 ? other.value[i] : p.value[i];
}

// What: the augmented, mixed and normalised images, from the source and the plans.
// Who: blockIdx.x counts images, blockIdx.y the blocks of an image; a warp has 128 neighbouring pixels at a time.
// Traffic: reads each source pixel that is wanted, a few times where lines of cache are shared; writes each value once,
// in 16-byte vectors.
// Limits: see fused.hpp; any strides of the source.
template <int kChannels, Layout kLayout, bool kMixes>
__global__ void __launch_bounds__(kMostThreads, 2)
    augment_images_kernel(InView in, InView kept, const ImagePlan* plans, const StepTables* tables, std::int64_t count,
                          Normalise normalise, ImageView<float> out, bool in_vectors) {
  __shared__ BothPlans both;
  __shared__ uint4 stages[kMostWarps * kWarpPixels * kChannels / 16];
  const std::uint32_t pixels = static_cast<std::uint32_t>(in.height) * static_cast<std::uint32_t>(in.width);
  const auto width = static_cast<std::uint32_t>(in.width);
  auto* stage = reinterpret_cast<std::uint8_t*>(stages) + warp_id() * (kWarpPixels * kChannels);
  for (std::int64_t image = blockIdx.x; image < count; image += gridDim.x) {
    const std::int64_t partner = partner_of(image, count);
    load_plans<kMixes>(both, plans, tables, image, partner);
    const InView own = source_of(both.plans[0], in, kept, image);
    const InView partners = kMixes ? source_of(both.plans[1], in, kept, partner) : own;
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

// Where in the workspace what lies.
struct Workspace {
  ImagePlan* plans;
  StepTables* tables;
  KeptImages kept;

  Workspace(std::byte* memory, const ImageShape& shape)
      : plans(reinterpret_cast<ImagePlan*>(memory)), tables(reinterpret_cast<StepTables*>(plans + shape.count)) {
    auto* images = reinterpret_cast<std::uint8_t*>(tables + shape.count);
    kept.written_before = kept.before = OutView::nhwc(images, shape);
    kept.written_after = kept.after = OutView::nhwc(images + shape.size(), shape);
  }
};

template <int kChannels, Layout kLayout>
void launch_augment(const InView& in, const FusedJob& job, const Workspace& workspace, const ImageView<float>& out,
                    cudaStream_t stream) {
  constexpr std::int64_t kPartPixels = 4096;
  const std::int64_t pixels = in.height * in.width;
  const std::int64_t warps = (pixels + kWarpPixels - 1) / kWarpPixels;
  const unsigned threads = warps < kMostWarps ? static_cast<unsigned>(32 * warps) : kMostThreads;
  const dim3 grid(grid_for(job.mix.count, 1), grid_for(pixels, kPartPixels, 65535));
  const bool in_vectors = out.is_packed(kLayout) && pixels % 4 == 0 && is_aligned(out.data, 16);
  const auto kernel = job.mix.probability > 0 ? augment_images_kernel<kChannels, kLayout, true>
                                              : augment_images_kernel<kChannels, kLayout, false>;
  launch("Augmenter", kernel, grid, dim3(threads), 0, stream, in, workspace.kept.written_after, workspace.plans,
         workspace.tables, job.mix.count, Normalise{job.scale_shift}, out, in_vectors);
}

template <int kChannels>
void launch_plan(const InView& in, const FusedJob& job, const Workspace& workspace, cudaStream_t stream) {
  const std::int64_t warps = (in.height * in.width + kWarpPixels - 1) / kWarpPixels;
  const unsigned threads = warps < kMostPlanThreads / 32 ? static_cast<unsigned>(32 * warps) : kMostPlanThreads;
  launch("Augmenter", plan_images_kernel<kChannels>, dim3(grid_for(job.mix.count, 1)), dim3(threads), 0, stream, in,
         job, workspace.kept, workspace.plans, workspace.tables);
}

}  // namespace
}  // namespace cuda

void augment_fused_cuda(ImageView<const std::uint8_t> in, const FusedJob& job, std::byte* workspace,
                        ImageView<float> out, CUstream_st* stream) {
  const cuda::Workspace parts(workspace, out.shape());
  if (in.channels == 1) {
    cuda::launch_plan<1>(in, job, parts, stream);
    return cuda::launch_augment<1, Layout::nhwc>(in, job, parts, out, stream);
  }
  cuda::launch_plan<3>(in, job, parts, stream);
  if (out.is_packed(Layout::nhwc)) return cuda::launch_augment<3, Layout::nhwc>(in, job, parts, out, stream);
  cuda::launch_augment<3, Layout::nchw>(in, job, parts, out, stream);
}

}  // namespace leaven
