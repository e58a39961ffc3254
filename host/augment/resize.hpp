#pragma once

#include <cstdint>
#include <span>

#include "kernels/augment/resize.hpp"

namespace leaven {

// What both forms of an input ask for; each throws InvalidArgument in the name of `function`. The job's layout is not
// yet set.
ResizeJob checked_resize_job(const char* function, const ImageView<const std::uint8_t>& in, Interpolation interpolation,
                             const ImageView<std::uint8_t>& out);
ResizeJob checked_resize_job(const char* function, const RaggedImages& in, Interpolation interpolation,
                             const ImageView<std::uint8_t>& out);

// Weights of an output at most, on an axis of `in` pixels.
std::int32_t most_weights(std::int64_t in, std::int64_t out, Interpolation interpolation);

// In the name of resize: a box of the batch is empty or inside the images.
void check_boxes_inside(const PerImage<SourceBox>& boxes, const ImageShape& in);

// What a function that tells the workspace's size asks for.
void check_sizes(const char* function, const ImageShape& in, ImageSize out, Interpolation interpolation);

void check_interpolation(const char* function, Interpolation interpolation);

void check_side(const char* function, const char* argument, ImageSize size);

void check_workspace(const char* function, std::span<const std::byte> workspace, std::int64_t wanted,
                     std::int64_t alignment);

ResizeLayout resize_layout(const ImageShape& in, ImageSize out, Interpolation interpolation);

// On the CPU: image `image` of the job, whose layout is set, to the single image `out`. `part`: layout.size bytes.
void resize_image(const ResizeJob& job, std::int64_t image, const ImageView<std::uint8_t>& out, std::byte* part);

// `workspace`: as many bytes as resize_workspace_bytes() says.
void run_resize(ResizeJob job, const ImageView<std::uint8_t>& out, std::byte* workspace, Stream stream);

}  // namespace leaven
