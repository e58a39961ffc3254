#include <algorithm>

#include "host/augment/augmenter_job.hpp"
#include "host/augment/checks.hpp"
#include "host/augment/image_op.hpp"
#include "host/augment/mix.hpp"
#include "host/augment/normalise.hpp"
#include "host/augment/policy.hpp"
#include "host/augment/random_resized_crop.hpp"
#include "host/augment/resize.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "kernels/augment/finish.hpp"
#include "kernels/augment/fused.hpp"

namespace leaven {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

std::uint8_t* to_u8(std::byte* memory) { return reinterpret_cast<std::uint8_t*>(memory); }

Out packed(std::byte* memory, const ImageShape& shape) { return Out::nhwc(to_u8(memory), shape); }

// Brings one image to where the chain has got to: each step reads `now` and writes the other of two images.
struct ImageChain {
  In now;
  Out scratch[2];
  std::byte* resize_memory;
  std::uint8_t* aug_mix_memory;

  void step(const ImageOp& op, const WarpOptions& warp) {
    if (op.kind == ImageOpKind::copy) return;
    const Out to = next();
    apply_image_op(op, now, warp, to);
    now = to;
  }
  Out next() const { return scratch[now.data == scratch[0].data ? 1 : 0]; }
};

void augment_image(const AugmenterJob& job, const In& in, std::int64_t image, ImageChain& chain) {
  chain.now = in.slice(source_image(job.pad_flip, image), 1);
  if (job.resizes) {
    const ImageRef crop = resized_crop(job.crop, image);
    ResizeJob resize = job.resize;
    resize.images = &crop;
    resize_image(resize, 0, chain.scratch[0], chain.resize_memory);
    chain.now = chain.scratch[0];
  }
  const PadFlipDraw drawn = draw_pad_flip(job.pad_flip, image);
  const std::int32_t padding = job.pad_flip.padding;
  if (padding > 0) {
    chain.step(translate_op(padding - drawn.offset.x, padding - drawn.offset.y), {.fill = job.pad_flip.fill});
  }
  if (drawn.flipped) chain.step(value_op(ImageOpKind::flip_left_right, 0), {});
  if (job.policy.plan.chains > 0) {
    PolicySource policy = job.policy;
    policy.ids += image;
    aug_mix_image(policy, chain.now, 0, job.policy_warp, chain.aug_mix_memory, chain.next());
    chain.now = chain.next();
  } else {
    for (std::int32_t layer = 0; layer < job.policy.plan.layers; ++layer) {
      chain.step(job.policy.of_layer(image, layer), job.policy_warp);
    }
  }
  chain.step(job.erase(image), {});
}

// The CPU: an image stays in the cache from its first step to the last; finish(i, image) writes what came out. With
// mixing the augmented images are kept, because another one of the batch wants a part of them; mixing is then a second
// pass.
template <class Finish>
void run_cpu(const AugmenterJob& job, const In& in, const AugmenterMemory& memory, const Finish& finish) {
  ImageShape one = job.shape;
  one.count = 1;
  const std::int64_t count = job.shape.count;
  const std::int64_t scratch_bytes = aligned_bytes(image_bytes(one));
  const std::int64_t kept_bytes = job.mixes ? aligned_bytes(image_bytes(one) * memory.capacity) : 0;
  const std::int64_t range_bytes = (2 + aug_mix_pieces(job.policy.plan)) * scratch_bytes + job.resize_bytes;
  const std::int64_t pairs = (memory.bytes - kept_bytes) / range_bytes;
  const std::int64_t ranges = std::min(pairs, ranges_for(count, images_per_range(one)));
  const Out kept = packed(memory.data, job.shape);
  const auto for_each_image = [&](const auto& body) {
    parallel_ranges(ranges, ranges, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t range = first; range < last; ++range) {
        std::byte* scratch = memory.data + kept_bytes + range * range_bytes;
        std::byte* resize_memory = scratch + 2 * scratch_bytes;
        ImageChain chain{{},
                         {packed(scratch, one), packed(scratch + scratch_bytes, one)},
                         resize_memory,
                         to_u8(resize_memory + job.resize_bytes)};
        for (std::int64_t i = count * range / ranges; i < count * (range + 1) / ranges; ++i) body(i, chain);
      }
    });
  };
  for_each_image([&](std::int64_t i, ImageChain& chain) {
    augment_image(job, in, i, chain);
    if (job.mixes) return apply_image_op({}, chain.now, {}, kept.slice(i, 1));
    finish(i, chain.now);
    write_labels(job.mix, i, {.partner = i});
  });
  if (!job.mixes) return;
  for_each_image([&](std::int64_t i, ImageChain& chain) {
    const MixDraw drawn = draw_mix(job.mix, i);
    mix_image(kept, i, drawn, chain.scratch[0]);
    finish(i, chain.scratch[0]);
    write_labels(job.mix, i, drawn);
  });
}

// CUDA: run_fused(batch, workspace) where two launches do the rest, else a chain of launches whose last one is
// finish(batch), which mixes.
template <class RunFused, class Finish>
void run_cuda(AugmenterJob job, In now, const AugmenterMemory& all, const RunFused& run_fused, const Finish& finish,
              Stream stream) {
  if constexpr (kWithCuda) {
    const std::int64_t batch_bytes = aligned_bytes(image_bytes(job.shape) * all.capacity);
    std::byte* memory = all.data + job.resize_bytes;
    const Out batches[2] = {packed(memory, job.shape), packed(memory + batch_bytes, job.shape)};
    if (job.resizes) {
      run_resized_crops(job.crop, stream);
      run_resize(job.resize, batches[0], all.data + crops_bytes(job.shape.count), stream);
      now = batches[0];
      job.pad_flip.data_count = 0;  // the images have been picked
    }
    if (job.fused) return run_fused(job, now, memory + (job.resizes ? batch_bytes : 0));
    const auto next = [&] { return batches[now.data == batches[0].data ? 1 : 0]; };
    const bool first_step = job.pad_flip.padding > 0 || job.pad_flip.flip_probability > 0 ||
                            job.pad_flip.data_count > 0 || !now.is_packed(Layout::nhwc);
    if (first_step) {
      const Out to = next();
      pad_flip_cuda(now, job.pad_flip, to, stream.cuda_handle());
      now = to;
    }
    PolicySource policy = job.policy;
    if (policy.plan.chains > 0) {
      const Out to = next();
      aug_mix_batch("Augmenter", policy, now, job.policy_warp, to_u8(memory + 2 * batch_bytes), batch_bytes, to,
                    stream);
      now = to;
      policy.plan.layers = 0;
    }
    for (policy.layer = 0; policy.layer < policy.plan.layers; ++policy.layer) {
      const Out to = next();
      cuda::image_ops_cuda("Augmenter", policy, now, job.policy_warp, to, stream.cuda_handle());
      now = to;
    }
    if (job.erase.probability > 0) {
      const Out to = next();
      cuda::image_ops_cuda("Augmenter", job.erase, now, {}, to, stream.cuda_handle());
      now = to;
    }
    finish(now);
  }
}

template <class T>
void run_to(const AugmenterJob& job, const In& in, Augmenter::Batch& out, Stream stream) {
  const auto images = ImageView<T>::packed(reinterpret_cast<T*>(out.images.data()), job.shape, job.layout);
  const AugmenterMemory memory{out.workspace.data(), out.workspace.size(), out.capacity};
  if (stream.backend() == Backend::cpu) {
    return run_cpu(job, in, memory, [&](std::int64_t i, const In& image) {
      normalise_image(image, job.scale_shift, job.type, images.slice(i, 1));
    });
  }
  if constexpr (kWithCuda) {
    const auto run_fused = [&](const AugmenterJob& rest, const In& now, std::byte* workspace) {
      const FusedJob fused{.pad_flip = rest.pad_flip,
                           .policy = rest.policy,
                           .policy_warp = rest.policy_warp,
                           .erase = rest.erase,
                           .mix = rest.mix,
                           .scale_shift = rest.scale_shift,
                           .type = rest.type};
      augment_fused_cuda(now, fused, workspace, images, stream.cuda_handle());
    };
    const auto finish = [&](const In& now) {
      mix_normalise_cuda(now, job.mix, job.scale_shift, job.type, images, stream.cuda_handle());
    };
    run_cuda(job, in, memory, run_fused, finish, stream);
  }
}

}  // namespace

void run_augmenter(const AugmenterJob& job, const In& in, Augmenter::Batch& out, Stream stream) {
  if (job.type == FloatType::f32) return run_to<float>(job, in, out, stream);
  run_to<std::uint16_t>(job, in, out, stream);
}

void run_masks(const AugmenterJob& job, const In& in, const AugmenterMemory& memory, const Out& out, Stream stream) {
  if (stream.backend() == Backend::cpu) {
    return run_cpu(job, in, memory,
                   [&](std::int64_t i, const In& mask) { apply_image_op({}, mask, {}, out.slice(i, 1)); });
  }
  if constexpr (kWithCuda) {
    const auto finish = [&](const In& now) { mix_cuda("Augmenter::masks", now, job.mix, out, stream.cuda_handle()); };
    run_cuda(
        job, in, memory, [](const AugmenterJob&, const In&, std::byte*) {}, finish, stream);
  }
}

}  // namespace leaven
