#pragma once

// Augmentation and losses. The trainer is in leaven/train.hpp, image files in leaven/io.hpp.
#include <leaven/augment.hpp>
#include <leaven/buffer.hpp>
#include <leaven/cpu.hpp>
#include <leaven/error.hpp>
#include <leaven/loss.hpp>
#include <leaven/stream.hpp>
#include <leaven/view.hpp>
