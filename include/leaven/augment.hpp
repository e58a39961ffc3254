#pragma once

// Augmentation of batches of images with 1 or 3 channels: 8-bit images, and f32 images in float_operations.hpp.
//
// For every function here: `in` and `out` are in the memory of the stream's backend and may have any strides; results
// are the same bytes on both backends and, where Pillow or torchvision have the operation, theirs. No function
// allocates, synchronises or copies from the host. Bad arguments throw InvalidArgument before any work. Values in the
// backend's memory cannot be checked: each function says what the odd ones do.

#include <leaven/augment/float_operations.hpp>
#include <leaven/augment/operations.hpp>
#include <leaven/augment/pipeline.hpp>
#include <leaven/augment/random.hpp>
#include <leaven/augment/targets.hpp>
