#include "kernels/augment/fused.cuh"
#include "kernels/core/launch.cuh"

namespace leaven::cuda {
namespace {

constexpr unsigned kMostPlanThreads = 512;

// What the threads of a block that plans an image share.
struct Planner {
  ImagePlan plan;
  StepTables tables;
  ImageOp ops[kMostSteps];
  Warp warp;
  ChannelTables channels;
  std::uint64_t warp_sums[kMostPlanThreads / 32];
};

// Steps that do nothing are left out.
__device__ void add_step(Planner& planner, const ImageOp& op, const PlannedStep& step) {
  if (step.kind == PlannedStep::Kind::copy) return;
  planner.ops[planner.plan.count] = op;
  planner.plan.steps[planner.plan.count++] = step;
}

__device__ void add_op(Planner& planner, const ImageOp& op, const InView& in, const WarpOptions& options) {
  add_step(planner, op,
           plan_op(op, options, static_cast<std::int32_t>(in.height), static_cast<std::int32_t>(in.width),
                   static_cast<std::int32_t>(in.channels)));
}

__device__ void start_plan(const FusedJob& job, std::int64_t image, const InView& in, Planner& planner) {
  ImagePlan& plan = planner.plan;
  plan.count = plan.tables = 0;
  for (PlannedStep& step : plan.steps) step.kind = PlannedStep::Kind::copy;
  plan.source = source_image(job.pad_flip, image);
  add_step(planner, {},
           plan_pad_flip(draw_pad_flip(job.pad_flip, image), job.pad_flip.padding, static_cast<std::int32_t>(in.width),
                         pixel_word(job.pad_flip.fill)));
  for (std::int32_t layer = 0; layer < job.policy.plan.layers; ++layer) {
    add_op(planner, job.policy.of_layer(image, layer), in, job.policy_warp);
  }
  add_op(planner, job.erase(image), in, {});
  MixDraw mixed;
  mixed.partner = image;
  if (job.mix.probability > 0) mixed = draw_mix(job.mix, image);
  plan.box = mixed.box;
  plan.partner = mixed.partner;
  plan.weight = mixed.weight;
  write_labels(job.mix, image, mixed);
}

// Calls body(x, y, pixel word) for this thread's share of what the steps before `end` make of the image.
template <int kChannels, class Body>
__device__ __forceinline__ void for_each_pixel(const PlanView& view, std::int32_t end, const Body& body) {
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
    evaluate<kChannels, false>(view, end, wanted, p);
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

// body(x, y) is the pixel word that is kept at (x, y).
template <int kChannels, class Body>
__device__ __forceinline__ void keep_image(const OutView& to, const Body& body) {
  Cursor at(threadIdx.x, static_cast<std::uint32_t>(to.width));
  const Cursor::Step step = at.step_of(blockDim.x);
#pragma unroll 1
  for (; at.y < to.height; at.advance(step)) {
    const auto x = static_cast<std::int32_t>(at.x);
    const auto y = static_cast<std::int32_t>(at.y);
    keep_pixel<kChannels>(to, x, y, body(x, y));
  }
}

template <int kChannels>
__device__ void keep_warped(const Warp& warp, const InView& from, const OutView& to, std::uint32_t fill) {
  const auto height = static_cast<std::int32_t>(from.height);
  const auto width = static_cast<std::int32_t>(from.width);
  if (warp.path == WarpPath::bilinear) {
    return keep_image<kChannels>(
        to, [&](std::int32_t x, std::int32_t y) { return bilinear_pixel<kChannels>(warp, from, x, y, fill); });
  }
  if (warp.path == WarpPath::sampled) {
    return keep_image<kChannels>(
        to, [&](std::int32_t x, std::int32_t y) { return sampled_pixel<kChannels>(warp, from, x, y, fill); });
  }
  const SerialMap map{&warp, width, height};
  keep_image<kChannels>(to,
                        [&](std::int32_t x, std::int32_t y) { return picked_pixel<kChannels>(map, from, x, y, fill); });
}

// Step `index` looks at neighbours: its result becomes the source, and it and the steps before it leave the plan.
template <int kChannels>
__device__ void replace_source(const PlanView& view, std::int32_t index, const WarpOptions& options, Planner& planner,
                               OutView before, OutView after, std::int64_t image) {
  const ImageOp op = planner.ops[index];  // read before thread 0 moves the steps
  before.data += image * before.image_stride;
  after.data += image * after.image_stride;
  for_each_pixel<kChannels>(view, index, [&](std::int32_t x, std::int32_t y, std::uint32_t pixel) {
    keep_pixel<kChannels>(before, x, y, pixel);
  });
  if (threadIdx.x == 0 && op.kind != ImageOpKind::sharpness) {
    planner.warp = step_warp(op, options, before.height, before.width);
  }
  __syncthreads();
  const InView from = readable(before);
  if (op.kind == ImageOpKind::sharpness) {
    keep_image<kChannels>(
        after, [&](std::int32_t x, std::int32_t y) { return sharpened_pixel<kChannels>(from, x, y, op.value); });
  } else {
    keep_warped<kChannels>(planner.warp, from, after, pixel_word(options.fill));
  }
  if (threadIdx.x == 0) {
    planner.plan.source = -1;
    const std::int32_t count = planner.plan.count;
    for (std::int32_t s = 0; s < count; ++s) {
      const std::int32_t from_step = index + 1 + s;
      planner.plan.steps[s] = from_step < count ? planner.plan.steps[from_step] : PlannedStep{};
      if (from_step < count) planner.ops[s] = planner.ops[from_step];
    }
    planner.plan.count = count - (index + 1);
  }
  __syncthreads();
}

// The mean that contrast needs of what the steps before it make.
template <int kChannels>
__device__ void find_mean(const PlanView& view, std::int32_t index, Planner& planner) {
  std::uint64_t sum = 0;
  for_each_pixel<kChannels>(view, index, [&](std::int32_t, std::int32_t, std::uint32_t pixel) {
    sum += kChannels == 1 ? pixel & 255 : luma_times_65536(pixel) >> 16;
  });
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
  if (lane_id() == 0) planner.warp_sums[warp_id()] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    std::uint64_t total = 0;
    for (unsigned w = 0; w < blockDim.x / 32; ++w) total += planner.warp_sums[w];
    const auto pixels = static_cast<std::uint64_t>(view.source.height * view.source.width);
    planner.plan.steps[index].map.base = static_cast<float>(rounded_mean(total, pixels));
  }
  __syncthreads();
}

template <int kChannels>
__device__ void find_tables(const PlanView& view, std::int32_t index, Planner& planner) {
  clear_counts(planner.channels);
  for_each_pixel<kChannels>(view, index, [&](std::int32_t, std::int32_t, std::uint32_t pixel) {
    count_pixel<kChannels>(planner.channels, pixel);
  });
  make_tables<kChannels>(planner.ops[index].kind, planner.channels);
  const std::int32_t table = planner.plan.tables;
  for (unsigned i = threadIdx.x; i < 3 * 256; i += blockDim.x) {
    (&planner.tables.values[table][0][0])[i] = (&planner.channels.values[0][0])[i];
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    planner.plan.steps[index].table = table;
    planner.plan.tables = table + 1;
  }
  __syncthreads();
}

// What step `index` needs to know of all pixels, or of a pixel's neighbours.
// Returns the next step to look at.
template <int kChannels>
__device__ std::int32_t complete_step(const InView& in, const WarpOptions& options, OutView before, OutView after,
                                      std::int64_t image, std::int32_t index, Planner& planner) {
  const PlanView view{planner.plan, planner.tables, source_of(planner.plan, in, readable(after), image)};
  if (planner.plan.steps[index].kind == PlannedStep::Kind::neighbours) {
    replace_source<kChannels>(view, index, options, planner, before, after, image);
    return 0;
  }
  switch (planner.ops[index].kind) {
    case ImageOpKind::contrast: find_mean<kChannels>(view, index, planner); break;
    case ImageOpKind::autocontrast:
    case ImageOpKind::equalize: find_tables<kChannels>(view, index, planner); break;
    default: break;
  }
  return index + 1;
}

// What: draws what happens to each image, with the means and tables that operations need, and writes the labels.
// Who: a block has an image; thread 0 draws, all count, add up, sharpen and interpolate.
// Traffic: writes one plan; reads the image once for each operation that looks at all of it.
// Limits: see fused.hpp.
template <int kChannels>
__global__ void __launch_bounds__(kMostPlanThreads)
    plan_images_kernel(InView in, FusedJob job, OutView before, OutView after, ImagePlan* plans, StepTables* tables) {
  __shared__ Planner planner;
  for (std::int64_t image = blockIdx.x; image < job.mix.count; image += gridDim.x) {
    __syncthreads();  // nobody still copies the plan of the image before
    if (threadIdx.x == 0) start_plan(job, image, in, planner);
    __syncthreads();
    for (std::int32_t s = 0; s < planner.plan.count;) {
      s = complete_step<kChannels>(in, job.policy_warp, before, after, image, s, planner);
    }
    copy_words(planner.plan, plans[image]);
    if (planner.plan.tables > 0) copy_words(planner.tables, tables[image]);
  }
}

}  // namespace

void launch_plan(const InView& in, const FusedJob& job, const FusedWorkspace& workspace, cudaStream_t stream) {
  const std::int64_t warps = (in.height * in.width + kWarpPixels - 1) / kWarpPixels;
  const unsigned threads = warps < kMostPlanThreads / 32 ? static_cast<unsigned>(32 * warps) : kMostPlanThreads;
  const auto kernel = in.channels == 1 ? plan_images_kernel<1> : plan_images_kernel<3>;
  launch("Augmenter", kernel, dim3(grid_for(job.mix.count, 1)), dim3(threads), 0, stream, in, job, workspace.before,
         workspace.after, workspace.plans, workspace.tables);
}

}  // namespace leaven::cuda
