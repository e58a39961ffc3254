#pragma once

#include <cstdint>

#include "kernels/augment/color.cuh"
#include "kernels/augment/finish.cuh"
#include "kernels/augment/fused.hpp"
#include "kernels/augment/sharpness.cuh"
#include "kernels/augment/tables.cuh"
#include "kernels/augment/warp.cuh"

// Pixels of an augmented image, found from the plan and the source alone.
namespace leaven::cuda {

inline constexpr int kAtOnce = 4;  // pixels of a lane: a step's parameters are read once for all

struct Pixels {
  std::int32_t x[kAtOnce], y[kAtOnce];
  std::uint32_t value[kAtOnce];   // pixel words
  std::int32_t entered[kAtOnce];  // the first step that changes the value: 0, or behind the step that filled it
};

struct PlanView {
  const ImagePlan& plan;
  const StepTables& tables;
  InView source;  // one image
};

// Where in the workspace what lies.
struct FusedWorkspace {
  ImagePlan* plans;
  StepTables* tables;
  OutView before, after;  // the kept images: what a step that looks at neighbours sees, and makes

  FusedWorkspace(std::byte* memory, const ImageShape& shape)
      : plans(reinterpret_cast<ImagePlan*>(memory)), tables(reinterpret_cast<StepTables*>(plans + shape.count)) {
    auto* images = reinterpret_cast<std::uint8_t*>(tables + shape.count);
    before = OutView::nhwc(images, shape);
    after = OutView::nhwc(images + shape.size(), shape);
  }
};

// fused_plan.cu: the first launch.
void launch_plan(const InView& in, const FusedJob& job, const FusedWorkspace& workspace, cudaStream_t stream);

// The image that the plan of image `image` begins with: one of the data, or a kept one.
__device__ __forceinline__ InView source_of(const ImagePlan& plan, InView in, InView kept, std::int64_t image) {
  in.data += plan.source * in.image_stride;
  kept.data += image * kept.image_stride;
  return plan.source < 0 ? kept : in;
}

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

inline constexpr std::int32_t kUnrolled = 3;  // steps whose code has no loop: a loop would move all pixels at its end

// Calls body(s) for the steps before `end`, in this order or the other way round. Behind the last step of a plan are
// copies.
template <bool kWhole, bool kBackwards, class Body>
__device__ __forceinline__ void for_each_step(std::int32_t end, const Body& body) {
  if (end <= kUnrolled) {
#pragma unroll
    for (std::int32_t k = 0; k < kUnrolled; ++k) {
      const std::int32_t s = kBackwards ? kUnrolled - 1 - k : k;
      if (kWhole || s < end) body(s);
    }
    return;
  }
#pragma unroll 1
  for (std::int32_t k = 0; k < end; ++k) body(kBackwards ? end - 1 - k : k);
}

// From the place in the result of step s to the place in what it is applied to.
__device__ __forceinline__ void step_back(const PlanView& view, std::int32_t s, Pixels& p) {
  const auto width = static_cast<std::uint32_t>(view.source.width);
  const auto height = static_cast<std::uint32_t>(view.source.height);
  const PlannedStep& step = view.plan.steps[s];
  if (!moves_pixels(step.kind)) return;
  if (step.kind == PlannedStep::Kind::pick) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
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
  } else {  // erase
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const bool inside = p.x[i] >= step.a[0] && p.x[i] < step.a[2] && p.y[i] >= step.a[1] && p.y[i] < step.a[3];
      if (p.entered[i] == 0 && inside) {
        p.entered[i] = s + 1;
        p.value[i] = step.fill;
      }
    }
  }
}

// What step s makes of the values.
template <int kChannels>
__device__ __forceinline__ void change_values(const PlanView& view, std::int32_t s, Pixels& p) {
  const PlannedStep& step = view.plan.steps[s];
  if (!changes_values(step.kind)) return;
  const auto change = [&](const auto& function) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const std::uint32_t changed = function(p.value[i]);
      p.value[i] = p.entered[i] <= s ? changed : p.value[i];
    }
  };
  if (step.kind == PlannedStep::Kind::map) {
    change([&](std::uint32_t pixel) { return map_pixel<kChannels>(step.map, pixel); });
  } else if (kChannels == 3 && step.kind == PlannedStep::Kind::color) {
    change(ColorPixel{step.map.factor});
  } else if (kChannels == 3 && step.kind == PlannedStep::Kind::hue) {
    // One pixel at a time, which all come to the front: code that indexed them would keep them in memory.
#pragma unroll 1
    for (int k = 0; k < kAtOnce; ++k) {
      const std::uint32_t value = p.entered[0] <= s ? hue_pixel(p.value[0], step.map.integer) : p.value[0];
      const std::int32_t entered = p.entered[0];
#pragma unroll
      for (int i = 0; i + 1 < kAtOnce; ++i) {
        p.value[i] = p.value[i + 1];
        p.entered[i] = p.entered[i + 1];
      }
      p.value[kAtOnce - 1] = value;
      p.entered[kAtOnce - 1] = entered;
    }
  } else {  // table
    change([&](std::uint32_t pixel) { return look_up<kChannels>(view.tables.values[step.table], pixel); });
  }
}

// The pixels `wanted` (a bit each) at p.x, p.y of what the steps before `end` make of the image, into p.value.
// kWhole: these are all steps.
template <int kChannels, bool kWhole>
__device__ __forceinline__ void evaluate(const PlanView& view, std::int32_t end, std::uint32_t wanted, Pixels& p) {
#pragma unroll
  for (int i = 0; i < kAtOnce; ++i) p.entered[i] = 0;
  for_each_step<kWhole, true>(end, [&](std::int32_t s) { step_back(view, s, p); });
#pragma unroll
  for (int i = 0; i < kAtOnce; ++i) {
    if (p.entered[i] != 0 || (wanted >> i & 1) == 0) continue;
    p.value[i] = pixel_at<kChannels>(view.source, p.x[i], p.y[i]);
  }
  for_each_step<kWhole, false>(end, [&](std::int32_t s) { change_values<kChannels>(view, s, p); });
}

// Parts that an image's plan consists of, word by word, for all threads of a block.
template <class T>
__device__ __forceinline__ void copy_words(const T& from, T& to) {
  for (unsigned w = threadIdx.x; w < sizeof(T) / 4; w += blockDim.x) {
    reinterpret_cast<std::uint32_t*>(&to)[w] = reinterpret_cast<const std::uint32_t*>(&from)[w];
  }
}

}  // namespace leaven::cuda
