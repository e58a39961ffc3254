#pragma once

#include <cstdint>

#include "kernels/augment/color.cuh"
#include "kernels/augment/finish.cuh"
#include "kernels/augment/fused.hpp"
#include "kernels/augment/histogram.cuh"
#include "kernels/augment/warp.cuh"

// Pixels of an augmented image, found from the plan and the source alone.
namespace leaven::cuda {

inline constexpr int kAtOnce = 4;  // pixels of a lane: a step's parameters are read once for all

template <int kCount>
struct Pixels {
  std::int32_t x[kCount], y[kCount];
  std::uint32_t value[kCount];   // pixel words
  std::int32_t entered[kCount];  // the first step that changes the value: 0, or behind the step that filled it
};

struct PlanView {
  const ImagePlan& plan;
  const StepTables& tables;
};

template <int kChannels>
__device__ __forceinline__ std::uint32_t map_pixel(const PixelMap& map, std::uint32_t pixel) {
  switch (map.kind) {
    case PixelMap::Kind::mask: return WordMap<PixelMap::Kind::mask>(map)(pixel);
    case PixelMap::Kind::solarize: return WordMap<PixelMap::Kind::solarize>(map)(pixel);
    case PixelMap::Kind::add_below: return WordMap<PixelMap::Kind::add_below>(map)(pixel);
    case PixelMap::Kind::offset: {
      const WordMap<PixelMap::Kind::offset> word(map);
      if (kChannels == 1) return word.sum(pixel, 0);
      return pack_bytes(word.sum(pixel, 0), word.sum(pixel, 1), word.sum(pixel, 2), 0);
    }
    case PixelMap::Kind::blend: break;
  }
  const float lifted = kTwo23 + map.base;
  const std::uint32_t first = blend_byte(pixel, 0, map.base, lifted, map.factor);
  if (kChannels == 1) return first;
  return pack_bytes(first, blend_byte(pixel, 1, map.base, lifted, map.factor),
                    blend_byte(pixel, 2, map.base, lifted, map.factor), 0);
}

// From the place in the result of steps kBegin .. kEnd - 1 to the place in what they are applied to.
template <int kBegin, int kEnd, int kCount>
__device__ __forceinline__ void find_source(const ImagePlan& plan, const InView& in, Pixels<kCount>& p) {
  const auto width = static_cast<std::uint32_t>(in.width);
  const auto height = static_cast<std::uint32_t>(in.height);
#pragma unroll
  for (int i = 0; i < kCount; ++i) p.entered[i] = 0;
#pragma unroll
  for (int s = kEnd - 1; s >= kBegin; --s) {
    const PlannedStep& step = plan.steps[s];
    if (step.kind != PlannedStep::Kind::pick) continue;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const std::int32_t x = (step.a[0] * p.x[i] + step.a[1] * p.y[i] + step.a[2]) >> 16;
      const std::int32_t y = (step.a[3] * p.x[i] + step.a[4] * p.y[i] + step.a[5]) >> 16;
      const bool inside = static_cast<std::uint32_t>(x) < width && static_cast<std::uint32_t>(y) < height;
      if (p.entered[i] == 0 && !inside) {
        p.entered[i] = s + 1;
        p.value[i] = step.fill;
      }
      p.x[i] = x;
      p.y[i] = y;
    }
  }
}

// What steps kBegin .. kEnd - 1 make of the values.
template <int kBegin, int kEnd, int kChannels, int kCount>
__device__ __forceinline__ void change_values(const PlanView& view, Pixels<kCount>& p) {
#pragma unroll
  for (int s = kBegin; s < kEnd; ++s) {
    const PlannedStep& step = view.plan.steps[s];
    const auto change = [&](const auto& function) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const std::uint32_t changed = function(p.value[i]);
        p.value[i] = p.entered[i] <= s ? changed : p.value[i];
      }
    };
    if (step.kind == PlannedStep::Kind::map) {
      change([&](std::uint32_t pixel) { return map_pixel<kChannels>(step.map, pixel); });
    } else if (kChannels == 3 && step.kind == PlannedStep::Kind::color) {
      change(ColorPixel{step.map.factor});
    } else if (s > 0 && step.kind == PlannedStep::Kind::table) {
      change([&](std::uint32_t pixel) { return look_up<kChannels>(view.tables.values[s > 0 ? s - 1 : 0], pixel); });
    }
  }
}

// Whether one of the first `steps` steps looks at neighbours.
__device__ __forceinline__ bool sharpens(const ImagePlan& plan, int steps) {
  bool found = false;
  for (int s = 1; s < steps; ++s) found |= plan.steps[s].kind == PlannedStep::Kind::sharpen;
  return found;
}

// The pixels `wanted` (a bit each) at p.x, p.y of what kSteps steps make of the image, into p.value. For plans that do
// not sharpen.
template <int kSteps, int kChannels, int kCount>
__device__ __forceinline__ void evaluate_plain(const PlanView& view, const InView& in, std::uint32_t wanted,
                                               Pixels<kCount>& p) {
  find_source<0, kSteps>(view.plan, in, p);
  const std::uint8_t* source = in.data + view.plan.source * in.image_stride;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (p.entered[i] != 0 || (wanted >> i & 1) == 0) continue;
    const std::uint8_t* from = source + pixel_offset(in, p.x[i], p.y[i]);
    p.value[i] = kChannels == 1 ? std::uint32_t{from[0]} : load_pixel(from, in.channel_stride);
  }
  change_values<0, kSteps, kChannels>(view, p);
}

// The same for one pixel of any plan: a step that sharpens asks for each neighbour anew.
template <int kSteps, int kChannels>
__device__ __forceinline__ void evaluate_any(const PlanView& view, const InView& in, std::uint32_t wanted,
                                             Pixels<1>& p);

// Where step kStep sharpens and none behind it does.
template <int kStep, int kSteps, int kChannels>
__device__ __forceinline__ void evaluate_sharpened(const PlanView& view, const InView& in, std::uint32_t wanted,
                                                   Pixels<1>& p) {
  find_source<kStep + 1, kSteps>(view.plan, in, p);
  if (wanted == 0) return;
  if (p.entered[0] == 0) {
    const bool inner = is_inner(p.x[0], p.y[0], in.width, in.height);
    Sharpener<kChannels> sharpener;
    std::uint32_t middle = 0;
#pragma unroll 1
    for (int k = inner ? 0 : 4; k <= (inner ? 8 : 4); ++k) {
      const int dy = k < 3 ? -1 : (k < 6 ? 0 : 1);
      Pixels<1> neighbour;
      neighbour.x[0] = p.x[0] + k - 3 * dy - 4;
      neighbour.y[0] = p.y[0] + dy;
      evaluate_any<kStep, kChannels>(view, in, 1, neighbour);
      sharpener.add(neighbour.value[0], k == 4 ? 5 : 1);
      middle = k == 4 ? neighbour.value[0] : middle;
    }
    p.value[0] = inner ? sharpener.result(middle, view.plan.steps[kStep].map.factor) : middle;
  }
  change_values<kStep + 1, kSteps, kChannels>(view, p);
}

template <int kSteps, int kChannels>
__device__ __forceinline__ void evaluate_any(const PlanView& view, const InView& in, std::uint32_t wanted,
                                             Pixels<1>& p) {
  if constexpr (kSteps > 2) {
    if (view.plan.steps[2].kind == PlannedStep::Kind::sharpen) {
      return evaluate_sharpened<2, kSteps, kChannels>(view, in, wanted, p);
    }
  }
  if constexpr (kSteps > 1) {
    if (view.plan.steps[1].kind == PlannedStep::Kind::sharpen) {
      return evaluate_sharpened<1, kSteps, kChannels>(view, in, wanted, p);
    }
  }
  evaluate_plain<kSteps, kChannels>(view, in, wanted, p);
}
static_assert(kMostSteps == 3);

// One pixel at a time: any plan; several: those that do not sharpen.
template <int kSteps, int kChannels, int kCount>
__device__ __forceinline__ void evaluate(const PlanView& view, const InView& in, std::uint32_t wanted,
                                         Pixels<kCount>& p) {
  if constexpr (kCount == 1) {
    evaluate_any<kSteps, kChannels>(view, in, wanted, p);
  } else {
    evaluate_plain<kSteps, kChannels>(view, in, wanted, p);
  }
}

}  // namespace leaven::cuda
