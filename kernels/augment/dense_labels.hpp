#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"

struct CUstream_st;

namespace leaven {

struct DenseLabelsJob {
  const std::int32_t* a;
  const std::int32_t* b;
  const float* weight_a;
  std::int64_t count;
  std::int64_t classes;
  float smoothing;
  float* rows;
};

LEAVEN_HD float dense_label(const DenseLabelsJob& job, std::int64_t row, std::int64_t label) {
  const float own = job.a[row] == label ? job.weight_a[row] : 0.0f;
  const float partners = job.b[row] == label ? 1.0f - job.weight_a[row] : 0.0f;
  const float kept = (1.0f - job.smoothing) * (own + partners);
  return kept + job.smoothing / static_cast<float>(job.classes);
}

void dense_labels_cuda(const DenseLabelsJob& job, CUstream_st* stream);

}  // namespace leaven
