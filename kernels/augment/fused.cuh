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
  OutView before, after;  // the kept images: what sharpening is applied to, and what it makes

  FusedWorkspace(std::byte* memory, const ImageShape& shape)
      : plans(reinterpret_cast<ImagePlan*>(memory)), tables(reinterpret_cast<StepTables*>(plans + shape.count)) {
    auto* images = reinterpret_cast<std::uint8_t*>(tables + shape.count);
    before = OutView::nhwc(images, shape);
    after = OutView::nhwc(images + shape.size(), shape);
  }
};

// fused_plan.cu: the first launch.
void launch_plan(const InView& in, const FusedJob& job, const FusedWorkspace& workspace, cudaStream_t stream);

// The image that the plan of image `image` begins with: one of the data, or what sharpening left.
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

// From the place in the result of the steps before `end` to the place in the source.
__device__ __forceinline__ void find_source(const PlanView& view, std::int32_t end, Pixels& p) {
  const auto width = static_cast<std::uint32_t>(view.source.width);
  const auto height = static_cast<std::uint32_t>(view.source.height);
#pragma unroll
  for (int i = 0; i < kAtOnce; ++i) p.entered[i] = 0;
#pragma unroll 1
  for (std::int32_t s = end - 1; s >= view.plan.first; --s) {
    const PlannedStep& step = view.plan.steps[s];
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
    } else if (step.kind == PlannedStep::Kind::erase) {
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
}

// What the steps before `end` make of the values.
template <int kChannels>
__device__ __forceinline__ void change_values(const PlanView& view, std::int32_t end, Pixels& p) {
#pragma unroll 1
  for (std::int32_t s = view.plan.first; s < end; ++s) {
    const PlannedStep& step = view.plan.steps[s];
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
#pragma unroll 1
      for (int i = 0; i < kAtOnce; ++i) {
        if (p.entered[i] <= s) p.value[i] = hue_pixel(p.value[i], step.map.integer);
      }
    } else if (step.kind == PlannedStep::Kind::table) {
      change([&](std::uint32_t pixel) { return look_up<kChannels>(view.tables.values[step.table], pixel); });
    }
  }
}

// The pixels `wanted` (a bit each) at p.x, p.y of what the steps before `end` make of the image, into p.value.
template <int kChannels>
__device__ __forceinline__ void evaluate(const PlanView& view, std::int32_t end, std::uint32_t wanted, Pixels& p) {
  find_source(view, end, p);
#pragma unroll
  for (int i = 0; i < kAtOnce; ++i) {
    if (p.entered[i] != 0 || (wanted >> i & 1) == 0) continue;
    p.value[i] = pixel_at<kChannels>(view.source, p.x[i], p.y[i]);
  }
  change_values<kChannels>(view, end, p);
}

// Parts that an image's plan consists of, word by word, for all threads of a block.
template <class T>
__device__ __forceinline__ void copy_words(const T& from, T& to) {
  for (unsigned w = threadIdx.x; w < sizeof(T) / 4; w += blockDim.x) {
    reinterpret_cast<std::uint32_t*>(&to)[w] = reinterpret_cast<const std::uint32_t*>(&from)[w];
  }
}

}  // namespace leaven::cuda
