#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <leaven/loss/metrics.hpp>
#include "kernels/loss/general_params.hpp"
#include "kernels/loss/loss_params.hpp"

struct CUstream_st;

// The CUDA side of the loss functions. Arguments are checked by the callers; launches are checked here.
namespace leaven::cuda {

void loss(const LossParams& params, CUstream_st* stream);
void general_loss(const GeneralParams& params, CUstream_st* stream);
void compress_teacher(const InputRows& logits, std::int64_t rows, std::int64_t classes, const Temperature& temperature,
                      const TopKRows& out, CUstream_st* stream);

void softmax(const InputRows& logits, std::int64_t rows, std::int64_t classes, const Temperature& temperature,
             const OutputRows& out, CUstream_st* stream);
void log_softmax(const InputRows& logits, std::int64_t rows, std::int64_t classes, const Temperature& temperature,
                 const OutputRows& out, CUstream_st* stream);

void pseudo_label(const InputRows& logits, std::int64_t rows, std::int64_t classes, float threshold,
                  std::int32_t* labels, float* confidence, std::uint8_t* accepted, CUstream_st* stream);

void accuracy(const InputRows& logits, std::int64_t rows, std::int64_t classes, const std::int32_t* labels,
              std::int64_t k, std::int64_t* counts, CUstream_st* stream);
void confusion_matrix(const InputRows& logits, std::int64_t rows, std::int64_t classes, const std::int32_t* labels,
                      std::int64_t* counts, CUstream_st* stream);
void add_calibration(const InputRows& logits, std::int64_t rows, std::int64_t classes, const std::int32_t* labels,
                     const CalibrationBins& bins, CUstream_st* stream);
void calibration_error(const CalibrationBins& bins, float* error, CUstream_st* stream);

std::int64_t select_accepted_workspace_bytes(std::int64_t count);
void select_accepted(std::span<const std::int64_t> sample_ids, const std::uint8_t* accepted, std::int64_t* selected,
                     std::int64_t* selected_count, std::span<std::byte> workspace, CUstream_st* stream);

}  // namespace leaven::cuda
