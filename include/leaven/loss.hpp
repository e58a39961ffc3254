#pragma once

// Losses over rows of class logits (float, Float16 or BFloat16). A row is one sample, a column one class.
//
// For every function here: all pointers are in the memory of the stream's backend; no function allocates, synchronises
// or copies from the host; every row has a defined result (docs/losses.md lists the delicate ones); a row's bits depend
// on that row and the number of classes only, not on the batch, the threads or the alignment. Sums, exponentials and
// losses are float32 for every type of logits. Bad arguments throw InvalidArgument before any work; bad values in
// device memory (labels, weights) set the status word.
#include <leaven/error.hpp>
#include <leaven/loss/cross_entropy.hpp>
#include <leaven/loss/distillation.hpp>
#include <leaven/loss/metrics.hpp>
#include <leaven/loss/pseudo_labels.hpp>
