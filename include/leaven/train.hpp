#pragma once

// The trainer: small convolutional networks from a description, trained from scratch, by transfer, by distillation or
// by self-training, on the backend of a Stream. Link leaven::train.
#include <leaven/train/checkpoint.hpp>
#include <leaven/train/data.hpp>
#include <leaven/train/evaluate.hpp>
#include <leaven/train/fit.hpp>
#include <leaven/train/network.hpp>
