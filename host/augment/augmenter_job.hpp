#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/mix.hpp"
#include "kernels/augment/normalise.hpp"
#include "kernels/augment/pad_flip.hpp"
#include "kernels/augment/policy.hpp"
#include "kernels/augment/random_erase.hpp"
#include "kernels/augment/random_resized_crop.hpp"
#include "kernels/augment/resize.hpp"

namespace leaven {

struct AugmenterPlan {
  ImageShape result;  // of an image
  PolicyPlan policy;
  WarpOptions warp;
  bool mixes;
  bool keeps;  // can draw steps that look at neighbours
  bool fused;  // on CUDA, two launches do it all (kernels/augment/fused.hpp); otherwise each step is one
};

// One call of an Augmenter, resolved.
struct AugmenterJob {
  PadFlipJob pad_flip;
  bool resizes = false;
  ResizedCropJob crop;
  ResizeJob resize;
  std::int64_t resize_bytes = 0;  // of the workspace; on the CPU for each range
  PolicySource policy;
  WarpOptions policy_warp;
  RandomEraseSource erase;
  MixJob mix;
  ScaleShift scale_shift;
  ImageShape shape;  // of the batch
  Layout layout;
  FloatType type = FloatType::f32;
  bool fused = false;  // on CUDA
  bool mixes = false;
};

inline std::int64_t aligned_bytes(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }
inline std::int64_t image_bytes(const ImageShape& s) { return s.height * s.width * s.channels; }

// Images (on the CPU) or batches of scratch memory that AugMix wants.
inline std::int64_t aug_mix_pieces(const PolicyPlan& plan) { return plan.chains > 0 ? 2 + plan.chains : 0; }

// Workspace for `capacity` images.
struct AugmenterMemory {
  std::byte* data;
  std::int64_t bytes;
  std::int64_t capacity;
};

ImageShape result_shape(const AugmenterOptions& options, ImageShape image);

// For resizing `count` images of this shape at once.
std::int64_t resize_bytes(const AugmenterOptions& options, const ImageShape& image, Interpolation interpolation,
                          std::int64_t count);

// The job for these samples, without outputs. `data_count`: 0, or the size of the data set that ids refer to.
AugmenterJob augmenter_job(const AugmenterOptions& options, const AugmenterPlan& plan,
                           std::span<const std::int64_t> sample_ids, std::int64_t data_count, RandomKey key);

// Adds the resizing of the images of `in`. On CUDA the crops are described at the start of `memory`.
void add_resizing(AugmenterJob& job, const AugmenterOptions& options, Interpolation interpolation,
                  const ImageView<const std::uint8_t>& in, const AugmenterMemory& memory, Stream stream);

// Everything but the checks: augments the images of `in` into `out`.
void run_augmenter(const AugmenterJob& job, const ImageView<const std::uint8_t>& in, Augmenter::Batch& out,
                   Stream stream);

// The same for masks: the job's images, all but normalising, to `out`.
void run_masks(const AugmenterJob& job, const ImageView<const std::uint8_t>& in, const AugmenterMemory& memory,
               const ImageView<std::uint8_t>& out, Stream stream);

}  // namespace leaven
