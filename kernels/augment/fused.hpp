#pragma once

#include <cstdint>

#include <leaven/augment.hpp>
#include "kernels/augment/mix.hpp"
#include "kernels/augment/normalise.hpp"
#include "kernels/augment/pad_flip.hpp"
#include "kernels/augment/pixel.hpp"
#include "kernels/augment/policy.hpp"
#include "kernels/augment/random_erase.hpp"
#include "kernels/augment/warp.hpp"

struct CUstream_st;

// The whole pipeline in two launches. The first (fused_plan.cu) draws what happens to each image, as a plan; the second
// (fused_render.cu) asks, for each pixel of the result, which pixel of the source it is and what became of its value.
// That needs operations that pick pixels or change values: nearest warps, and no more than kMostFusedLayers layers.
// What looks at neighbours, sharpness, is done by the first launch: its result is kept and takes the source's place.
namespace leaven {

inline constexpr int kMostFusedLayers = 4;
inline constexpr int kMostSteps = 2 + kMostFusedLayers;  // the crop with its flip, the policy's layers, erasing

struct PlannedStep {
  // see moves_pixels, changes_values; neighbours: done before the plan is complete
  enum class Kind : std::int32_t { copy, neighbours, pick, erase, map, color, hue, table };
  Kind kind = Kind::copy;
  // pick: output pixel (x, y) is input pixel ((a[0] x + a[1] y + a[2]) >> 16, (a[3] x + a[4] y + a[5]) >> 16), in 32
  // bits, and `fill` (a pixel word) where that lies outside. erase: `fill` from column a[0] and row a[1] up to before
  // column a[2] and row a[3].
  std::uint32_t fill = 0;
  std::int32_t a[6] = {65536, 0, 0, 0, 65536, 0};
  PixelMap map{};          // map; color: its factor; hue: `integer` is the shift
  std::int32_t table = 0;  // table: which of the image's
};

LEAVEN_HD bool moves_pixels(PlannedStep::Kind kind) {
  return kind == PlannedStep::Kind::pick || kind == PlannedStep::Kind::erase;
}
LEAVEN_HD bool changes_values(PlannedStep::Kind kind) { return kind >= PlannedStep::Kind::map; }

// Of the policy's layers, where they are tables: per channel.
struct StepTables {
  std::uint8_t values[kMostFusedLayers][3][256];
};

struct ImagePlan {
  PlannedStep steps[kMostSteps];  // behind `count`: copies
  std::int32_t count = 0;         // of steps
  std::int32_t tables = 0;        // of tables
  float weight = 1;               // of the own values in a mean with the partner's; 1: no mean is taken
  std::int64_t source = 0;        // the image of the data; -1: the kept one
  std::int64_t partner = 0;
  BoxPx box{};  // of the partner's pixels
};
static_assert(sizeof(ImagePlan) % 8 == 0);

// 16.16 for a whole number of pixels; what is far outside stays outside of images below 32768 pixels.
LEAVEN_HD std::int32_t whole_16_16(std::int64_t pixels) {
  const std::int64_t clamped = pixels < -32768 ? -32768 : (pixels > 32767 ? 32767 : pixels);
  return static_cast<std::int32_t>(clamped * 65536);
}

LEAVEN_HD void set_pick(PlannedStep& step, std::int32_t a0, std::int32_t a1, std::int32_t a2, std::int32_t a3,
                        std::int32_t a4, std::int32_t a5, std::uint32_t fill) {
  step.kind = PlannedStep::Kind::pick;
  step.fill = fill;
  step.a[0] = a0;
  step.a[1] = a1;
  step.a[2] = a2;
  step.a[3] = a3;
  step.a[4] = a4;
  step.a[5] = a5;
}

// The pipeline's first step: the source of column x is first_x + x, or first_x - x where it is flipped.
LEAVEN_HD PlannedStep plan_pad_flip(const PadFlipDraw& drawn, std::int32_t padding, std::int32_t width,
                                    std::uint32_t fill) {
  PlannedStep step;
  if (padding == 0 && !drawn.flipped) return step;
  const std::int32_t first_x = drawn.offset.x - padding + (drawn.flipped ? width - 1 : 0);
  set_pick(step, drawn.flipped ? -65536 : 65536, 0, whole_16_16(first_x), 0, 65536,
           whole_16_16(drawn.offset.y - padding), fill);
  return step;
}

// A warp that picks pixels by a 16.16 map; others (running sums, interpolation) are done before.
LEAVEN_HD PlannedStep plan_warp(const Warp& warp, std::uint32_t fill) {
  PlannedStep step;
  if (warp.path == WarpPath::shift) {
    set_pick(step, 65536, 0, whole_16_16(warp.dx), 0, 65536, whole_16_16(warp.dy), fill);
  } else if (warp.path == WarpPath::fixed) {
    set_pick(step, warp.a0, warp.a1, static_cast<std::int32_t>(warp.a2), warp.a3, warp.a4,
             static_cast<std::int32_t>(warp.a5), fill);
  } else if (warp.path == WarpPath::outside) {
    set_pick(step, 0, 0, -65536, 0, 0, -65536, fill);
  } else {
    step.kind = PlannedStep::Kind::neighbours;
  }
  return step;
}

LEAVEN_HD Warp step_warp(const ImageOp& op, const WarpOptions& options, std::int64_t height, std::int64_t width) {
  return make_warp(op, options.interpolation, options.border, height, width);
}

// The mean that contrast needs is not known yet, nor are tables.
LEAVEN_HD PlannedStep plan_op(const ImageOp& op, const WarpOptions& options, std::int32_t height, std::int32_t width,
                              std::int32_t channels) {
  PlannedStep step;
  const std::uint32_t fill = pixel_word(options.fill);
  const std::int32_t last_x = whole_16_16(width - 1);
  const std::int32_t last_y = whole_16_16(height - 1);
  switch (op.kind) {
    case ImageOpKind::copy: return step;
    case ImageOpKind::affine: return plan_warp(step_warp(op, options, height, width), fill);
    case ImageOpKind::flip_left_right: set_pick(step, -65536, 0, last_x, 0, 65536, 0, fill); return step;
    case ImageOpKind::flip_top_bottom: set_pick(step, 65536, 0, 0, 0, -65536, last_y, fill); return step;
    case ImageOpKind::flip_both: set_pick(step, -65536, 0, last_x, 0, -65536, last_y, fill); return step;
    case ImageOpKind::rotate_90: set_pick(step, 0, -65536, last_x, 65536, 0, 0, fill); return step;
    case ImageOpKind::rotate_270: set_pick(step, 0, 65536, 0, -65536, 0, last_y, fill); return step;
    case ImageOpKind::color:
      step.kind = channels == 3 ? PlannedStep::Kind::color : PlannedStep::Kind::copy;
      step.map.factor = op.value;
      return step;
    case ImageOpKind::hue:
      step.kind = channels == 3 ? PlannedStep::Kind::hue : PlannedStep::Kind::copy;
      step.map.integer = static_cast<std::int32_t>(op.value);
      return step;
    case ImageOpKind::erase:
      step.kind = PlannedStep::Kind::erase;
      for (int i = 0; i < 4; ++i) step.a[i] = static_cast<std::int32_t>(op.m[i]);
      step.fill = static_cast<std::uint32_t>(op.m[4]);
      return step;
    case ImageOpKind::sharpness: step.kind = PlannedStep::Kind::neighbours; return step;
    case ImageOpKind::autocontrast:
    case ImageOpKind::equalize: step.kind = PlannedStep::Kind::table; return step;
    default:
      step.kind = PlannedStep::Kind::map;
      step.map = pixel_map(op, 0);
      return step;
  }
}

// One call. Output image i is sample ids[i]; the image it is made of is pad_flip's.
struct FusedJob {
  PadFlipJob pad_flip;
  PolicySource policy;
  WarpOptions policy_warp;
  RandomEraseSource erase;
  MixJob mix;
  ScaleShift scale_shift;
  FloatType type = FloatType::f32;
};

// Of the workspace for `count` images; `keeps`: whether steps that look at neighbours can be drawn.
inline std::int64_t fused_workspace_bytes(const ImageShape& image, std::int64_t count, bool keeps) {
  const std::int64_t kept = keeps ? 2 * image.height * image.width * image.channels : 0;
  return count * (static_cast<std::int64_t>(sizeof(ImagePlan) + sizeof(StepTables)) + kept);
}

// `workspace`: fused_workspace_bytes for the images of `out`, 8-byte aligned. T is float or 16 bits of job.type.
template <class T>
void augment_fused_cuda(ImageView<const std::uint8_t> in, const FusedJob& job, std::byte* workspace, ImageView<T> out,
                        CUstream_st* stream);

}  // namespace leaven
